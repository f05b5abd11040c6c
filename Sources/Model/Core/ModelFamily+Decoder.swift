// What most families have in common: they are built like LLaMA, and a row says what is otherwise.

extension ModelFamily {
  /// All linear modules of a layer that is built like LLaMA's.
  static let allLinear: Set<Role> = [.queries, .keys, .values, .attentionOutput, .gate, .up, .down]

  /// The field that gives q, k, v and what follows attention their biases.
  static let attentionBiasFields: [LinearGroup.Role: String] = [
    .attentionInput: "attention_bias", .attentionOutput: "attention_bias",
  ]

  /// The fields that give all linear modules their biases.
  static let allBiasFields = attentionBiasFields.merging([
    .feedForwardInput: "mlp_bias", .feedForwardOutput: "mlp_bias",
  ]) { one, _ in one }

  /// Qwen's window, of the upper layers.
  static let qwenWindow = SlidingWindow(
    switchField: "use_sliding_window", implied: 4096, layers: .from(field: "max_window_layers", implied: 28))

  /// What Gemma 2 and Gemma 3 have in common.
  static func asGemma(_ row: inout ModelFamily) {
    row.biasFields = attentionBiasFields
    row.normOffset = 1
    row.activation = .gatedGELU
    row.scalesEmbedding = true
    row.padIsImplied = true
    row.keys.activation = ["hidden_activation", "hidden_act"]
    row.keys.defaultHeadSize = 256
    row.keys.tiesHead = true
    row.keys.queryScalar = ("query_pre_attn_scalar", 256)
  }

  /// What all of Baichuan's have in common.
  static func asBaichuan(_ row: inout ModelFamily) {
    (row.ggufReaders, row.isInTransformers) = ([], false)
    row.keys.keyValueHeadCount = nil
    row.keys.normedHead = "z_loss_weight"
    row.ggufTraits = GGUFTraits(needsWholeHeads: true, needsHead: true)
  }

  /// q, k and v in one matrix, which llama.cpp has as three.
  static func inParts(_ name: String, heads: FusedHeads, bias: Module.Bias = .optional) -> [Module] {
    [
      Module(.fusedAttention, Module.Name(name, rows: nil), gguf: nil, bias: bias, heads: heads),
      Module(.queries, nil, gguf: Module.Name("attn_q", rows: .interleaved)),
      Module(.keys, nil, gguf: Module.Name("attn_k", rows: .interleaved)),
      Module(.values, nil, gguf: "attn_v"),
    ]
  }

  /// A family that is built like LLaMA.
  ///
  /// - Parameters:
  ///   - name: of the family.
  ///   - modelType: where it is not the name.
  ///   - gguf: the architecture of GGUF, where it is not the name.
  ///   - rows: how GGUF's rows of q and k lie; nil where they lie as Hugging Face's.
  ///   - inputBias: of q, k and v.
  ///   - hasHeadNorms: whether each head of q and k is normed.
  ///   - hasPostNorms: whether what attention and the feed-forward part give is normed.
  ///   - attention: q, k and v, where they are not three modules.
  ///   - feedForward: gate and up, where they are not two.
  ///   - names: what Hugging Face's dialect calls modules otherwise than LLaMA's.
  ///   - change: says what is otherwise.
  static func decoder(
    _ name: String, modelType: String? = nil, title: String, className: String, gguf: String? = nil,
    rows: Module.Rows? = nil, inputBias: Module.Bias = .optional, hasMetaLayout: Bool = false,
    hasHeadNorms: Bool = false, hasPostNorms: Bool = false, attention: [Module]? = nil, feedForward: [Module]? = nil,
    names: [Role: Module.Name] = [:], _ change: (inout ModelFamily) -> Void
  ) -> ModelFamily {
    let meta = { (name: String, rows: Module.Rows?) in hasMetaLayout ? Module.Name(name, rows: rows) : nil }
    let module = { (role: Role, name: Module.Name, gguf: Module.Name, meta: Module.Name?, bias: Module.Bias) in
      Module(role, names[role] ?? name, gguf: gguf, meta: meta, bias: bias)
    }
    let separate = [
      module(
        .queries, "self_attn.q_proj", Module.Name("attn_q", rows: rows), meta("attention.wq", .interleaved), inputBias),
      module(
        .keys, "self_attn.k_proj", Module.Name("attn_k", rows: rows), meta("attention.wk", .interleaved), inputBias),
      module(.values, "self_attn.v_proj", "attn_v", meta("attention.wv", nil), inputBias),
    ]
    let headNorms: [Module] = [
      Module(.queryNorm, "self_attn.q_norm", gguf: "attn_q_norm"),
      Module(.keyNorm, "self_attn.k_norm", gguf: "attn_k_norm"),
    ]
    // Where there are norms behind attention, Hugging Face calls that one what it calls the feed-forward part's elsewhere.
    let norms: (attention: [Module], before: Module.Name, feedForward: [Module]) =
      hasPostNorms
      ? (
        [Module(.attentionPostNorm, "post_attention_layernorm", gguf: "post_attention_norm")],
        "pre_feedforward_layernorm",
        [Module(.feedForwardPostNorm, "post_feedforward_layernorm", gguf: "post_ffw_norm")]
      ) : ([], "post_attention_layernorm", [])
    let gates = [
      module(.gate, "mlp.gate_proj", "ffn_gate", meta("feed_forward.w1", nil), .optional),
      module(.up, "mlp.up_proj", "ffn_up", meta("feed_forward.w3", nil), .optional),
    ]
    var modules = [
      module(.embedding, "embed_tokens", "token_embd", meta("tok_embeddings", nil), .optional),
      module(.attentionNorm, "input_layernorm", "attn_norm", meta("attention_norm", nil), .optional),
    ]
    modules += (attention ?? separate) + (hasHeadNorms ? headNorms : [])
    modules.append(module(.attentionOutput, "self_attn.o_proj", "attn_output", meta("attention.wo", nil), .optional))
    modules += norms.attention
    modules.append(module(.feedForwardNorm, norms.before, "ffn_norm", meta("ffn_norm", nil), .optional))
    modules += feedForward ?? gates
    modules.append(module(.down, "mlp.down_proj", "ffn_down", meta("feed_forward.w2", nil), .optional))
    modules += norms.feedForward
    modules += [
      module(.outputNorm, "norm", "output_norm", meta("norm", nil), .optional),
      module(.head, "lm_head", "output", meta("output", nil), .optional),
    ]
    var row = ModelFamily(
      name: name, modelType: modelType ?? name, title: title, className: className, gguf: gguf ?? name, ggufBiases: [],
      prefix: "model.", layers: "layers.", modules: modules)
    change(&row)
    return row
  }
}
