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
  private static func isOfHead(_ info: TensorInfo) -> Bool {
    heads.contains { info.name.hasPrefix($0.dropLast("weight".count)) }
  }
  /// The families' names of the embedding, and what stands before it.
  private static let embeddings = ModelFamily.all.reduce(into: [(name: String, prefix: String)]()) { found, family in
    guard let name = weight(of: .embedding, in: family), !found.contains(where: { $0.name == name }) else { return }
    found.append((name, family.prefix))
  }

  private static func weight(of role: ModelFamily.Role, in family: ModelFamily) -> String? {
    family.name(of: ModelFamily.Tensor(role: role, layer: nil, part: .weight), in: .huggingFace)
  }

  /// A source whose tensors have the names of the whole language model: with the prefix where a base model lacks it;
  /// models of no known family stay as they are.
  ///
  /// - Parameter addsHead: whether a head that is not stored is shown as the embedding that it is tied to.
  /// - Throws: `CheckpointError` where two tensors have one name.
  package static func completed(
    _ source: any TensorSource, addsHead: Bool = false
  ) throws(CheckpointError) -> TensorView {
    let names = Set(source.tensors.map(\.name))
    let missing = embeddings.first { names.contains(String($0.name.dropFirst($0.prefix.count))) }?.prefix ?? ""
    var entries = source.tensors.enumerated().map { index, info in
      TensorView.Entry(isOfHead(info) ? info : info.renamed(missing + info.name), .stored(index))
    }
    if addsHead, !source.tensors.contains(where: isOfHead), let head = heads.first,
      let embedding = entries.first(where: { entry in embeddings.contains { $0.name == entry.info.name } })
    {
      entries.append(TensorView.Entry(embedding.info.renamed(head), embedding.origin))
    }
    return try TensorView(entries, of: source)
  }

  /// What the names of a model's tensors begin with where its state dict is wrapped in others: `module.`; nil where it is
  /// not. What lies beside the wrapper, an optimizer's state for example, is not part of the model.
  package static func wrapper(of source: any TensorSource) -> String? {
    let wrappers = Set(
      source.tensors.flatMap { info in
        embeddings.filter { info.name.hasSuffix($0.name) }.map { String(info.name.dropLast($0.name.count)) }
      })
    guard let wrapper = wrappers.first, wrappers.count == 1, wrapper.hasSuffix(".") else { return nil }
    return wrapper
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
