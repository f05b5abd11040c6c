// A model's measures in a GGUF file's metadata, and back. Source: ggml-org/ggml, docs/gguf.md; llama.cpp,
// src/llama-arch.cpp (keys) and src/llama-model.cpp (which of them it cannot do without).
// Refused: other architectures; scalings of positions and sizes of heads that are not known here; keys of the architecture
// that are not known, for they may change what the model computes.

import ByteIO
import Checkpoint

extension ModelFamily.Normalization {
  /// The key of the epsilon.
  fileprivate var ggufKey: String {
    switch self {
    case .rootMeanSquare: "attention.layer_norm_rms_epsilon"
    case .layer: "attention.layer_norm_epsilon"
    }
  }
}

extension ModelConfiguration {
  /// What models are taken to have been trained with that do not say it: LLaMA 1 and BLOOM.
  private static let defaultContextLength = 2048

  /// What is to be told of the values of a GGUF file that the configuration does not say.
  package var ggufRemarks: [Checkpoint.Remark] {
    contextLength == nil && family.positions == .rotary
      ? [
        .note(
          "for which length of text the model was made is not known: context_length is \(Self.defaultContextLength) in the "
            + "file")
      ] : []
  }

  // MARK: Writing

  /// The values that llama.cpp builds the model by.
  ///
  /// - Throws: ``ModelError`` with code `.unsupported` for families that are not written as GGUF.
  package func ggufValues(file path: String) throws -> [(key: String, value: GGUFValue)] {
    guard let name = family.gguf else {
      throw Self.unsupported(
        "a \(family.name) model is not written as GGUF", path,
        remedy: "GGUF files are written for \(ModelFamily.list { $0.gguf == nil ? nil : $0.title }) models")
    }
    let word = { (value: Int) -> GGUFValue in .uint32(UInt32(clamping: value)) }
    var values: [(key: String, value: GGUFValue)] = [
      ("vocab_size", word(vocabularySize)), ("context_length", word(contextLength ?? Self.defaultContextLength)),
      ("embedding_length", word(hiddenSize)), ("block_count", word(layerCount)),
      ("feed_forward_length", word(intermediateSize)), ("attention.head_count", word(headCount)),
      ("attention.head_count_kv", word(keyValueHeadCount)), (family.normalization.ggufKey, .float32(epsilon)),
    ]
    if family.positions == .rotary {
      values += [("rope.dimension_count", word(headSize)), ("rope.freq_base", .float32(Float(rotaryBase)))]
    }
    if headSize * headCount != hiddenSize {
      values += [("attention.key_length", word(headSize)), ("attention.value_length", word(headSize))]
    }
    switch rotaryScaling {
    case .none: break
    case .linear(let factor):
      values += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    case .llama3:
      throw Self.unsupported("its positions are scaled as Llama 3.1's, which is not written as GGUF here", path)
    }
    return values.map { ("\(name).\($0.key)", $0.value) }
  }

  // MARK: Reading

  /// The values of an architecture, by their keys without its name.
  private struct Values {
    let metadata: GGUFMetadata
    let architecture: String
    let path: String

    func malformed(_ reason: String) -> ModelError { ModelError(.malformed, file: path, reason: reason) }

    func count(_ key: String) throws -> Int? {
      guard let value = metadata["\(architecture).\(key)"] else { return nil }
      guard let number = value.integer, (1...1 << 24).contains(number) else {
        throw malformed("\(architecture).\(key) is \(displayName(value.text)); expected 1 to \(1 << 24)")
      }
      return number
    }

    func needed(_ key: String) throws -> Int {
      guard let number = try count(key) else { throw malformed("it has no \(architecture).\(key)") }
      return number
    }

    func number(_ key: String) throws -> Double? {
      guard let value = metadata["\(architecture).\(key)"] else { return nil }
      guard let number = value.number, number > 0, number.isFinite else {
        throw malformed("\(architecture).\(key) is \(displayName(value.text)); expected a positive number")
      }
      return number
    }
  }

  /// The measures of a GGUF file.
  ///
  /// - Throws: ``ModelError``.
  package init(_ file: GGUFFile, path: String) throws {
    guard let name = file.values["general.architecture"]?.string else {
      throw ModelError(.malformed, file: path, reason: "it has no general.architecture")
    }
    guard let family = ModelFamily(gguf: name) else {
      throw Self.unsupported(
        "the architecture \(displayName(name)) is not known", path, remedy: "known are \(ModelFamily.list(\.gguf))")
    }
    let values = Values(metadata: file.values, architecture: name, path: path)
    self.family = family
    hiddenSize = try values.needed("embedding_length")
    layerCount = try values.needed("block_count")
    headCount = try values.needed("attention.head_count")
    keyValueHeadCount = try values.count("attention.head_count_kv") ?? headCount
    intermediateSize = try values.needed("feed_forward_length")
    contextLength = try values.count("context_length")
    let keyLength = try values.count("attention.key_length")
    guard keyLength != nil || hiddenSize % headCount == 0 else {
      throw values.malformed("\(headCount) heads do not divide embedding_length, \(hiddenSize)")
    }
    headSize = keyLength ?? hiddenSize / headCount
    guard let embedding = file.tensors.first(where: { $0.name == "token_embd.weight" }), embedding.shape.count == 2
    else { throw values.malformed("there is no tensor token_embd.weight of two dimensions") }
    vocabularySize = embedding.shape[0]
    tiesHead = !file.tensors.contains { $0.name == "output.weight" }
    switch family.inputBias {
    case .always: needsInputBias = true
    case .configured, .optional: needsInputBias = file.tensors.contains { $0.name == "blk.0.attn_q.bias" }
    }
    needsFeedForwardBias =
      family.biasFields[.feedForwardInput] != nil && file.tensors.contains { $0.name == "blk.0.ffn_down.bias" }
    statedRotaryBase = try values.number("rope.freq_base")
    rotaryScaling = try Self.scaling(values)
    let key = family.normalization.ggufKey
    guard let number = try values.number(key) else { throw values.malformed("it has no \(name).\(key)") }
    epsilon = Float(number)
    try check(file: path)
    try refuse(values)
  }

  private static func unsupported(_ reason: String, _ path: String, remedy: Remedy? = nil) -> ModelError {
    ModelError(.unsupported, file: path, reason: reason, remedy: remedy)
  }

  /// The scaling of positions as llama.cpp reads it: linear where the type is not said, by the factor, or by the older key
  /// that stood for it; a factor of 0 is none.
  private static func scaling(_ values: Values) throws -> RotaryScaling {
    let key = { (name: String) in "\(values.architecture).rope.\(name)" }
    let type = values.metadata[key("scaling.type")]
    let factor = try ["scaling.factor", "scale_linear"].lazy.compactMap { name -> Double? in
      guard let value = values.metadata[key(name)] else { return nil }
      guard let number = value.number, number >= 0, number.isFinite else {
        throw values.malformed("\(key(name)) is \(displayName(value.text)); expected a number from 0 on")
      }
      return number
    }.first
    switch type?.string {
    case "none": return .none
    case nil where type != nil: throw values.malformed("\(key("scaling.type")) is not a text")
    case nil, "linear":
      guard let factor, factor != 0, factor != 1 else { return .none }
      return .linear(factor: factor)
    case .some(let kind):
      throw unsupported(
        "the scaling \(displayName(kind)) of rotary positions is not known", values.path,
        remedy: "known are none and linear")
    }
  }

  /// Refuses keys of the architecture that are not known.
  private static func refuseUnknown(_ values: Values) throws {
    let start = values.architecture + "."
    for (key, value) in values.metadata.entries where key.hasPrefix(start) {
      let name = String(key.dropFirst(start.count))
      guard !ConfigurationTerms.gguf.contains(name) else { continue }
      let neutral = ConfigurationTerms.neutralGGUF[name] ?? []
      let isNeutral = neutral.contains { wanted in
        switch wanted {
        case .number(let number): value.number == number
        case .flag(let flag): value.bool == flag
        }
      }
      guard !isNeutral else { continue }
      throw ModelError(
        .unsupported, file: values.path,
        reason: "\(displayName(key)) is \(displayName(value.text)): what it changes of the model is not known here")
    }
  }

  /// Refuses what the values ask for and is not known here.
  private func refuse(_ values: Values) throws {
    if family.positions == .rotary,
      let window = values.metadata["\(values.architecture).attention.sliding_window"]?.integer,
      window > 0, window < contextLength ?? Int.max
    {
      throw Self.unsupported(
        "its attention has a sliding window of \(window) tokens, which is not known here", values.path)
    }
    guard try (values.count("attention.value_length") ?? headSize) == headSize else {
      throw Self.unsupported("keys and values are of different sizes, which is not known here", values.path)
    }
    guard try (values.count("rope.dimension_count") ?? headSize) == headSize else {
      throw Self.unsupported("only a part of each head has rotary positions, which is not known here", values.path)
    }
    if values.metadata["\(values.architecture).expert_count"]?.integer ?? 0 > 0 {
      throw Self.unsupported("it is a mixture of experts, which is not known here", values.path)
    }
    if family.keys.intermediateSize == nil, intermediateSize != 4 * hiddenSize {
      throw values.malformed(
        "\(values.architecture).feed_forward_length is \(intermediateSize); expected 4 times embedding_length, \(hiddenSize)"
      )
    }
    if family.keys.keyValueHeadCount == nil, keyValueHeadCount != headCount {
      throw values.malformed("\(headCount) heads of queries and \(keyValueHeadCount) of keys; expected as many of both")
    }
    try Self.refuseUnknown(values)
  }
}
