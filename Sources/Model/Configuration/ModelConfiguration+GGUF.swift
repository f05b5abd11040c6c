// A model's measures in a GGUF file's metadata. Writing: ModelConfiguration+GGUFValues.swift; positions: RotaryScaling+GGUF.swift.
// Source: ggml-org/ggml, docs/gguf.md; llama.cpp, src/llama-arch.cpp (keys), src/llama-model.cpp and src/models/*.cpp (which of
// them it cannot do without, and what it takes where one is missing).
// Refused: other architectures; scalings of positions and sizes of heads that are not known here; keys of the architecture
// that are not known, for they may change what the model computes.

import ByteIO
import Checkpoint

extension ModelFamily.Normalization {
  /// The key of the epsilon.
  var ggufKey: String {
    switch self {
    case .rootMeanSquare: "attention.layer_norm_rms_epsilon"
    case .layer: "attention.layer_norm_epsilon"
    }
  }
}

extension ModelConfiguration {
  /// The measures of a GGUF file.
  ///
  /// - Throws: ``ModelError``.
  package init(_ file: GGUFFile, path: String) throws {
    guard let name = file.values["general.architecture"]?.string else {
      throw ModelError(.malformed, file: path, reason: "it has no general.architecture")
    }
    let values = GGUFArchitectureValues(metadata: file.values, architecture: name, path: path)
    guard let family = ModelFamily(gguf: name, layerCount: values["block_count"]?.integer) else {
      throw values.unsupported(
        "the architecture \(displayName(name)) is not known", "known are \(ModelFamily.list(\.gguf))")
    }
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
    let hasBias = { (role: ModelFamily.Role) in
      let name = family.name(of: ModelFamily.Tensor(role: role, layer: 0, part: .bias), in: .gguf)
      return name.map { name in file.tensors.contains { $0.name == name } } ?? false
    }
    switch family.inputBias {
    case .always: needsInputBias = true
    case .configured, .optional: needsInputBias = hasBias(.queries) || hasBias(.fusedAttention)
    }
    needsFeedForwardBias = family.biasFields[.feedForwardInput] != nil && hasBias(.down)
    statedRotaryBase = try values.number("rope.freq_base")
    rotaryScaling = .none
    let key = family.normalization.ggufKey
    guard let number = try values.number(key) else { throw values.malformed("it has no \(name).\(key)") }
    epsilon = Float(number)
    try readPositions(values, file)
    try check(file: path)
    try readLayers(values)
    try readScores(values)
    try check(file: path)
    try refuse(values)
  }

  /// Reads the scaling of positions, and the part of each head that is turned.
  private mutating func readPositions(_ values: GGUFArchitectureValues, _ file: GGUFFile) throws {
    // llama.cpp's own default, whatever the family's is elsewhere.
    if family.positions == .rotary, statedRotaryBase == nil,
      family.keys.defaultRotaryBase != ModelFamily.commonRotaryBase
    {
      statedRotaryBase = ModelFamily.commonRotaryBase
    }
    if let width = try values.count("rope.dimension_count"), width != headSize {
      guard family.ggufTraits.turnsParts else {
        throw values.unsupported("only a part of each head has rotary positions, which is not known here")
      }
      partialRotaryWidth = width
    }
    rotaryScaling = try GGUFScaling(
      values: values, file: file, base: rotaryBase, width: rotaryWidth, contextLength: contextLength,
      traits: family.ggufTraits
    ).scaling()
  }

  /// Reads which layers see a window only, and which are not turned.
  private mutating func readLayers(_ values: GGUFArchitectureValues) throws {
    let traits = family.ggufTraits
    if let each = traits.unturnedEach { unturnedLayers = Set((0..<layerCount).filter { ($0 + 1) % each == 0 }) }
    let stated = values["attention.sliding_window"]?.integer.flatMap { $0 > 0 ? $0 : nil }
    switch traits.window {
    case .none: window = stated
    case .unused:
      window = stated
      windowedLayers = stated == nil ? [] : Set(0..<layerCount)
    case .allButEach(let implied, let impliedWindow):
      window = stated ?? impliedWindow
      guard window != nil else {
        throw values.unsupported(
          "a \(family.name) model without \(values.name("attention.sliding_window")) is not known here")
      }
      windowedLayers = try windowed(values, implied: implied)
      localRotaryBase = try values.number("rope.freq_base_swa") ?? traits.localRotaryBase
    }
    guard case .none = traits.window else { return }
    if let window, family.positions == .rotary, window < contextLength ?? Int.max {
      throw values.unsupported("its attention has a sliding window of \(window) tokens, which is not known here")
    }
    window = nil
  }

  private func windowed(_ values: GGUFArchitectureValues, implied: Int) throws -> Set<Int> {
    let key = "attention.sliding_window_pattern"
    if let list = values[key]?.elements {
      let flags = list.compactMap(\.bool)
      guard flags.count == list.count, flags.count >= layerCount else {
        throw values.malformed(
          "\(values.name(key)) has \(list.count) values; expected one for each of \(layerCount) layers")
      }
      return Set((0..<layerCount).filter { flags[$0] })
    }
    return Self.allBut(each: try values.count(key) ?? implied, of: layerCount)
  }

  /// Reads what is done to scores and logits.
  private mutating func readScores(_ values: GGUFArchitectureValues) throws {
    if family.keys.queryScalar != nil { queryScalar = ggufQueryScalar }
    guard family.ggufTraits.bendsScores else { return }
    attentionCap = try values.number("attn_logit_softcapping") ?? family.keys.attentionCap?.implied
    logitCap = try values.number("final_logit_softcapping") ?? family.keys.logitCap?.implied
  }

  /// What llama.cpp divides scores by, squared: no key says it.
  var ggufQueryScalar: Double {
    layerCount == family.ggufTraits.sharedScaleLayers ? Double(hiddenSize / headCount) : Double(headSize)
  }

  /// Refuses keys of the architecture that are not known.
  private func refuseUnknown(_ values: GGUFArchitectureValues) throws {
    let start = values.architecture + "."
    for (key, value) in values.metadata.entries where key.hasPrefix(start) {
      let name = String(key.dropFirst(start.count))
      guard !GGUFKeys.isRead(name, bendsScores: family.ggufTraits.bendsScores),
        GGUFKeys.ignored(ofArchitecture: name, value) == nil
      else { continue }
      throw ModelError(
        .unsupported, file: values.path,
        reason: "\(displayName(key)) is \(displayName(value.text)): what it changes of the model is not known here")
    }
  }

  /// Refuses what the values ask for and is not known here.
  private func refuse(_ values: GGUFArchitectureValues) throws {
    guard try (values.count("attention.value_length") ?? headSize) == headSize else {
      throw values.unsupported("keys and values are of different sizes, which is not known here")
    }
    if let counts = family.ggufTraits.layerCounts, !counts.contains(layerCount) {
      throw values.unsupported(
        "it has \(layerCount) layers, and by those llama.cpp tells which positions a \(values.architecture) model has: 32 or 40"
      )
    }
    if values["expert_count"]?.integer ?? 0 > 0 {
      throw values.unsupported("it is a mixture of experts, which is not known here")
    }
    if family.keys.intermediateSize == nil, intermediateSize != 4 * hiddenSize {
      throw values.malformed(
        "\(values.name("feed_forward_length")) is \(intermediateSize); expected 4 times embedding_length, \(hiddenSize)"
      )
    }
    if family.keys.keyValueHeadCount == nil, keyValueHeadCount != headCount {
      throw values.malformed("\(headCount) heads of queries and \(keyValueHeadCount) of keys; expected as many of both")
    }
    try refuseUnknown(values)
  }
}
