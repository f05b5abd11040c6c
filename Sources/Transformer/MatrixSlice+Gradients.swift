// The kernels of the way back over rows of matrices, as MatrixSlice+Kernels.swift has those of the way forward.

import CBelleKernels
import LinearAlgebra
import Model

// SAFETY, for all of these: a slice's rows are `columns` elements at `base + row · stride`; the preconditions make every
// operand as long as the kernel reads.

extension MatrixSlice<Float> {
  /// From the gradient at softmax's weights to that at its scores, in place, row by row.
  ///
  /// - Parameters:
  ///   - weights: what softmax gave.
  ///   - bent: the scores, where they were bent to a bound; nil otherwise.
  ///   - scores: how scores became weights.
  func softmaxGradient(_ weights: MatrixSlice<Float>, bent: MatrixSlice<Float>?, _ scores: AttentionScores) {
    precondition(weights.rows == rows && weights.columns == columns)
    precondition(bent.map { $0.rows == rows && $0.columns == columns } ?? true)
    for row in 0..<rows {
      let gradient = unsafe base + row * stride
      unsafe belle_softmax_gradient(
        Kernels.variant, gradient, weights.base + row * weights.stride, columns, scores.scale)
      guard let cap = scores.cap, let bent else { continue }
      unsafe belle_soft_cap_gradient(Kernels.variant, gradient, bent.base + row * bent.stride, columns, cap)
    }
  }

  /// Behind a bound that values were bent to.
  func softCapGradient(_ bent: MatrixSlice<Float>, _ cap: Float) {
    precondition(bent.rows == rows && bent.columns == columns)
    for row in 0..<rows {
      unsafe belle_soft_cap_gradient(
        Kernels.variant, base + row * stride, bent.base + row * bent.stride, columns, cap)
    }
  }

  /// Gate (this matrix) and up become the gradients at themselves.
  ///
  /// - Parameters:
  ///   - up: of the same shape; nil where nothing is gated.
  ///   - gradient: at what the activation gave.
  ///   - activation: which one.
  func activationGradient(
    up: MatrixSlice<Float>?, of gradient: MatrixSlice<Float>, _ activation: ModelFamily.Activation
  ) {
    precondition(gradient.rows == rows && gradient.columns == columns)
    precondition(up.map { $0.rows == rows && $0.columns == columns } ?? !activation.isGated)
    for row in 0..<rows {
      let (gate, above) = unsafe (base + row * stride, gradient.base + row * gradient.stride)
      switch activation {
      case .gelu: unsafe belle_gelu_gradient(Kernels.variant, gate, above, columns)
      case .gatedSiLU, .gatedGELU:
        guard let up else { continue }
        let other = unsafe up.base + row * up.stride
        if activation == .gatedSiLU {
          unsafe belle_silu_multiply_gradient(Kernels.variant, gate, other, above, columns)
        } else {
          unsafe belle_gelu_multiply_gradient(Kernels.variant, gate, other, above, columns)
        }
      }
    }
  }

  /// Logits become probabilities: of each row the maximum and the sum of the exponentials below it are known.
  func probabilities(_ sums: [belle_logits]) {
    precondition(sums.count == rows)
    for row in 0..<rows {
      unsafe belle_probabilities(
        Kernels.variant, base + row * stride, columns, sums[row].maximum, Float(1 / sums[row].sum))
    }
  }
}

extension Norm {
  /// The gradient at the rows of `x`, from that at what the norm gave for them.
  ///
  /// - Parameters:
  ///   - gradient: replaced.
  ///   - x: what was normed.
  func goBack(_ gradient: MatrixSlice<Float>, _ x: MatrixSlice<Float>) {
    precondition(x.columns == weight.count && gradient.columns == x.columns && gradient.rows == x.rows)
    // SAFETY: rows of `columns` elements in both, and as many in the weight.
    for row in 0..<x.rows {
      let (source, target) = unsafe (x.base + row * x.stride, gradient.base + row * gradient.stride)
      if bias == nil {
        unsafe belle_rms_norm_gradient(Kernels.variant, target, target, source, weight, x.columns, epsilon)
      } else {
        unsafe belle_layer_norm_gradient(Kernels.variant, target, target, source, weight, x.columns, epsilon)
      }
    }
  }
}
