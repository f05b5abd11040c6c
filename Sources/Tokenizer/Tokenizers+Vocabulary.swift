// A vocabulary from a model's folder, as other engines understand it: what has no place in one is refused, for another
// engine would give other ids in silence.
// Refused: SentencePiece models that are no BPE, replace characters or squeeze spaces; added tokens with gaps.
// Source: what llama.cpp's tokenizers do with a text (src/llama-vocab.cpp); transformers, tokenization_utils_base.py.

import ByteIO
import Foundation

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
      var result = try TokenizerFile(tokenizer.path).sentencePieceVocabulary(configuration)
      result.chatTemplate = try chatTemplate(folder, configuration)
      return result
    case let tokenizer as ByteLevelBPE: return try vocabulary(of: tokenizer)
    case let other:
      throw TokenizerError(.unsupported, file: path, reason: "a tokenizer of the kind \(other.kind) has no vocabulary")
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
      TokenizerError(.unsupported, file: path, reason: reason, remedy: "such a tokenizer works in its own form only")
    }
    guard proto.algorithm == .bpe else {
      throw unsupported("it is a SentencePiece model of the kind \(proto.algorithm), not BPE")
    }
    guard !proto.hasCharacterMap else { throw unsupported("it replaces characters before anything else") }
    guard !proto.removesExtraSpaces else { throw unsupported("it makes one space of several") }
    guard proto.escapesSpaces else { throw unsupported("it does not spell spaces as ▁") }
    var tokens = proto.pieces
    let folder = Folder.parent(of: path)
    let configuration = try TokenizerConfiguration.read(folder: folder)
    var added = try addedTokens(folder: folder)
    for (id, token) in configuration.added_tokens_decoder ?? [:] {
      guard let id = Int(id) else { continue }
      added[id] = Vocabulary.Token(token.content, score: -1000, kind: token.special == true ? .control : .userDefined)
    }
    // Those within the model say again what it says itself.
    for (id, token) in added.sorted(by: { $0.key < $1.key }) where id >= tokens.count {
      guard id == tokens.count else {
        throw TokenizerError(
          .malformed, file: path,
          reason: "the added token \(displayName(token.text)) has the id \(id), and \(tokens.count) would be next")
      }
      tokens.append(token)
    }
    var special = tokenizer.special
    special.pad = special.pad ?? id(of: configuration.pad_token?.content, in: tokens)
    return Vocabulary(
      model: .sentencePiece(addsSpacePrefix: proto.addsSpacePrefix), tokens: tokens, special: special,
      chatTemplate: try chatTemplate(folder, configuration))
  }

  private static func bytes(of file: InputFile) throws(SentencePieceProto.Failure) -> [UInt8] {
    do { return try file.bytes(count: file.size) } catch {
      throw SentencePieceProto.Failure(offset: 0, reason: error.reason)
    }
  }

  /// `added_tokens.json`: texts and their ids.
  private static func addedTokens(folder: String) throws -> [Int: Vocabulary.Token] {
    let path = Folder.join(folder, "added_tokens.json")
    guard Folder.kind(of: path) == .file else { return [:] }
    let file = try InputFile(path)
    guard file.size <= TokenizerConfiguration.sizeLimit,
      let object = try? decodeBoundedJSON([String: Int].self, from: try file.bytes(count: file.size))
    else {
      throw TokenizerError(
        .malformed, file: path, reason: "it is no JSON object of texts and ids", remedy: "download it again")
    }
    return Dictionary(object.map { ($1, Vocabulary.Token($0, score: -1000, kind: .userDefined)) }) { one, _ in one }
  }

  private static func id(of text: String?, in tokens: [Vocabulary.Token]) -> Int32? {
    guard let text else { return nil }
    return tokens.firstIndex { $0.text.utf8.elementsEqual(text.utf8) }.map(Int32.init)
  }

  private static func chatTemplate(_ folder: String, _ configuration: TokenizerConfiguration) throws -> String? {
    if let template = configuration.chat_template?.text { return template }
    let path = Folder.join(folder, "chat_template.jinja")
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size <= 1 << 20 else { return nil }
    return String(validating: try file.bytes(count: file.size), as: UTF8.self)
  }

  // MARK: Byte-level BPE

  private static func vocabulary(of tokenizer: ByteLevelBPE) throws -> Vocabulary {
    let unsupported = { (reason: String) in TokenizerError(.unsupported, file: tokenizer.path, reason: reason) }
    guard !tokenizer.addsPrefixSpace else {
      throw unsupported("it puts a space before a text, which llama.cpp's does not")
    }
    guard tokenizer.ignoresMerges == (tokenizer.preTokenizer == .llama3) else {
      throw unsupported("ignore_merges is \(tokenizer.ignoresMerges), and llama.cpp takes it otherwise")
    }
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
    let folder = Folder.parent(of: tokenizer.path)
    return Vocabulary(
      model: .byteLevelBPE(pattern: tokenizer.preTokenizer.name, merges: merges), tokens: tokens,
      special: tokenizer.special,
      chatTemplate: try chatTemplate(folder, TokenizerConfiguration.read(folder: folder)))
  }
}
