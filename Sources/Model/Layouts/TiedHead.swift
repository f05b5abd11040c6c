// A head that the configuration says is the embedding, held against what is stored, as transformers 5 does it: a head of its
// own that is stored beside the embedding and differs stays what it is, and of a head alone the embedding is made.
// Source: transformers, modeling_utils.py (tie_weights).

import ByteIO
import Checkpoint

/// A configuration and tensors that agree on what the head is.
package struct TiedHead: Sendable {
  /// The measures; not tied where a head of its own is stored.
  package let configuration: ModelConfiguration
  /// The tensors, with an embedding.
  package let source: any TensorSource
  /// What is to be told of a head that the configuration denies; nil where it does not.
  package let note: String?

  /// Looks at the head.
  ///
  /// - Parameter source: in Hugging Face's names, of a whole model or of a base model alone.
  /// - Throws: what reading the head throws; it is read only where both tensors are stored and said to be one.
  package init(_ configuration: ModelConfiguration, _ source: any TensorSource) throws {
    let tensors = ModelTensors(unchecked: configuration, source)
    let place = { (role: ModelFamily.Role) in tensors.name(role).flatMap { tensors.index($0 + ".weight") } }
    guard configuration.tiesHead, let head = place(.head), let name = tensors.name(.embedding) else {
      (self.configuration, self.source, note) = (configuration, source, nil)
      return
    }
    guard let embedding = place(.embedding) else {
      self.configuration = configuration
      self.source = try TensorView(
        source.tensors.enumerated().map { index, info in
          TensorView.Entry(index == head ? info.renamed(name + ".weight") : info, .stored(index))
        }, of: source)
      note = nil
      return
    }
    self.source = source
    guard try !Self.areEqual(source, head, embedding) else {
      (self.configuration, note) = (configuration, nil)
      return
    }
    var own = configuration
    own.tiesHead = false
    self.configuration = own
    note =
      "\(displayName(source.tensors[head].name)) is stored and differs from the embedding, though the configuration says that "
      + "they are one (tie_word_embeddings): the stored head is taken, as transformers 5 and vLLM take it"
  }

  private static func areEqual(_ source: any TensorSource, _ one: Int, _ other: Int) throws -> Bool {
    guard source.tensors[one].shape == source.tensors[other].shape else { return false }
    let alone = { (index: Int) in
      try TensorView([TensorView.Entry(source.tensors[index].renamed("weight"), .stored(index))], of: source)
    }
    var isEqual = false
    try Comparison(alone(one), alone(other), tolerance: 0).run(jobs: 1) {
      isEqual = $0.status == .equal || $0.status == .close
    }
    return isEqual
  }
}
