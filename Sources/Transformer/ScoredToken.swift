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

extension ScoredToken {
  /// Words of eight bytes that a token takes on its way between processes.
  private static let words = 8

  /// Tokens as bytes, for a process of the same machine type.
  static func bytes(_ tokens: [ScoredToken]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * words * tokens.count)
    let number = { (token: Int32) in UInt64(UInt32(bitPattern: token)) }
    let bits = { (value: Double?) in value?.bitPattern ?? 0 }
    for token in tokens {
      let reference = token.referenceBest
      let fields: [UInt64] = [
        UInt64(token.place), token.loss.bitPattern, number(token.best.token), token.best.share.bitPattern,
        bits(token.referenceLoss),
        // No token has the number that stands for none.
        reference.map { number($0.token) } ?? .max, bits(reference?.share), bits(token.divergence),
      ]
      for field in fields { for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: field >> UInt64(8 * shift))) } }
    }
    return bytes
  }

  /// The tokens that bytes stand for.
  static func list(_ bytes: [UInt8]) -> [ScoredToken] {
    let field = { (index: Int) -> UInt64 in
      (0..<8).reduce(0) { $0 | UInt64(bytes[8 * index + $1]) << UInt64(8 * $1) }
    }
    let token = { (field: UInt64) in Int32(bitPattern: UInt32(truncatingIfNeeded: field)) }
    return stride(from: 0, to: bytes.count / 8, by: words).map { at in
      let hasReference = field(at + 5) != .max
      return ScoredToken(
        place: Int(field(at)), loss: Double(bitPattern: field(at + 1)),
        best: (token(field(at + 2)), Double(bitPattern: field(at + 3))),
        referenceLoss: hasReference ? Double(bitPattern: field(at + 4)) : nil,
        referenceBest: hasReference ? (token(field(at + 5)), Double(bitPattern: field(at + 6))) : nil,
        divergence: hasReference ? Double(bitPattern: field(at + 7)) : nil)
    }
  }
}
