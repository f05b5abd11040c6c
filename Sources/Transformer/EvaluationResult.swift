// What evaluating finds: sums over the predicted tokens of each window, and what follows of them.
//
// Standard errors take the predicted tokens as independent of each other, as llama.cpp's perplexity tool does; those of a
// text are not quite, so the true ones are somewhat larger.

import Foundation

/// The sums of a figure of some tokens, and of its square.
package struct Moments: Sendable, Equatable {
  /// The sum.
  package private(set) var sum = 0.0
  private var squares = 0.0
  private var count = 0

  /// Nothing yet.
  package init() {}

  /// Those of values.
  package init(_ values: [Double]) { values.forEach { add($0) } }

  /// Adds one.
  package mutating func add(_ value: Double) {
    sum += value
    squares += value * value
    count += 1
  }

  /// Adds those of others.
  package mutating func add(_ other: Moments) {
    sum += other.sum
    squares += other.squares
    count += other.count
  }

  /// The mean; NaN of nothing.
  package var mean: Double { sum / Double(count) }

  /// The standard error of the mean: the deviation (with n - 1) over √n; nil of fewer than two.
  package var error: Double? {
    guard count > 1 else { return nil }
    let variance = max(0, squares / Double(count) - mean * mean) / Double(count - 1)
    return variance.squareRoot()
  }
}

/// The scores of some predicted tokens: of a window, or of all.
package struct TokenScores: Sendable, Equatable {
  /// Tokens that were predicted.
  package internal(set) var tokens = 0
  /// The negative log likelihoods.
  package internal(set) var loss = Moments()
  /// Those of the reference; empty without one.
  package internal(set) var referenceLoss = Moments()
  /// Σ p·log(p/q) of each, p the reference's distribution; empty without one.
  package internal(set) var divergence = Moments()
  /// How many had the reference's likeliest token, 1 or 0 each; empty without one.
  package internal(set) var agreement = Moments()

  mutating func add(_ other: TokenScores) {
    tokens += other.tokens
    loss.add(other.loss)
    referenceLoss.add(other.referenceLoss)
    divergence.add(other.divergence)
    agreement.add(other.agreement)
  }

  /// e to the mean negative log likelihood.
  package var perplexity: Double { exp(loss.mean) }

  /// Its standard error, to first order: the perplexity times that of the mean negative log likelihood.
  package var perplexityError: Double? { loss.error.map { perplexity * $0 } }
}

extension TokenScores {
  /// The perplexity of the reference.
  package var referencePerplexity: Double { exp(referenceLoss.mean) }
}

/// Scores of a model on some windows.
package struct EvaluationResult: Sendable, Equatable {
  /// The scores of each window, in order.
  package let windows: [TokenScores]
  /// The scores of all.
  package let total: TokenScores
  /// Whether the model was held against a reference.
  package let hasReference: Bool

  init(_ windows: [TokenScores], hasReference: Bool) {
    self.windows = windows
    self.hasReference = hasReference
    total = windows.reduce(into: TokenScores()) { $0.add($1) }
  }

  /// Tokens that were predicted.
  package var tokens: Int { total.tokens }
  /// e to the mean negative log likelihood.
  package var perplexity: Double { total.perplexity }
  /// The mean of Σ p·log(p/q) over the predicted tokens, p the reference's distribution; nil without a reference.
  package var meanDivergence: Double? { hasReference ? total.divergence.mean : nil }
  /// How often the likeliest token is the reference's; nil without a reference.
  package var top1Agreement: Double? { hasReference ? total.agreement.mean : nil }
  /// The reference's own perplexity; nil without a reference.
  package var referencePerplexity: Double? { hasReference ? total.referencePerplexity : nil }
  /// The standard error of that.
  package var referencePerplexityError: Double? {
    referencePerplexity.flatMap { perplexity in total.referenceLoss.error.map { perplexity * $0 } }
  }

  /// The windows with the largest mean divergence, the largest first; of equal ones the earlier.
  package func worst(_ count: Int) -> [Int] {
    guard hasReference else { return [] }
    return Array(
      windows.indices.sorted { (-windows[$0].divergence.mean, $0) < (-windows[$1].divergence.mean, $1) }.prefix(count))
  }
}
