// Which tensors a model must have, under which names and in which shapes; and whether a checkpoint has them.
// Names: transformers, modeling_llama.py and modeling_bloom.py; both with and without the prefix of the head's model.

import ByteIO
import Checkpoint

/// The tensors of a model, found in a checkpoint by their parts.
package struct ModelTensors: Sendable {
  /// Two names of norms, and the linear modules by group.
  package struct LayerNames: Sendable {
    package let norms: [String]
    package let groups: [LinearGroup]
  }

  package let configuration: ModelConfiguration
  /// What stands before `layers.0` or `h.0`.
  package let prefix: String
  private let indices: [String: Int]
  private let source: any TensorSource

  /// The embedding's name; these are all without `.weight`.
  package var embedding: String { prefix + (configuration.family == .llama ? "embed_tokens" : "word_embeddings") }
  /// The name of the norm after the embedding; nil where there is none.
  package var embeddingNorm: String? { configuration.family == .llama ? nil : prefix + "word_embeddings_layernorm" }
  /// The name of the last norm.
  package var outputNorm: String { prefix + (configuration.family == .llama ? "norm" : "ln_f") }
  /// The head's name: the embedding's where they are one.
  package var head: String { configuration.tiesHead ? embedding : "lm_head" }

  /// Looks at a checkpoint.
  ///
  /// - Throws: ``ModelError`` with code `.mismatch`, naming whatever is missing or has another shape.
  package init(_ configuration: ModelConfiguration, _ source: any TensorSource, file: String) throws {
    self.init(unchecked: configuration, source)
    let mismatches = mismatches()
    guard mismatches.isEmpty else {
      let shown = mismatches.prefix(8).map(\.text).joined(separator: "; ")
      throw ModelError(
        .mismatch, file: file,
        reason: "the tensors do not fit the configuration: \(shown)"
          + (mismatches.count > 8 ? "; and \(mismatches.count - 8) more" : ""),
        remedy: mismatches.allSatisfy { $0.kind == .unexpected }
          ? "an adapter must be merged first; a model with other modules is one of another architecture"
          : "config.json may belong to another model, or a file of the checkpoint is missing")
    }
  }

  /// The names of a model's tensors, whether they fit or not.
  init(unchecked configuration: ModelConfiguration, _ source: any TensorSource) {
    self.configuration = configuration
    self.source = source
    indices = source.indicesByName()
    let anchor = configuration.family == .llama ? "embed_tokens.weight" : "word_embeddings.weight"
    let long = configuration.family == .llama ? "model." : "transformer."
    prefix = indices[long + anchor] == nil && indices[anchor] != nil ? "" : long
  }

  /// The number of a tensor; nil where it is not there.
  package func index(_ name: String) -> Int? { indices[name] }

  /// The names of a layer's tensors.
  package func layer(_ index: Int) -> LayerNames {
    let c = configuration
    let (hidden, middle) = (c.hiddenSize, c.intermediateSize)
    let (queries, keys) = (c.headCount * c.headSize, c.keyValueHeadCount * c.headSize)
    let base = prefix + (c.family == .llama ? "layers" : "h") + ".\(index)."
    let module = { (name: String, out: Int, in: Int) in
      LinearModule(name: base + name, outFeatures: out, inFeatures: `in`)
    }
    switch c.family {
    case .llama:
      return LayerNames(
        norms: [base + "input_layernorm", base + "post_attention_layernorm"],
        groups: [
          LinearGroup(
            role: .attentionInput,
            modules: [
              module("self_attn.q_proj", queries, hidden), module("self_attn.k_proj", keys, hidden),
              module("self_attn.v_proj", keys, hidden),
            ]),
          LinearGroup(role: .attentionOutput, modules: [module("self_attn.o_proj", hidden, queries)]),
          LinearGroup(
            role: .feedForwardInput,
            modules: [module("mlp.gate_proj", middle, hidden), module("mlp.up_proj", middle, hidden)]),
          LinearGroup(role: .feedForwardOutput, modules: [module("mlp.down_proj", hidden, middle)]),
        ])
    case .bloom:
      return LayerNames(
        norms: [base + "input_layernorm", base + "post_attention_layernorm"],
        groups: [
          LinearGroup(
            role: .attentionInput, modules: [module("self_attention.query_key_value", 3 * queries, hidden)]),
          LinearGroup(role: .attentionOutput, modules: [module("self_attention.dense", hidden, queries)]),
          LinearGroup(role: .feedForwardInput, modules: [module("mlp.dense_h_to_4h", middle, hidden)]),
          LinearGroup(role: .feedForwardOutput, modules: [module("mlp.dense_4h_to_h", hidden, middle)]),
        ])
    }
  }

  /// A tensor that does not fit the configuration.
  struct Mismatch: Sendable {
    enum Kind: Sendable {
      case missing, shape, type, extra, unexpected
    }

    let kind: Kind
    let name: String
    let text: String
  }

  /// Everything that does not fit.
  func mismatches() -> [Mismatch] {
    let c = configuration
    var found: [Mismatch] = []
    var places: Set<String> = []
    func add(_ kind: Mismatch.Kind, _ name: String, _ text: String) {
      found.append(Mismatch(kind: kind, name: name, text: text))
    }
    func expect(_ name: String, _ shape: [Int], isOptional: Bool = false) {
      places.insert(name)
      guard let index = indices[name] else {
        if !isOptional { add(.missing, name, "\(displayName(name)) is missing") }
        return
      }
      let info = source.tensors[index]
      if info.shape != shape {
        add(.shape, name, "\(displayName(name)) has shape \(info.shape), and \(shape) is wanted")
      } else if ![.f16, .bf16, .f32, .f64].contains(info.dtype) {
        add(.type, name, "\(displayName(name)) has type \(info.dtype.rawValue), which is none of weights")
      }
    }
    func expectNorm(_ name: String) {
      expect(name + ".weight", [c.hiddenSize])
      if c.family == .bloom { expect(name + ".bias", [c.hiddenSize]) }
    }
    expect(embedding + ".weight", [c.vocabularySize, c.hiddenSize])
    if let embeddingNorm { expectNorm(embeddingNorm) }
    for layer in 0..<c.layerCount {
      let names = self.layer(layer)
      names.norms.forEach(expectNorm)
      for group in names.groups {
        for module in group.modules {
          expect(module.name + ".weight", [module.outFeatures, module.inFeatures])
          let needsBias = group.role == .attentionInput ? c.needsInputBias : c.needsOtherBias
          expect(module.name + ".bias", [module.outFeatures], isOptional: !needsBias)
        }
      }
      // A configuration with thousands of layers that are not there is told soon enough.
      if found.count > 1000 { return found }
    }
    expectNorm(outputNorm)
    if !c.tiesHead { expect(head + ".weight", [c.vocabularySize, c.hiddenSize]) }
    let more = prefix + (c.family == .llama ? "layers" : "h") + ".\(c.layerCount)."
    if let extra = source.tensors.first(where: { $0.name.hasPrefix(more) }) {
      add(
        .extra, extra.name, "the configuration has \(c.layerCount) layers, and there is \(displayName(extra.name))")
      return found
    }
    let unexpected = unexpected(but: places).filter { isInLayer($0) }
    if let first = unexpected.first {
      add(
        .unexpected, first,
        "\(displayName(first))" + (unexpected.count > 1 ? " (and \(unexpected.count - 1) more)" : "")
          + " has no place in a layer of this architecture")
    }
    return found
  }

  private func isInLayer(_ name: String) -> Bool {
    name.hasPrefix(prefix + (configuration.family == .llama ? "layers." : "h."))
  }

  /// The names of tensors that the model has no place for, computed ones left out.
  private func unexpected(but places: Set<String>) -> [String] {
    source.tensors.filter { !places.contains($0.name) && !ComputedTensors.contains($0) }.map(\.name)
  }

  /// The names of tensors that lie outside of the language model: another head, a part of another method. Arithmetic leaves
  /// them out, which is to be told.
  package var others: [String] {
    var places: Set<String> = ["lm_head.weight", embedding + ".weight"]
    for norm in [embeddingNorm, outputNorm].compactMap(\.self) { places.formUnion([norm + ".weight", norm + ".bias"]) }
    return unexpected(but: places).filter { !isInLayer($0) }
  }

}
