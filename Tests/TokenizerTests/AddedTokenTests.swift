import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

/// A tokenizer's files, and what transformers makes of texts with it: Tests/Fixtures/tokens/make.py.
private struct Group: Decodable, Sendable, CustomTestStringConvertible {
  struct Case: Decodable, Sendable {
    let text: String
    let ids: [Int32]
    let decoded: String
  }

  let name: String
  let base: String?
  let files: [String: String]
  let eos: Int32
  let document: [Int32]
  let cases: [Case]

  /// Those without a filler that is named and has no number: no text has it, and transformers alone gives it one.
  var texts: [Case] { name == "a filler without a number" ? cases.filter { !$0.text.contains("[PAD]") } : cases }

  var testDescription: String { name }

  /// The cases of the fixture, or of a file of one's own.
  static let all = decodeJSON(
    [Group].self,
    ProcessInfo.processInfo.environment["BELLE_TOKEN_CASES"] ?? project("Tests/Fixtures/tokens/cases.json"))

  func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    if let base {
      try folder.write("tokenizer.model", readBytes(project("Tests/Fixtures/tiny/\(base)/tokenizer.model")))
    }
    for (name, text) in files { try folder.write(name, text) }
    return folder
  }
}

@Suite("Added tokens (kind 9)") struct AddedTokenTests {
  private func expect(_ tokenizer: any Tokenizer, _ cases: [Group.Case]) throws {
    for known in cases {
      #expect(try tokenizer.encode(known.text) == known.ids, "\(known.text.debugDescription)")
      // tokenizers takes an added token of the alphabet's characters for bytes when it decodes: é for 0xE9.
      if known.decoded.contains("\u{FFFD}") { continue }
      #expect(try tokenizer.decode(known.ids) == known.decoded, "\(known.text.debugDescription)")
    }
  }

  @Test("a folder's added tokens are found and spelled as in transformers", arguments: Group.all)
  fileprivate func asTransformers(group: Group) throws {
    let folder = try group.folder()
    let tokenizer = try Tokenizers.open(folder.path)
    try expect(tokenizer, group.texts)
    #expect(tokenizer.special.eos == group.eos)
    #expect(try tokenizer.encodeDocument("a") == group.document)
  }

  private static let ofSentencePiece = Group.all.filter { $0.base != nil }

  @Test("as a vocabulary, and as the files that are made of it, they are the same", arguments: ofSentencePiece)
  fileprivate func asVocabulary(group: Group) throws {
    let folder = try group.folder()
    let vocabulary = try Tokenizers.vocabulary(folder.path)
    try expect(try Tokenizers.tokenizer(of: vocabulary, file: "memory"), group.texts)
    let again = try TemporaryFolder()
    for (name, bytes) in try Tokenizers.files(of: vocabulary, file: "memory") { try again.write(name, bytes) }
    try expect(try Tokenizers.open(again.path), group.texts)
    #expect(try Tokenizers.vocabulary(again.path) == vocabulary)
  }

  @Test(
    "a pattern that llama.cpp has a name for cuts the same from tokenizer.json and by its name",
    arguments: Group.all.filter { $0.base == nil })
  fileprivate func patterns(group: Group) throws {
    let folder = try group.folder()
    let vocabulary = try Tokenizers.vocabulary(folder.path)
    guard case .byteLevelBPE(let pattern, _) = vocabulary.model else {
      Issue.record("no byte-level vocabulary")
      return
    }
    #expect(pattern == group.name)
    let cases = group.cases
    try expect(try Tokenizers.tokenizer(of: vocabulary, file: "memory"), cases)
    let again = try TemporaryFolder()
    for (name, bytes) in try Tokenizers.files(of: vocabulary, file: "memory") { try again.write(name, bytes) }
    try expect(try Tokenizers.open(again.path), cases)
  }

  /// Each is looked for in a way of its own: as transformers' words for it say.
  private static let flagged = [
    ("lstrip", "a  <x>"), ("rstrip", "<x>  a"), ("single_word", "a<x>"), ("normalized", "<x>"),
  ]

  @Test("flags of added tokens are kept by a vocabulary, and are in no file that has none", arguments: flagged)
  fileprivate func flags(flag: String, text: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    try folder.write(
      "tokenizer_config.json",
      #"{"added_tokens_decoder": {"4096": {"content": "<x>", "special": true, "\#(flag)": true}, "1": {"content": "<s>", "lstrip": true, "special": true}}}"#
    )
    let vocabulary = try Tokenizers.vocabulary(folder.path)
    #expect(vocabulary.flags.mapValues(\.names) == [4096: [flag]])
    let ids = try Tokenizers.open(folder.path).encode(text)
    #expect(try Tokenizers.tokenizer(of: vocabulary, file: "memory").encode(text) == ids)
    #expect(ids.contains(4096) == (flag != "single_word"))
  }

  @Test("names of every SentencePiece model's own pieces are ordinary text, listed or not")
  func ownPieces() throws {
    let group = try #require(Group.all.first { $0.name == "added_tokens_decoder" })
    let folder = try group.folder()
    let tokenizer = try Tokenizers.open(folder.path)
    #expect(try tokenizer.encode("</s>").count > 1)
    #expect(try !tokenizer.encode("a<s>b<|im_end|>").contains(1))
    #expect(try tokenizer.decode([1, 261, 4097, 2]) == "a<|im_end|>")
  }

  @Test("ids that fill up the embedding's rows stand for no text", arguments: ["llama", "bloom"])
  func fillers(model: String) throws {
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/" + model))
    let ids = try tokenizer.encode("water")
    #expect(try tokenizer.decode(ids + [4096, 5000, .max]) == tokenizer.decode(ids))
    #expect(throws: TokenizerError.self) { try tokenizer.decode([-1]) }
  }

  @Test("a number that leaves a gap is the token's own, and what is in the gap has no text")
  func gap() throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    try folder.write("added_tokens.json", #"{"<chat>": 4100}"#)
    let tokenizer = try Tokenizers.open(folder.path)
    #expect(try tokenizer.encode("a<chat>") == [261, 4100])
    #expect(try tokenizer.decode([261, 4099, 4100]) == "a<chat>")
    #expect(tokenizer.vocabularySize == 4101)
  }

  @Test("long texts between added tokens are cut as short ones are")
  func longParts() throws {
    let group = try #require(Group.all.first { $0.name == "added_tokens.json" })
    let folder = try group.folder()
    let tokenizer = try Tokenizers.open(folder.path)
    let part = String(repeating: "water is cold. 你好世界 ", count: 4000)
    let ids = try tokenizer.encode("x<|im_start|>" + part + "<|im_end|>" + part)
    #expect(ids.count { $0 == 4096 } == 1 && ids.count { $0 == 4097 } == 1)
    #expect(try tokenizer.decode(ids) == "x<|im_start|>" + part + "<|im_end|>" + part)
    #expect(try tokenizer.encode("x<|im_start|>" + part, atLeast: 10).count >= 10)
  }

  @Test(
    "a list of added tokens that is none is refused",
    arguments: [#"{"a": -1}"#, #"{"a": "b"}"#, "[]", #"{"a": 9999999}"#])
  func brokenList(text: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    try folder.write("added_tokens.json", text)
    #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
  }

  @Test("a Mistral list that is named by itself is no tokenizer.json, and says so")
  func tekken() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("tekken.json", #"{"config": {"pattern": ""}, "vocab": []}"#)
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.open(path) }
    #expect(error?.reason.contains("tekken.json") == true && error?.code == .unsupported)
  }

  @Test("a SentencePiece model under another name is named", arguments: ["tokenizer.model.v3", "spiece.model"])
  func otherNames(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    #expect(error?.reason.contains(name) == true, "\(error?.reason ?? "")")
    #expect(try Tokenizers.open(path).encode("a") == [261])
  }

  @Test(
    "a tiktoken list is named as what it is",
    arguments: ["tokenizer.model", "qwen.tiktoken", "tiktoken.model", "tekken.json"])
  func tiktoken(name: String) throws {
    let folder = try TemporaryFolder()
    let lines = (0..<256).map { "\(Data([UInt8($0)]).base64EncodedString()) \($0)\n" }
    try folder.write(name, lines.joined())
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    #expect(error?.description.contains("tiktoken") == true)
    #expect(error?.remedy.map { !"\($0)".contains("download it again") } == true)
  }
}
