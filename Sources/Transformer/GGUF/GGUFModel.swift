// A GGUF file as a model: its measures, its tensors under Hugging Face's names, its tokenizer.

import ByteIO
import Checkpoint
import Tokenizer

/// A model in a GGUF file, open.
public struct GGUFModel: Sendable {
  /// Its measures.
  public let configuration: ModelConfiguration
  /// Its tensors with Hugging Face's names and orders of rows; quantized ones as blocks, see `DequantizedSource`.
  public let source: RearrangedSource
  /// The file.
  public let file: GGUFFile

  private let path: String

  /// Looks at a file.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``TransformerError`` or `CheckpointError` for models that are not known here.
  public init(_ file: GGUFFile, path: String) throws {
    self.file = file
    self.path = path
    configuration = try ModelConfiguration(file, path: path)
    source = try configuration.ggufLayout.huggingFace(file)
  }

  /// What its tokenizer is made of.
  ///
  /// - Throws: ``TransformerError``.
  public func vocabulary() throws -> Vocabulary { try Vocabulary(file.values, file: path) }

  /// The files that stand beside a model in Hugging Face's layout: `config.json`, and those of the tokenizer.
  ///
  /// - Parameter type: what the configuration says of the values' type.
  public func companionFiles(type: DType?) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    var special = SpecialTokens()
    if file.values["tokenizer.ggml.model"] != nil {
      let vocabulary = try self.vocabulary()
      special = vocabulary.special
      files = try vocabulary.files(file: path)
    }
    files["config.json"] = try configuration.json(bos: special.bos, eos: special.eos, pad: special.pad, type: type)
    return files
  }
}
