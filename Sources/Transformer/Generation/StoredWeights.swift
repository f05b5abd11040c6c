// Linear modules as their file stores them, for a few tokens at a time: generating runs on them.

import LinearAlgebra

/// Modules of a group whose weights are not expanded.
struct StoredWeights: GroupWeights {
  let linears: [Linear<WeightMatrix>]

  func multiply(_ x: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int) -> [Matrix<Float>] {
    let outputs = linears.map { Matrix<Float>(rows: x.rows, columns: $0.weight.rows) }
    WeightMatrix.multiply(x, zip(linears, outputs).map { ($0.weight, $1.slice) }, threads: threads)
    for (linear, y) in zip(linears, outputs) {
      if let bias = linear.bias { y.slice.add(toEachRow: bias) }
    }
    return outputs
  }

  func multiply(
    _ x: MatrixSlice<Float>, addingTo residual: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int
  ) {
    residual.add(multiply(x, blocks, threads: threads)[0].slice)
  }
}
