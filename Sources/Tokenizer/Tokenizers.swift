// The door: a model's folder in, its tokenizer out.

import ByteIO

/// Opening tokenizers.
public enum Tokenizers {
  /// The files that a tokenizer is read from, in the order in which they are looked for.
  public static let fileNames = ["tokenizer.model", "tokenizer.json"]

  /// Opens the tokenizer of a folder, or one file.
  ///
  /// `tokenizer.model` is taken first: models that have both were made with SentencePiece. A `tokenizer.model` that is
  /// none of SentencePiece's (Llama 3's is a list of byte strings) makes way for a `tokenizer.json` beside it.
  /// - Throws: ``TokenizerError``, with code `.missing` where there is none.
  public static func open(_ path: String) throws -> any Tokenizer {
    if Folder.kind(of: path) == .file {
      let folder = Folder.parent(of: path)
      let configuration = try TokenizerConfiguration.read(folder: folder)
      guard path.hasSuffix(".json") else { return try SentencePieceModel(path, configuration) }
      let contents = try TokenizerFile(path)
      guard contents.spellsBytes else { return try ByteLevelBPE(contents, configuration) }
      return try Vocabulary(sentencePiece: contents, configuration).tokenizer(file: path)
    }
    let paths = fileNames.map { Folder.join(path, $0) }.filter { Folder.kind(of: $0) == .file }
    guard !paths.isEmpty else {
      throw TokenizerError(
        .missing, file: path, reason: "there is no tokenizer.model and no tokenizer.json in it",
        remedy: "download the tokenizer's files too, or copy them from the model that this one was made from")
    }
    var first: (any Error)?
    for path in paths {
      do { return try open(path) } catch { first = first ?? error }
    }
    throw first ?? TokenizerError(.missing, file: path, reason: "there is no tokenizer in it")
  }
}
