import Testing

@testable import Checkpoint

@Suite("Computed tensors") struct ComputedTensorsTests {
  private func contains(_ name: String, _ shape: [Int]) -> Bool {
    ComputedTensors.contains(TensorInfo(name: name, dtype: .f16, shape: shape, file: "", byteCount: 0))
  }

  @Test(
    "names of what is computed, at any depth",
    arguments: [
      ("rope.freqs", [64]), ("layers.31.attention.inner_attention.rope.freqs", [64]),
      ("model.layers.0.self_attn.rotary_emb.inv_freq", [64]), ("model.rotary_emb.inv_freq", [64]),
      ("module.model.rotary_emb.original_inv_freq", [64]), ("rotary_emb.inv_freq", [64]),
      ("transformer.rotary_pos_emb.inv_freq", [32]), ("layers.0.self_attn.rotary_emb.cos_cached", [1, 1, 2048, 128]),
      ("layers.0.self_attn.rotary_emb.sin_cached", [2048, 128]), ("layers.0.attention.cache_k", [32, 512, 32, 128]),
      ("layers.0.attention.cache_v", [32, 512, 32, 128]), ("transformer.h.0.attn.bias", [1, 1, 1024, 1024]),
      ("transformer.h.0.attn.masked_bias", []), ("gpt_neox.layers.0.attention.masked_bias", [1]),
    ])
  func computed(name: String, shape: [Int]) { #expect(contains(name, shape)) }

  @Test(
    "what has only a like name, or another shape, is a weight",
    arguments: [
      ("freqs", [64]), ("xrope.freqs", [64]), ("rope.freqs.weight", [64]), ("rope_freqs.weight", [64]),
      ("inv_freq", [64]), ("layers.0.inv_freq", [64]), ("cache_k", [1, 1, 1, 1]), ("layers.0.attention.cache_k", [128]),
      ("h.0.attn.bias", [1024]), ("h.0.attn.bias", [1, 1, 3, 1024]), ("h.0.self_attn.bias", [1, 1, 4, 4]),
      ("h.0.attn.masked_bias", [1024]), ("h.0.attn.c_attn.bias", [1, 1, 4, 4]), ("bias", [1, 1, 4, 4]), ("", [1]),
    ])
  func weights(name: String, shape: [Int]) { #expect(!contains(name, shape)) }
}
