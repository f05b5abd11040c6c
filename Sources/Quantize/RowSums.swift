// What is summed up for each row of a layer, or of a strip.

import LinearAlgebra

/// Sums for rows that lie across: each is `[1, rows]`.
struct RowSums: Sendable {
  private let matrix: Matrix<Float>

  /// All of them, `[sums, rows]`.
  var all: MatrixSlice<Float> { matrix.slice }

  /// Zeros.
  init(_ rows: Int) { matrix = Matrix(rows: 4, columns: rows) }

  /// tr(E·(H + λI)·Eᵀ), a row's part of it.
  var loss: MatrixSlice<Float> { row(0) }
  /// The same on H alone: the error of the outputs.
  var error: MatrixSlice<Float> { row(1) }
  /// What the diagonal of H predicts for the power of the outputs.
  var predicted: MatrixSlice<Float> { row(2) }
  /// Free for whoever needs a sum for a moment.
  var scratch: MatrixSlice<Float> { row(3) }

  /// Sets all to zero.
  func clear() { matrix.slice.fill(0) }

  /// Hands over the sums of some rows of a layer.
  ///
  /// - Parameters:
  ///   - rows: which rows of the layer this object's first ones are.
  ///   - layer: of all rows.
  func write(_ rows: Range<Int>, to layer: RowSums) {
    for (from, to) in [(loss, layer.loss), (error, layer.error), (predicted, layer.predicted)] {
      to[0..<1, rows].copy(from: from[0..<1, 0..<rows.count])
    }
  }

  /// Row `order[r]` of the result is row r of this one.
  func inLayer(_ order: [UInt32]) -> RowSums {
    let result = RowSums(order.count)
    for (row, place) in order.enumerated() {
      for sum in 0..<matrix.rows { result.matrix[sum, Int(place)] = matrix[sum, row] }
    }
    return result
  }

  private func row(_ index: Int) -> MatrixSlice<Float> { matrix[index..<index + 1, 0..<matrix.columns] }
}
