// What the solver gives back: a linear module's weights as integers on a grid, and how that went.

import LinearAlgebra
import Packed

/// A quantized linear layer.
package struct QuantizedLayer: Sendable {
  /// The grid that it was quantized on.
  package let grid: Grid
  /// The integers, and scales with zero points or minimums, already in the stored precision.
  package let weights: PackedLinear
  /// How it went.
  package let report: LayerReport

  /// The values that the integers stand for, `[out, in]`: what a reader of the packed layer gets, bit for bit.
  ///
  /// - Parameter threads: how many to use.
  package func dequantized(threads: Int = Engine.defaultThreads) -> Matrix<Float> {
    let result = Matrix<Float>(rows: weights.outFeatures, columns: weights.inFeatures)
    dequantize(into: result.slice, threads: threads)
    return result
  }

  /// Writes the values that the integers stand for into memory that is there already.
  ///
  /// - Parameters:
  ///   - target: `[out, in]`.
  ///   - threads: how many to use.
  package func dequantize(into target: MatrixSlice<Float>, threads: Int = Engine.defaultThreads) {
    precondition(target.rows == weights.outFeatures && target.columns == weights.inFeatures)
    let strip = max(1, (1 << 18) / max(1, target.columns))
    forEachTile((target.rows + strip - 1) / strip, threads: threads) { index in
      let rows = index * strip..<min(target.rows, (index + 1) * strip)
      // SAFETY: the target has the weights' shape; each piece writes its rows.
      unsafe weights.write(rows: rows, to: target.pointer(rows.lowerBound), stride: target.stride)
    }
  }
}

/// What happened to one layer.
package struct LayerReport: Sendable, Equatable, Codable {
  /// By which method integers were found.
  package enum Method: String, Sendable, Codable {
    /// With error feedback.
    case gptq
    /// Each weight to its nearest value: asked for, or because no damping helped.
    case roundToNearest = "rtn"
  }

  /// The layer's name, as the caller gave it.
  package var layer: String
  /// By which method integers were found.
  package var method: Method
  /// Why the method is not the one that was asked for; nil where it is.
  package var fallbackReason: String?
  /// ‖(W − Ŵ)X‖² / ‖WX‖², over the calibration inputs; nil without a Hessian.
  package var relativeOutputError: Double?
  /// Whether ‖WX‖² was estimated from a sample of rows. The error is exact, but that the reference's way of rounding
  /// scales at 4 bits and fewer (``Recipe/Rounding/afterwards``) is then left out of it: a part in ten thousand.
  package var isOutputEstimated: Bool
  /// tr(E·(H + λI)·Eᵀ), what was minimized; with gradients tr(M·E·(H + λI)·Eᵀ), M as ``OutputFactor`` has it.
  package var loss: Double
  /// By how much the error is predicted to change the model's answers: its part of the mean Kullback-Leibler divergence, in
  /// nats a token; nil where no gradients were given.
  package var divergence: Double?
  /// λ as a fraction of the mean of the Hessian's diagonal: what was needed.
  package var damping: Double
  /// Whether the factor had to be computed in double precision.
  package var isDoublePrecision: Bool
  /// How many inputs were zero throughout.
  package var deadInputs: Int
  /// Seconds for this layer, without the factorization.
  package var seconds: Double
  /// FLOP of this layer: out·in² for GPTQ, as much again for each sweep, and so on.
  package var flop: Double
}
