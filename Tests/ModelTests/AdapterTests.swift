// What is an adapter's by its name, and what is a model's own.

import ByteIO
import Checkpoint
import TestSupport
import Testing

@testable import Model

@Suite("Adapters by their tensors") struct AdapterTests {
  private func presence(_ names: [String]) -> AdapterPresence? {
    let source = MemorySource(names.map { ($0, .f32, [2, 2], [UInt8](repeating: 0, count: 16)) })
    return AdapterPresence(in: source, at: "m.safetensors")
  }

  private static let base = [
    "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.mlp.up_proj.weight",
  ]

  @Test(
    "peft's and llama.cpp's names among a model's own are an unmerged adapter",
    arguments: [
      "model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.0.self_attn.q_proj.lora_B.default.weight",
      "model.embed_tokens.lora_embedding_A.default", "model.layers.0.self_attn.q_proj.lora_magnitude_vector",
      "blk.0.attn_q.weight.lora_a", "model.layers.0.self_attn.q_proj.hada_w1_a",
      "model.layers.0.mlp.up_proj.ia3_l.weight",
      "model.layers.0.self_attn.q_proj.lokr_w2_b", "model.layers.0.self_attn.q_proj.lora_E",
      "model.layers.0.self_attn.q_proj.beft_bias.default", "model.layers.0.self_attn.q_proj.osf_svd_params.U_low",
      "model.layers.0.self_attn.q_proj.tinylora_v.default", "model.layers.0.self_attn.q_proj.unilora_theta_d",
      "model.layers.0.self_attn.q_proj.oft_r.default", "model.layers.0.self_attn.q_proj.dora_scale",
      "unet.down.attn.to_q.lora_layer.down.weight", "model.layers.0.self_attn.v_proj.base_layer.weight",
      "lm_head.original_module.weight",
    ])
  func unmerged(name: String) { #expect(presence(Self.base + [name])?.kind == .unmerged) }

  @Test(
    "modules of a model's own that are called much alike are no adapter",
    arguments: [
      "model.layers.0.lora_projection.weight", "lora_layers.0.weight", "model.layers.0.gate.lora_gate.weight",
      "model.layers.0.self_attn.lora_q_a_proj.weight", "model.hada_proj.weight", "model.lora_scaling",
      "prompt_encoder.mask_embed.conv1.weight", "prompt_encoder.no_mask_embed.weight", "lora_head.weight",
      "model.layers.0.mlp.base_layer.weight", "prompt_embeddings.weight", "bone_head.weight", "model.bone_lengths",
      "encoder.oft_gate.weight", "vera_head.weight", "hira_layer.weight", "hada_weight", "ia3_layer.weight",
      "miss_block_head.weight", "decoder.base_layer.weight", "x.original_module.weight", "encoder.poly_type",
    ])
  func own(name: String) { #expect(presence(Self.base + [name]) == nil) }

  @Test("of LoRA's tensors those with other programs' names are not sent to a merge that refuses them")
  func foreignNames() {
    let layer = "model.layers.0.self_attn.q_proj."
    #expect(presence([layer + "lora_A.weight", layer + "lora_B.weight"])?.remedy.requests == [.merging])
    #expect(presence([layer + "lora_down.weight", layer + "lora_up.weight"])?.remedy.requests == [])
  }

  @Test("an adapter's tensors and nothing else are an adapter alone")
  func alone() {
    let names = ["A", "B"].map { "base_model.model.model.layers.0.self_attn.q_proj.lora_\($0).weight" }
    #expect(presence(names)?.kind == .alone)
    #expect(presence(["prompt_embeddings"])?.kind == .alone)
  }
}
