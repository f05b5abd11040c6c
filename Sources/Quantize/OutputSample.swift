// The power of a layer's outputs, tr(W·H·Wᵀ), of all rows or of a sample: what the error of the outputs is a fraction of.

import LinearAlgebra

/// The sampled rows of a layer, and the pieces of work that their output power is cut into.
struct OutputSample: Sendable {
  /// One of so many rows of the layer.
  let step: Int
  /// How many rows.
  private let count: Int
  /// Rows of one piece.
  private let width: Int
  private let weights: MatrixSlice<Float>
  private let factor: HessianFactor

  /// A piece's two halves have about the same work: the square of H left of the middle, and the two triangles.
  static let halves = 2

  /// Whether all rows are taken, because that is cheap.
  static func takesAll(rows: Int, columns: Int) -> Bool { rows <= 512 || rows * columns < 1 << 20 }

  /// All rows where that is cheap, else 128 of them.
  ///
  /// - Parameters:
  ///   - weights: W, `[out, in]`.
  ///   - factor: of the Hessian.
  ///   - mostLanes: of a piece.
  init(_ weights: MatrixSlice<Float>, _ factor: HessianFactor, mostLanes: Int) {
    self.weights = weights
    self.factor = factor
    let rows = weights.rows
    step = Self.takesAll(rows: rows, columns: weights.columns) ? 1 : rows / 128
    count = (rows + step - 1) / step
    width = min(mostLanes, (count + 15) / 16 * 16)
  }

  /// How many pieces of work there are.
  var pieces: Int { (count + width - 1) / width * Self.halves }

  /// Writes the power of a piece's rows to their columns of one of two rows of `sums`.
  ///
  /// - Parameters:
  ///   - piece: which one.
  ///   - first, second: memory of at least in · width elements each, which loses its contents.
  ///   - sums: `[halves, out]`.
  func write(piece: Int, _ first: Matrix<Float>, _ second: Matrix<Float>, to sums: MatrixSlice<Float>) {
    let (part, isSquare) = (piece / Self.halves, piece % Self.halves == 0)
    let rows = part * width..<min(count, (part + 1) * width)
    let n = weights.columns
    precondition(min(first.rows * first.columns, second.rows * second.columns) >= n * width)
    // SAFETY: both matrices have room for n · width elements.
    let x = unsafe MatrixSlice(base: first.slice.base, rows: n, columns: width, stride: width, owner: first)
    let scratch = unsafe MatrixSlice(base: second.slice.base, rows: n, columns: width, stride: width, owner: second)
    weights.gather(rows, step: step, order: factor.columns, into: x)
    let power = Matrix<Float>(rows: 1, columns: width)
    let halves = (0..<max(n, 2 * Blocking.block)).halves(edge: Blocking.block)
    let (left, right) = (halves.left.clamped(to: 0..<n), halves.right.clamped(to: 0..<n))
    let sum = OutputPower(factor)
    if isSquare {
      sum.add(of: right, and: left, x, scratch: scratch, to: power.slice)
    } else {
      for half in [left, right] { sum.add(of: half, x, scratch: scratch, to: power.slice) }
    }
    for (lane, sample) in rows.enumerated() { sums[isSquare ? 0 : 1, sample * step] = power[0, lane] }
  }
}
