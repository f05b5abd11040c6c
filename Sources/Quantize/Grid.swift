// What values a quantized weight can take: bits, groups, and how scale and offset are stored.
// GPTQ's groups and GGUF's blocks are two of these.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra

/// The grid of a layer: the value of integer q is scale · (q − zero), or scale · q + minimum.
package struct Grid: Sendable, Equatable {
  /// What is stored beside the scale.
  package enum Form: String, Sendable, Codable {
    /// Nothing: the zero point is 2^(bits − 1). GPTQ's `sym`, GGUF's Q4_0, Q5_0, Q3_K, Q6_K, IQ4_NL and (shifted) Q8_0.
    case symmetric
    /// A whole zero point. GPTQ's `sym: false`.
    case zeroPoint
    /// A minimum in the precision of the scale. GGUF's Q4_1, Q5_1, Q2_K, Q4_K and Q5_K.
    case minimum
  }

  /// In what precision scales and minimums are stored.
  package enum Precision: String, Sendable, Codable {
    /// float32: what the golden results of the reference hold.
    case single
    /// IEEE half: what files hold.
    case half
  }

  /// Neighbouring groups that share two half-precision units, of which their scales and minimums are multiples: GGUF's K
  /// blocks.
  package struct SuperBlock: Sendable, Equatable {
    /// How many groups.
    package var groups: Int
    /// The multiples that a scale can be, but 0.
    package var multiples: ClosedRange<Int>
    /// The most that a minimum, which is subtracted, is of its unit.
    package var mostMinimum: Int

    /// Those of one sign, the one with more of them, or all.
    func multiples(ofBothSigns: Bool) -> ClosedRange<Int> {
      ofBothSigns || multiples.lowerBound > 0 ? multiples : multiples.lowerBound...(-1)
    }

    /// A super-block whose scales and minimums are multiples of some bits.
    ///
    /// - Parameters:
    ///   - groups: how many share the units.
    ///   - bits: of a multiple.
    ///   - hasMinimums: whether groups have minimums; then no multiple is negative.
    package init(groups: Int, bits: Int, hasMinimums: Bool) {
      self.groups = groups
      let half = 1 << (bits - 1)
      multiples = hasMinimums ? 1...2 * half - 1 : -half...half - 1
      mostMinimum = hasMinimums ? 2 * half - 1 : 0
    }
  }

  /// Which integers a weight can have.
  package enum Levels: Sendable {
    /// All from 0 on.
    case even
    /// Those of the code book of IQ4_NL and IQ4_XS, 128 more than its numbers, which are −127 … 113.
    case iq4
  }

  /// Bits of an integer: 2, 3, 4, 5, 6 or 8; of a code book's 8.
  package var bits: Int
  /// How many inputs share a scale; nil for the whole row.
  package var groupSize: Int?
  /// What is stored beside the scale.
  package var form: Form
  /// Scales and minimums are rounded to this before anything is quantized against them.
  package var precision: Precision
  /// How groups share units of their scales and minimums; nil where each group has its own two numbers.
  package var superBlock: SuperBlock?
  /// Which integers there are; a code book's only where the form is symmetric.
  package var levels: Levels
  /// The lowest zero point that can be stored: 1 where files hold the zero point minus one.
  package var lowestZeroPoint: Int

  /// A grid.
  package init(
    bits: Int, groupSize: Int?, form: Form = .symmetric, precision: Precision = .half, lowestZeroPoint: Int = 0,
    superBlock: SuperBlock? = nil, levels: Levels = .even
  ) {
    self.bits = bits
    self.groupSize = groupSize
    self.form = form
    self.precision = precision
    self.lowestZeroPoint = lowestZeroPoint
    self.superBlock = superBlock
    self.levels = levels
  }

  /// The grid whose values are exactly those of a type of GGUF's blocks; nil where integers cannot be packed into it.
  package init?(_ type: BlockType) {
    guard type.isWritten, let bits = type.bits else { return nil }
    let levels: Levels = type.levels == BELLE_LEVELS_IQ4 ? .iq4 : .even
    // Weights of a group where there are units.
    let size: Int
    switch type.scales {
    case BELLE_SCALES_HALF, BELLE_SCALES_HALF_MINIMUM: size = type.elements
    case BELLE_SCALES_K32_MINIMUM, BELLE_SCALES_K32: size = 32
    case BELLE_SCALES_K16_MINIMUM, BELLE_SCALES_K16: size = 16
    default: return nil
    }
    self.init(
      bits: bits, groupSize: size, form: type.hasMinimum ? .minimum : .symmetric,
      superBlock: type.multipleBits.map {
        SuperBlock(groups: type.elements / size, bits: $0, hasMinimums: type.hasMinimum)
      }, levels: levels)
  }

  /// Whether rows can be coupled: what is rounded between rows knows no code book yet.
  var canCoupleRows: Bool { levels == .even }

  /// Bits that an integer takes in a file: of a code book's those of its place there.
  package var storedBits: Int { levels == .even ? bits : 4 }

  /// The largest integer.
  package var maximum: Int { (1 << bits) - 1 }

  /// How many groups a row of `inputs` weights has; the last one may be short.
  package func groupCount(inputs: Int) -> Int {
    guard let groupSize else { return inputs == 0 ? 0 : 1 }
    return inputs / groupSize + (inputs % groupSize == 0 ? 0 : 1)
  }

  /// Checks that the grid means something.
  func validate(inputs: Int, layer: String) throws(QuantizeError) {
    guard [2, 3, 4, 5, 6, 8].contains(bits), levels == .even || bits == 8 && form == .symmetric else {
      throw QuantizeError(
        .badOption, place: layer, reason: "\(bits) bits cannot be stored", remedy: "choose 2, 3, 4 or 8 bits")
    }
    guard groupSize.map({ $0 >= 1 && $0 <= max(1, inputs) }) ?? true else {
      throw QuantizeError(
        .badOption, place: layer, reason: "a group of \(groupSize ?? 0) does not fit \(inputs) inputs",
        remedy: "choose a group size between 1 and the number of inputs, or -1 for whole rows")
    }
    if let superBlock {
      let groups = superBlock.groups
      guard form == (superBlock.multiples.lowerBound > 0 ? .minimum : .symmetric), precision == .half, let groupSize,
        groupSize <= 128, (1...256).contains(groups), inputs % (groupSize * groups) == 0
      else {
        throw QuantizeError(
          .badOption, place: layer,
          reason: "super-blocks of \(groups) groups of \(groupSize ?? inputs) do not fit \(inputs) inputs",
          remedy: "choose another type for this layer")
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
        remedy: "compare its checksum with the publisher's; if they agree, the model itself holds such values")
    }
    throw QuantizeError(
      .notStorable, place: layer,
      reason: "row \(bad) holds weights of \(weights.largest(row: bad)), too large for \(precision) precision",
      remedy: "leave it as it is with \(.skipping(layer))")
  }

  var cForm: belle_grid_form {
    switch form {
    case .symmetric: BELLE_GRID_SYMMETRIC
    case .zeroPoint: BELLE_GRID_ZERO_POINT
    case .minimum: BELLE_GRID_MINIMUM
    }
  }

  var cLevels: belle_levels { levels == .iq4 ? BELLE_LEVELS_IQ4 : BELLE_LEVELS_EVEN }

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
  var storesHalves: Bool { precision == .half && superBlock == nil }
}
