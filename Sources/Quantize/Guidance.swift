// What gradients of the model's predictions are used for, and how much: weights of tokens, and what couples rows.
// Measured choices: Documentation/gptq.md, "Guided".

import ByteIO
import Foundation

/// How gradients guide the solver.
package struct Guidance: Sendable, Equatable {
  /// Labels drawn for each token.
  package var draws: Int
  /// Where the draws begin.
  package var seed: UInt64
  /// Tokens weigh (mean g²)^power in H, Δ and P; 0 for all alike.
  package var power: Double
  /// The least and the most that a token weighs, of the mean.
  package var bounds: ClosedRange<Double>
  /// s: how much of H_O is taken, the rest being the identity; 0 leaves rows independent.
  package var share: Double

  /// Choices.
  package init(
    draws: Int = 1, seed: UInt64 = 1, power: Double = 0.5, bounds: ClosedRange<Double> = 0.1...10, share: Double = 0.3
  ) {
    (self.draws, self.seed, self.power, self.bounds, self.share) = (draws, seed, power, bounds, share)
  }

  /// The weights of tokens, 1 on the average.
  ///
  /// - Parameter squares: for each module of a group, the mean square of the gradients at its outputs, a token each.
  func weights(_ squares: [[Float]]) -> [Float] {
    guard let count = squares.first?.count, count > 0, power > 0 else {
      return squares.first.map { $0.map { _ in 1 } } ?? []
    }
    var sums = [Double](repeating: 0, count: count)
    for module in squares {
      // Each module counts the same, whatever its size and place.
      let mean = module.reduce(0.0) { $0 + Double($1) } / Double(count)
      guard mean > 0 else { continue }
      for (token, square) in module.enumerated() { sums[token] += Double(square) / mean }
    }
    let powers = sums.map { pow($0, power) }
    let mean = powers.reduce(0, +) / Double(count)
    guard mean > 0, mean.isFinite else { return [Float](repeating: 1, count: count) }
    let bounded = powers.map { min(max($0 / mean, bounds.lowerBound), bounds.upperBound) }
    let left = bounded.reduce(0, +) / Double(count)
    return bounded.map { Float($0 / left) }
  }

  /// Everything that changes a byte, in words.
  var description: String {
    "gradients of \(draws) draws from \(seed), tokens by power \(power) within \(bounds.lowerBound) and "
      + "\(bounds.upperBound), \(share) of H_O"
  }

  func validate(layer: String) throws(QuantizeError) {
    guard (1...16).contains(draws), (0...2).contains(power), (0...1).contains(share), bounds.lowerBound >= 0,
      bounds.upperBound >= 1, bounds.lowerBound <= 1
    else {
      throw QuantizeError(
        .badOption, place: layer, reason: "expected 1 to 16 draws, a power of 0 to 2 and a share of 0 to 1",
        remedy: "the recipe's own are good")
    }
  }
}
