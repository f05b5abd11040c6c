// A model's measures in llama.cpp's files of before GGUF, which were LLaMA's only. What they do not say is taken from the
// tensors; the epsilon of the norms and the length of text stand nowhere, and are those of Meta's models unless they are
// stated. Sources: llama.cpp of March to August 2023, llama.cpp; the params.json of LLaMA (norm_eps 1e-6, in 65B 1e-5) and of
// Llama 2 (1e-5), which came in July 2023, in the time of ggjt 3.
// Refused: tensors that contradict the file's numbers.

import ByteIO
import Checkpoint

extension ModelConfiguration {
  /// The measures of a file.
  ///
  /// - Parameter stated: what the file does not say, where it is known.
  /// - Throws: ``ModelError``.
  package init(_ file: GGMLFile, stated: StatedMeasures, path: String) throws {
    let told = file.hyperparameters
    let mismatch = { (reason: String) in ModelError(.mismatch, file: path, reason: reason) }
    let rows = { (name: String) throws -> Int in
      guard let tensor = file.tensors.first(where: { $0.name == name }), tensor.shape.count == 2 else {
        throw mismatch("there is no tensor \(name) of two dimensions in it")
      }
      return tensor.shape[0]
    }
    family = .llama
    (hiddenSize, layerCount, headCount) = (told.hiddenSize, told.layerCount, told.headCount)
    headSize = told.hiddenSize / told.headCount
    let keys = try rows("layers.0.attention.wk.weight")
    guard keys > 0, keys % headSize == 0, keys / headSize <= headCount else {
      throw mismatch("the \(keys) rows of layers.0.attention.wk.weight are no whole heads of \(headSize)")
    }
    keyValueHeadCount = keys / headSize
    vocabularySize = try rows("tok_embeddings.weight")
    guard vocabularySize == told.vocabularySize else {
      throw mismatch("tok_embeddings.weight has \(vocabularySize) rows, and n_vocab is \(told.vocabularySize)")
    }
    intermediateSize = try rows("layers.0.feed_forward.w1.weight")
    tiesHead = !file.tensors.contains { $0.name == "output.weight" }
    needsInputBias = false
    statedRotaryBase = nil
    rotaryScaling = .none
    let isGrouped = keyValueHeadCount != headCount
    epsilon = stated.epsilon ?? (isGrouped || hiddenSize == Self.widest ? 1e-5 : 1e-6)
    contextLength = stated.contextLength ?? (isGrouped ? 4096 : 2048)
    try check(file: path)
  }

  /// The width of LLaMA 65B and Llama 2 70B, which have one epsilon.
  private static let widest = 8192

  /// What is taken for granted of a file that does not say it, in words.
  ///
  /// - Parameter stated: what was said, and is not taken for granted.
  package func assumptions(_ file: GGMLFile, stated: StatedMeasures) -> [Remedy] {
    let isGrouped = keyValueHeadCount != headCount
    let isOpen = file.mayBeLlama2 && !isGrouped
    var found: [Remedy] = []
    if stated.epsilon == nil {
      let other: Remedy =
        isOpen && hiddenSize != Self.widest ? "; a model made from Llama 2 has 1e-05: \(.epsilon) states it" : ""
      found.append("the file does not say the epsilon of its norms: \(epsilon) is taken\(other)")
    }
    if stated.contextLength == nil {
      let other: Remedy = isOpen ? "; a model made from Llama 2 has 4096: \(.contextLength) states it" : ""
      found.append(
        "nor does it say for which length of text the model was made: \(contextLength ?? 0) is taken\(other)")
    }
    return found
  }
}
