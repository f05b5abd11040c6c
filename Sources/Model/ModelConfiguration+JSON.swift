// Reads config.json. Refused: architectures that are not known, and the switches of known ones that would change the
// arithmetic (sliding windows, other activations, other scalings of positions): other numbers in silence are worse.

import ByteIO
import Foundation

extension ModelConfiguration {
  private struct Scaling: Decodable {
    var type: String?
    var rope_type: String?
    var factor: Double?
    var low_freq_factor: Double?
    var high_freq_factor: Double?
    var original_max_position_embeddings: Double?
    var rope_theta: Double?
  }

  private struct Contents: Decodable {
    var model_type: String?
    var hidden_size: Int?
    var n_embed: Int?
    var intermediate_size: Int?
    var num_hidden_layers: Int?
    var n_layer: Int?
    var num_attention_heads: Int?
    var n_head: Int?
    var num_key_value_heads: Int?
    var head_dim: Int?
    var vocab_size: Int?
    var rms_norm_eps: Double?
    var layer_norm_epsilon: Double?
    var rope_theta: Double?
    var rope_scaling: Scaling?
    var rope_parameters: Scaling?
    var hidden_act: String?
    var tie_word_embeddings: Bool?
    var max_position_embeddings: Int?
    var seq_length: Int?
    var sliding_window: Int?
    var use_sliding_window: Bool?
    var attention_bias: Bool?
    var mlp_bias: Bool?
    var partial_rotary_factor: Double?
    var apply_residual_connection_post_layernorm: Bool?
  }

  static let sizeLimit = 16 << 20

  /// Reads a `config.json`.
  ///
  /// - Throws: ``ModelError`` or ``ByteIOError``.
  public init(file path: String) throws { try self.init(json: try Self.text(path), file: path) }

  /// The text of a `config.json`.
  package static func text(_ path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw ModelError(.malformed, file: path, reason: "\(file.size) bytes are too many for a config.json")
    }
    return try file.bytes(count: file.size)
  }

  /// Reads the text of a `config.json`.
  ///
  /// - Parameters:
  ///   - json: the text.
  ///   - path: what errors name.
  public init(json: [UInt8], file path: String) throws {
    let contents: Contents
    do { contents = try decodeBoundedJSON(Contents.self, from: json, file: path) } catch let error as ByteIOError {
      throw error
    } catch {
      throw ModelError(
        .malformed, file: path, reason: "it is no JSON object with the fields of a model, or one has another type",
        remedy: "download it again")
    }
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    let number = { (value: Int?, name: String) throws -> Int in
      guard let value else { throw ModelError(.malformed, file: path, reason: "it has no \(name)") }
      guard (1...1 << 24).contains(value) else {
        throw ModelError(.malformed, file: path, reason: "\(name) is \(value)")
      }
      return value
    }
    modelType = contents.model_type ?? ""
    switch modelType {
    case "llama", "qwen2", "mistral": family = .llama
    case "bloom": family = .bloom
    default:
      throw ModelError(
        .unsupported, file: path,
        reason: modelType.isEmpty ? "it has no model_type" : "the model type \(displayName(modelType)) is not known",
        remedy: "known are llama, qwen2, mistral and bloom")
    }
    vocabularySize = try number(contents.vocab_size, "vocab_size")
    hiddenSize = try number(contents.hidden_size ?? contents.n_embed, "hidden_size")
    layerCount = try number(contents.num_hidden_layers ?? contents.n_layer, "num_hidden_layers")
    headCount = try number(contents.num_attention_heads ?? contents.n_head, "num_attention_heads")
    guard layerCount <= 4096 else {
      throw ModelError(.malformed, file: path, reason: "\(layerCount) layers are too many")
    }
    if family == .llama {
      intermediateSize = try number(contents.intermediate_size, "intermediate_size")
      keyValueHeadCount = try number(contents.num_key_value_heads ?? headCount, "num_key_value_heads")
      epsilon = Float(contents.rms_norm_eps ?? 1e-6)
      tiesHead = contents.tie_word_embeddings ?? false
      contextLength = contents.max_position_embeddings
    } else {
      intermediateSize = 4 * hiddenSize
      keyValueHeadCount = headCount
      epsilon = Float(contents.layer_norm_epsilon ?? 1e-5)
      tiesHead = contents.tie_word_embeddings ?? true
      contextLength = contents.seq_length
    }
    headSize = try contents.head_dim.map { try number($0, "head_dim") } ?? hiddenSize / headCount
    guard contents.head_dim != nil || hiddenSize % headCount == 0, headCount % keyValueHeadCount == 0 else {
      throw ModelError(
        .malformed, file: path,
        reason: "\(headCount) heads, \(keyValueHeadCount) of keys, do not divide hidden size \(hiddenSize)")
    }
    guard family == .bloom || headSize % 2 == 0 else {
      throw ModelError(.malformed, file: path, reason: "the head size \(headSize) is odd")
    }
    guard epsilon > 0, epsilon < 1 else {
      throw ModelError(.malformed, file: path, reason: "the epsilon of the norms is \(epsilon)")
    }
    needsInputBias = family == .bloom || modelType == "qwen2" || contents.attention_bias == true
    needsOtherBias = family == .bloom
    if contents.attention_bias == true || contents.mlp_bias == true, modelType == "llama" {
      // Both are read where they are; only their absence could not be told from a damaged checkpoint.
      needsInputBias = contents.attention_bias == true
    }

    // What would change the arithmetic.
    if family == .llama, let activation = contents.hidden_act, activation != "silu" {
      throw unsupported("the activation \(displayName(activation)) is not known for a \(modelType) model")
    }
    if let window = contents.sliding_window, contents.use_sliding_window != false, modelType != "llama",
      window < contextLength ?? Int.max
    {
      throw unsupported("its attention has a sliding window of \(window) tokens, which is not known here")
    }
    if let factor = contents.partial_rotary_factor, factor != 1 {
      throw unsupported("only a part (\(factor)) of each head has rotary positions")
    }
    if contents.apply_residual_connection_post_layernorm == true {
      throw unsupported("apply_residual_connection_post_layernorm is true, which no published BLOOM has")
    }
    let scaling = contents.rope_parameters ?? contents.rope_scaling
    rotaryBase = contents.rope_theta ?? scaling?.rope_theta ?? 10000
    guard rotaryBase > 0, rotaryBase.isFinite else {
      throw ModelError(.malformed, file: path, reason: "rope_theta is \(rotaryBase)")
    }
    let factor = scaling?.factor ?? 1
    guard factor > 0, factor.isFinite else {
      throw ModelError(.malformed, file: path, reason: "the scaling factor of rotary positions is \(factor)")
    }
    switch scaling?.rope_type ?? scaling?.type {
    case nil, "default": rotaryScaling = .none
    case "linear": rotaryScaling = .linear(factor: factor)
    case "llama3":
      guard let low = scaling?.low_freq_factor, let high = scaling?.high_freq_factor,
        let length = scaling?.original_max_position_embeddings, low > 0, high > low, length > 0
      else { throw ModelError(.malformed, file: path, reason: "the llama3 scaling of positions is incomplete") }
      rotaryScaling = .llama3(factor: factor, lowFrequency: low, highFrequency: high, originalLength: length)
    case .some(let kind): throw unsupported("the scaling \(displayName(kind)) of rotary positions is not known")
    }
  }
}
