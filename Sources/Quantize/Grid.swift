// What values a quantized weight can take: bits, groups, and how scale and offset are stored.
// GPTQ's groups and GGUF's blocks are two of these.

import ByteIO
import CBelleKernels
import LinearAlgebra

/// The grid of a layer: the value of integer q is scale · (q − zero), or scale · q + minimum.
public struct Grid: Sendable, Equatable {
  /// What is stored beside the scale.
  public enum Form: String, Sendable, Codable {
    /// Nothing: the zero point is 2^(bits − 1). GPTQ's `sym`, GGUF's Q4_0, Q5_0 and (shifted) Q8_0.
    case symmetric
    /// A whole zero point. GPTQ's `sym: false`.
    case zeroPoint
    /// A minimum in the precision of the scale. GGUF's Q4_1 and Q5_1.
    case minimum
  }

  /// In what precision scales and minimums are stored.
  public enum Precision: String, Sendable, Codable {
    /// float32: what the golden results of the reference hold.
    case single
    /// IEEE half: what files hold.
    case half
  }

  /// Bits of an integer: 2, 3, 4, 5 or 8.
  public var bits: Int
  /// How many inputs share a scale; nil for the whole row.
  public var groupSize: Int?
  /// What is stored beside the scale.
  public var form: Form
  /// Scales and minimums are rounded to this before anything is quantized against them.
  public var precision: Precision
  /// How many groups share two half-precision units, of which their scales and minimums are 6-bit multiples; nil where
  /// each group has its own two numbers.
  public var superGroup: Int?
  /// The lowest zero point that can be stored: 1 where files hold the zero point minus one.
  public var lowestZeroPoint: Int

  /// A grid.
  public init(
    bits: Int, groupSize: Int?, form: Form = .symmetric, precision: Precision = .half, lowestZeroPoint: Int = 0,
    superGroup: Int? = nil
  ) {
    self.bits = bits
    self.groupSize = groupSize
    self.form = form
    self.precision = precision
    self.lowestZeroPoint = lowestZeroPoint
    self.superGroup = superGroup
  }

  /// GGUF's Q4_0: w = d·(q − 8).
  public static let q4_0 = Grid(bits: 4, groupSize: 32, form: .symmetric)
  /// GGUF's Q4_1: w = d·q + m.
  public static let q4_1 = Grid(bits: 4, groupSize: 32, form: .minimum)
  /// GGUF's Q5_0: w = d·(q − 16).
  public static let q5_0 = Grid(bits: 5, groupSize: 32, form: .symmetric)
  /// GGUF's Q5_1: w = d·q + m.
  public static let q5_1 = Grid(bits: 5, groupSize: 32, form: .minimum)
  /// GGUF's Q8_0: w = d·(q − 128); the file holds q − 128.
  public static let q8_0 = Grid(bits: 8, groupSize: 32, form: .symmetric)

  /// GGUF's Q4_K: w = d·scale·q − dmin·minimum, eight groups to a d and dmin.
  public static let q4_K = Grid(bits: 4, groupSize: 32, form: .minimum, superGroup: 8)
  /// GGUF's Q5_K: the same with integers of 5 bits.
  public static let q5_K = Grid(bits: 5, groupSize: 32, form: .minimum, superGroup: 8)

  /// The largest integer.
  public var maximum: Int { (1 << bits) - 1 }

  /// How many groups a row of `inputs` weights has; the last one may be short.
  public func groupCount(inputs: Int) -> Int {
    guard let groupSize else { return inputs == 0 ? 0 : 1 }
    return inputs / groupSize + (inputs % groupSize == 0 ? 0 : 1)
  }

  /// Checks that the grid means something.
  func validate(inputs: Int, layer: String) throws(QuantizeError) {
    guard [2, 3, 4, 5, 8].contains(bits) else {
      throw QuantizeError(
        .badOption, place: layer, reason: "\(bits) bits cannot be stored", remedy: "choose 2, 3, 4 or 8 bits")
    }
    guard groupSize.map({ $0 >= 1 && $0 <= max(1, inputs) }) ?? true else {
      throw QuantizeError(
        .badOption, place: layer, reason: "a group of \(groupSize ?? 0) does not fit \(inputs) inputs",
        remedy: "choose a group size between 1 and the number of inputs, or -1 for whole rows")
    }
    if let superGroup {
      guard form == .minimum, precision == .half, let groupSize, groupSize <= 128, superGroup >= 1,
        superGroup <= 256, inputs % (groupSize * superGroup) == 0
      else {
        throw QuantizeError(
          .badOption, place: layer,
          reason: "super-blocks of \(superGroup) groups of \(groupSize ?? inputs) do not fit \(inputs) inputs",
          remedy: "choose another type for this layer; GGUF's own fallback for Q4_K is Q5_0")
      }
    }
    guard (0...maximum).contains(lowestZeroPoint) else {
      throw QuantizeError(
        .badOption, place: layer, reason: "no zero point reaches from \(lowestZeroPoint) to \(maximum)")
    }
  }

  /// Checks that weights are numbers that the grid can reach.
  func check(_ weights: MatrixSlice<Float>, layer: String, threads: Int) throws(QuantizeError) {
    guard weights.rows > 0, weights.columns > 0 else {
      throw QuantizeError(.shape, place: layer, reason: "no weights: \(weights.rows) × \(weights.columns)")
    }
    let limit = largestWeight
    let bad = firstRow(weights.rows, threads: threads) { weights.largest(row: $0) > limit }
    guard let bad else { return }
    guard weights.largest(row: bad).isFinite else {
      throw QuantizeError(
        .notFinite, place: layer, reason: "the weights hold NaN or infinity in row \(bad)",
        remedy: "the checkpoint is damaged: verify its checksums")
    }
    throw QuantizeError(
      .notStorable, place: layer,
      reason: "row \(bad) holds weights of \(weights.largest(row: bad)), too large for \(precision) precision",
      remedy: "the checkpoint is damaged: verify its checksums")
  }

  var cForm: belle_grid_form {
    switch form {
    case .symmetric: BELLE_GRID_SYMMETRIC
    case .zeroPoint: BELLE_GRID_ZERO_POINT
    case .minimum: BELLE_GRID_MINIMUM
    }
  }

  /// The largest weight whose scale, and minimum, can be stored; far beyond that, sums of squares would overflow.
  var largestWeight: Float {
    switch (precision, form) {
    case (.single, _): 1e15
    case (.half, .minimum): 0x1p15
    case (.half, _): 0x1p15 * Float(maximum)
    }
  }

  /// Scales nearer to zero are not used: half precision would lose them, or their reciprocals overflow.
  var smallestScale: Float { precision == .half ? 0x1p-24 : 1e-30 }

  /// Whether a scale and a minimum are halves of their own.
  var storesHalves: Bool { precision == .half && superGroup == nil }
}
