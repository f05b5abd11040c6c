// How the layers of a model compute, whatever their weights are stored as: what both engines go by.

import Model

/// The arithmetic of a decoder layer.
struct LayerPlan: Sendable {
  /// The family, which says what is computed.
  let family: ModelFamily
  /// Heads of queries.
  let headCount: Int
  /// Heads of keys and values.
  let keyValueHeadCount: Int
  /// The width of a head.
  let headSize: Int
  /// What a distance of one takes from a score, for each head of queries: zeros where positions are rotary.
  let slopes: [Float]

  init(_ configuration: ModelConfiguration) {
    family = configuration.family
    headCount = configuration.headCount
    keyValueHeadCount = configuration.keyValueHeadCount
    headSize = configuration.headSize
    switch family.positions {
    case .rotary: slopes = [Float](repeating: 0, count: headCount)
    case .linearBiases: slopes = AttentionBias.slopes(heads: headCount)
    }
  }
}
