// What rows of weights, or of errors, put out: xᵀ·H·x for many x, from the triangle of H that the factor keeps.

import LinearAlgebra

/// Sums of xᵀ·H·x, H without λ, for the lanes of a strip: columns down, rows of the layer across.
struct OutputPower {
  private let factor: HessianFactor
  private var edge: Int { Blocking.block }

  init(_ factor: HessianFactor) { self.factor = factor }

  /// Adds Σ_ij x_i·H_ij·x_j over a range of columns; `sums`, of the shape of `x`, loses its contents there.
  func add(
    of range: Range<Int>, _ x: MatrixSlice<Float>, scratch sums: MatrixSlice<Float>, to power: MatrixSlice<Float>
  ) {
    let lanes = 0..<x.columns
    sums[range, lanes].fill(0)
    addLeft(range, of: x, to: sums)
    let product = Matrix<Float>(rows: min(range.count, edge), columns: x.columns)
    for block in range.pieces(of: edge) {
      let h = Matrix(rows: block.count, columns: block.count, factor.symmetricBlock(block, isDamped: false))
      let target = product[0..<block.count, lanes]
      Float.gemmTile(h.slice, false, x[block, lanes], false, into: target, alpha: 1, beta: 0)
      for (i, column) in block.enumerated() {
        target[i..<i + 1, lanes].add(sums, row: 0, from: column, times: 2)
        target[i..<i + 1, lanes].addProducts(row: 0, with: x[column..<column + 1, lanes], times: 1, to: power)
      }
    }
  }

  /// Adds 2·Σ_ij x_i·H_ij·x_j over two ranges, `i` behind `j`; `sums` loses its contents in the later one.
  func add(
    of later: Range<Int>, and earlier: Range<Int>, _ x: MatrixSlice<Float>, scratch sums: MatrixSlice<Float>,
    to power: MatrixSlice<Float>
  ) {
    let lanes = 0..<x.columns
    guard !later.isEmpty else { return }
    Float.gemmTile(
      factor.matrix[later, earlier], false, x[earlier, lanes], false, into: sums[later, lanes], alpha: 1, beta: 0)
    for column in later {
      sums[column..<column + 1, lanes].addProducts(row: 0, with: x[column..<column + 1, lanes], times: 2, to: power)
    }
  }

  /// Adds Σ_{j before i's block} H_ij x_j for every column i.
  func addLeft(_ range: Range<Int>, of x: MatrixSlice<Float>, to sums: MatrixSlice<Float>) {
    guard range.count > edge else { return }
    let lanes = 0..<x.columns
    let (left, right) = range.halves(edge: edge)
    addLeft(left, of: x, to: sums)
    Float.gemmTile(
      factor.matrix[right, left], false, x[left, lanes], false, into: sums[right, lanes], alpha: 1, beta: 1)
    addLeft(right, of: x, to: sums)
  }
}
