// What quantizing earlier layers did to the inputs of a layer, and so to the target that its outputs should reach.

import ByteIO
import LinearAlgebra

/// What quantizing earlier layers did to the inputs of this one; sums over the tokens, on the scale of H.
package struct Correction: Sendable {
  /// Δ = 2/n · Σ (x_f − x_q)·x_qᵀ, `[in, in]`: x_f the inputs in the unquantized model, x_q in the quantized one.
  package let inputs: Matrix<Float>?
  /// P = 2/n · Σ (r_f − r_q)·x_qᵀ, `[out, in]`: r the residual stream that this layer's output is added to.
  package let residual: Matrix<Float>?

  /// A correction; either may be missing.
  package init(inputs: Matrix<Float>? = nil, residual: Matrix<Float>? = nil) {
    self.inputs = inputs
    self.residual = residual
  }

  func check(outputs: Int, inputs n: Int, layer: String, threads: Int) throws(QuantizeError) {
    guard inputs.map({ $0.rows == n && $0.columns == n }) ?? true,
      residual.map({ $0.rows == outputs && $0.columns == n }) ?? true
    else { throw QuantizeError(.shape, place: layer, reason: "a correction that does not fit \(outputs) × \(n)") }
    for matrix in [inputs, residual].compactMap({ $0 }) {
      let slice = matrix.slice
      if firstRow(slice.rows, threads: threads, where: { !slice.isFinite(row: $0, count: slice.columns) }) != nil {
        throw QuantizeError(.notFinite, place: layer, reason: "a correction that holds NaN or infinity")
      }
    }
  }
}
