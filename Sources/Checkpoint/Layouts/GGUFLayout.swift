// LLaMA and BLOOM as llama.cpp has them: names of tensors, and orders of rows. q and k of LLaMA lie in interleaved pairs,
// as in Meta's layout; BLOOM's fused q, k and v as all q, all k, all v.
// Source: llama.cpp, gguf-py/gguf/tensor_mapping.py and the converters of both models; proven by llama.cpp's perplexities.
// Refused: tensors that have no name there.

import ByteIO

/// Names and orders of rows of one model in GGUF files.
public struct GGUFLayout: Sendable, Equatable {
  /// What a model is built like: `general.architecture`.
  public enum Architecture: String, Sendable, CaseIterable {
    case llama, bloom
  }

  /// What the model is built like.
  public let architecture: Architecture
  /// Attention heads.
  public let headCount: Int
  /// Heads of keys and values.
  public let keyValueHeadCount: Int

  /// The layout of a model.
  public init(_ architecture: Architecture, headCount: Int, keyValueHeadCount: Int) {
    (self.architecture, self.headCount, self.keyValueHeadCount) = (architecture, headCount, keyValueHeadCount)
  }

  /// A module: Hugging Face's name and llama.cpp's, and how GGUF's rows lie beside Hugging Face's.
  private struct Module {
    let huggingFace: String
    let gguf: String
    var rows: RowOrder?
  }

  /// What stands before a layer's number in Hugging Face's names.
  private var layerPrefix: String { architecture == .llama ? "model.layers." : "transformer.h." }

  /// The modules outside of the layers: those before them, and those behind.
  private var outer: (first: [Module], last: [Module]) {
    switch architecture {
    case .llama:
      (
        [Module(huggingFace: "model.embed_tokens", gguf: "token_embd")],
        [
          Module(huggingFace: "model.norm", gguf: "output_norm"), Module(huggingFace: "lm_head", gguf: "output"),
        ]
      )
    case .bloom:
      (
        [
          Module(huggingFace: "transformer.word_embeddings", gguf: "token_embd"),
          Module(huggingFace: "transformer.word_embeddings_layernorm", gguf: "token_embd_norm"),
        ],
        [
          Module(huggingFace: "transformer.ln_f", gguf: "output_norm"), Module(huggingFace: "lm_head", gguf: "output"),
        ]
      )
    }
  }

  /// The modules of a layer, in the order in which they are used.
  private var inner: [Module] {
    switch architecture {
    case .llama:
      [
        Module(huggingFace: "input_layernorm", gguf: "attn_norm"),
        Module(huggingFace: "self_attn.q_proj", gguf: "attn_q", rows: .interleaved(heads: headCount)),
        Module(huggingFace: "self_attn.k_proj", gguf: "attn_k", rows: .interleaved(heads: keyValueHeadCount)),
        Module(huggingFace: "self_attn.v_proj", gguf: "attn_v"),
        Module(huggingFace: "self_attn.o_proj", gguf: "attn_output"),
        Module(huggingFace: "post_attention_layernorm", gguf: "ffn_norm"),
        Module(huggingFace: "mlp.gate_proj", gguf: "ffn_gate"), Module(huggingFace: "mlp.up_proj", gguf: "ffn_up"),
        Module(huggingFace: "mlp.down_proj", gguf: "ffn_down"),
      ]
    case .bloom:
      [
        Module(huggingFace: "input_layernorm", gguf: "attn_norm"),
        Module(huggingFace: "self_attention.query_key_value", gguf: "attn_qkv", rows: .stacked(heads: headCount)),
        Module(huggingFace: "self_attention.dense", gguf: "attn_output"),
        Module(huggingFace: "post_attention_layernorm", gguf: "ffn_norm"),
        Module(huggingFace: "mlp.dense_h_to_4h", gguf: "ffn_up"),
        Module(huggingFace: "mlp.dense_4h_to_h", gguf: "ffn_down"),
      ]
    }
  }

  /// A module's name and its part: `weight` or `bias`.
  private static func split(_ name: String) -> (module: String, part: String)? {
    guard let dot = name.lastIndex(of: "."), [".weight", ".bias"].contains(name[dot...]) else { return nil }
    return (String(name[..<dot]), String(name[dot...]))
  }

  /// The other layout's name for a tensor, where it stands among all, and how GGUF's rows lie beside Hugging Face's.
  private func find(
    _ name: String, prefix: String, from: (Module) -> String, to: (Module) -> String, otherPrefix: String
  ) -> (name: String, rank: [Int], rows: RowOrder?)? {
    guard let (module, part) = Self.split(name) else { return nil }
    let partRank = part == ".weight" ? 0 : 1
    for (group, modules) in [(0, outer.first), (2, outer.last)] {
      if let number = modules.firstIndex(where: { from($0) == module }) {
        return (to(modules[number]) + part, [group, 0, number, partRank], modules[number].rows)
      }
    }
    guard module.hasPrefix(prefix) else { return nil }
    let rest = module.dropFirst(prefix.count)
    guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0, String(layer) == rest[..<dot],
      let number = inner.firstIndex(where: { from($0) == rest[rest.index(after: dot)...] })
    else { return nil }
    return ("\(otherPrefix)\(layer).\(to(inner[number]))\(part)", [1, layer, number, partRank], inner[number].rows)
  }

  // MARK: From Hugging Face

  /// A model of Hugging Face's layout as GGUF has it, its tensors in the order in which they are used.
  ///
  /// - Parameters:
  ///   - source: in any container; a base model's names are completed.
  ///   - tiesHead: whether the head is the embedding, and is left out where it is stored all the same.
  /// - Throws: ``CheckpointError`` for a tensor that llama.cpp has no name for.
  public func arranged(_ source: any TensorSource, tiesHead: Bool) throws -> TensorView {
    let named = try HuggingFaceNames.completed(source)
    var entries: [(entry: TensorView.Entry, rank: [Int])] = []
    for (index, info) in named.tensors.enumerated() where !ComputedTensors.contains(info) {
      if tiesHead, info.name == "lm_head.weight" { continue }
      guard
        let found = find(
          info.name, prefix: layerPrefix, from: \.huggingFace, to: \.gguf, otherPrefix: "blk.")
      else {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "llama.cpp has no name for \(displayName(info.name)) in a model of the kind \(architecture)",
          remedy: "adapters and heads of other kinds are to be merged or removed before")
      }
      entries.append((TensorView.Entry(info.renamed(found.name), .tensor(index, in: found.rows)), found.rank))
    }
    entries.sort { $0.rank.lexicographicallyPrecedes($1.rank) }
    return try TensorView(entries.map(\.entry), of: named)
  }

  // MARK: From GGUF

  /// A GGUF model as Hugging Face has it, its tensors in the order of the file.
  ///
  /// - Throws: ``CheckpointError`` for a tensor that is not the architecture's.
  public func huggingFace(_ source: any TensorSource) throws -> TensorView {
    let entries = try source.tensors.enumerated().map { index, info in
      guard
        let found = find(
          info.name, prefix: "blk.", from: \.gguf, to: \.huggingFace, otherPrefix: layerPrefix)
      else {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(displayName(info.name)) is no tensor of a \(architecture) model as it is known here",
          remedy: info.name == "rope_freqs.weight" ? "models with scaled positions are not read from GGUF" : nil)
      }
      return TensorView.Entry(info.renamed(found.name), .tensor(index, in: found.rows?.inverse))
    }
    return try TensorView(entries, of: source)
  }
}
