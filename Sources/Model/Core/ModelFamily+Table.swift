// The families that are known here, and the modules that they have. To add a family, add a row; what its layers compute
// beyond the rows that are there is added to Sources/Transformer/Layer.swift.
// Sources: transformers, models/llama, models/mistral, models/qwen2, models/qwen3, models/bloom (classes, names, keys of config.json);
// llama.cpp, gguf-py/gguf/constants.py and tensor_mapping.py, the converters (names, rows) and src/llama-model.cpp (biases); meta-llama/llama, model.py;
// vLLM, gguf_loader.py.

// MARK: - What modules there are

extension ModelFamily {
  /// What a module is in its model.
  package enum Role: String, Sendable, CaseIterable {
    case embedding, embeddingNorm
    case attentionNorm, queries, keys, values, attentionOutput
    /// Of each head of queries, of each head of keys, before they are turned.
    case queryNorm, keyNorm
    /// q, k and v side by side in each head.
    case fusedAttention
    case feedForwardNorm, gate, up, down
    case outputNorm, head

    /// The group of a layer's linear modules that it belongs to; nil for norms and for what is not in a layer.
    package var group: LinearGroup.Role? {
      switch self {
      case .queries, .keys, .values, .fusedAttention: .attentionInput
      case .attentionOutput: .attentionOutput
      case .gate, .up: .feedForwardInput
      case .down: .feedForwardOutput
      case .embedding, .head, .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .feedForwardNorm, .outputNorm: nil
      }
    }

    /// Whether it is a norm.
    package var isNorm: Bool {
      switch self {
      case .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .feedForwardNorm, .outputNorm: true
      default: false
      }
    }

    /// Whether each layer has one.
    package var isInLayer: Bool { group != nil || isNorm && self != .embeddingNorm && self != .outputNorm }
  }
}

// MARK: - The rows

extension ModelFamily {
  /// All families.
  package static let all = [llama, mistral, qwen2, qwen3, bloom]

  /// What is known, as a sentence lists it.
  static func list(_ column: (ModelFamily) -> String?) -> String {
    var names: [String] = []
    for name in all.compactMap(column) where !names.contains(name) { names.append(name) }
    return names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
  }

  /// The titles of all families, as a sentence lists them.
  package static var titles: String { list(\.title) }

  /// The family of a `model_type`.
  package init?(name: String) {
    guard let row = Self.all.first(where: { $0.name == name }) else { return nil }
    self = row
  }

  /// The family that a GGUF file's `general.architecture` is read as: the first row that is written under it.
  init?(gguf: String) {
    guard let row = Self.all.first(where: { $0.gguf == gguf }) else { return nil }
    self = row
  }

  /// LLaMA: RMSNorm, rotary positions, SwiGLU.
  package static let llama = decoder(
    name: "llama", title: "LLaMA", className: "LlamaForCausalLM", gguf: "llama", rows: .interleaved,
    ggufBiases: allLinear, inputBias: .configured,
    biasFields: [
      .attentionInput: "attention_bias", .attentionOutput: "attention_bias", .feedForwardInput: "mlp_bias",
      .feedForwardOutput: "mlp_bias",
    ],
    hasMetaLayout: true)

  /// Mistral: LLaMA with a window that attention slides over, and without biases.
  package static let mistral = decoder(
    name: "mistral", title: "Mistral", className: "MistralForCausalLM", gguf: "llama", rows: .interleaved,
    ggufBiases: allLinear, inputBias: .optional, hasMetaLayout: true, slidingWindow: .stated)

  /// Qwen2: LLaMA with biases of q, k and v.
  package static let qwen2 = decoder(
    name: "qwen2", title: "Qwen2", className: "Qwen2ForCausalLM", gguf: "qwen2", rows: nil,
    ggufBiases: [.queries, .keys, .values], inputBias: .always,
    hasMetaLayout: false, slidingWindow: .switched)

  /// Qwen3: LLaMA with a norm of each head of queries and keys.
  package static let qwen3 = decoder(
    name: "qwen3", title: "Qwen3", className: "Qwen3ForCausalLM", gguf: "qwen3", rows: nil,
    ggufBiases: [.queries, .keys, .values, .attentionOutput], inputBias: .configured,
    biasFields: [.attentionInput: "attention_bias", .attentionOutput: "attention_bias"],
    hasMetaLayout: false, hasHeadNorms: true, defaultHeadSize: 128, slidingWindow: .switched)

  /// BLOOM: LayerNorm, ALiBi, tanh GELU, biases everywhere, q, k and v in one matrix.
  package static let bloom = ModelFamily(
    name: "bloom", title: "BLOOM", className: "BloomForCausalLM", gguf: "bloom",
    ggufBiases: [.fusedAttention, .attentionOutput, .up, .down], biasFields: [:], isGGUFReadByVLLM: false,
    normalization: .layer, activation: .gelu, positions: .linearBiases,
    keys: ConfigurationKeys(
      hiddenSize: ["hidden_size", "n_embed"], layerCount: ["n_layer", "num_hidden_layers"],
      headCount: ["n_head", "num_attention_heads"], keyValueHeadCount: nil, intermediateSize: nil,
      epsilon: "layer_norm_epsilon", contextLength: "seq_length", defaultEpsilon: 1e-5, tiesHead: true,
      switches: ["apply_residual_connection_post_layernorm": false]),
    slidingWindow: .none, prefix: "transformer.", layers: "h.",
    modules: [
      Module(.embedding, "word_embeddings", gguf: "token_embd"),
      Module(.embeddingNorm, "word_embeddings_layernorm", gguf: "token_embd_norm"),
      Module(.attentionNorm, "input_layernorm", gguf: "attn_norm"),
      Module(
        .fusedAttention, "self_attention.query_key_value", gguf: Module.Name("attn_qkv", rows: .stacked), bias: .always),
      Module(.attentionOutput, "self_attention.dense", gguf: "attn_output", bias: .always),
      Module(.feedForwardNorm, "post_attention_layernorm", gguf: "ffn_norm"),
      Module(.up, "mlp.dense_h_to_4h", gguf: "ffn_up", bias: .always),
      Module(.down, "mlp.dense_4h_to_h", gguf: "ffn_down", bias: .always),
      Module(.outputNorm, "ln_f", gguf: "output_norm"),
      Module(.head, "lm_head", gguf: "output"),
    ])

  private static let allLinear: Set<Role> = [.queries, .keys, .values, .attentionOutput, .gate, .up, .down]

  /// A family that is built like LLaMA.
  ///
  /// - Parameters:
  ///   - rows: how GGUF's rows of q and k lie; nil where they lie as Hugging Face's.
  ///   - ggufBiases: the modules whose biases llama.cpp has a place for.
  ///   - inputBias: of q, k and v.
  ///   - biasFields: the fields of config.json that give modules their biases.
  ///   - hasHeadNorms: whether each head of q and k is normed.
  private static func decoder(
    name: String, title: String, className: String, gguf: String?, rows: Module.Rows?, ggufBiases: Set<Role>,
    inputBias: Module.Bias, biasFields: [LinearGroup.Role: String] = [:],
    hasMetaLayout: Bool, hasHeadNorms: Bool = false, defaultHeadSize: Int? = nil,
    slidingWindow: SlidingWindow = .none
  ) -> ModelFamily {
    let headNorms = [
      Module(.queryNorm, "self_attn.q_norm", gguf: "attn_q_norm"),
      Module(.keyNorm, "self_attn.k_norm", gguf: "attn_k_norm"),
    ]
    let meta = { (name: String, rows: Module.Rows?) in hasMetaLayout ? Module.Name(name, rows: rows) : nil }
    return ModelFamily(
      name: name, title: title, className: className, gguf: gguf, ggufBiases: ggufBiases, biasFields: biasFields,
      isGGUFReadByVLLM: true,
      normalization: .rootMeanSquare, activation: .gatedSiLU, positions: .rotary,
      keys: ConfigurationKeys(defaultHeadSize: defaultHeadSize),
      slidingWindow: slidingWindow, prefix: "model.", layers: "layers.",
      modules: [
        Module(.embedding, "embed_tokens", gguf: "token_embd", meta: meta("tok_embeddings", nil)),
        Module(.attentionNorm, "input_layernorm", gguf: "attn_norm", meta: meta("attention_norm", nil)),
        Module(
          .queries, "self_attn.q_proj", gguf: Module.Name("attn_q", rows: rows),
          meta: meta("attention.wq", .interleaved), bias: inputBias),
        Module(
          .keys, "self_attn.k_proj", gguf: Module.Name("attn_k", rows: rows),
          meta: meta("attention.wk", .interleaved), bias: inputBias),
        Module(.values, "self_attn.v_proj", gguf: "attn_v", meta: meta("attention.wv", nil), bias: inputBias),
      ] + (hasHeadNorms ? headNorms : []) + [
        Module(.attentionOutput, "self_attn.o_proj", gguf: "attn_output", meta: meta("attention.wo", nil)),
        Module(.feedForwardNorm, "post_attention_layernorm", gguf: "ffn_norm", meta: meta("ffn_norm", nil)),
        Module(.gate, "mlp.gate_proj", gguf: "ffn_gate", meta: meta("feed_forward.w1", nil)),
        Module(.up, "mlp.up_proj", gguf: "ffn_up", meta: meta("feed_forward.w3", nil)),
        Module(.down, "mlp.down_proj", gguf: "ffn_down", meta: meta("feed_forward.w2", nil)),
        Module(.outputNorm, "norm", gguf: "output_norm", meta: meta("norm", nil)),
        Module(.head, "lm_head", gguf: "output", meta: meta("output", nil)),
      ])
  }
}
