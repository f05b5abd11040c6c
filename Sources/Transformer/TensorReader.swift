// Tensors of a checkpoint as single-precision matrices: read in a stream, converted on the way.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra
import Model

/// Converts a stream of bytes to single precision, row by row of a tensor.
public enum TensorReader {
  /// Reads a whole tensor; a vector becomes one row.
  static func matrix(_ source: any TensorSource, _ index: Int) throws -> Matrix<Float> {
    let info = source.tensors[index]
    let columns = info.shape.last ?? 1
    let matrix = Matrix<Float>(rows: columns == 0 ? 0 : info.elementCount / columns, columns: columns)
    try read(source, index, into: matrix.slice)
    return matrix
  }

  /// Reads a whole tensor of f64, f32, f16 or bf16 into memory that is there.
  ///
  /// - Parameters:
  ///   - source: the tensors.
  ///   - index: which one.
  ///   - target: contiguous, of as many elements; overwritten.
  public static func read(_ source: any TensorSource, _ index: Int, into target: MatrixSlice<Float>) throws {
    let info = source.tensors[index]
    var done = 0
    try source.read(index) { part in done += try convert(part, info, into: target, at: done) }
  }

  /// Reads a vector.
  static func vector(_ source: any TensorSource, _ index: Int) throws -> [Float] { try matrix(source, index).values }

  /// Reads some rows of a matrix.
  static func rows(_ source: any TensorSource, _ index: Int, _ rows: Range<Int>) throws -> Matrix<Float> {
    struct Enough: Error {}
    let info = source.tensors[index]
    let columns = info.shape[1]
    let size = info.dtype.byteCount ?? 1
    let wanted = rows.lowerBound * columns * size..<rows.upperBound * columns * size
    let matrix = Matrix<Float>(rows: rows.count, columns: columns)
    var at = 0
    do {
      try source.read(index) { part in
        let overlap = wanted.clamped(to: at..<at + part.byteCount)
        if !overlap.isEmpty {
          _ = try convert(
            part.extracting(overlap.lowerBound - at..<overlap.upperBound - at), info, into: matrix.slice,
            at: (overlap.lowerBound - wanted.lowerBound) / size)
        }
        at += part.byteCount
        // What follows need not be read.
        if at >= wanted.upperBound { throw Enough() }
      }
    } catch is Enough {}
    return matrix
  }

  /// Calls a body with blocks of rows, in order.
  ///
  /// - Parameters:
  ///   - rows: the rows of a block; the last may be shorter.
  ///   - body: gets the number of the first row, and the block, which is overwritten afterwards.
  static func forEachBlock(
    _ source: any TensorSource, _ index: Int, rows: Int, _ body: (Int, MatrixSlice<Float>) throws -> Void
  ) throws {
    let info = source.tensors[index]
    let (count, columns) = (info.shape[0], info.shape[1])
    let size = (info.dtype.byteCount ?? 1) * columns
    let block = Matrix<Float>(rows: min(rows, count), columns: columns)
    var first = 0
    // Elements of the block that are filled.
    var filled = 0
    try source.read(index) { part in
      var part = part
      while part.byteCount > 0, first < count {
        let height = min(rows, count - first)
        let wanted = height * size - filled * (info.dtype.byteCount ?? 1)
        let now = part.extracting(first: min(wanted, part.byteCount))
        filled += try convert(now, info, into: block.slice, at: filled)
        part = part.extracting(droppingFirst: now.byteCount)
        if filled == height * columns {
          try body(first, block[0..<height, 0..<columns])
          first += height
          filled = 0
        }
      }
    }
  }

  /// Converts bytes to elements of a contiguous matrix, from an element on.
  ///
  /// - Returns: how many elements there were.
  private static func convert(
    _ part: RawSpan, _ info: TensorInfo, into target: MatrixSlice<Float>, at start: Int
  ) throws -> Int {
    guard let size = info.dtype.byteCount, target.stride == target.columns else {
      preconditionFailure("a contiguous target, and a type of whole bytes")
    }
    let count = part.byteCount / size
    guard start + count <= target.rows * target.columns else {
      throw ModelError(
        .mismatch, file: info.file, reason: "tensor \(displayName(info.name)) gives more values than its shape has")
    }
    // SAFETY: `count` elements fit from `start` on, as was just checked; the source has `count` elements of this size.
    // Parts begin at multiples of the element size in memory that malloc aligned.
    unsafe part.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      let out = unsafe target.base + start
      switch info.dtype {
      case .f16: unsafe belle_f16_to_f32(Kernels.variant, out, source.assumingMemoryBound(to: UInt16.self), count)
      case .bf16: unsafe belle_bf16_to_f32(Kernels.variant, out, source.assumingMemoryBound(to: UInt16.self), count)
      case .f32: unsafe UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: 4 * count)
      case .f64:
        for element in 0..<count {
          unsafe out[element] = Float(source.loadUnaligned(fromByteOffset: 8 * element, as: Double.self))
        }
      default: preconditionFailure("no type of floating-point weights: \(info.dtype)")
      }
    }
    return count
  }
}
