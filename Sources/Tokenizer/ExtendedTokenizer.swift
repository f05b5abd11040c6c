// The tokenizer of a model's folder with more tokens: the pieces of a second SentencePiece model, or a list of added tokens.
// Ids that are there stay what they are.
// Refused: pieces where the folder has given their ids to added tokens, tokenizers without a tokenizer.model.

import ByteIO

/// A tokenizer, and what it becomes with more tokens.
package struct ExtendedTokenizer: Sendable {
  /// How many tokens it has without the new ones, which get the ids from there on.
  package let ownCount: Int
  /// How many of them are of the tokenizer's own file, and must have rows; others are added by the folder.
  package var pieceCount: Int { own.ownSize }
  /// The new tokens, in the order of their ids.
  package let added: [String]
  /// How many of those that were given it has already.
  package let knownCount: Int
  /// The ids that it sets aside without the new tokens, and with them.
  package let special: (before: SpecialTokens, after: SpecialTokens)
  /// The files that are changed, by name.
  package let files: [String: [UInt8]]
  /// The names of files of the folder that do not know the new tokens and stay behind.
  package let omitted: Set<String>
  /// What is to be told.
  package let remarks: [String]
  /// The tokenizer as it was.
  private let own: any Tokenizer

  /// How many tokens there are with the new ones.
  package var count: Int { ownCount + added.count }

  /// How the tokenizer spells a new token without it, in the middle of a text.
  ///
  /// - Parameter number: from 0; its id less ``ownCount``.
  package func spelling(_ number: Int) throws -> [Int32] { try own.encodeInside(added[number]) }

  /// Extends the tokenizer of a folder.
  ///
  /// - Parameters:
  ///   - path: a SentencePiece model, or a folder with one; or a list of tokens, which ends in `.json`.
  ///   - scores: of the pieces of a SentencePiece model.
  /// - Throws: ``TokenizerError`` for what cannot be read or put together.
  package init(_ folder: String, with path: String, scores: PieceScores) throws {
    if Folder.kind(of: path) != .folder, path.lowercased().hasSuffix(".json") {
      try self.init(folder, adding: TokenList(path).tokens)
    } else {
      try self.init(
        folder, merging: Folder.kind(of: path) == .folder ? Folder.join(path, "tokenizer.model") : path, scores)
    }
  }

  // MARK: Pieces

  private init(_ folder: String, merging path: String, _ scores: PieceScores) throws {
    let place = Folder.join(folder, "tokenizer.model")
    guard Folder.kind(of: place) == .file else {
      throw TokenizerError(
        .missing, file: folder, reason: "there is no tokenizer.model in it, to which pieces could be appended",
        remedy: "a list of tokens (a .json) can be added to any tokenizer")
    }
    guard let own = try Tokenizers.open(place) as? SentencePieceModel else {
      throw TokenizerError(
        .unsupported, file: place, reason: "this is not a SentencePiece model",
        remedy: "a list of tokens (a .json) can be added to any tokenizer")
    }
    try Self.refuseAddedTokens(own, folder: folder)
    if let download = DownloadName.unfinished(at: path) {
      throw TokenizerError(.missing, file: path, reason: download.reason, remedy: download.remedy)
    }
    let (first, second) = (try SentencePieceModel.bytes(place), try SentencePieceModel.bytes(path))
    // What libsentencepiece does not take is refused with its reason.
    try SentencePieceLibrary.require()
    _ = try SentencePieceLibrary(second, path: path)
    let merge = try SentencePieceMerge(first, second, scores: scores, paths: (place, path))
    let merged = try SentencePieceLibrary(merge.bytes, path: path)
    try Self.check(merged, merge, own, path)

    self.own = own
    (ownCount, knownCount) = (merge.ownCount, merge.knownCount)
    added = merge.added.map { String(decoding: $0, as: UTF8.self) }
    special = (own.special, try Self.special(of: own, merged, folder))
    files = merge.added.isEmpty ? [:] : ["tokenizer.model": merge.bytes]
    let hasOther = Folder.kind(of: Folder.join(folder, "tokenizer.json")) == .file && !merge.added.isEmpty
    omitted = hasOther ? ["tokenizer.json"] : []
    remarks =
      own.remarks
      + [
        try Self.otherAlgorithm(first, second),
        merge.flattenedCount > 0
          ? "\(merge.flattenedCount) of the new pieces are set aside in \(displayName(path)), and ordinary now"
          : nil,
        hasOther
          ? "tokenizer.json does not know the new pieces and is left out: programs make their own of tokenizer.model"
          : nil,
        hasOther ? try Self.needsTokenizerFile(folder) : nil,
      ].compactMap(\.self)
  }

  /// Added tokens behind the pieces have the ids that new pieces would get.
  private static func refuseAddedTokens(_ own: SentencePieceModel, folder: String) throws {
    guard let token = own.added.all.first(where: { Int($0.id) >= own.ownSize }) else { return }
    throw TokenizerError(
      .unsupported, file: folder,
      reason: "the folder adds \(displayName(String(decoding: token.content, as: UTF8.self))) as id \(token.id), and "
        + "new pieces begin at \(own.ownSize)",
      remedy: "extend the model as it was before tokens were added; then add them as a list (a .json)")
  }

  /// Holds what libsentencepiece makes of a merged model against the two: every piece under its id.
  private static func check(
    _ merged: SentencePieceLibrary, _ merge: SentencePieceMerge, _ own: SentencePieceModel, _ path: String
  ) throws {
    let count = merge.ownCount + merge.added.count
    let isWhole =
      own.ownSize == merge.ownCount && merged.count == count
      && (0..<merge.ownCount).allSatisfy { merged.piece(Int32($0)) == own.piece(Int32($0)) }
      && merge.added.indices.allSatisfy { merged.piece(Int32(merge.ownCount + $0)) == merge.added[$0] }
    guard isWhole else {
      throw TokenizerError(
        .malformed, file: path, reason: "libsentencepiece reads the merged model otherwise than it was made")
    }
  }

  /// What a tokenizer sets aside that has a piece for it only now; what it sets aside already stays.
  private static func special(
    of own: SentencePieceModel, _ merged: SentencePieceLibrary, _ folder: String
  ) throws -> SpecialTokens {
    let named = try TokenizerConfiguration.read(folder: folder)
    var special = own.special
    let id = { (token: TokenizerConfiguration.Token?, other: Int32?) -> Int32? in
      guard let content = token.map({ Array($0.content.utf8) }) else { return other }
      return merged.ids(of: [content])[content]
    }
    if special.unknown == nil { special.unknown = id(named.unk_token, merged.special.unknown) }
    if special.bos == nil { special.bos = id(named.bos_token, merged.special.bos) }
    if special.eos == nil { special.eos = id(named.eos_token, merged.special.eos) }
    if special.pad == nil { special.pad = id(named.pad_token, merged.special.pad) }
    return special
  }

  /// What is to be told of models of two algorithms, whose scores mean different things.
  private static func otherAlgorithm(_ first: [UInt8], _ second: [UInt8]) throws -> String? {
    guard let first = try? SentencePieceProto(first), let second = try? SentencePieceProto(second),
      first.algorithm != second.algorithm
    else { return nil }
    return
      "its tokenizer is of the kind \(first.algorithm), and the pieces are of one of the kind \(second.algorithm): scores "
      + "of the two are no measure for each other"
  }

  /// What is to be told where a folder names a class that reads a tokenizer.json alone.
  private static func needsTokenizerFile(_ folder: String) throws -> String? {
    let named = try TokenizerConfiguration.read(folder: folder).tokenizer_class
    guard let named, ["PreTrainedTokenizerFast", "TokenizersBackend"].contains(named) else { return nil }
    return
      "tokenizer_config.json names \(named), which transformers makes of a tokenizer.json alone: name LlamaTokenizer"
  }

  // MARK: A list

  private init(_ folder: String, adding list: [AddedTokens.Token]) throws {
    let own = try Tokenizers.open(folder)
    var vocabulary = try Tokenizers.vocabulary(folder)
    let known = Set(vocabulary.tokens.map { Array($0.text.utf8) })
    ownCount = own.vocabularySize
    var tokens = list.filter { !known.contains($0.content) }
    for number in tokens.indices { tokens[number].id = Int32(clamping: ownCount + number) }
    self.own = own
    knownCount = list.count - tokens.count
    added = tokens.map { String(decoding: $0.content, as: UTF8.self) }
    special = (own.special, own.special)
    omitted = []
    remarks = own.remarks
    guard !tokens.isEmpty else {
      files = [:]
      return
    }
    vocabulary.chatTemplate = nil
    var files = [
      TokenizerConfiguration.fileName: try TokenizerConfiguration.text(
        of: folder, vocabulary, known: Self.addedTokens(of: own), adding: tokens)
    ]
    let name = "tokenizer.json"
    if Folder.kind(of: Folder.join(folder, name)) == .file {
      files[name] = try TokenizerFile.text(Folder.join(folder, name), adding: tokens)
    }
    self.files = files
  }
  private static func addedTokens(of tokenizer: any Tokenizer) -> [AddedTokens.Token] {
    switch tokenizer {
    case let tokenizer as SentencePieceModel: tokenizer.added.all
    case let tokenizer as ByteLevelBPE: tokenizer.added.all
    default: []
    }
  }
}
