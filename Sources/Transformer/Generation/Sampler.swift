// Choosing the next token from logits: the likeliest, or drawn by temperature, top-k and top-p. The same seed and logits
// give the same tokens. Order of the steps: transformers, generation/utils.py (temperature, top-k, top-p).

import Foundation

/// How tokens are drawn.
package struct SamplingOptions: Sendable, Equatable {
  /// What logits are divided by; 0 takes the likeliest token.
  package var temperature: Double
  /// Only so many of the likeliest tokens; 0 for all.
  package var topK: Int
  /// Only the likeliest tokens that have this much of the probability together.
  package var topP: Double
  /// Where the random numbers begin.
  package var seed: UInt64

  /// - Parameters:
  ///   - temperature: not negative.
  ///   - topK: not negative.
  ///   - topP: above 0, at most 1.
  ///   - seed: any.
  package init(temperature: Double = 0, topK: Int = 0, topP: Double = 1, seed: UInt64 = 0) {
    precondition(temperature >= 0 && topK >= 0 && topP > 0 && topP <= 1)
    (self.temperature, self.topK, self.topP, self.seed) = (temperature, topK, topP, seed)
  }
}

/// Draws tokens, one after the other.
package struct Sampler: Sendable {
  private let options: SamplingOptions
  private var state: UInt64

  /// A sampler at its beginning.
  package init(_ options: SamplingOptions) {
    self.options = options
    state = options.seed
  }

  /// The next token; nil where no logit is a number.
  ///
  /// - Parameter logits: one for each entry of the vocabulary; NaN is never chosen.
  package mutating func next(_ logits: [Float]) -> Int32? {
    guard options.temperature > 0, options.topK != 1 else { return Self.likeliest(logits) }
    // Descending; equals by their number, so that the order is one.
    var order = logits.indices.filter { !logits[$0].isNaN }
    order.sort { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    if options.topK > 0, options.topK < order.count { order.removeLast(order.count - options.topK) }
    guard let first = order.first, logits[first] > -.infinity else { return order.first.map(Int32.init) }
    let peak = Double(logits[first])
    guard peak < .infinity else { return Int32(first) }
    var weights = order.map { exp((Double(logits[$0]) - peak) / options.temperature) }
    if options.topP < 1 {
      let wanted = options.topP * weights.reduce(0, +)
      var sum = 0.0
      let count = weights.firstIndex { weight in
        sum += weight
        return sum >= wanted
      }
      if let count { weights.removeLast(weights.count - count - 1) }
    }
    var rest = uniform() * weights.reduce(0, +)
    for (place, weight) in weights.enumerated() {
      rest -= weight
      if rest < 0 { return Int32(order[place]) }
    }
    return Int32(order[weights.count - 1])
  }

  /// The token of the largest logit; the lowest of equals.
  static func likeliest(_ logits: [Float]) -> Int32? {
    var best: Int?
    for (token, logit) in logits.enumerated() where !logit.isNaN {
      if best.map({ logit > logits[$0] }) ?? true { best = token }
    }
    return best.map(Int32.init)
  }

  /// A number from 0 to below 1: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), its upper 53 bits.
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ z >> 31) >> 11) * 0x1p-53
  }
}
