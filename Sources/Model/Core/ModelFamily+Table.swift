// The families that are known here. To add a family, add a row; what its layers compute beyond the rows that are there is
// added to Sources/Transformer/Layer.swift.
// Sources: transformers, models/llama, mistral, qwen2, qwen3, smollm3, phi3, gemma2, gemma3, bloom (classes, names, keys of
// config.json and what they are where they are not said); InternLM2's and Baichuan's own modeling_*.py beside their weights;
// llama.cpp, gguf-py/gguf/constants.py and tensor_mapping.py, the converters (names, rows), src/models/*.cpp (biases, and what
// an architecture holds); meta-llama/llama, model.py; vLLM, gguf_loader.py.

extension ModelFamily {
  /// All families.
  package static let all = [
    llama, mistral, qwen2, qwen3, smollm3, phi3, gemma2, gemma3, internlm2, baichuan, baichuan13B, bloom,
  ]

  /// What is known, as a sentence lists it.
  static func list(_ column: (ModelFamily) -> String?) -> String {
    var names: [String] = []
    for name in all.compactMap(column) where !names.contains(name) { names.append(name) }
    return names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
  }

  /// The titles of all families, as a sentence lists them.
  package static var titles: String { list(\.title) }

  /// The family of a `model_type`.
  ///
  /// - Parameter hasField: whether `config.json` has a field, by which families of one `model_type` are told; where nil the
  ///   first of them is meant.
  package init?(modelType: String, hasField: ((String) -> Bool)? = nil) {
    let row = Self.all.first { row in
      guard row.modelType == modelType else { return false }
      guard let hasField, let telling = row.keys.tellingField else { return true }
      return hasField(telling.name) == telling.isThere
    }
    guard let row else { return nil }
    self = row
  }

  /// The family that a GGUF file's `general.architecture` is read as: the first row that is written under it.
  ///
  /// - Parameter layerCount: by which llama.cpp tells some; where nil the first of them is meant.
  init?(gguf: String, layerCount: Int? = nil) {
    let rows = Self.all.filter { $0.gguf == gguf }
    let fitting = rows.first { row in
      layerCount.map { row.ggufTraits.layerCounts?.contains($0) ?? true } ?? true
    }
    guard let row = fitting ?? rows.first else { return nil }
    self = row
  }

  // MARK: - The rows

  /// LLaMA: RMSNorm, rotary positions, SwiGLU.
  package static let llama = decoder(
    "llama", title: "LLaMA", className: "LlamaForCausalLM", rows: .interleaved, inputBias: .configured,
    hasMetaLayout: true
  ) {
    $0.models = "LLaMA 1–3.3, BELLE-LLaMA, Vicuna, Yi, SmolLM2"
    $0.ggufBiases = allLinear
    $0.biasFields = allBiasFields
    $0.ggufTraits = GGUFTraits(readsDivisors: true, readsLongDivisors: true)
  }

  /// Mistral: LLaMA with a window that attention slides over, and without biases.
  package static let mistral = decoder(
    "mistral", title: "Mistral", className: "MistralForCausalLM", gguf: "llama", rows: .interleaved,
    hasMetaLayout: true
  ) {
    $0.models = "Mistral 7B, Mistral Nemo"
    $0.ggufBiases = allLinear
    $0.slidingWindow = SlidingWindow(implied: 4096, layers: .all, readsList: false)
    $0.ggufTraits = GGUFTraits(readsDivisors: true, readsLongDivisors: true)
  }

  /// Qwen2: LLaMA with biases of q, k and v.
  package static let qwen2 = decoder(
    "qwen2", title: "Qwen2", className: "Qwen2ForCausalLM", inputBias: .always
  ) {
    $0.models = "Qwen1.5, Qwen2, Qwen2.5"
    $0.ggufBiases = [.queries, .keys, .values]
    $0.slidingWindow = qwenWindow
  }

  /// Qwen3: LLaMA with a norm of each head of queries and keys.
  package static let qwen3 = decoder(
    "qwen3", title: "Qwen3", className: "Qwen3ForCausalLM", inputBias: .configured, hasHeadNorms: true
  ) {
    $0.models = "Qwen3"
    $0.ggufBiases = [.queries, .keys, .values, .attentionOutput]
    $0.biasFields = attentionBiasFields
    $0.keys.defaultHeadSize = 128
    $0.slidingWindow = qwenWindow
  }

  /// SmolLM3: LLaMA with every fourth layer without positions.
  package static let smollm3 = decoder(
    "smollm3", title: "SmolLM3", className: "SmolLM3ForCausalLM", rows: .interleaved, inputBias: .configured
  ) {
    $0.models = "SmolLM3"
    $0.biasFields = allBiasFields
    $0.ggufReaders = []
    $0.padIsImplied = true
    $0.keys.tiesHead = true
    $0.keys.defaultRotaryBase = 2_000_000
    $0.unturned = UnturnedLayers(listField: "no_rope_layers", intervalField: "no_rope_layer_interval", implied: 4)
    $0.slidingWindow = SlidingWindow(switchField: "use_sliding_window", layers: .unturned)
    $0.ggufTraits = GGUFTraits(unturnedEach: 4)
  }

  /// Phi-3 and Phi-4: q, k and v in one matrix, gate and up in another, a part of each head turned, divisors for long texts.
  package static let phi3 = decoder(
    "phi3", title: "Phi-3", className: "Phi3ForCausalLM",
    attention: [
      Module(.fusedAttention, "self_attn.qkv_proj", gguf: "attn_qkv", heads: .stacked)
    ], feedForward: [Module(.fusedGate, "mlp.gate_up_proj", gguf: "ffn_up")]
  ) {
    $0.models = "Phi-3, Phi-3.5, Phi-4"
    $0.keys.defaultEpsilon = 1e-5
    $0.keys.rotaryShare = "partial_rotary_factor"
    $0.keys.scalingNames = ["su": "longrope", "yarn": "longrope"]
    $0.padIsImplied = true
    $0.slidingWindow = SlidingWindow(layers: .all, readsList: false)
    $0.ggufTraits = GGUFTraits(window: .unused, readsLongDivisors: true, turnsParts: true, needsWholeHeads: true)
  }

  /// Gemma 2: norms behind attention and the feed-forward part too, bounds of scores and logits, every other layer a window.
  package static let gemma2 = decoder(
    "gemma2", title: "Gemma 2", className: "Gemma2ForCausalLM", inputBias: .configured, hasPostNorms: true
  ) {
    $0.models = "Gemma 2"
    asGemma(&$0)
    $0.keys.attentionCap = ("attn_logit_softcapping", 50)
    $0.keys.logitCap = ("final_logit_softcapping", 30)
    $0.slidingWindow = SlidingWindow(
      implied: 4096, layers: .allButEach(field: "sliding_window_pattern", implied: 2), isNeeded: true)
    $0.ggufTraits = GGUFTraits(
      window: .allButEach(2, implied: 4096), tiesHead: true, sharedScaleLayers: 46, bendsScores: true)
  }

  /// Gemma 3's text models: five layers in six with a window and angles of their own, norms of heads, no bounds.
  package static let gemma3 = decoder(
    "gemma3_text", title: "Gemma 3", className: "Gemma3ForCausalLM", gguf: "gemma3", inputBias: .configured,
    hasHeadNorms: true, hasPostNorms: true
  ) {
    $0.models = "Gemma 3 270M, 1B"
    asGemma(&$0)
    $0.keys.attentionCap = ("attn_logit_softcapping", nil)
    $0.keys.logitCap = ("final_logit_softcapping", nil)
    $0.keys.defaultRotaryBase = 1_000_000
    $0.keys.localRotaryBase = ("rope_local_base_freq", 10000)
    $0.slidingWindow = SlidingWindow(
      implied: 4096, layers: .allButEach(field: "sliding_window_pattern", implied: 6), isNeeded: true)
    $0.ggufTraits = GGUFTraits(
      window: .allButEach(6, implied: nil), sharedScaleLayers: 62, localRotaryBase: 10000)
  }

  /// InternLM2: LLaMA with q, k and v of each group of heads in one matrix, under Meta's names.
  package static let internlm2 = decoder(
    "internlm2", title: "InternLM2", className: "InternLM2ForCausalLM",
    attention: inParts("attention.wqkv", heads: .grouped, bias: .configured),
    names: [
      .embedding: "tok_embeddings", .attentionNorm: "attention_norm", .attentionOutput: "attention.wo",
      .feedForwardNorm: "ffn_norm", .gate: "feed_forward.w1", .up: "feed_forward.w3", .down: "feed_forward.w2",
      .head: "output",
    ]
  ) {
    $0.models = "InternLM2, InternLM2.5"
    $0.biasFields = [.attentionInput: "bias", .attentionOutput: "bias"]
    $0.ggufBiases = [.fusedAttention, .queries, .keys, .values]
    ($0.isInTransformers, $0.isStoredAlone) = (false, false)
    $0.ggufReaders = []
    $0.ggufTraits = GGUFTraits(needsWholeHeads: true, needsHead: true)
  }

  /// Baichuan 7B, the first and the second: LLaMA with q, k and v in one matrix.
  package static let baichuan = decoder(
    "baichuan", title: "Baichuan", className: "BaichuanForCausalLM",
    attention: inParts("self_attn.W_pack", heads: .stacked)
  ) {
    $0.models = "Baichuan 7B, Baichuan2 7B"
    asBaichuan(&$0)
    $0.keys.tellingField = ("max_position_embeddings", true)
    $0.ggufTraits.layerCounts = [32]
  }

  /// Baichuan 13B, the first and the second: a distance takes from scores in place of rotary positions.
  package static let baichuan13B = decoder(
    "baichuan-13b", modelType: "baichuan", title: "Baichuan 13B", className: "BaichuanForCausalLM", gguf: "baichuan",
    attention: inParts("self_attn.W_pack", heads: .stacked)
  ) {
    $0.models = "Baichuan 13B, Baichuan2 13B"
    asBaichuan(&$0)
    $0.positions = .linearBiases
    $0.keys.contextLength = "model_max_length"
    $0.keys.tellingField = ("max_position_embeddings", false)
    $0.ggufTraits.layerCounts = [40]
  }

  /// BLOOM: LayerNorm, ALiBi, tanh GELU, biases everywhere, q, k and v in one matrix.
  package static let bloom = ModelFamily(
    name: "bloom", modelType: "bloom", title: "BLOOM", className: "BloomForCausalLM", gguf: "bloom",
    ggufBiases: [.fusedAttention, .attentionOutput, .up, .down], models: "BLOOM, BLOOMZ, BELLE-7B",
    ggufReaders: ["transformers"],
    normalization: .layer, activation: .gelu, positions: .linearBiases,
    keys: ConfigurationKeys(
      hiddenSize: ["hidden_size", "n_embed"], layerCount: ["n_layer", "num_hidden_layers"],
      headCount: ["n_head", "num_attention_heads"], keyValueHeadCount: nil, intermediateSize: nil,
      epsilon: "layer_norm_epsilon", contextLength: "seq_length", defaultEpsilon: 1e-5, tiesHead: true,
      activation: [], switches: ["apply_residual_connection_post_layernorm": false]),
    prefix: "transformer.", layers: "h.",
    modules: [
      Module(.embedding, "word_embeddings", gguf: "token_embd"),
      Module(.embeddingNorm, "word_embeddings_layernorm", gguf: "token_embd_norm"),
      Module(.attentionNorm, "input_layernorm", gguf: "attn_norm"),
      Module(
        .fusedAttention, "self_attention.query_key_value", gguf: Module.Name("attn_qkv", rows: .stacked), bias: .always,
        heads: .grouped),
      Module(.attentionOutput, "self_attention.dense", gguf: "attn_output", bias: .always),
      Module(.feedForwardNorm, "post_attention_layernorm", gguf: "ffn_norm"),
      Module(.up, "mlp.dense_h_to_4h", gguf: "ffn_up", bias: .always),
      Module(.down, "mlp.dense_4h_to_h", gguf: "ffn_down", bias: .always),
      Module(.outputNorm, "ln_f", gguf: "output_norm"),
      Module(.head, "lm_head", gguf: "output"),
    ])
}
