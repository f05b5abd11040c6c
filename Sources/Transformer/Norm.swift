// What stands before attention, before the feed-forward part and before the head. Sources: as in Layer.swift.

import CBelleKernels
import LinearAlgebra

/// A norm's parameters: RMSNorm without bias, LayerNorm with one.
struct Norm: Sendable {
  let weight: [Float]
  let bias: [Float]?
  let epsilon: Float

  /// Norms each row of `x` into `out`, which may be `x`.
  func apply(_ x: MatrixSlice<Float>, into out: MatrixSlice<Float>) {
    precondition(x.columns == weight.count && out.columns == x.columns && out.rows == x.rows)
    precondition(bias.map { $0.count == weight.count } ?? true)
    // SAFETY: rows of `columns` elements in both, and as many in the weight and in the bias.
    for row in 0..<x.rows {
      let source = unsafe x.base + row * x.stride
      let target = unsafe out.base + row * out.stride
      if let bias {
        unsafe belle_layer_norm(Kernels.variant, target, source, weight, bias, x.columns, epsilon)
      } else {
        unsafe belle_rms_norm(Kernels.variant, target, source, weight, x.columns, epsilon)
      }
    }
  }
}
