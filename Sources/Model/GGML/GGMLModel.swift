// A model file of llama.cpp's from before GGUF as a model: its measures, its tensors under Hugging Face's names, its tokenizer.

import ByteIO
import Checkpoint
import Tokenizer

/// A model in such a file, open.
package struct GGMLModel: Sendable {
  /// Its measures.
  package let configuration: ModelConfiguration
  /// Its tensors with Hugging Face's names and orders of rows; quantized ones as blocks, see `DequantizedSource`.
  package let source: TensorView
  /// The file.
  package let file: GGMLFile

  private let path: String

  /// Looks at a file.
  ///
  /// - Parameters:
  ///   - stated: what the file does not say, where it is known.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` or `CheckpointError`.
  package init(_ file: GGMLFile, stated: StatedMeasures = StatedMeasures(), path: String) throws {
    try file.checkScales()
    (self.file, self.path) = (file, path)
    configuration = try ModelConfiguration(file, stated: stated, path: path)
    source = try configuration.layout(.meta).huggingFace(file)
  }

  /// What its tokenizer is made of.
  ///
  /// - Throws: ``ModelError``.
  package func vocabulary() throws -> Vocabulary { try Vocabulary(file.vocabulary, file: path) }

  /// The text of a `config.json` for the model.
  ///
  /// - Parameter type: what it says of the values' type; where nil, the embedding's.
  package func configurationText(special: SpecialTokens? = nil, type: DType? = nil) throws -> [UInt8] {
    let embedding = file.tensors.first { $0.name == "tok_embeddings.weight" }?.dtype
    let ids = special ?? Vocabulary.ggmlSpecial
    return try configuration.json(
      bos: ids.bos, eos: ids.eos, type: type ?? embedding.map { $0.block == nil ? $0 : .f32 })
  }
}
