// The names that Hugging Face's models go by. A base model alone is stored without the prefix that it has inside a
// language model (`layers.0…` and `model.layers.0…`, `h.0…` and `transformer.h.0…`), and a head that is tied to the
// embedding is stored or not: the same model all the same. Training scripts wrap the state dict in another one (`model`,
// `state_dict`, `module`), whose key then begins every name.
// Source: transformers, base_model_prefix of LlamaForCausalLM and BloomForCausalLM.

import ByteIO

/// What the tensors of a model in Hugging Face's layout are called.
public enum HuggingFaceNames {
  private static let head = "lm_head.weight"
  private static let embeddings = ["model.embed_tokens.weight", "transformer.word_embeddings.weight"]

  /// A source whose tensors have the names of the whole language model: with the prefix where a LLaMA or BLOOM base model
  /// lacks it; the source itself where nothing is missing.
  ///
  /// - Parameter addsHead: whether a head that is not stored is shown as the embedding that it is tied to.
  /// - Throws: ``CheckpointError`` where two tensors have one name.
  public static func completed(
    _ source: any TensorSource, addsHead: Bool = false
  ) throws(CheckpointError) -> any TensorSource {
    let names = Set(source.tensors.map(\.name))
    let prefix =
      names.contains("embed_tokens.weight") ? "model." : names.contains("word_embeddings.weight") ? "transformer." : ""
    let addsHead = addsHead && !names.contains(head)
    guard addsHead || !prefix.isEmpty else { return source }
    var entries = source.tensors.enumerated().map { index, info in
      TensorView.Entry(info.name == head ? info : info.renamed(prefix + info.name), .stored(index))
    }
    if addsHead, let embedding = entries.first(where: { embeddings.contains($0.info.name) }) {
      entries.append(TensorView.Entry(embedding.info.renamed(head), embedding.origin))
    }
    return try TensorView(entries, of: source)
  }

  /// What the names of a model's tensors begin with where its state dict is wrapped in others: `module.`; nil where it is
  /// not. What lies beside the wrapper, an optimizer's state for example, is not part of the model.
  public static func wrapper(of source: any TensorSource) -> String? {
    let wrappers = Set(
      source.tensors.flatMap { info in
        embeddings.filter { info.name.hasSuffix($0) }.map { String(info.name.dropLast($0.count)) }
      })
    guard let wrapper = wrappers.first, wrappers.count == 1, wrapper.hasSuffix(".") else { return nil }
    return wrapper
  }

  /// Whether a source has a head of its own.
  public static func hasHead(_ source: any TensorSource) -> Bool { source.tensors.contains { $0.name == head } }

  /// Whether a source is LLaMA in Hugging Face's layout.
  public static func isLlama(_ source: any TensorSource) -> Bool {
    source.tensors.contains { $0.name == "model.embed_tokens.weight" || $0.name == "embed_tokens.weight" }
  }
}
