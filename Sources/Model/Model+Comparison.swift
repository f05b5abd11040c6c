// Two models side by side: as they can be held against each other, whatever layouts and forms they have.

import Checkpoint

extension Model {
  /// The tensors of this model and of another one, under names that are the same in both where they mean the same.
  ///
  /// Packed integers are the weights that they stand for. Where only one of the two is in Meta's layout or in GGUF, it is
  /// taken as Hugging Face has it. A base model's names are completed; a head that only one of the two stores is held
  /// against the other's embedding, to which it is tied, and an embedding against the other's head. What only one of them stores and is no weight, but computed from
  /// the configuration, is left out.
  ///
  /// - Returns: both, and how many tensors were left out.
  /// - Throws: ``ModelError`` or `CheckpointError`.
  package func comparable(
    with other: Model
  ) throws -> (first: any TensorSource, second: any TensorSource, computedCount: Int) {
    var (a, b) = (try weights(beside: other), try other.weights(beside: self))
    let hasHead = HuggingFaceNames.hasHead(a) || HuggingFaceNames.hasHead(b)
    let embedding = HuggingFaceNames.embedding(of: a) ?? HuggingFaceNames.embedding(of: b)
    if !isKept(beside: other) {
      a = try HuggingFaceNames.completed(a, addsHead: hasHead, addsEmbedding: embedding)
    }
    if !other.isKept(beside: self) {
      b = try HuggingFaceNames.completed(b, addsHead: hasHead, addsEmbedding: embedding)
    }
    let (first, second) = (
      ComputedTensors.removed(from: a, missingIn: b), ComputedTensors.removed(from: b, missingIn: a)
    )
    return (first.source, second.source, first.count + second.count)
  }

  /// Whether the layout stays as it is: the other one has the same, and it is not Hugging Face's; or nothing is known of how
  /// one becomes the other.
  private func isKept(beside other: Model) -> Bool {
    switch (layout, other.layout) {
    case (.gguf, .gguf), (.meta, .meta), (.ggml, .ggml): true
    case (.meta, .huggingFace): !HuggingFaceNames.mayBeMeta(other.tensors)
    case (.meta, .gguf), (.meta, .ggml), (.gguf, _), (.ggml, _), (.huggingFace, _): false
    }
  }

  private func weights(beside other: Model) throws -> any TensorSource {
    switch layout {
    case .gguf(let file): isKept(beside: other) ? stored : try GGUFModel(file, path: path).source
    case .ggml(let file): isKept(beside: other) ? stored : try described(file).source
    case .meta, .huggingFace: isKept(beside: other) ? stored : try weights()
    }
  }
}
