// Choosing the next token from logits: the likeliest, or drawn by temperature, top-k, top-p and min-p; tokens that were
// there lately may be made less likely before. The same seed and logits give the same tokens.
// Order of the steps: transformers, generation/utils.py (repetition penalty, temperature, top-k, top-p, min-p). Penalty:
// logits_process.py, RepetitionPenaltyLogitsProcessor, over the whole text, and llama.cpp's `repeat_penalty`, over its last
// tokens: the same formula. Min-p: MinPLogitsWarper; llama.cpp has it before the temperature.

import Foundation

/// How tokens are drawn.
package struct SamplingOptions: Sendable, Equatable {
  /// What logits are divided by; 0 takes the likeliest token.
  package var temperature: Double
  /// Only so many of the likeliest tokens; 0 for all.
  package var topK: Int
  /// Only the likeliest tokens that have this much of the probability together.
  package var topP: Double
  /// Only tokens of at least this share of the likeliest one's probability; 0 for all.
  package var minP: Double
  /// What the logits of tokens that were there are divided by, and negative ones multiplied by; 1 changes nothing.
  package var repeatPenalty: Double
  /// How many tokens of the text's end are meant by that, the prompt's among them; nil for all.
  package var repeatWindow: Int?
  /// Where the random numbers begin.
  package var seed: UInt64

  /// - Parameters:
  ///   - temperature: not negative.
  ///   - topK: not negative.
  ///   - topP: above 0, at most 1.
  ///   - minP: from 0 to 1.
  ///   - repeatPenalty: above 0.
  ///   - repeatWindow: not negative; nil for the whole text.
  ///   - seed: any.
  package init(
    temperature: Double = 0, topK: Int = 0, topP: Double = 1, minP: Double = 0, repeatPenalty: Double = 1,
    repeatWindow: Int? = nil, seed: UInt64 = 0
  ) {
    precondition(temperature >= 0 && topK >= 0 && topP > 0 && topP <= 1 && (0...1).contains(minP))
    precondition(repeatPenalty > 0 && (repeatWindow ?? 0) >= 0)
    (self.temperature, self.topK, self.topP, self.minP) = (temperature, topK, topP, minP)
    (self.repeatPenalty, self.repeatWindow, self.seed) = (repeatPenalty, repeatWindow, seed)
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
  /// - Parameters:
  ///   - logits: one for each entry of the vocabulary; NaN is never chosen.
  ///   - text: the tokens so far, the prompt's among them: for the penalty.
  package mutating func next(_ logits: [Float], after text: [Int32] = []) -> Int32? {
    let logits = penalized(logits, text)
    guard options.temperature > 0, options.topK != 1 else { return Self.likeliest(logits) }
    let (order, weights) = candidates(logits)
    guard let first = order.first, let last = order.last else { return nil }
    guard logits[first].isFinite else { return Int32(first) }
    // A number for each token, also where one alone may be drawn: what a seed gives does not hang on how sure a model was.
    var rest = uniform() * weights.reduce(0, +)
    for (token, weight) in zip(order, weights) {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(last)
  }

  /// The tokens that may be drawn, the likeliest first, with their probabilities.
  ///
  /// - Parameters: as of ``next(_:after:)``; the temperature must be above 0.
  func probabilities(_ logits: [Float], after text: [Int32] = []) -> [(token: Int32, probability: Double)] {
    let (order, weights) = candidates(penalized(logits, text))
    let sum = weights.reduce(0, +)
    return zip(order, weights).map { (Int32($0), $1 / sum) }
  }

  /// The logits with those of tokens that were there lately made smaller, each once.
  private func penalized(_ logits: [Float], _ text: [Int32]) -> [Float] {
    guard options.repeatPenalty != 1 else { return logits }
    let penalty = Float(options.repeatPenalty)
    var logits = logits
    for token in Set(text.suffix(options.repeatWindow ?? text.count)) where logits.indices.contains(Int(token)) {
      let logit = logits[Int(token)]
      logits[Int(token)] = logit < 0 ? logit * penalty : logit / penalty
    }
    return logits
  }

  /// The tokens that may be drawn, the likeliest first, and what they weigh: the first 1.
  private func candidates(_ logits: [Float]) -> (order: [Int], weights: [Double]) {
    // Descending; equals by their number, so that the order is one.
    var order = logits.indices.filter { !logits[$0].isNaN }
    order.sort { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    if options.topK > 0, options.topK < order.count { order.removeLast(order.count - options.topK) }
    guard let first = order.first else { return ([], []) }
    let peak = Double(logits[first])
    guard peak.isFinite else { return ([first], [1]) }
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
    // The likeliest weighs 1, so that a weight is a token's share of its probability.
    if let count = weights.firstIndex(where: { $0 < options.minP }) { weights.removeLast(weights.count - count) }
    order.removeLast(order.count - weights.count)
    return (order, weights)
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
