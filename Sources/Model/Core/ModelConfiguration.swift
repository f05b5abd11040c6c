// What a model is: its family and its measures. Dialects: ModelConfiguration+ConfigJSON.swift, +ParamsJSON.swift and
// +GGUF.swift each read and write one.

import ByteIO

/// The measures of a model.
package struct ModelConfiguration: Sendable, Equatable {
  /// The family.
  package var family: ModelFamily
  /// The width of the hidden states.
  package var hiddenSize: Int
  /// The width between the two halves of the feed-forward part.
  package var intermediateSize: Int
  /// Decoder layers.
  package var layerCount: Int
  /// Attention heads of queries.
  package var headCount: Int
  /// Attention heads of keys and values: each serves headCount / keyValueHeadCount heads of queries.
  package var keyValueHeadCount: Int
  /// The width of one head.
  package var headSize: Int
  /// The rows of the embedding.
  package var vocabularySize: Int
  /// The epsilon of the norms.
  package var epsilon: Float
  /// The base of the rotary angles; nil where nothing says so.
  package var statedRotaryBase: Double?
  /// Their scaling.
  package var rotaryScaling: RotaryScaling
  /// Whether the head is the embedding.
  package var tiesHead: Bool
  /// The longest text that the model was made for; nil where nothing says so.
  package var contextLength: Int?
  /// Whether q, k and v must have biases.
  package var needsInputBias: Bool
  /// Whether the configuration says that the feed-forward modules have biases.
  package var needsFeedForwardBias = false
  /// The part of each head that is turned by positions, from its beginning; nil for the whole head.
  package var partialRotaryWidth: Int?
  /// The base of the rotary angles in layers with a window, which are not scaled then; nil where it is that of the others.
  package var localRotaryBase: Double?
  /// How many tokens attention sees in the layers that have a window, the query's own among them; nil where none has.
  package var window: Int?
  /// The layers that have a window.
  package var windowedLayers: Set<Int> = []
  /// The layers in which positions turn nothing.
  package var unturnedLayers: Set<Int> = []
  /// One over the square of what scores are multiplied by; nil where that is the width of a head.
  package var queryScalar: Double?
  /// The bound to which scores of attention are bent; nil for none.
  package var attentionCap: Double?
  /// The bound to which logits are bent; nil for none.
  package var logitCap: Double?
  /// Whether the head's rows are brought to length 1 before they are used.
  package var normalizesHead = false

  /// The base of the rotary angles.
  package var rotaryBase: Double { statedRotaryBase ?? family.keys.defaultRotaryBase }
  /// The width of the part of each head that is turned by positions.
  package var rotaryWidth: Int { partialRotaryWidth ?? headSize }

  /// How many tokens attention sees in a layer; nil for all.
  package func window(ofLayer layer: Int) -> Int? { windowedLayers.contains(layer) ? window : nil }

  /// Whether the window hides anything in a text that the model was made for.
  package var slides: Bool { window.map { !windowedLayers.isEmpty && $0 < contextLength ?? Int.max } ?? false }

  /// What scores of attention are multiplied by.
  package var scoreScale: Float { Float(1 / (queryScalar ?? Double(headSize)).squareRoot()) }

  /// What embeddings are multiplied by.
  package var embeddingScale: Float { family.scalesEmbedding ? Float(hiddenSize).squareRoot() : 1 }

  /// The shape of a module's weight.
  func shape(of role: ModelFamily.Role) -> [Int] {
    let (queries, keys) = (headCount * headSize, keyValueHeadCount * headSize)
    return switch role {
    case .embedding, .head: [vocabularySize, hiddenSize]
    case .embeddingNorm, .attentionNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .outputNorm:
      [hiddenSize]
    case .queryNorm, .keyNorm: [headSize]
    case .queries: [queries, hiddenSize]
    case .keys, .values: [keys, hiddenSize]
    case .fusedAttention: [queries + 2 * keys, hiddenSize]
    case .attentionOutput: [hiddenSize, queries]
    case .gate, .up: [intermediateSize, hiddenSize]
    case .fusedGate: [2 * intermediateSize, hiddenSize]
    case .down: [hiddenSize, intermediateSize]
    }
  }

  /// The parameters of one decoder layer's linear modules.
  package var layerParameterCount: Int {
    family.modules.filter { $0.role.group != nil && $0.name(.huggingFace) != nil }
      .reduce(0) { $0 + shape(of: $1.role).reduce(1, *) }
  }

  /// Whether a module must have a bias.
  func needsBias(_ module: ModelFamily.Module) -> Bool {
    switch module.bias {
    case .always: true
    case .configured: needsInputBias
    case .optional: false
    }
  }

  /// Layers that a model has at most.
  static let largestLayerCount = 4096

  /// Checks what holds for the measures of any model.
  ///
  /// - Throws: ``ModelError`` with code `.malformed`.
  func check(file path: String) throws {
    let malformed = { (reason: String) in ModelError(.malformed, file: path, reason: reason) }
    guard layerCount <= Self.largestLayerCount else {
      throw malformed("it has \(layerCount) layers; at most \(Self.largestLayerCount) are read")
    }
    guard headCount % keyValueHeadCount == 0 else {
      throw malformed("\(headCount) heads of queries are not a multiple of \(keyValueHeadCount) heads of keys")
    }
    guard family.positions != .rotary || headSize % 2 == 0 else {
      throw malformed("the head size \(headSize) is odd, and rotary positions need pairs")
    }
    guard rotaryWidth > 0, rotaryWidth <= headSize, rotaryWidth % 2 == 0 || family.positions != .rotary else {
      throw malformed("\(rotaryWidth) of the \(headSize) values of a head have rotary positions; expected pairs")
    }
    guard epsilon > 0, epsilon < 1 else {
      throw malformed("the epsilon of the norms is \(epsilon); expected more than 0 and less than 1")
    }
    for base in [rotaryBase, localRotaryBase].compactMap(\.self) where base <= 0 || !base.isFinite {
      throw malformed("the base of the rotary angles is \(base); expected a positive number")
    }
    for (name, value) in [
      ("the scale of queries", queryScalar), ("the cap of attention", attentionCap), ("the cap of logits", logitCap),
    ] {
      guard let value, !(value > 0 && value.isFinite) else { continue }
      throw malformed("\(name) is \(value); expected a positive number")
    }
    if let window, window < 1 { throw malformed("the window of attention is \(window) tokens; expected 1 at least") }
    if case .longRope(let rope) = rotaryScaling,
      [rope.short, rope.long].contains(where: { $0.count != rotaryWidth / 2 })
    {
      throw malformed(
        "the scaling of positions has \(rope.short.count) and \(rope.long.count) divisors; expected \(rotaryWidth / 2), one for "
          + "each pair of a head")
    }
  }
}
