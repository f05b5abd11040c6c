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
    return try Tokenizers.open(Folder.kind(of: self.path) == .folder ? self.path : Folder.parent(of: self.path))
  }
}
