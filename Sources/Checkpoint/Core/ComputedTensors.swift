// Tensors that a model computes from its configuration and that some programs store all the same: no weights. The one
// place that knows their names. Only names that are known to be computed are left out, and where a name alone would not
// do, the shape must fit too.
// Sources: meta-llama/llama, model.py (rope.freqs, cache_k, cache_v); transformers before 4.32, modeling_llama.py,
// modeling_gpt2.py, modeling_gpt_neox.py (rotary_emb, bias, masked_bias).

import ByteIO

/// What is stored beside weights and computed all the same.
public enum ComputedTensors {
  /// Whether a tensor is computed: frequencies of rotary positions with their cosines and sines, causal masks, empty
  /// caches of keys and values.
  public static func contains(_ info: TensorInfo) -> Bool {
    let parts = info.name.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last, let owner = parts.dropLast().last else { return false }
    switch last {
    // LLaMA-1 7B has `layers.N.attention.inner_attention.rope.freqs`, later ones a single `rope.freqs`.
    case "freqs": return owner == "rope"
    case "inv_freq", "original_inv_freq", "cos_cached", "sin_cached": return rotaryModules.contains(owner)
    case "cache_k", "cache_v": return owner == "attention" && info.shape.count == 4
    case "bias":
      return attentionModules.contains(owner) && info.shape.count == 4 && info.shape[0] == 1 && info.shape[1] == 1
        && info.shape[2] == info.shape[3]
    case "masked_bias": return attentionModules.contains(owner) && info.elementCount == 1
    default: return false
    }
  }

  private static let rotaryModules: Set<Substring> = ["rotary_emb", "rotary_pos_emb"]
  private static let attentionModules: Set<Substring> = ["attn", "attention"]

  /// A source without them; the source itself where it has none.
  public static func removed(from source: any TensorSource) -> any TensorSource {
    guard source.tensors.contains(where: contains) else { return source }
    return TensorView(source) { !contains($0) }
  }

  /// A source without those that another one does not have: two models are the same with and without them.
  ///
  /// - Returns: the source, and how many were left out.
  public static func removed(from source: any TensorSource, missingIn other: any TensorSource)
    -> (source: any TensorSource, count: Int)
  {
    let names = Set(other.tensors.map(\.name))
    let isAlone = { (info: TensorInfo) in contains(info) && !names.contains(info.name) }
    let count = source.tensors.count(where: isAlone)
    return count == 0 ? (source, 0) : (TensorView(source) { !isAlone($0) }, count)
  }
}
