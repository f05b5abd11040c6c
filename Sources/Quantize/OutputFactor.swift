// The other side of the guided objective tr(H_O·E·H_I·Eᵀ): how errors of a layer's outputs come together in the model's
// answer. Source: Tseng, Sun, De Sa, *Model-Preserving Adaptive Rounding*, arXiv:2505.22988; Documentation/gptq.md, "Guided".

import ByteIO
import LinearAlgebra

/// H_O, shrunk towards the identity, and its factor: the rows of a layer in the order of elimination.
package struct OutputFactor: Sendable {
  /// Of M = s·H_O / mean(diag H_O) + (1 − s)·I; its columns are the layer's rows, by descending diagonal.
  let factor: HessianFactor
  /// The mean of H_O's diagonal.
  let mean: Double
  /// s.
  let shrinkage: Double

  /// Factors H_O; nil where rows are to be independent: nothing is taken of it, nothing lies off its diagonal, or no damping
  /// helps.
  ///
  /// - Parameters:
  ///   - gradients: `[out, out]`, 2/n · Σ g·gᵀ over the tokens, g the gradient at the layer's output; only its lower triangle
  ///     is read, and its memory is taken over.
  ///   - share: s, how much of H_O is taken; the rest is the identity. 0 … 1.
  ///   - damping: what is added to the diagonal.
  ///   - layer: what errors call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` for NaN or infinity.
  package init?(
    _ gradients: consuming Matrix<Float>, share: Double, damping: Double = 0.01, layer: String,
    threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) {
    let (n, slice) = (gradients.rows, gradients.slice)
    let sum = (0..<n).reduce(0.0) { $0 + Double(slice[$1, $1]) }
    guard sum.isFinite, sum >= 0 else {
      throw QuantizeError(
        .notFinite, place: layer, reason: "the gradients at its outputs are not finite",
        remedy: "\(.recipe("best")) needs none")
    }
    (mean, shrinkage) = (sum / Double(n), share)
    let isCoupled = firstRow(n, threads: threads) { row in slice.largest(row: row, count: row) > 0 } != nil
    guard share > 0, mean > 0, isCoupled else { return nil }
    let scale = Float(share / mean)
    forEachTile(n, threads: threads) { row in slice.scale(row: row, count: row + 1, by: scale) }
    for row in 0..<n { slice[row, row] += Float(1 - share) }
    factor = try HessianFactor(
      gradients, recipe: Recipe(order: .activation, damping: damping), layer: layer, threads: threads)
    // Rows are quantized as if they were independent then.
    guard factor.failure == nil else { return nil }
  }

  /// For each row in the order of elimination, which row of the layer it is.
  var order: [UInt32] { factor.columns }
}
