// A GGUF file as a model: its measures, its tensors under Hugging Face's names, its tokenizer.

import ByteIO
import Checkpoint
import Foundation
import Tokenizer

/// A model in a GGUF file, open.
package struct GGUFModel: Sendable {
  /// Its measures.
  package let configuration: ModelConfiguration
  /// Its tensors with Hugging Face's names and orders of rows; quantized ones as blocks, see `DequantizedSource`.
  package let source: TensorView
  /// The file.
  package let file: GGUFFile

  private let path: String

  /// Looks at a file.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``ModelError`` or `CheckpointError` for models that are not known here.
  package init(_ file: GGUFFile, path: String) throws {
    self.file = file
    self.path = path
    configuration = try ModelConfiguration(file, path: path)
    source = try configuration.layout(.gguf).huggingFace(file)
  }

  /// What its tokenizer is made of.
  ///
  /// - Throws: ``ModelError``.
  package func vocabulary() throws -> Vocabulary { try Vocabulary(file.values, file: path) }

  /// The text of a `config.json` for the model.
  ///
  /// - Parameter type: what it says of the values' type; where nil, the embedding's.
  package func configurationText(type: DType? = nil) throws -> [UInt8] {
    let ids = GGUFTokenIDs(file.values)
    let embedding = file.tensors.first { $0.name == "token_embd.weight" }?.dtype
    return try configuration.json(
      bos: ids.id("bos"), eos: ids.id("eos"), pad: ids.id("padding"),
      type: type ?? embedding.map { $0.block == nil ? $0 : .f32 })
  }

  /// The files of its tokenizer, as they lie beside a model in Hugging Face's layout; none where it has no tokenizer. Where
  /// several tokens end a text, generation_config.json says which.
  package func tokenizerFiles() throws -> [String: [UInt8]] {
    guard file.values["tokenizer.ggml.model"] != nil else { return [:] }
    let vocabulary = try vocabulary()
    var files = try Tokenizers.files(of: vocabulary, file: path)
    if !vocabulary.otherEnds.isEmpty {
      let ends = [vocabulary.special.eos].compactMap(\.self) + vocabulary.otherEnds
      var object: [String: Any] = ["eos_token_id": ends.map { Int($0) }]
      if let bos = vocabulary.special.bos { object["bos_token_id"] = Int(bos) }
      if let pad = vocabulary.special.pad { object["pad_token_id"] = Int(pad) }
      let data = try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
      files["generation_config.json"] = [UInt8](data) + [0x0A]
    }
    return files
  }
}
