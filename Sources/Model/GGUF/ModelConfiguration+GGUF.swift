// A model's measures in a GGUF file's metadata, and back. Source: ggml-org/ggml, docs/gguf.md; llama.cpp,
// src/llama-arch.cpp (keys) and src/llama-model.cpp (which of them it cannot do without).
// Refused: other architectures; scalings of positions and sizes of heads that are not known here.

import ByteIO
import Checkpoint
import Foundation

extension ModelConfiguration {
  /// The layout that GGUF files of such models have.
  public var ggufLayout: GGUFLayout {
    GGUFLayout(
      family == .llama ? .llama : .bloom, headCount: headCount, keyValueHeadCount: keyValueHeadCount)
  }

  // MARK: To GGUF

  /// The values that llama.cpp builds the model by.
  ///
  /// - Throws: ``ModelError`` with code `.unsupported` for models that its `llama` and `bloom` are not.
  public func ggufValues(file path: String) throws -> [(key: String, value: GGUFValue)] {
    let unsupported = { (reason: String) in
      ModelError(
        .unsupported, file: path, reason: reason, remedy: "GGUF files are written of LLaMA, Mistral and BLOOM models")
    }
    guard ["llama", "mistral", "bloom"].contains(modelType) else {
      throw unsupported("a \(displayName(modelType)) model is not written as GGUF")
    }
    let word = { (value: Int) -> GGUFValue in .uint32(UInt32(clamping: value)) }
    let name = ggufLayout.architecture.rawValue
    var values: [(key: String, value: GGUFValue)] = [
      ("\(name).vocab_size", word(vocabularySize)),
      ("\(name).context_length", word(contextLength ?? Self.defaultContextLength)),
      ("\(name).embedding_length", word(hiddenSize)), ("\(name).block_count", word(layerCount)),
      ("\(name).feed_forward_length", word(intermediateSize)), ("\(name).attention.head_count", word(headCount)),
      ("\(name).attention.head_count_kv", word(keyValueHeadCount)),
    ]
    guard family == .llama else {
      return values + [("\(name).attention.layer_norm_epsilon", .float32(epsilon))]
    }
    values += [
      ("\(name).attention.layer_norm_rms_epsilon", .float32(epsilon)),
      ("\(name).rope.dimension_count", word(headSize)), ("\(name).rope.freq_base", .float32(Float(rotaryBase))),
    ]
    if headSize * headCount != hiddenSize {
      values += [
        ("\(name).attention.key_length", word(headSize)), ("\(name).attention.value_length", word(headSize)),
      ]
    }
    switch rotaryScaling {
    case .none: break
    case .linear(let factor):
      values += [
        ("\(name).rope.scaling.type", .string("linear")), ("\(name).rope.scaling.factor", .float32(Float(factor))),
      ]
    case .llama3: throw unsupported("its positions are scaled as Llama 3.1's")
    }
    return values
  }

  /// What models are taken to have been trained with that do not say it: LLaMA 1 and BLOOM.
  private static var defaultContextLength: Int { 2048 }

  // MARK: From GGUF

  /// The measures of a GGUF file.
  ///
  /// - Throws: ``ModelError``.
  public init(_ file: GGUFFile, path: String) throws {
    let values = file.values
    let malformed = { (reason: String) in ModelError(.malformed, file: path, reason: reason) }
    let unsupported = { (reason: String) in
      ModelError(.unsupported, file: path, reason: reason, remedy: "known are llama and bloom")
    }
    guard let name = values["general.architecture"]?.string else {
      throw malformed("it has no general.architecture")
    }
    guard let architecture = GGUFLayout.Architecture(rawValue: name) else {
      throw unsupported("the architecture \(displayName(name)) is not known")
    }
    let optional = { (key: String) throws -> Int? in
      guard let value = values["\(name).\(key)"] else { return nil }
      guard let number = value.integer, (1...1 << 24).contains(number) else {
        throw malformed("\(name).\(key) is \(displayName(value.text))")
      }
      return number
    }
    let number = { (key: String) throws -> Int in
      guard let number = try optional(key) else { throw malformed("it has no \(name).\(key)") }
      return number
    }
    let real = { (key: String) throws -> Double? in
      guard let value = values["\(name).\(key)"] else { return nil }
      guard let number = value.number, number > 0, number.isFinite else {
        throw malformed("\(name).\(key) is \(displayName(value.text))")
      }
      return number
    }
    family = architecture == .llama ? .llama : .bloom
    modelType = name
    hiddenSize = try number("embedding_length")
    layerCount = try number("block_count")
    headCount = try number("attention.head_count")
    keyValueHeadCount = try optional("attention.head_count_kv") ?? headCount
    intermediateSize = try number("feed_forward_length")
    contextLength = try optional("context_length")
    guard layerCount <= 4096 else { throw malformed("\(layerCount) layers are too many") }
    guard headCount % keyValueHeadCount == 0, family == .llama || keyValueHeadCount == headCount else {
      throw malformed("\(headCount) heads, \(keyValueHeadCount) of keys, do not fit together")
    }
    let keyLength = try optional("attention.key_length")
    guard keyLength != nil || hiddenSize % headCount == 0 else {
      throw malformed("\(headCount) heads do not divide \(hiddenSize)")
    }
    headSize = keyLength ?? hiddenSize / headCount
    guard try (optional("attention.value_length") ?? headSize) == headSize else {
      throw unsupported("keys and values are of different sizes")
    }
    guard let embedding = file.tensors.first(where: { $0.name == "token_embd.weight" }), embedding.shape.count == 2
    else { throw malformed("there is no tensor token_embd.weight") }
    vocabularySize = embedding.shape[0]
    tiesHead = !file.tensors.contains { $0.name == "output.weight" }
    needsInputBias = family == .bloom || file.tensors.contains { $0.name == "blk.0.attn_q.bias" }
    needsOtherBias = family == .bloom
    rotaryBase = try real("rope.freq_base") ?? 10000
    rotaryScaling = .none
    guard family == .llama else {
      guard intermediateSize == 4 * hiddenSize else {
        throw malformed("\(name).feed_forward_length is \(intermediateSize)")
      }
      epsilon = Float(try real("attention.layer_norm_epsilon") ?? 1e-5)
      return
    }
    guard let rms = try real("attention.layer_norm_rms_epsilon"), rms < 1 else {
      throw malformed("it has no \(name).attention.layer_norm_rms_epsilon")
    }
    epsilon = Float(rms)
    guard headSize % 2 == 0 else { throw malformed("the head size \(headSize) is odd") }
    guard try (optional("rope.dimension_count") ?? headSize) == headSize else {
      throw unsupported("only a part of each head has rotary positions")
    }
    if values["\(name).expert_count"]?.integer ?? 0 > 0 { throw unsupported("it is a mixture of experts") }
    switch values["\(name).rope.scaling.type"]?.string {
    case nil, "none": break
    case "linear": rotaryScaling = .linear(factor: try real("rope.scaling.factor") ?? 1)
    case .some(let kind): throw unsupported("the scaling \(displayName(kind)) of rotary positions is not known")
    }
  }

  // MARK: To Hugging Face

  /// `config.json` as transformers reads it.
  ///
  /// - Parameter special: the ids that it names.
  public func json(bos: Int32?, eos: Int32?, pad: Int32?, type: DType?) throws -> [UInt8] {
    // The shortest decimal that is the same single-precision number: 1e-06, and not 9.99999997e-07.
    let epsilon = Double(self.epsilon.description) ?? Double(self.epsilon)
    var object: [String: Any] = [
      "model_type": modelType, "hidden_size": hiddenSize, "vocab_size": vocabularySize,
      "tie_word_embeddings": tiesHead,
    ]
    for (key, id) in [("bos_token_id", bos), ("eos_token_id", eos), ("pad_token_id", pad)] {
      if let id { object[key] = Int(id) }
    }
    if let type = type?.torchName { object["torch_dtype"] = type }
    switch family {
    case .bloom:
      object["architectures"] = ["BloomForCausalLM"]
      object["n_layer"] = layerCount
      object["n_head"] = headCount
      object["layer_norm_epsilon"] = epsilon
      object["apply_residual_connection_post_layernorm"] = false
      if let contextLength { object["seq_length"] = contextLength }
    case .llama:
      object["architectures"] = ["LlamaForCausalLM"]
      object["hidden_act"] = "silu"
      object["intermediate_size"] = intermediateSize
      object["num_hidden_layers"] = layerCount
      object["num_attention_heads"] = headCount
      object["num_key_value_heads"] = keyValueHeadCount
      object["rms_norm_eps"] = epsilon
      object["rope_theta"] = rotaryBase
      if headSize * headCount != hiddenSize { object["head_dim"] = headSize }
      if needsInputBias { object["attention_bias"] = true }
      if let contextLength { object["max_position_embeddings"] = contextLength }
      if case .linear(let factor) = rotaryScaling {
        object["rope_scaling"] = ["type": "linear", "rope_type": "linear", "factor": factor] as [String: Any]
      }
    }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }
}
