// The fields and keys that are known to change what a model computes, and that no family here computes by; and those that a
// file may have because they are read here or change nothing. One table for each dialect.
// Sources: transformers, models/*/configuration_*.py; meta-llama/llama-models, models/llama3/args.py; mistral-inference,
// args.py; executorch, examples/models/llama/model_args.py. Keys of GGUF: GGUFKeys.swift.

/// What configurations may say.
enum ConfigurationTerms {
  // MARK: config.json

  /// Fields of `config.json` that change the arithmetic of some architecture, with the values that change nothing.
  static let config: [(name: String, neutral: [JSONScalar])] = [
    // Multipliers: Granite, MiniCPM, Cohere, Gemma.
    ("attention_multiplier", []), ("embedding_multiplier", one), ("residual_multiplier", one), ("logits_scaling", one),
    ("logit_scale", one), ("scale_emb", one), ("scale_depth", []), ("dim_model_base", []), ("embedding_scale", one),
    ("attention_scale", []), ("query_pre_attn_scalar", []), ("mup_width_multiplier", one), ("attn_scale", []),
    ("final_logit_softcapping", []), ("attn_logit_softcapping", []), ("output_multiplier_scale", one),
    ("lm_head_multiplier", one), ("key_multiplier", one),
    // Other attention.
    ("clip_qkv", []), ("use_qk_norm", off), ("qk_layernorm", off), ("qk_norm", off), ("is_causal", on),
    ("use_bidirectional_attention", off), ("bidirectional", off), ("attention_chunk_size", []), ("alibi", off),
    ("use_alibi", off), ("layer_types", [.text("full_attention")]), ("no_rope_layers", one),
    ("attn_temperature_tuning", off),
    ("cross_attention_layers", []), ("add_cross_attention", off), ("sliding_window_pattern", []),
    ("interleaved_sliding_window", []), ("local_attention", off), ("attention_sink_size", []), ("kv_lora_rank", []),
    ("q_lora_rank", []),
    // Other positions.
    ("rotary_pct", one), ("rotary_percent", one), ("rope_interleaved", off), ("rope_local_base_freq", []),
    ("no_rope_layer_interval", []),
    ("use_rope", on),
    ("rotary_dim", []), ("position_embedding_type", [.text("rope"), .text("alibi"), .text("absolute")]),
    // Other layers.
    ("num_local_experts", [.number(0), .number(1)]), ("num_experts", [.number(0), .number(1)]),
    ("n_routed_experts", [.number(0)]),
    ("parallel_attn", off), ("use_parallel_residual", off), ("hidden_activation", [.text("silu")]),
    ("num_nextn_predict_layers", [.number(0)]), ("norm_type", [.text("rms_norm"), .text("rmsnorm"), .text("RMSNorm")]),
  ]

  private static let one = [JSONScalar.number(1)]
  private static let off = [JSONScalar.flag(false)]
  private static let on = [JSONScalar.flag(true)]

  // MARK: params.json

  /// Fields of Meta's and Mistral's `params.json` that are read, or say nothing of what the model computes.
  static let params: Set<String> = [
    "dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "norm_eps", "rope_theta", "use_scaled_rope",
    "rope_scale_factor", "vocab_size", "multiple_of", "ffn_dim_multiplier", "hidden_dim",
    // What a program is run with.
    "max_batch_size", "max_seq_len", "max_context_len", "max_position_embeddings",
  ]

  /// Other fields of `params.json`, with the values that change nothing.
  static let neutralParams: [String: [JSONScalar]] = [
    "model_type": [.text("transformer"), .text("llama"), .text("mistral")], "use_qk_norm": off, "tied_embeddings": off,
    "moe": [], "sliding_window": [], "_sliding_window": [], "lora": [], "quantization": [], "quantization_args": [],
    "lora_args": [], "vision_chunk_size": [.number(-1), .number(0)],
    "vision_num_cross_attention_layers": [.number(-1), .number(0)],
    "vision_max_num_chunks": [.number(4), .number(0)], "partial_rotary_factor": one, "causal": on,
  ]
}
