// The tokenizer of a model: of its folder, or in its GGUF file.

import ByteIO
import Checkpoint
import Tokenizer

extension TransformerModel {
  /// Opens the tokenizer.
  ///
  /// - Parameter path: a tokenizer's file or folder, where it is not the model's own.
  /// - Throws: `TokenizerError` or ``TransformerError``.
  public func tokenizer(from path: String? = nil) throws -> any Tokenizer {
    if let path { return try Tokenizers.open(path) }
    if let ggufValues { return try Vocabulary(ggufValues, file: self.path).tokenizer(file: self.path) }
    return try Tokenizers.open(folder)
  }

  /// What the tokenizer is made of: what a GGUF file holds of it.
  ///
  /// - Throws: `TokenizerError` or ``TransformerError``.
  public func vocabulary() throws -> Vocabulary {
    if let ggufValues { return try Vocabulary(ggufValues, file: path) }
    return try Vocabulary.read(folder)
  }

  /// Where the model's files lie.
  private var folder: String { Folder.kind(of: path) == .folder ? path : Folder.parent(of: path) }
}
