// LLaMA in Hugging Face's names and row order, from Meta's. The rows of q and k are reordered in each head, from
// interleaved pairs to halves: view (heads, head_dim/2, 2, in), swap the middle two.
// Source: transformers, models/llama/convert_llama_weights_to_hf.py; proven on fixtures/checkpoints/meta-as-hf.

import ByteIO

/// A Meta model as Hugging Face has it, without what is computed from the configuration (``ComputedTensors``).
public struct HuggingFaceLlama: TensorSource {
  /// What the container is.
  public var format: String { source.format }
  /// The tensors, with Hugging Face's names.
  public let tensors: [TensorInfo]
  /// What the source holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  let source: MetaFolder
  private let places: [(index: Int, heads: Int?)]

  /// Renames and reorders a model.
  ///
  /// - Throws: ``CheckpointError`` for a tensor whose name is none of LLaMA's, or whose rows do not fit the heads.
  public init(_ source: MetaFolder) throws {
    self.source = source
    var tensors: [TensorInfo] = []
    var places: [(index: Int, heads: Int?)] = []
    let parameters = source.parameters
    for (index, info) in source.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let name = Self.name(info.name) else {
        throw CheckpointError(
          .badTensor, file: info.file, reason: "\(displayName(info.name)) is no name of Meta's LLaMA layout")
      }
      var heads: Int?
      if name.hasSuffix(".q_proj.weight") { heads = parameters.n_heads }
      if name.hasSuffix(".k_proj.weight") { heads = parameters.n_kv_heads ?? parameters.n_heads }
      if let heads { try info.checkRows(heads: heads) }
      tensors.append(info.renamed(name))
      places.append((index, heads))
    }
    self.tensors = tensors
    self.places = places
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

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    let (place, heads) = places[index]
    guard let heads else { return try source.read(place, body) }
    let info = tensors[index]
    guard info.shape[0] > 0 else { return }
    let half = info.shape[0] / heads / 2
    try source.readRows(
      place,
      (0..<info.shape[0]).lazy.map { row in
        let (head, within) = (row / (2 * half), row % (2 * half))
        return head * 2 * half + 2 * (within % half) + within / half
      }, body)
  }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
