// How the layers of a model compute, whatever their weights are stored as: what both engines go by.

import Model

/// The arithmetic of a decoder layer.
struct LayerPlan: Sendable {
  /// What stands before attention and before the feed-forward part.
  enum Normalization: Sendable {
    /// RMSNorm: a weight.
    case rootMeanSquare
    /// LayerNorm: a weight and a bias.
    case layer
  }

  /// What lies between the two halves of the feed-forward part.
  enum Activation: Sendable {
    /// `silu(gate) · up`.
    case gatedSiLU
    /// GELU's tanh form.
    case gelu
  }

  /// How positions reach attention.
  enum Positions: Sendable {
    /// Queries and keys are turned by an angle.
    case rotary
    /// A distance takes from a score.
    case linearBiases
  }

  /// The norms.
  let normalization: Normalization
  /// The activation.
  let activation: Activation
  /// The positions.
  let positions: Positions
  /// Heads of queries.
  let headCount: Int
  /// Heads of keys and values.
  let keyValueHeadCount: Int
  /// The width of a head.
  let headSize: Int
  /// What a distance of one takes from a score, for each head of queries: zeros where positions are rotary.
  let slopes: [Float]

  init(_ configuration: ModelConfiguration) {
    switch configuration.family {
    case .llama: (normalization, activation, positions) = (.rootMeanSquare, .gatedSiLU, .rotary)
    case .bloom: (normalization, activation, positions) = (.layer, .gelu, .linearBiases)
    }
    headCount = configuration.headCount
    keyValueHeadCount = configuration.keyValueHeadCount
    headSize = configuration.headSize
    switch positions {
    case .rotary: slopes = [Float](repeating: 0, count: headCount)
    case .linearBiases: slopes = AttentionBias.slopes(heads: headCount)
    }
  }
}
