// The names that Hugging Face's models go by. A base model alone is stored without the prefix that it has inside a
// language model (`layers.0…` and `model.layers.0…`, `h.0…` and `transformer.h.0…`), and a head that is tied to the
// embedding is stored or not: the same model all the same. Training scripts wrap the state dict in another one (`model`,
// `state_dict`, `module`), whose key then begins every name.
// Source: transformers, base_model_prefix of LlamaForCausalLM and BloomForCausalLM.

import ByteIO

/// A source whose tensors have the names of the whole language model.
public struct HuggingFaceNames: TensorSource {
  /// What the container is.
  public var format: String { source.format }
  /// The tensors, with their full names.
  public let tensors: [TensorInfo]
  /// What the source holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  private let source: any TensorSource
  /// The tensor of the source that each one is.
  private let places: [Int]

  private static let head = "lm_head.weight"
  private static let embeddings = ["model.embed_tokens.weight", "transformer.word_embeddings.weight"]

  /// Adds the prefix where a LLaMA or BLOOM base model lacks it; other models stay as they are.
  ///
  /// - Parameter addsHead: whether a head that is not stored is shown as the embedding that it is tied to.
  public init(_ source: any TensorSource, addsHead: Bool = false) {
    self.source = source
    let names = Set(source.tensors.map(\.name))
    let prefix =
      names.contains("embed_tokens.weight") ? "model." : names.contains("word_embeddings.weight") ? "transformer." : ""
    var tensors = source.tensors.map { info in
      info.name == Self.head ? info : info.renamed(prefix + info.name)
    }
    var places = Array(source.tensors.indices)
    if addsHead, !names.contains(Self.head),
      let embedding = tensors.firstIndex(where: { Self.embeddings.contains($0.name) })
    {
      tensors.append(tensors[embedding].renamed(Self.head))
      places.append(embedding)
    }
    self.tensors = tensors
    self.places = places
  }

  /// What the names of a model's tensors begin with where its state dict is wrapped in others: `module.`; nil where it is not.
  public static func wrapper(of source: any TensorSource) -> String? {
    let wrappers = Set(
      source.tensors.flatMap { info in
        embeddings.filter { info.name.hasSuffix($0) }.map { String(info.name.dropLast($0.count)) }
      })
    guard let wrapper = wrappers.first, wrappers.count == 1, wrapper.hasSuffix(".") else { return nil }
    return wrapper
  }

  /// The tensors within a wrapper, without it; what lies beside it, an optimizer's state for example, is not part of the
  /// model.
  public init(_ source: any TensorSource, within wrapper: String) {
    self.source = source
    places = source.tensors.indices.filter { source.tensors[$0].name.hasPrefix(wrapper) }
    tensors = places.map { source.tensors[$0].renamed(String(source.tensors[$0].name.dropFirst(wrapper.count))) }
  }

  /// Whether a source has a head of its own.
  public static func hasHead(_ source: any TensorSource) -> Bool { source.tensors.contains { $0.name == head } }

  /// Whether a source is LLaMA in Hugging Face's layout.
  public static func isLlama(_ source: any TensorSource) -> Bool {
    source.tensors.contains { $0.name == "model.embed_tokens.weight" || $0.name == "embed_tokens.weight" }
  }

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws { try source.read(places[index], body) }

  /// Where a tensor's values lie in its file.
  public func storedRange(_ index: Int) -> Range<Int>? { source.storedRange(places[index]) }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}

extension TensorInfo {
  /// The same tensor under another name.
  func renamed(_ name: String) -> TensorInfo {
    TensorInfo(name: name, dtype: dtype, shape: shape, file: file, byteCount: byteCount)
  }
}
