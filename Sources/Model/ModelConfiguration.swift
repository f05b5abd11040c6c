// What a model is: its family and its measures, as config.json has them.
// Sources: transformers, models/llama/configuration_llama.py, models/qwen2, models/mistral, models/bloom.

/// The measures of a model.
public struct ModelConfiguration: Sendable, Equatable {
  /// The families that run here.
  public enum Family: String, Sendable {
    /// LLaMA and what is built like it: RMSNorm, rotary positions, SwiGLU.
    case llama
    /// BLOOM: LayerNorm, ALiBi, tanh GELU.
    case bloom
  }

  /// How the angles of rotary positions are stretched beyond the length that a model was trained with.
  public enum RotaryScaling: Sendable, Equatable {
    /// Not at all.
    case none
    /// All angles divided by a factor.
    case linear(factor: Double)
    /// Llama 3.1's: long waves divided, short ones kept, a ramp between.
    case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalLength: Double)
  }

  /// The family.
  public var family: Family
  /// `model_type`: `llama`, `qwen2`, `mistral`, `bloom`.
  public var modelType: String
  /// The width of the hidden states.
  public var hiddenSize: Int
  /// The width between the two halves of the feed-forward part.
  public var intermediateSize: Int
  /// Decoder layers.
  public var layerCount: Int
  /// Attention heads of queries.
  public var headCount: Int
  /// Attention heads of keys and values: each serves headCount / keyValueHeadCount heads of queries.
  public var keyValueHeadCount: Int
  /// The width of one head.
  public var headSize: Int
  /// The rows of the embedding.
  public var vocabularySize: Int
  /// The epsilon of the norms.
  public var epsilon: Float
  /// The base of the rotary angles.
  public var rotaryBase: Double
  /// Their scaling.
  public var rotaryScaling: RotaryScaling
  /// Whether the head is the embedding.
  public var tiesHead: Bool
  /// The longest text that the model was made for; nil where nothing says so.
  public var contextLength: Int?
  /// Whether q, k and v must have biases.
  public var needsInputBias: Bool
  /// Whether the other linear modules of a layer must have biases.
  public var needsOtherBias: Bool

  /// The parameters of one decoder layer's linear modules.
  public var layerParameterCount: Int {
    let attention = hiddenSize * headSize * (2 * headCount + 2 * keyValueHeadCount)
    return attention + (family == .llama ? 3 : 2) * hiddenSize * intermediateSize
  }
}
