// What a way back through a whole model needs beside one layer: the states at the input of every layer, and the gradient at
// the layer that it has come to. In bfloat16 in a file without a name: numbers of any size, to three digits, which is more
// than a draw of labels is worth.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra

/// States and gradients of the tokens of a rank: rows are among those.
final class GradientStore: Sendable {
  private let file: ScratchFile
  private let rows: Int
  private let width: Int
  private let layers: Int

  /// - Parameters:
  ///   - folder: on whose disk the file is.
  ///   - layers: whose inputs are kept.
  ///   - draws: whose gradients are.
  init(in folder: String, layers: Int, draws: Int, rows: Int, width: Int) throws {
    (self.rows, self.width, self.layers) = (rows, width, layers)
    file = try ScratchFile(in: folder, size: Self.bytes(layers: layers, draws: draws, rows: rows, width: width))
  }

  /// The size of such a file.
  static func bytes(layers: Int, draws: Int, rows: Int, width: Int) -> Int { 2 * (layers + draws) * rows * width }

  private func offset(_ region: Int, _ row: Int) -> Int { 2 * (region * rows + row) * width }

  /// Keeps some rows of a layer's input.
  func put(input layer: Int, _ rows: Range<Int>, _ values: MatrixSlice<Float>) throws {
    try write(values, at: offset(layer, rows.lowerBound))
  }

  /// Some rows of a layer's input.
  func input(_ layer: Int, _ rows: Range<Int>) throws -> Matrix<Float> {
    try read(rows.count, at: offset(layer, rows.lowerBound))
  }

  /// Keeps some rows of a draw's gradient.
  func put(gradient draw: Int, _ rows: Range<Int>, _ values: MatrixSlice<Float>) throws {
    try write(values, at: offset(layers + draw, rows.lowerBound))
  }

  /// Some rows of a draw's gradient.
  func gradient(_ draw: Int, _ rows: Range<Int>) throws -> Matrix<Float> {
    try read(rows.count, at: offset(layers + draw, rows.lowerBound))
  }

  /// Some rows of a draw's gradient as they are kept: bfloat16.
  func bytes(ofGradient draw: Int, _ rows: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 2 * rows.count * width)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    try file.read(into: &target, at: offset(layers + draw, rows.lowerBound))
    return bytes
  }

  /// The same, the other way round.
  func put(gradient draw: Int, _ rows: Range<Int>, bytes: [UInt8]) throws {
    precondition(bytes.count == 2 * rows.count * width)
    try unsafe file.write(bytes.span.bytes, at: offset(layers + draw, rows.lowerBound))
  }

  private func write(_ values: MatrixSlice<Float>, at offset: Int) throws {
    let bytes = values.brainHalves
    try unsafe file.write(bytes.span.bytes, at: offset)
  }

  private func read(_ rows: Int, at offset: Int) throws -> Matrix<Float> {
    var bytes = [UInt8](repeating: 0, count: 2 * rows * width)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    try file.read(into: &target, at: offset)
    return Matrix(brainHalves: bytes, rows: rows, columns: width)
  }
}

extension MatrixSlice<Float> {
  /// All elements, rounded to bfloat16; of a contiguous matrix.
  fileprivate var brainHalves: [UInt8] {
    precondition(stride == columns)
    let count = rows * columns
    // SAFETY: `count` elements are read, and 2 · count bytes written.
    return unsafe [UInt8](unsafeUninitializedCapacity: 2 * count) { buffer, filled in
      if let target = buffer.baseAddress {
        unsafe UnsafeRawPointer(base).withMemoryRebound(to: UInt8.self, capacity: 4 * count) { source in
          _ = unsafe belle_convert(belle_best_variant(), BELLE_F32, BELLE_BF16, source, target, count)
        }
      }
      filled = 2 * count
    }
  }
}

extension Matrix<Float> {
  /// A matrix of numbers in bfloat16.
  convenience init(brainHalves bytes: [UInt8], rows: Int, columns: Int) {
    precondition(bytes.count == 2 * rows * columns)
    self.init(rows: rows, columns: columns)
    // SAFETY: both have rows · columns elements.
    unsafe bytes.withUnsafeBytes { source in
      guard let from = source.baseAddress else { return }
      unsafe belle_bf16_to_f32(
        belle_best_variant(), slice.base, from.assumingMemoryBound(to: UInt16.self), rows * columns)
    }
  }
}

/// Gradients of all draws, of the rows of a rank.
protocol GradientRows {
  /// Some rows of a draw.
  func gradient(_ draw: Int, _ rows: Range<Int>) throws -> Matrix<Float>
}

extension GradientStore: GradientRows {}
