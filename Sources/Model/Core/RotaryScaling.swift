// How the angles of rotary positions are stretched beyond the length that a model was trained with. A scaling is a rule that
// gives the frequencies of a head's pairs; config.json and GGUF each have their words for it
// (Configuration/ScalingTerms.swift, RotaryScaling+GGUF.swift).
// Sources: transformers, modeling_rope_utils.py; llama.cpp, ggml's rope (yarn) and its converter (divisors of llama3);
// Peng et al., arXiv:2309.00071 (yarn); Ding et al., arXiv:2402.13753 (longrope).

import Foundation

/// A scaling of rotary positions.
package enum RotaryScaling: Sendable, Equatable {
  /// None at all.
  case none
  /// All angles divided by a factor.
  case linear(factor: Double)
  /// A larger base for texts that are longer than a length.
  case dynamic(factor: Double, length: Double)
  /// Llama 3.1's: long waves divided, short ones kept, a ramp between.
  case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalLength: Double)
  /// Waves that turn seldom in the original length divided, those that turn often kept, a ramp between.
  case yarn(YaRN)
  /// A divisor for each pair; others for texts that are longer than a length.
  case longRope(LongRoPE)
}

/// The measures of YaRN.
package struct YaRN: Sendable, Equatable {
  /// What slow waves are divided by.
  package var factor: Double
  /// The length that the model was trained with.
  package var originalLength: Double
  /// Turns in that length from which on a wave is kept, and up to which it is divided.
  package var betaFast = 32.0
  package var betaSlow = 1.0
  /// What cosines and sines are multiplied by; nil where the factor says it.
  package var magnitude: Double?
  /// Whether the ramp begins and ends at whole pairs.
  package var isTruncated = true

  /// What cosines and sines are multiplied by where nothing says it.
  static func magnitude(of factor: Double) -> Double { factor <= 1 ? 1 : 0.1 * log(factor) + 1 }
}

/// The measures of LongRoPE.
package struct LongRoPE: Sendable, Equatable {
  /// The divisors of texts up to the original length, and of longer ones: one a pair.
  package var short: [Double]
  package var long: [Double]
  /// The length that the model was trained with.
  package var originalLength: Double
  /// What cosines and sines are multiplied by.
  package var magnitude: Double

  /// What cosines and sines are multiplied by where nothing says it.
  ///
  /// - Parameter factor: how much longer texts may be than the original length.
  static func magnitude(of factor: Double, originalLength: Double) -> Double {
    factor <= 1 ? 1 : (1 + log(factor) / log(originalLength)).squareRoot()
  }
}

extension RotaryScaling {
  /// What cosines and sines are multiplied by.
  package var magnitude: Double {
    switch self {
    case .none, .linear, .dynamic, .llama3: 1
    case .yarn(let yarn): yarn.magnitude ?? YaRN.magnitude(of: yarn.factor)
    case .longRope(let rope): rope.magnitude
    }
  }

  /// The angle that a position adds, for each pair.
  ///
  /// - Parameters:
  ///   - base: of the angles.
  ///   - width: the turned part of a head.
  ///   - length: of the text, in tokens.
  func frequencies(base: Double, width: Int, length: Int) -> [Double] {
    let plain = { (base: Double) in (0..<width / 2).map { 1 / pow(base, Double(2 * $0) / Double(width)) } }
    switch self {
    case .none: return plain(base)
    case .linear(let factor): return plain(base).map { $0 / factor }
    case .dynamic(let factor, let limit):
      let stretch = max(Double(length), limit) / limit * factor - (factor - 1)
      return plain(width > 2 ? base * pow(stretch, Double(width) / Double(width - 2)) : base)
    case .llama3: return zip(plain(base), divisors(base: base, width: width)).map { $0 / $1 }
    case .yarn(let yarn): return yarn.frequencies(of: plain(base), base: base, width: width)
    case .longRope(let rope):
      return zip(plain(base), Double(length) > rope.originalLength ? rope.long : rope.short).map { $0 / $1 }
    }
  }

  /// What llama3 divides the frequency of each pair by; ones for all others.
  func divisors(base: Double, width: Int) -> [Double] {
    guard case .llama3(let factor, let low, let high, let length) = self else {
      return [Double](repeating: 1, count: width / 2)
    }
    return (0..<width / 2).map { pair in
      let wave = 2 * Double.pi * pow(base, Double(2 * pair) / Double(width))
      if wave > length / low { return factor }
      if wave < length / high { return 1 }
      let share = (length / wave - low) / (high - low)
      return 1 / ((1 - share) / factor + share)
    }
  }

  /// Whether texts of two lengths have other frequencies.
  func differs(between one: Int, and other: Int) -> Bool {
    guard case .longRope(let rope) = self else { return false }
    return (Double(one) > rope.originalLength) != (Double(other) > rope.originalLength)
  }

  /// The length up to which a text has the frequencies of a model without the scaling; nil where there is none.
  var plainLength: Double? { if case .dynamic(_, let length) = self { length } else { nil } }
}

extension YaRN {
  fileprivate func frequencies(of plain: [Double], base: Double, width: Int) -> [Double] {
    // The pair that turns so many times in the original length.
    let pair = { (turns: Double) in
      Double(width) * log(originalLength / (turns * 2 * .pi)) / (2 * log(base))
    }
    var (first, last) = (pair(betaFast), pair(betaSlow))
    if isTruncated { (first, last) = (first.rounded(.down), last.rounded(.up)) }
    (first, last) = (max(first, 0), min(last, Double(width - 1)))
    if first == last { last += 0.001 }
    return plain.enumerated().map { index, frequency in
      let share = min(1, max(0, (Double(index) - first) / (last - first)))
      return frequency / factor * share + frequency * (1 - share)
    }
  }
}

extension RotaryScaling {
  /// The llama3 scaling that divides the frequencies so; nil where none does.
  ///
  /// Only the ratios of the original length to the two bounds show in divisors: of all that fit Meta's own bounds, 1 and 4,
  /// are preferred, and with a length that is a power of two.
  /// - Parameters:
  ///   - divisors: one a pair.
  ///   - base: of the angles.
  init?(divisors: [Float], base: Double) {
    let width = 2 * divisors.count
    guard let factor = divisors.max().map(Double.init), factor > 0, divisors.allSatisfy({ $0 > 0 && $0.isFinite })
    else { return nil }
    func fits(_ candidate: Self) -> Bool {
      zip(candidate.divisors(base: base, width: width), divisors).allSatisfy { abs($0 - Double($1)) <= 2e-6 * $0 }
    }
    for exponent in 4...24 {
      let candidate = Self.llama3(
        factor: factor, lowFrequency: 1, highFrequency: 4, originalLength: Double(1 << exponent))
      if fits(candidate) {
        self = candidate
        return
      }
    }
    // 1 / divisor = (1 − s) / factor + s with s = a / wave − b on the ramp: two pairs of it say a and b.
    let ramp = divisors.indices.filter { divisors[$0] > 1 && Double(divisors[$0]) < factor }
    guard let one = ramp.first, let other = ramp.last, one != other else { return nil }
    let share = { (pair: Int) in (1 / Double(divisors[pair]) - 1 / factor) / (1 - 1 / factor) }
    let turns = { (pair: Int) in 1 / (2 * Double.pi * pow(base, Double(2 * pair) / Double(width))) }
    let slope = (share(one) - share(other)) / (turns(one) - turns(other))
    let offset = slope * turns(one) - share(one)
    guard slope > 0, offset > 0 else { return nil }
    let length = (slope / offset).rounded()
    let high = ((1 + offset) / offset * 1000).rounded() / 1000
    let found = Self.llama3(factor: factor, lowFrequency: 1, highFrequency: high, originalLength: length)
    guard length > 0, high > 1, fits(found) else { return nil }
    self = found
  }
}
