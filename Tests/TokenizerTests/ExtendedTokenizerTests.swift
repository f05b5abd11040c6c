// Tokenizers with more tokens, against the scripts that people use: Tests/Fixtures/extend/make.py.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

private let fixture = project("Tests/Fixtures/extend")

private struct Reference: Decodable {
  struct Merge: Decodable {
    let size: Int
    let ids: [[Int32]]
  }

  struct List: Decodable {
    let texts: [String]
    let ids: [[Int32]]
    let size: Int
  }

  let size: Int
  let texts: [String]
  let merges: [String: Merge]
  let list: List

  static let known = decodeJSON(Reference.self, fixture + "/reference.json")
}

/// A piece of a model that is made up.
private struct Piece {
  var text: String
  var score: Float = 0
  var kind: UInt64 = 1

  /// A serialized model of BPE.
  static func model(_ pieces: [Piece], algorithm: UInt64 = 2, bytes: Bool = false) -> [UInt8] {
    var writer = ProtobufWriter()
    for piece in [Piece(text: "<unk>", kind: 2), Piece(text: "<s>", kind: 3), Piece(text: "</s>", kind: 3)] + pieces {
      var inner = ProtobufWriter()
      inner.text(1, piece.text)
      inner.fixed32(2, piece.score.bitPattern)
      if piece.kind != 1 { inner.number(3, piece.kind) }
      writer.bytes(1, inner.bytes)
    }
    var trainer = ProtobufWriter()
    trainer.number(3, algorithm)
    if bytes { trainer.number(35, 1) }
    writer.bytes(2, trainer.bytes)
    return writer.bytes
  }
}

@Suite("Tokenizers with more tokens") struct ExtendedTokenizerTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A folder with the fixture's tokenizer.
  private func model(_ files: [String: String] = [:]) throws -> String {
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("model/" + name, readBytes(fixture + "/model/" + name))
    }
    for (name, text) in files { try folder.write("model/" + name, text) }
    return folder.file("model")
  }

  /// A folder and a second model of pieces.
  private func extended(
    _ own: [Piece] = [Piece(text: "a")], with other: [Piece], scores: PieceScores = .keep, algorithm: UInt64 = 2
  ) throws -> ExtendedTokenizer {
    try folder.write("own/tokenizer.model", Piece.model(own))
    let path = try folder.write("other.model", Piece.model(other, algorithm: algorithm))
    return try ExtendedTokenizer(folder.file("own"), with: path, scores: scores)
  }

  /// The tokenizer that the files of an extended one make, in a folder with the model's own.
  private func opened(_ extended: ExtendedTokenizer, beside model: String) throws -> any Tokenizer {
    for (name, bytes) in extended.files { try Data(bytes).write(to: URL(filePath: model + "/" + name)) }
    return try Tokenizers.open(model)
  }

  @Test("merged models give sentencepiece's ids, and old ones keep theirs", arguments: PieceScores.allCases)
  func ids(scores: PieceScores) throws {
    let model = try model()
    let own = try Tokenizers.open(model)
    let known = try #require(Reference.known.merges[scores.rawValue])
    let extended = try ExtendedTokenizer(model, with: fixture + "/second.model", scores: scores)
    #expect(extended.ownCount == Reference.known.size && extended.count == known.size && extended.knownCount == 33)
    #expect(extended.remarks.isEmpty && extended.omitted.isEmpty && extended.special.before == extended.special.after)
    let merged = try opened(extended, beside: model)
    for (text, ids) in zip(Reference.known.texts, known.ids) { #expect(try merged.encode(text) == ids, "\(text)") }
    for id in 0..<Int32(extended.ownCount) { #expect(try merged.decode([id]) == own.decode([id])) }
  }

  @Test("long texts are encoded in parts with them as a whole", arguments: PieceScores.allCases)
  func longTexts(scores: PieceScores) throws {
    let model = try model()
    let extended = try ExtendedTokenizer(model, with: fixture + "/second.model", scores: scores)
    let merged = try #require(try opened(extended, beside: model) as? SentencePieceModel)
    let lines = String(decoding: try readBytes(fixture + "/text.txt"), as: UTF8.self).split(separator: "\n")
    var random = SplitMix64(seed: 18)
    var text = ""
    while text.utf8.count < 5 * SentencePieceModel.partSize {
      text += (lines.randomElement(using: &random) ?? "") + (["\n", " ", "", "，"].randomElement(using: &random) ?? "")
    }
    #expect(try merged.encode(text) == merged.encodeWhole(text))
  }

  @Test("the first model's bytes stay, with the new pieces behind its last")
  func bytes() throws {
    let first = Piece.model([Piece(text: "a", score: -1)])
    let second = Piece.model([Piece(text: "a", score: -7), Piece(text: "b", score: -2), Piece(text: "<x>", kind: 4)])
    let end = first.count - 4
    let keep = try SentencePieceMerge(first, second, scores: .keep, paths: ("1", "2"))
    #expect(keep.added == [Array("b".utf8), Array("<x>".utf8)] && keep.knownCount == 4 && keep.flattenedCount == 0)
    #expect(keep.bytes.prefix(end) == first.prefix(end) && keep.bytes.suffix(4) == first.suffix(4))
    #expect(keep.bytes[end..<end + 10] == [10, 8, 10, 1, 0x62, 0x15, 0, 0, 0, 0xC0])
    let zero = try SentencePieceMerge(first, second, scores: .zero, paths: ("1", "2"))
    #expect(zero.bytes[end..<end + 10] == [10, 8, 10, 1, 0x62, 0x15, 0, 0, 0, 0] && zero.flattenedCount == 1)
    #expect(try SentencePieceProto(keep.bytes).pieces.last?.kind == .userDefined)
    #expect(try SentencePieceProto(zero.bytes).pieces.last?.kind == .normal)
  }

  /// Swift's strings are equal where they are canonically equivalent.
  @Test("characters of one canonical form are two pieces")
  func compatibleCharacters() throws {
    let extended = try extended([Piece(text: "\u{8C48}")], with: [Piece(text: "\u{F900}"), Piece(text: "\u{8C48}")])
    #expect(extended.added.map { Array($0.unicodeScalars) } == [["\u{F900}"]] && extended.knownCount == 4)
  }

  @Test("a piece is spelled as it is spelled in a text, without the space before one")
  func spelling() throws {
    let extended = try extended([Piece(text: "a"), Piece(text: "▁"), Piece(text: "b")], with: [Piece(text: "▁ab")])
    #expect(try extended.spelling(0) == [4, 3, 5])
    #expect(try self.extended([Piece(text: "a")], with: [Piece(text: "aa")]).spelling(0) == [3, 3])
  }

  @Test("a filler that only the second has becomes the tokenizer's")
  func filler() throws {
    let extended = try extended(with: [Piece(text: "<pad>", kind: 3), Piece(text: "b")])
    #expect(extended.special.before.pad == nil && extended.special.after.pad == 4)
  }

  @Test("pieces that a model has once for all are refused by name", arguments: PieceScores.allCases)
  func kinds(scores: PieceScores) throws {
    let own = Piece.model([Piece(text: "a")])
    for (kind, word) in [(2, "unknown"), (5, "stands for nothing"), (6, "byte"), (9, "not known")] as [(UInt64, String)]
    {
      let other = Piece.model([Piece(text: "<0x41>", kind: kind)])
      let error = #expect(throws: TokenizerError.self) {
        try SentencePieceMerge(own, other, scores: scores, paths: ("1", "2"))
      }
      #expect(error?.code == .unsupported && error?.file == "2" && error?.reason.contains(word) == true)
      #expect(error?.reason.contains("<0x41>") == true)
    }
  }

  @Test("pieces of another algorithm are taken, and that is told")
  func otherAlgorithm() throws {
    let remarks = try extended(with: [Piece(text: "b", score: -1)], algorithm: 1).remarks
    #expect(remarks.contains { $0.contains("bpe") && $0.contains("unigram") }, "\(remarks)")
  }

  @Test("tokens that the folder adds behind the pieces are in the way, by name")
  func added() throws {
    let model = try model(["added_tokens.json": #"{"<|im_start|>": 420}"#])
    let error = #expect(throws: TokenizerError.self) {
      try ExtendedTokenizer(model, with: fixture + "/second.model", scores: .keep)
    }
    #expect(error?.reason.contains("<|im_start|> as id 420") == true)
  }

  @Test("a tokenizer.json that does not know the pieces stays behind, and is told")
  func tokenizerFile() throws {
    let model = try model(["tokenizer.json": "{}"])
    let extended = try ExtendedTokenizer(model, with: fixture + "/second.model", scores: .keep)
    #expect(extended.omitted == ["tokenizer.json"] && extended.remarks.contains { $0.contains("tokenizer.json") })
  }

  @Test("what is no SentencePiece model is refused with what it is")
  func otherFiles() throws {
    let model = try model()
    for (name, text) in [
      ("a.model", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), ("b.model", "x"),
    ] {
      let path = try folder.write(name, text)
      #expect(throws: TokenizerError.self) { try ExtendedTokenizer(model, with: path, scores: .keep) }
    }
    let error = #expect(throws: TokenizerError.self) {
      try ExtendedTokenizer(project("Tests/Fixtures/tiny/bloom"), with: fixture + "/second.model", scores: .keep)
    }
    #expect(error?.code == .missing)
  }
}

@Suite("Lists of tokens") struct TokenListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func copied(_ from: String, _ names: [String]) throws -> String {
    for name in names { try folder.write("model/" + name, readBytes(from + "/" + name)) }
    return folder.file("model")
  }

  private func take(_ files: [String: [UInt8]]) throws {
    for (name, bytes) in files { try folder.write("model/" + name, bytes) }
  }

  @Test("a list added to a SentencePiece model gives transformers' ids")
  func list() throws {
    let model = try copied(fixture + "/model", ["tokenizer.model", "tokenizer_config.json"])
    let extended = try ExtendedTokenizer(model, with: fixture + "/list.json", scores: .keep)
    let known = Reference.known.list
    #expect(extended.ownCount == 420 && extended.count == known.size && extended.knownCount == 0)
    #expect(Set(extended.files.keys) == ["tokenizer_config.json"])
    try take(extended.files)
    let tokenizer = try Tokenizers.open(model)
    for (text, ids) in zip(known.texts, known.ids) { #expect(try tokenizer.encode(text) == ids, "\(text)") }
    // A second list goes on where the first ended, and skips what it had.
    let more = try folder.write("more.json", #"["<|im_end|>", "<|third|>"]"#)
    let again = try ExtendedTokenizer(model, with: more, scores: .keep)
    #expect(again.ownCount == known.size && again.added == ["<|third|>"] && again.knownCount == 1)
    try take(again.files)
    #expect(try Tokenizers.open(model).encode("<|im_start|><|third|>") == [420, Int32(known.size)])
  }

  @Test("what other files of the folder add stays where a list is begun")
  func otherLists() throws {
    let model = try copied(fixture + "/model", ["tokenizer.model"])
    try folder.write("model/added_tokens.json", #"{"<|a|>": 420}"#)
    try folder.write("model/special_tokens_map.json", #"{"bos_token": "<s>", "additional_special_tokens": ["<|a|>"]}"#)
    let before = try Tokenizers.open(model)
    let extended = try ExtendedTokenizer(model, with: fixture + "/list.json", scores: .keep)
    #expect(extended.ownCount == 421)
    try take(extended.files)
    let after = try Tokenizers.open(model)
    #expect(try after.encode("<|a|>x") == before.encode("<|a|>x") && after.special.bos == 1)
    #expect(try after.encode("<|im_start|>") == [421])
  }

  @Test("a tokenizer.json is changed in its list alone")
  func tokenizerFile() throws {
    let names = ["tokenizer.json", "tokenizer_config.json"]
    let model = try copied(project("Tests/Fixtures/tiny/bloom"), names)
    let own = try Tokenizers.open(model)
    let extended = try ExtendedTokenizer(model, with: fixture + "/list.json", scores: .keep)
    let (old, new) = (try readBytes(model + "/tokenizer.json"), try #require(extended.files["tokenizer.json"]))
    #expect(new.count > old.count)
    let (head, tail) = (
      zip(old, new).prefix { $0 == $1 }.count, zip(old.reversed(), new.reversed()).prefix { $0 == $1 }.count
    )
    #expect(head + tail >= old.count)
    try take(extended.files)
    let tokenizer = try Tokenizers.open(model)
    #expect(tokenizer.vocabularySize == own.vocabularySize + extended.added.count)
    #expect(try tokenizer.encode("<|im_start|>") == [Int32(own.vocabularySize)])
    #expect(try tokenizer.encode("no such token") == own.encode("no such token"))
  }

  @Test(
    "what a list cannot say is refused by its entry",
    arguments: [
      ("{}", "list"), ("[\"a\", 1]", "entry 2"), ("[\"\"]", "entry 1"), ("[\"a\", \"a\"]", "entry 2"),
      (#"[{"content": "a", "ids": true}]"#, "ids"), (#"[{"content": "a", "special": 1}]"#, "special"),
      ("[\"a\"", "byte"),
      ("[\"a\"] x", "byte 6"),
    ])
  func malformed(text: String, word: String) throws {
    let path = try folder.write("l.json", text)
    let error = #expect(throws: TokenizerError.self) { try TokenList(path) }
    let said = "\(error?.place ?? "") \(error?.reason ?? "")"
    #expect(said.contains(word), "\(said)")
  }

  @Test("flags are taken, and special tokens are looked for in the text as it is")
  func flags() throws {
    let text =
      #"[{"content": "a", "lstrip": true, "single_word": true}, {"content": "b", "special": true, "__type": "AddedToken"}]"#
    let tokens = try TokenList(try folder.write("l.json", text)).tokens
    #expect(tokens[0].stripsLeft && tokens[0].isSingleWord && tokens[0].isNormalized && !tokens[0].isSpecial)
    #expect(tokens[1].isSpecial && !tokens[1].isNormalized)
  }
}
