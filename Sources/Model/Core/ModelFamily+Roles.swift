// What modules there are, whatever family and dialect.

extension ModelFamily {
  /// What a module is in its model.
  package enum Role: String, Sendable, CaseIterable {
    case embedding, embeddingNorm
    case attentionNorm, queries, keys, values, attentionOutput
    /// Of each head of queries, of each head of keys, before they are turned.
    case queryNorm, keyNorm
    /// q, k and v in one matrix.
    case fusedAttention
    /// Of what attention, or the feed-forward part, gives, before it is added to the residual.
    case attentionPostNorm, feedForwardPostNorm
    case feedForwardNorm, gate, up, down
    /// The gate, and below it up, in one matrix.
    case fusedGate
    case outputNorm, head

    /// The group of a layer's linear modules that it belongs to; nil for norms and for what is not in a layer.
    package var group: LinearGroup.Role? {
      switch self {
      case .queries, .keys, .values, .fusedAttention: .attentionInput
      case .attentionOutput: .attentionOutput
      case .gate, .up, .fusedGate: .feedForwardInput
      case .down: .feedForwardOutput
      default: nil
      }
    }

    /// Whether it is a norm.
    package var isNorm: Bool {
      switch self {
      case .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .attentionPostNorm, .feedForwardNorm,
        .feedForwardPostNorm, .outputNorm:
        true
      default: false
      }
    }

    /// Whether each layer has one.
    package var isInLayer: Bool { group != nil || isNorm && self != .embeddingNorm && self != .outputNorm }

    /// The modules that it holds, in the order of their rows where those are not in heads; none for most.
    var parts: [Role] {
      switch self {
      case .fusedAttention: [.queries, .keys, .values]
      case .fusedGate: [.gate, .up]
      default: []
      }
    }
  }
}

extension LinearGroup.Role {
  /// The norm of what the group gives, before it is added to the residual.
  package var postNorm: ModelFamily.Role? {
    switch self {
    case .attentionOutput: .attentionPostNorm
    case .feedForwardOutput: .feedForwardPostNorm
    case .attentionInput, .feedForwardInput: nil
    }
  }
}
