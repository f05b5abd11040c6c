// What evaluating tells of each token, where somebody asks: sums are all that it keeps itself.

/// A token that was predicted.
package struct ScoredToken: Sendable, Equatable {
  /// Its place among all tokens of the windows.
  package let place: Int
  /// The model's negative log likelihood of it, in nats.
  package let loss: Double
  /// The token that the model finds likeliest, and its probability.
  package let best: (token: Int32, share: Double)
  /// The reference's negative log likelihood; nil without a reference, as is what follows.
  package let referenceLoss: Double?
  /// The token that the reference finds likeliest, and its probability.
  package let referenceBest: (token: Int32, share: Double)?
  /// Σ p·log(p/q), p the reference's distribution.
  package let divergence: Double?

  /// A token's scores.
  package init(
    place: Int, loss: Double, best: (token: Int32, share: Double), referenceLoss: Double? = nil,
    referenceBest: (token: Int32, share: Double)? = nil, divergence: Double? = nil
  ) {
    (self.place, self.loss, self.best) = (place, loss, best)
    (self.referenceLoss, self.referenceBest, self.divergence) = (referenceLoss, referenceBest, divergence)
  }

  /// Whether all figures are the same.
  package static func == (one: ScoredToken, other: ScoredToken) -> Bool {
    one.place == other.place && one.loss == other.loss && one.best == other.best
      && one.referenceLoss == other.referenceLoss && one.divergence == other.divergence
      && one.referenceBest?.token == other.referenceBest?.token
      && one.referenceBest?.share == other.referenceBest?.share
  }
}
