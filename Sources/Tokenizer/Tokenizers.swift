// The door: a model's folder or a vocabulary in, its tokenizer out.

import ByteIO

/// Opening tokenizers.
package enum Tokenizers {
  /// The files that a tokenizer is read from, in the order in which they are looked for.
  package static let fileNames = ["tokenizer.model", "tokenizer.json"]

  /// Opens the tokenizer of a folder, or one file.
  ///
  /// `tokenizer.model` is taken first: models that have both were made with SentencePiece. A `tokenizer.model` that is
  /// none of SentencePiece's (Llama 3's is a list of byte strings) makes way for a `tokenizer.json` beside it.
  /// - Throws: ``TokenizerError``, with code `.missing` where there is none.
  package static func open(_ path: String) throws -> any Tokenizer {
    if Folder.kind(of: path) == .file {
      if let download = DownloadName.unfinished(at: path) {
        throw TokenizerError(.missing, file: path, reason: download.reason, remedy: download.remedy)
      }
      let folder = Folder.parent(of: path)
      let configuration = try TokenizerConfiguration.read(folder: folder)
      guard path.hasSuffix(".json") else { return try ofOneFile(path, configuration) }
      if Folder.name(of: path) == VocabularyLists.vocabularyName, VocabularyLists.areIn(folder) {
        return try VocabularyLists.tokenizer(in: folder, configuration)
      }
      return try tokenizer(of: TokenizerFile(path), configuration)
    }
    let paths = files(in: path)
    guard !paths.isEmpty else {
      let other = fileNames.lazy.compactMap { DownloadName.standIn(for: $0, in: path) }.first
      throw TokenizerError(
        .missing, file: path,
        reason: "there is no tokenizer.model and no tokenizer.json in it"
          + ((other?.reason ?? ByteRanks.others(in: path)).map { "; \($0)" } ?? ""),
        remedy: other?.remedy
          ?? "download the tokenizer's files too, or copy them from the model that this one was made from")
    }
    var first: (any Error)?
    for path in paths {
      do { return try open(path) } catch { first = first ?? error }
    }
    throw first ?? TokenizerError(.missing, file: path, reason: "there is no tokenizer in it")
  }

  /// The files of a folder that hold its tokenizer, the first choice first; none where there is none.
  package static func files(in folder: String) -> [String] {
    var names = fileNames.filter { Folder.kind(of: Folder.join(folder, $0)) == .file }
    // A list of byte strings says less than a tokenizer.json.
    if names.count > 1, ByteRanks.isList(at: Folder.join(folder, names[0])) { names.swapAt(0, 1) }
    if VocabularyLists.areIn(folder) { names.append(VocabularyLists.vocabularyName) }
    if names.isEmpty { names = ByteRanks.lists(in: folder) }
    return names.map { Folder.join(folder, $0) }
  }

  /// The tokenizer of a tokenizer.json: byte-level BPE and SentencePiece's, which have ways of their own, or its rules.
  private static func tokenizer(
    of contents: TokenizerFile, _ configuration: TokenizerConfiguration
  ) throws -> any Tokenizer {
    let rules = try TokenizerRules(contents)
    if let byteLevel = try ByteLevelBPE(contents, rules, configuration) { return byteLevel }
    if contents.spellsBytes, contents.modelType == "BPE" {
      do {
        return try tokenizer(
          of: contents.sentencePieceVocabulary(contents.lists(configuration)), file: contents.path)
      } catch let error as TokenizerError where error.code == .unsupported {
        // SentencePiece would give other ids.
      }
    }
    return try RuleTokenizer(contents, rules, configuration)
  }

  /// The tokenizer of a file that is no JSON: a SentencePiece model, or a tiktoken list.
  private static func ofOneFile(_ path: String, _ configuration: TokenizerConfiguration) throws -> any Tokenizer {
    let bytes = try SentencePieceModel.bytes(path)
    guard ByteRanks.isList(bytes) else { return try SentencePieceModel(path, configuration) }
    return try VocabularyLists.tokenizer(ranks: bytes, file: path, configuration)
  }

  /// The tokenizer that a vocabulary describes.
  ///
  /// - Parameter path: what errors name: the file that the vocabulary came from.
  /// - Throws: ``TokenizerError`` for patterns that are not known, merges of tokens that are not there, and what the
  ///   kind of tokenizer cannot take.
  package static func tokenizer(of vocabulary: Vocabulary, file path: String) throws -> any Tokenizer {
    switch vocabulary.model {
    case .sentencePiece(let addsSpacePrefix):
      let proto = try SentencePieceProto(vocabulary, addsSpacePrefix: addsSpacePrefix, file: path)
      return try SentencePieceModel(
        bytes: proto.serialized(vocabulary.special), special: vocabulary.special, added: vocabulary.addedTokens,
        spacesEveryPart: vocabulary.spacesEveryPart, sparesSpacedText: vocabulary.sparesSpacedText,
        remarks: vocabulary.remarks, holes: vocabulary.holes, path: path)
    case .byteLevelBPE: return try ByteLevelBPE(vocabulary, file: path)
    }
  }

  /// The files that hold a vocabulary's tokenizer beside a model, by name.
  ///
  /// - Throws: see ``tokenizer(of:file:)``.
  package static func files(of vocabulary: Vocabulary, file path: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    switch vocabulary.model {
    case .sentencePiece(let addsSpacePrefix):
      let proto = try SentencePieceProto(vocabulary, addsSpacePrefix: addsSpacePrefix, file: path)
      files["tokenizer.model"] = proto.serialized(vocabulary.special)
    case .byteLevelBPE(let pattern, let merges):
      files["tokenizer.json"] = try TokenizerFile.text(vocabulary, pattern: pattern, merges: merges, file: path)
    }
    files["tokenizer_config.json"] = try TokenizerConfiguration.text(vocabulary)
    return files
  }
}
