// The grids of a whole layer: what strips hand over.

import LinearAlgebra

/// The grids of all rows of a layer, rows down.
struct LayerGrids: Sendable {
  /// `[out, groups]`
  let scales: Matrix<Float>
  let zeros: Matrix<Float>
  let minimums: Matrix<Float>
  /// `[out, super-blocks]`; empty where there are none.
  let scaleUnits: Matrix<Float>
  let minimumUnits: Matrix<Float>

  /// Zeros.
  init(_ problem: LayerProblem) {
    let (rows, groups) = (problem.rows, problem.groups)
    let superBlocks = problem.grid.superBlock.map { groups / $0.groups } ?? 0
    scales = Matrix(rows: rows, columns: groups)
    zeros = Matrix(rows: rows, columns: groups)
    minimums = Matrix(rows: rows, columns: groups)
    scaleUnits = Matrix(rows: rows, columns: superBlocks)
    minimumUnits = Matrix(rows: rows, columns: superBlocks)
  }

  private init(_ scales: Matrix<Float>, _ zeros: Matrix<Float>, _ minimums: Matrix<Float>) {
    (self.scales, self.zeros, self.minimums) = (scales, zeros, minimums)
    (scaleUnits, minimumUnits) = (Matrix(rows: 0, columns: 0), Matrix(rows: 0, columns: 0))
  }

  /// Row `order[r]` of the result is row r of this one; units are left out.
  func inLayer(_ order: [UInt32]) -> LayerGrids {
    let moved = { (matrix: Matrix<Float>) -> Matrix<Float> in
      let result = Matrix<Float>(rows: matrix.rows, columns: matrix.columns)
      for (row, place) in order.enumerated() {
        result[Int(place)..<Int(place) + 1, 0..<matrix.columns].copy(from: matrix[row..<row + 1, 0..<matrix.columns])
      }
      return result
    }
    return LayerGrids(moved(scales), moved(zeros), moved(minimums))
  }
}
