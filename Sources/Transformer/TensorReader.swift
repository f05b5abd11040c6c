// Tensors of a checkpoint as single-precision matrices: read in a stream, converted on the way.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra
import Model

/// Converts a stream of bytes to single precision, row by row of a tensor.
package enum TensorReader {
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
  package static func read(_ source: any TensorSource, _ index: Int, into target: MatrixSlice<Float>) throws {
    let info = source.tensors[index]
    var done = 0
    try source.read(index) { part in done += try convert(part, info, into: target, at: done) }
  }

  /// Reads a vector.
  static func vector(_ source: any TensorSource, _ index: Int) throws -> [Float] { try matrix(source, index).values }

  /// Converts bytes to elements of a contiguous matrix, from an element on.
  ///
  /// - Returns: how many elements there were.
  fileprivate static func convert(
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

/// Reads rows of a matrix where they lie. Keep one for rows that follow each other. For one thread.
final class RowReader {
  private let cursor: any TensorCursor
  private let info: TensorInfo
  /// Bytes of a row.
  private let size: Int

  init(_ source: any TensorSource, _ index: Int) throws {
    info = source.tensors[index]
    size = info.shape[1] * (info.dtype.byteCount ?? 1)
    cursor = try source.cursor(index)
  }

  /// Reads some rows.
  func rows(_ rows: Range<Int>) throws -> Matrix<Float> {
    let matrix = Matrix<Float>(rows: rows.count, columns: info.shape[1])
    try read(rows, into: matrix.slice)
    return matrix
  }

  /// Reads some rows into memory that is there.
  ///
  /// - Parameter target: contiguous, of as many rows, or more; their beginning is overwritten.
  func read(_ rows: Range<Int>, into target: MatrixSlice<Float>) throws {
    var done = 0
    try cursor.read(rows.lowerBound * size..<rows.upperBound * size) { part in
      done += try TensorReader.convert(part, info, into: target, at: done)
    }
  }
}
