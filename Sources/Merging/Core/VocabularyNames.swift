// Tensors that have a row for each token, in families that run here and in others, which can be merged all the same.
// Source: transformers, models/{gpt2,gptj,gpt_neox,opt,falcon,mpt,codegen,phi,stablelm}/modeling_*.py; the code beside
// Qwen-7B, ChatGLM2 and InternLM2.

import Model

/// Names of embeddings and heads.
enum VocabularyNames {
  /// The last part of a module's name.
  private static let parts: Set<Substring> = [
    "embed_tokens", "word_embeddings", "wte", "embed_in", "embed_out", "tok_embeddings", "lm_head", "output_layer",
  ]
  private static let heads: Set<Substring> = ["lm_head", "embed_out", "output_layer"]

  /// Whether a tensor has a row for each token.
  static func contain(_ name: String) -> Bool {
    HuggingFaceNames.isOfVocabulary(name) || part(name).map(parts.contains) ?? false
  }

  /// Whether a tensor is a head's.
  static func containHead(_ name: String) -> Bool { part(name).map(heads.contains) ?? false }

  private static func part(_ name: String) -> Substring? {
    let all = name.split(separator: ".")
    return all.last == "weight" ? all.dropLast().last : nil
  }
}
