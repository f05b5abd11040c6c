// Linear modules in single precision, for whole batches: quantizing and evaluating run on them.

import LinearAlgebra

/// Modules of a group whose weights are matrices of numbers.
struct ExpandedWeights: GroupWeights {
  let linears: [Linear<Matrix<Float>>]
  /// What the products are computed in.
  let arithmetic: Arithmetic

  /// Columns of a tile.
  static let widestTile = 2048

  func multiply(_ x: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int) -> [Matrix<Float>] {
    linears.map { linear in
      let out = Matrix<Float>(rows: x.rows, columns: linear.weight.rows)
      product(x, linear, into: out.slice, adding: false, blocks, threads)
      return out
    }
  }

  func multiply(
    _ x: MatrixSlice<Float>, addingTo residual: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int
  ) {
    product(x, linears[0], into: residual, adding: true, blocks, threads)
  }

  /// y = x·Wᵀ + b, or y += x·Wᵀ + b. One product for each block of rows and columns.
  private func product(
    _ x: MatrixSlice<Float>, _ linear: Linear<Matrix<Float>>, into y: MatrixSlice<Float>, adding: Bool,
    _ blocks: [Range<Int>], _ threads: Int
  ) {
    var products: [Product<Float>] = []
    for rows in blocks {
      // Wide enough that packing the operands costs little; narrow where there are too few rows to share out.
      let width = rows.count >= 256 ? Self.widestTile : 256
      for column in stride(from: 0, to: y.columns, by: width) {
        let columns = column..<min(y.columns, column + width)
        products.append(
          Product(
            x[rows, 0..<x.columns], linear.weight[columns, 0..<x.columns], transposeB: true, into: y[rows, columns],
            beta: adding ? 1 : 0))
      }
    }
    gemm(batch: products, in: arithmetic, threads: threads)
    guard let bias = linear.bias else { return }
    forEachTile(blocks.count, threads: threads) { y[blocks[$0], 0..<y.columns].add(toEachRow: bias) }
  }
}
