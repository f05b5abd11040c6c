// What a model is: its family and its measures. Dialects: ModelConfiguration+ConfigJSON.swift, +ParamsJSON.swift and
// +GGUF.swift each read and write one.

import ByteIO

/// The measures of a model.
package struct ModelConfiguration: Sendable, Equatable {
  /// How the angles of rotary positions are stretched beyond the length that a model was trained with.
  package enum RotaryScaling: Sendable, Equatable {
    /// Not at all.
    case none
    /// All angles divided by a factor.
    case linear(factor: Double)
    /// Llama 3.1's: long waves divided, short ones kept, a ramp between.
    case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalLength: Double)
  }

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

  /// The base of the rotary angles.
  package var rotaryBase: Double { statedRotaryBase ?? Self.defaultRotaryBase }
  /// The base where nothing says so.
  static let defaultRotaryBase = 10000.0

  /// The shape of a module's weight.
  func shape(of role: ModelFamily.Role) -> [Int] {
    let (queries, keys) = (headCount * headSize, keyValueHeadCount * headSize)
    return switch role {
    case .embedding, .head: [vocabularySize, hiddenSize]
    case .embeddingNorm, .attentionNorm, .feedForwardNorm, .outputNorm: [hiddenSize]
    case .queryNorm, .keyNorm: [headSize]
    case .queries: [queries, hiddenSize]
    case .keys, .values: [keys, hiddenSize]
    case .fusedAttention: [3 * queries, hiddenSize]
    case .attentionOutput: [hiddenSize, queries]
    case .gate, .up: [intermediateSize, hiddenSize]
    case .down: [hiddenSize, intermediateSize]
    }
  }

  /// The parameters of one decoder layer's linear modules.
  package var layerParameterCount: Int {
    family.modules.filter { $0.role.group != nil }.reduce(0) { $0 + shape(of: $1.role).reduce(1, *) }
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
    guard epsilon > 0, epsilon < 1 else {
      throw malformed("the epsilon of the norms is \(epsilon); expected more than 0 and less than 1")
    }
    guard rotaryBase > 0, rotaryBase.isFinite else {
      throw malformed("the base of the rotary angles is \(rotaryBase); expected a positive number")
    }
  }
}
