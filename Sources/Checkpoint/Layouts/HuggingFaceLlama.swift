// LLaMA in Hugging Face's names and row order, from Meta's. The rows of q and k are reordered in each head, from
// interleaved pairs to halves: view (heads, head_dim/2, 2, in), swap the middle two.
// Source: transformers, models/llama/convert_llama_weights_to_hf.py; proven on fixtures/checkpoints/meta-as-hf.

import ByteIO

/// A Meta model as Hugging Face has it, without what is computed from the configuration (``ComputedTensors``).
public struct HuggingFaceLlama: Sendable {
  /// The tensors, with Hugging Face's names and order of rows.
  public let view: TensorView

  let source: MetaFolder

  /// Renames and reorders a model.
  ///
  /// - Throws: ``CheckpointError`` for a tensor whose name is none of LLaMA's, or whose rows do not fit the heads.
  public init(_ source: MetaFolder) throws {
    self.source = source
    let parameters = source.parameters
    var entries: [TensorView.Entry] = []
    for (index, info) in source.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let name = Self.name(info.name) else {
        throw CheckpointError(
          .badTensor, file: info.file, reason: "\(displayName(info.name)) is no name of Meta's LLaMA layout")
      }
      var heads: Int?
      if name.hasSuffix(".q_proj.weight") { heads = parameters.n_heads }
      if name.hasSuffix(".k_proj.weight") { heads = parameters.n_kv_heads ?? parameters.n_heads }
      if let heads { try info.checkRows(heads: heads) }
      entries.append(TensorView.Entry(info.renamed(name), .tensor(index, in: heads.map { .halves(heads: $0) })))
    }
    view = try TensorView(entries, of: source)
  }

  /// The modules of a layer: Meta's names and Hugging Face's.
  static let modules = [
    "attention.wq.weight": "self_attn.q_proj.weight", "attention.wk.weight": "self_attn.k_proj.weight",
    "attention.wv.weight": "self_attn.v_proj.weight", "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight", "feed_forward.w2.weight": "mlp.down_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight", "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
  ]

  /// Hugging Face's name for one of Meta's; nil for what is none.
  static func name(_ name: String) -> String? {
    switch name {
    case "tok_embeddings.weight": return "model.embed_tokens.weight"
    case "norm.weight": return "model.norm.weight"
    case "output.weight": return "lm_head.weight"
    default: break
    }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "layers", let layer = Int(parts[1]), layer >= 0 else { return nil }
    return Self.modules[String(parts[2])].map { "model.layers.\(layer).\($0)" }
  }

  /// Holds the frequencies of positions that the file stores against those of its configuration.
  ///
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as ``RotaryFrequencies/check(_:)``.
  public func checkFrequencies() throws -> String? {
    let file = source.tensors.first.map { Folder.parent(of: $0.file) } ?? ""
    return try RotaryFrequencies(
      headSize: source.parameters.dim / source.parameters.n_heads, base: source.parameters.rope_theta,
      configuration: Folder.join(file, "params.json")
    ).check(source)
  }
}

extension TensorInfo {
  /// Checks that the rows of a query or key projection are so many heads, each of pairs.
  ///
  /// - Throws: ``CheckpointError`` with code `.badTensor`.
  func checkRows(heads: Int) throws {
    guard shape.count == 2, shape[0] % (2 * heads) == 0 else {
      throw CheckpointError(
        .badTensor, file: file, reason: "\(displayName(name)) has shape \(shape), which \(heads) heads do not divide")
    }
  }
}
