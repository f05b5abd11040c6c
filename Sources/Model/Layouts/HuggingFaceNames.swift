// The names that Hugging Face's models go by. A base model alone is stored without the prefix that it has inside a
// language model (`layers.0…` and `model.layers.0…`, `h.0…` and `transformer.h.0…`), and a head that is tied to the
// embedding is stored or not: the same model all the same. Training scripts wrap the state dict in another one (`model`,
// `state_dict`, `module`), whose key then begins every name.
// Source: transformers, base_model_prefix of the families' classes.

import ByteIO
import Checkpoint

/// What the tensors of a model in Hugging Face's layout are called.
package enum HuggingFaceNames {
  /// A family's name of the head; all have the same.
  private static let heads = Set(ModelFamily.all.compactMap { weight(of: .head, in: $0) })
  /// Whether a tensor is of the head, which may be packed: `lm_head.qweight`.
  private static func isOfHead(_ name: String) -> Bool {
    heads.contains { name.hasPrefix($0.dropLast("weight".count)) }
  }
  /// The families' names of the embedding, and what stands before it.
  private static let embeddings = ModelFamily.all.reduce(into: [(name: String, prefix: String)]()) { found, family in
    guard let name = weight(of: .embedding, in: family), !found.contains(where: { $0.name == name }) else { return }
    found.append((name, family.isStoredAlone ? family.prefix : ""))
  }

  private static func weight(of role: ModelFamily.Role, in family: ModelFamily) -> String? {
    family.name(of: ModelFamily.Tensor(role: role, layer: nil, part: .weight), in: .huggingFace)
  }

  /// A source whose tensors have the names of the whole language model: with the prefix where a base model lacks it;
  /// models of no known family stay as they are.
  ///
  /// - Parameters:
  ///   - addsHead: whether a head that is not stored is shown as the embedding that it is tied to.
  ///   - embedding: what an embedding that is not stored is shown as, where there is a head to which it is tied.
  /// - Throws: `CheckpointError` where two tensors have one name.
  package static func completed(
    _ source: any TensorSource, addsHead: Bool = false, addsEmbedding embedding: String? = nil
  ) throws(CheckpointError) -> any TensorSource {
    let missing = missingPrefix(source)
    let lacksHead = addsHead && !source.tensors.contains { isOfHead($0.name) }
    let lacksEmbedding = embedding.map { name in !source.tensors.contains { missing + $0.name == name } } ?? false
    guard !missing.isEmpty || lacksHead || lacksEmbedding else { return source }
    var entries = source.tensors.enumerated().map { index, info in
      TensorView.Entry(isOfHead(info.name) ? info : info.renamed(missing + info.name), .stored(index))
    }
    if lacksHead,
      let embedding = entries.first(where: { entry in embeddings.contains { $0.name == entry.info.name } }),
      let family = ModelFamily.all.first(where: { weight(of: .embedding, in: $0) == embedding.info.name }),
      let head = weight(of: .head, in: family)
    {
      entries.append(TensorView.Entry(embedding.info.renamed(head), embedding.origin))
    }
    if lacksEmbedding, let embedding,
      let head = entries.first(where: { heads.contains($0.info.name) })
    {
      entries.append(TensorView.Entry(head.info.renamed(embedding), head.origin))
    }
    return try TensorView(entries, of: source)
  }

  /// What the names of a base model lack that is stored alone: by its embedding, or by its layers where it has none.
  private static func missingPrefix(_ source: any TensorSource) -> String {
    let names = Set(source.tensors.map(\.name))
    if embeddings.contains(where: { names.contains($0.name) }) { return "" }
    return embeddings.first { names.contains(String($0.name.dropFirst($0.prefix.count))) }?.prefix ?? ""
  }

  /// Whether a tensor has a row for each token: the embedding's or the head's weight, of a whole language model or of a
  /// base
  /// model alone.
  package static func isOfVocabulary(_ name: String) -> Bool {
    heads.contains(name) || embeddings.contains { $0.name == name || $0.name == $0.prefix + name }
  }

  /// Whether a family has a linear module of this name, which is stored as `[out, in]`.
  package static func isLinear(_ module: String) -> Bool {
    ModelFamily.all.contains { family in
      family.missingPrefixes.contains { family.tensor(named: $0 + module + ".weight", in: .huggingFace) != nil }
    }
  }

  /// The name of the head's weight.
  package static let head = "lm_head.weight"

  /// The name of the embedding in a whole language model; nil where none is stored.
  package static func embedding(of source: any TensorSource) -> String? {
    let names = Set(source.tensors.map(\.name))
    return embeddings.first { names.contains($0.name) || names.contains(String($0.name.dropFirst($0.prefix.count))) }?
      .name
  }

  /// Parts that programs put into names, at the beginning or in the middle: torch.compile, FSDP, activation checkpointing.
  private static let innerParts: Set<Substring> = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
  /// What the key of a state dict around another one, or the name of a wrapping module, is where a base model is in it:
  /// DataParallel and DeepSpeed, trl, peft, trainers.
  private static let outerParts: Set<Substring> = [
    "module", "pretrained_model", "base_model", "state_dict", "model_state_dict", "net", "network",
  ]

  /// The tensors of a model without what wraps their names.
  ///
  /// A tensor that stands outside of the wrapper under a name that a family gives it is the model's too, but where the
  /// wrapper holds one of that name.
  ///
  /// - Returns: the model's tensors under their own names, those of other things left out; everything, the others under the
  ///   names that they have; what the wrapper is called; and the name of the first of the other things. Nil where nothing
  ///   is wrapped, or two models are.
  package static func unwrapped(
    _ source: any TensorSource
  ) -> (model: TensorView, everything: any TensorSource, wrapper: String, firstOther: String?)? {
    var inner: Set<Substring> = []
    let names = source.tensors.map { info -> String in
      let parts = info.name.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.contains(where: innerParts.contains) else { return info.name }
      inner.formUnion(parts.filter(innerParts.contains))
      return parts.filter { !innerParts.contains($0) }.joined(separator: ".")
    }
    let prefix = wrapper(of: names) ?? ""
    guard !prefix.isEmpty || !inner.isEmpty else { return nil }
    var bare = Set(names.filter { !$0.hasPrefix(prefix) && isKnown($0) })
    if !bare.isEmpty {
      for name in names where name.hasPrefix(prefix) { bare.remove(String(name.dropFirst(prefix.count))) }
    }
    let clean = names.map { name in
      name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : bare.contains(name) ? name : nil
    }
    // A view asks for the names in its order.
    func view(_ name: (Int) -> String?) -> TensorView? {
      var index = -1
      return try? TensorView(source) { _ in
        index += 1
        return name(index)
      }
    }
    guard let model = view({ clean[$0] }) else { return nil }
    let wrapper = inner.sorted().map { $0 + "." }.joined() + prefix
    guard let other = clean.firstIndex(of: nil) else { return (model, model, wrapper, nil) }
    return (model, view { clean[$0] ?? source.tensors[$0].name } ?? source, wrapper, source.tensors[other].name)
  }

  /// What the names of a model's tensors begin with where its state dict is wrapped in others: `module.`; nil where it is
  /// not. What lies beside the wrapper, an optimizer's state for example, is not part of the model.
  private static func wrapper(of names: [String]) -> String? {
    func prefixes(_ wanted: some Sequence<String>) -> Set<String> {
      Set(names.flatMap { name in wanted.filter(name.hasSuffix).map { String(name.dropLast($0.count)) } })
    }
    var found = prefixes(embeddings.map(\.name))
    if found.isEmpty {
      // A base model alone, in a module or under a key that is known to wrap models.
      found = prefixes(embeddings.map { String($0.name.dropFirst($0.prefix.count)) }).filter { prefix in
        prefix.split(separator: ".").last.map(outerParts.contains) ?? false
      }
    }
    // A head alone, to which the embedding is tied.
    if found.isEmpty {
      let layers = ModelFamily.all.map { $0.layerPrefix(.huggingFace) }
      let candidates = prefixes(heads)
      // More are several models, or none; each is held against all names.
      found =
        candidates.count > 8
        ? []
        : candidates.filter { prefix in
          names.contains { name in
            name.hasPrefix(prefix) && layers.contains { name.dropFirst(prefix.count).hasPrefix($0) }
          }
        }
    }
    guard let prefix = found.first, found.count == 1, prefix.hasSuffix("."),
      // The language model of a model for pictures, which lie beside it.
      !prefix.contains("language_model."), !prefix.contains("text_model.")
    else { return nil }
    return prefix
  }

  /// Whether any tensor has a name that one of the families gives it, in a whole language model or in a base model alone.
  package static func areKnown(_ source: any TensorSource) -> Bool {
    source.tensors.contains { isKnown($0.name) }
  }

  private static func isKnown(_ name: String) -> Bool {
    ModelFamily.all.contains { family in
      // What stands outside of a model that is never stored alone may be another's: InternLM2's head is called as Meta's.
      guard family.isStoredAlone || name.hasPrefix(family.prefix) else { return false }
      let head = weight(of: .head, in: family).map { $0.dropLast("weight".count) }
      return head.map { name.hasPrefix($0) } ?? false
        || family.missingPrefixes.contains { family.tensor(named: $0 + name, in: .huggingFace) != nil }
    }
  }

  /// Whether a source has a head of its own.
  package static func hasHead(_ source: any TensorSource) -> Bool {
    source.tensors.contains { heads.contains($0.name) }
  }

  /// Whether a source, by its names, may be a model that Meta's layout has names for.
  package static func mayBeMeta(_ source: any TensorSource) -> Bool {
    let names = Set(source.tensors.map(\.name))
    return ModelFamily.all.contains { family in
      guard family.hasMetaLayout, let embedding = weight(of: .embedding, in: family) else { return false }
      return names.contains(embedding) || names.contains(String(embedding.dropFirst(family.prefix.count)))
    }
  }
}
