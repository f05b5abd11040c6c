// Every key of a GGUF file's metadata: those that are read, and those that are not, each with its reason. What stands in
// neither list is refused where it is the architecture's, for it may change what the model computes, and told otherwise.
// Sources: ggml-org/ggml, docs/gguf.md; llama.cpp, src/llama-arch.cpp (LLM_KV_NAMES), gguf-py/gguf/constants.py (Keys), src/
// llama-quant.cpp and tools/imatrix (quantize.*).

import ByteIO
import Checkpoint

/// What is known of the keys of GGUF.
enum GGUFKeys {
  // MARK: Read

  /// Keys behind the name of the architecture that are read.
  private static let ofArchitecture: Set<String> = [
    "vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon",
    "attention.key_length", "attention.value_length", "attention.sliding_window", "attention.sliding_window_pattern",
    "rope.dimension_count", "rope.freq_base", "rope.freq_base_swa", "rope.scaling.type", "rope.scaling.factor",
    "rope.scale_linear", "rope.scaling.original_context_length", "rope.scaling.attn_factor",
    "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
  ]

  /// The bounds of scores, which only some architectures have.
  private static let bounds: Set<String> = ["attn_logit_softcapping", "final_logit_softcapping"]

  /// Keys that stand by themselves and are read.
  private static let ofFile: Set<String> = [
    "general.architecture", "general.type", "general.alignment", "general.quantization_version", "split.no",
    "split.count", "split.tensors.count", "tokenizer.chat_template", "tokenizer.ggml.model", "tokenizer.ggml.pre",
    "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.merges",
    "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id",
    "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.separator_token_id", "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.mask_token_id",
  ]

  /// Whether a key of the architecture is read.
  ///
  /// - Parameter bendsScores: whether the architecture has bounds of scores.
  static func isRead(_ name: String, bendsScores: Bool) -> Bool {
    ofArchitecture.contains(name) || bendsScores && bounds.contains(name)
  }

  // MARK: Not read

  /// A key that is not read, and why not.
  struct Ignored: Sendable {
    /// The key, behind the architecture's name where it is one of those; `*` at the end for all that begin so.
    let key: String
    /// Why it is not read.
    let reason: String
    /// The values that change nothing; nil where no value does.
    let neutral: [Neutral]?

    init(_ key: String, _ reason: String, only neutral: [Neutral]? = nil) {
      (self.key, self.reason, self.neutral) = (key, reason, neutral)
    }

    fileprivate func covers(_ name: String, _ value: GGUFValue) -> Bool {
      let isNamed = key.hasSuffix("*") ? name.hasPrefix(key.dropLast()) : name == key
      return isNamed && (neutral?.contains { $0.isValue(value) } ?? true)
    }
  }

  /// A value that changes nothing.
  enum Neutral: Sendable, Equatable {
    case number(Double)
    case flag(Bool)

    fileprivate func isValue(_ value: GGUFValue) -> Bool {
      switch self {
      case .number(let number): value.number == number
      case .flag(let flag): value.bool == flag
      }
    }
  }

  /// Keys of the architecture that are not read.
  static let ignoredOfArchitecture: [Ignored] = [
    Ignored("rope.scaling.finetuned", "tells how the model was trained; nothing is computed with it"),
    Ignored("tensor_data_layout", "names the converter's order of rows, which is llama.cpp's for the architecture"),
    Ignored("expert_used_count", "says nothing without experts, and a file with experts is refused"),
    Ignored("attention.causal", "every model here is causal", only: [.flag(true)]),
    Ignored("expert_count", "there are no experts", only: [.number(0)]),
    Ignored("expert_shared_count", "there are no experts", only: [.number(0)]),
    Ignored("leading_dense_block_count", "there are no experts", only: [.number(0)]),
    Ignored("nextn_predict_layers", "there are no such layers", only: [.number(0)]),
    Ignored("use_parallel_residual", "no model here has it", only: [.flag(false)]),
    Ignored("logit_scale", "0 and 1 scale nothing", only: [.number(0), .number(1)]),
    Ignored("embedding_scale", "0 and 1 scale nothing", only: [.number(0), .number(1)]),
    Ignored("residual_scale", "0 and 1 scale nothing", only: [.number(0), .number(1)]),
    Ignored("attention.scale", "0 stands for what is computed anyway", only: [.number(0)]),
    Ignored("attention.clamp_kqv", "0 clamps nothing", only: [.number(0)]),
    Ignored("attention.max_alibi_bias", "8 is what ALiBi's slopes are made with", only: [.number(8)]),
    Ignored("attn_logit_softcapping", "0 bends nothing", only: [.number(0)]),
    Ignored("final_logit_softcapping", "0 bends nothing", only: [.number(0)]),
    Ignored("pooling_type", "0 is none", only: [.number(0)]),
    Ignored("attention.group_norm_groups", "0 is none", only: [.number(0)]),
  ]

  private static let provenance = "tells where the model comes from; nothing is computed with it"
  private static let infill = "a token for filling holes in texts, which is not done here"

  /// Keys that stand by themselves and are not read.
  static let ignoredOfFile: [Ignored] = [
    Ignored("general.file_type", "names the type of most tensors, and each tensor says its own"),
    Ignored("general.sampling.*", "suggests how tokens are chosen, which the command line says here"),
    Ignored("general.*", provenance),
    Ignored("adapter.*", "is read of adapters only, which are no models"),
    Ignored("quantize.imatrix.*", "tells what the file was quantized with; nothing is computed with it"),
    Ignored("imatrix.*", "tells what the file was quantized with; nothing is computed with it"),
    Ignored("belle.*", "tells what the file was quantized with; nothing is computed with it"),
    Ignored("tokenizer.chat_template.*", "is read where a template is asked for by its name"),
    Ignored("tokenizer.chat_templates", "lists the names of the other templates, which stand in their keys"),
    Ignored("tokenizer.huggingface.json", "holds the whole tokenizer once more; the other keys are read"),
    Ignored("tokenizer.rwkv.world", "holds the tokenizer of another architecture"),
    Ignored("tokenizer.ggml.added_tokens", "says again what the types of tokens say"),
    Ignored("tokenizer.ggml.remove_extra_whitespaces", "is of another kind of tokenizer, which is refused (t5)"),
    Ignored("tokenizer.ggml.precompiled_charsmap", "is of another kind of tokenizer, which is refused (t5)"),
    Ignored("tokenizer.ggml.token_type_count", "is of models for sentences, which have kinds of segments"),
    Ignored("tokenizer.ggml.add_sep_token", "separates texts of models for sentences"),
    Ignored("tokenizer.ggml.prefix_token_id", infill),
    Ignored("tokenizer.ggml.suffix_token_id", infill),
    Ignored("tokenizer.ggml.middle_token_id", infill),
    Ignored("tokenizer.ggml.fim_pre_token_id", infill),
    Ignored("tokenizer.ggml.fim_suf_token_id", infill),
    Ignored("tokenizer.ggml.fim_mid_token_id", infill),
  ]

  /// Why a key of the architecture is not read; nil where that is not known, or for a value that it is not known of.
  static func ignored(ofArchitecture name: String, _ value: GGUFValue) -> String? {
    ignoredOfArchitecture.first { $0.covers(name, value) }?.reason
  }

  /// The keys of a file, outside of its architecture, of which it is not known why they are not read.
  static func unknown(_ values: GGUFMetadata) -> [String] {
    let architecture = values["general.architecture"]?.string.map { $0 + "." }
    return values.entries.filter { key, value in
      architecture.map { !key.hasPrefix($0) } ?? true && !ofFile.contains(key)
        && !ignoredOfFile.contains { $0.covers(key, value) }
    }.map(\.key)
  }

  /// What is to be told of keys that are not known; nil where there are none.
  static func remark(_ values: GGUFMetadata) -> String? {
    let names = unknown(values)
    return names.first.map { first in
      "the file's metadata has \(displayName(first))" + (names.count > 1 ? " and \(names.count - 1) more keys" : "")
        + ", which \(names.count == 1 ? "is" : "are") not known here and not read"
    }
  }
}
