// What the solver gives back.

import CBelleKernels
import LinearAlgebra

/// A quantized linear layer.
public struct QuantizedLayer: Sendable {
  /// The grid that it was quantized on.
  public let grid: Grid
  /// Outputs.
  public let rows: Int
  /// Inputs.
  public let columns: Int
  /// `[out, in]`, row by row: 0 … 2^bits − 1.
  public let integers: [UInt8]
  /// `[out, groups]`, already in the stored precision.
  public let scales: [Float]
  /// `[out, groups]`: whole zero points; 0 where minimums are stored.
  public let zeros: [Float]
  /// `[out, groups]`: minimums; 0 where zero points are stored.
  public let minimums: [Float]
  /// The group of each input where groups are not contiguous (`act-order` without fixed grids); else nil.
  public let groupIndex: [Int32]?
  /// How it went.
  public let report: LayerReport

  /// How many groups a row has.
  public var groups: Int { grid.groupCount(inputs: columns) }

  /// The group of an input.
  public func group(of column: Int) -> Int {
    groupIndex.map { Int($0[column]) } ?? column / (grid.groupSize ?? columns)
  }

  /// The values that the integers stand for, `[out, in]`: what a reader of the packed layer gets, bit for bit.
  ///
  /// - Parameter threads: how many to use.
  public func dequantized(threads: Int = Engine.defaultThreads) -> Matrix<Float> {
    let result = Matrix<Float>(rows: rows, columns: columns)
    dequantize(into: result.slice, threads: threads)
    return result
  }

  /// Writes the values that the integers stand for into memory that is there already.
  ///
  /// - Parameters:
  ///   - target: `[out, in]`.
  ///   - threads: how many to use.
  public func dequantize(into target: MatrixSlice<Float>, threads: Int = Engine.defaultThreads) {
    Values(
      rows: rows, columns: columns, groups: groups, groupSize: grid.groupSize ?? max(1, columns), integers: integers,
      scales: scales, zeros: zeros, minimums: grid.form == .minimum ? minimums : nil, groupIndex: groupIndex
    ).write(to: target, threads: threads)
  }
}

/// What happened to one layer.
public struct LayerReport: Sendable, Equatable {
  /// By which method integers were found.
  public enum Method: String, Sendable, Codable {
    /// With error feedback.
    case gptq
    /// Each weight to its nearest value: asked for, or because no damping helped.
    case roundToNearest = "rtn"
  }

  /// The layer's name, as the caller gave it.
  public var layer: String
  /// By which method integers were found.
  public var method: Method
  /// Why the method is not the one that was asked for; nil where it is.
  public var fallbackReason: String?
  /// ‖(W − Ŵ)X‖² / ‖WX‖², over the calibration inputs; nil without a Hessian.
  public var relativeOutputError: Double?
  /// Whether ‖WX‖² was estimated from a sample of rows. The error is exact, but that the reference's way of rounding
  /// scales at 4 bits and fewer (``Recipe/Rounding/afterwards``) is then left out of it: a part in ten thousand.
  public var isOutputEstimated: Bool
  /// tr(E·(H + λI)·Eᵀ), what was minimized.
  public var loss: Double
  /// λ as a fraction of the mean of the Hessian's diagonal: what was needed.
  public var damping: Double
  /// Whether the factor had to be computed in double precision.
  public var isDoublePrecision: Bool
  /// How many inputs were zero throughout.
  public var deadInputs: Int
  /// Seconds for this layer, without the factorization.
  public var seconds: Double
  /// FLOP of this layer: out·in² for GPTQ, as much again for each sweep, and so on.
  public var flop: Double
}
