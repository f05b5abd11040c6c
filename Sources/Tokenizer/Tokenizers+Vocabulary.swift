// A vocabulary from a model's folder, as other engines understand it: what has no place in one is refused, for another
// engine would give other ids in silence.
// Refused: SentencePiece models that are no BPE, replace characters or squeeze spaces. Ids without a token, between added ones,
// are filled as llama.cpp's converter fills them. Sources: what llama.cpp's tokenizers do with a text (src/llama-vocab.cpp)
// and its converter with a vocabulary (conversion/base.py, `_create_vocab_sentencepiece`); transformers,
// tokenization_utils_base.py.

import ByteIO

extension Tokenizers {
  /// What the tokenizer of a model's folder, or of one file, is made of: see ``open(_:)`` for which of several it is.
  ///
  /// - Throws: ``TokenizerError``; with code `.unsupported` for tokenizers that a vocabulary cannot describe.
  package static func vocabulary(_ path: String) throws -> Vocabulary {
    switch try open(path) {
    case let tokenizer as SentencePieceModel:
      guard tokenizer.path.hasSuffix(".json") else { return try vocabulary(of: tokenizer) }
      let folder = Folder.parent(of: tokenizer.path)
      let configuration = try TokenizerConfiguration.read(folder: folder)
      let contents = try TokenizerFile(tokenizer.path)
      var result = try contents.sentencePieceVocabulary(contents.lists(configuration))
      try result.take(ChatTemplates(folder: folder))
      return result
    case let tokenizer as ByteLevelBPE: return try vocabulary(of: tokenizer)
    case let other:
      throw TokenizerError(
        .unsupported, file: path,
        reason: "its rules (\(other.kind)) are neither byte-level BPE's nor SentencePiece's in a form that has a name",
        remedy: "such a tokenizer cannot be written in another form")
    }
  }

  // MARK: SentencePiece

  private static func vocabulary(of tokenizer: SentencePieceModel) throws -> Vocabulary {
    let path = tokenizer.path
    let file = try InputFile(path)
    let proto: SentencePieceProto
    do throws(SentencePieceProto.Failure) { proto = try SentencePieceProto(try bytes(of: file)) } catch {
      throw TokenizerError(.malformed, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
    let unsupported = { (reason: String) in
      TokenizerError(
        .unsupported, file: path, reason: reason, remedy: "such a tokenizer cannot be written in another form")
    }
    guard proto.algorithm == .bpe else {
      throw unsupported("it is a SentencePiece model of the kind \(proto.algorithm), not BPE")
    }
    guard !proto.hasCharacterMap else { throw unsupported("it replaces characters before anything else") }
    guard !proto.removesExtraSpaces else { throw unsupported("it makes one space of several") }
    guard proto.escapesSpaces else { throw unsupported("it does not spell spaces as ▁") }
    var tokens = proto.pieces
    tokens.reserveCapacity(tokenizer.vocabularySize)
    for added in tokenizer.added.all {
      let text = String(decoding: added.content, as: UTF8.self)
      let token = Vocabulary.Token(text, score: -1000, kind: added.isSpecial ? .control : .userDefined)
      let id = Int(added.id)
      guard id >= proto.pieces.count else {
        // A piece of control is there already; another one is set aside under the name that the folder gives it.
        if tokens[id].kind != token.kind || tokens[id].text != text { tokens[id] = token }
        continue
      }
      while tokens.count < id { tokens.append(Vocabulary.padding(tokens.count)) }
      tokens.append(token)
    }
    var result = Vocabulary(
      model: .sentencePiece(addsSpacePrefix: proto.addsSpacePrefix), tokens: tokens, special: tokenizer.special)
    result.spacesEveryPart = tokenizer.spacesEveryPart
    result.takeFlags(of: tokenizer.added.all)
    result.remarks = tokenizer.remarks
    try result.take(ChatTemplates(folder: Folder.parent(of: path)))
    return result
  }

  private static func bytes(of file: InputFile) throws(SentencePieceProto.Failure) -> [UInt8] {
    do { return try file.bytes(count: file.size) } catch {
      throw SentencePieceProto.Failure(offset: 0, reason: error.reason)
    }
  }

  // MARK: Byte-level BPE

  private static func vocabulary(of tokenizer: ByteLevelBPE) throws -> Vocabulary {
    let unsupported = { (reason: String) in TokenizerError(.unsupported, file: tokenizer.path, reason: reason) }
    guard !tokenizer.addsPrefixSpace else {
      throw unsupported("it puts a space before a text, which llama.cpp's does not")
    }
    let (row, composing) = try pattern(of: tokenizer)
    var spellings = [ArraySlice<UInt8>?](repeating: nil, count: tokenizer.vocabularySize)
    tokenizer.vocabulary.forEach { spelling, id in spellings[Int(id)] = spelling }
    var tokens = spellings.enumerated().map { id, spelling in
      spelling.map { Vocabulary.Token(String(decoding: $0, as: UTF8.self)) } ?? Vocabulary.padding(id)
    }
    for token in tokenizer.added.all {
      tokens[Int(token.id)] = Vocabulary.Token(
        String(decoding: token.content, as: UTF8.self), kind: token.isSpecial ? .control : .userDefined)
    }
    let merges = tokenizer.merges.ordered.map { left, right, _ in
      let halves = [left, right].map { spellings[Int($0)] ?? [] }
      return String(decoding: halves[0] + [0x20] + halves[1], as: UTF8.self)
    }
    var result = Vocabulary(
      model: .byteLevelBPE(pattern: row.names[0], merges: merges), tokens: tokens,
      special: tokenizer.special)
    result.takeFlags(of: tokenizer.added.all)
    result.remarks = tokenizer.remarks + [composing].compactMap(\.self)
    try result.take(ChatTemplates(folder: Folder.parent(of: tokenizer.path)))
    return result
  }

  /// llama.cpp's pattern that cuts words as a tokenizer does; and what is to be told of composing.
  ///
  /// - Throws: ``TokenizerError`` with code `.unsupported` where it has none.
  private static func pattern(of tokenizer: ByteLevelBPE) throws -> (NamedPattern, String?) {
    let unsupported = { (reason: String) in
      TokenizerError(
        .unsupported, file: tokenizer.path, reason: reason,
        remedy: "a GGUF file names how words are cut, and llama.cpp would give other ids under any of its names")
    }
    let composed = [TextNormalizer.form(.composed)]
    guard tokenizer.normalizers.isEmpty || tokenizer.normalizers == composed else {
      throw unsupported("its normalizer changes texts in a way that a GGUF file cannot name")
    }
    let rows = tokenizer.preTokenizer.rows
    guard !rows.isEmpty else {
      let steps = tokenizer.preTokenizer.steps.map { displayName($0.expression) }
      throw unsupported("llama.cpp has no name for how its words are cut (\(steps.joined(separator: ", ")))")
    }
    let fitting = rows.filter { $0.ignoresMerges == tokenizer.ignoresMerges }
    guard let first = fitting.first else {
      throw unsupported("ignore_merges is \(tokenizer.ignoresMerges), and llama.cpp takes it otherwise")
    }
    let composes = !tokenizer.normalizers.isEmpty
    let row = fitting.first { $0.composes == composes } ?? first
    guard row.composes == composes else {
      return (
        row, "texts are composed (NFC), which the GGUF file cannot say: under the name \(row.names[0]) they are not"
      )
    }
    return (row, nil)
  }
}
