import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
  let decoded: String
}

@Suite("Tokenizers") struct TokenizerTests {
  @Test("ids and decoded text are the reference's, case by case", arguments: ["llama", "bloom"])
  func golden(model: String) throws {
    let folder = project("Tests/Fixtures/tiny/" + model)
    let tokenizer = try Tokenizers.open(folder)
    #expect(tokenizer.vocabularySize == 4096)
    let cases = decodeJSON([Case].self, folder + "/tokenizer-cases.json")
    #expect(cases.count > 20)
    for known in cases {
      #expect(try tokenizer.encode(known.text) == known.ids, "\(known.text)")
      #expect(try tokenizer.decode(known.ids) == known.decoded, "\(known.text)")
    }
  }

  @Test("BOS stands before a LLaMA text and not before a BLOOM text")
  func bos() throws {
    let llama = try Tokenizers.open(project("Tests/Fixtures/tiny/llama"))
    #expect(llama.special.prefix == [1] && llama.special.suffix.isEmpty)
    #expect(try llama.encodeDocument("a") == [1, 261])
    let bloom = try Tokenizers.open(project("Tests/Fixtures/tiny/bloom"))
    #expect(bloom.special.bos == 1 && bloom.special.eos == 2 && bloom.special.pad == 3)
    #expect(try bloom.encodeDocument("a") == [68])
  }

  @Test("tokenizer_config.json changes BOS and EOS")
  func configuration() throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", try readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    #expect(try Tokenizers.open(folder.path).special.prefix == [1])
    try folder.write("tokenizer_config.json", #"{"add_bos_token": false, "add_eos_token": true}"#)
    let special = try Tokenizers.open(folder.path).special
    #expect(special.prefix.isEmpty && special.suffix == [2])
  }

  @Test("a negative id is an error", arguments: ["llama", "bloom"], [-1, Int32.min])
  func unknownID(model: String, id: Int32) throws {
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/" + model))
    let error = #expect(throws: TokenizerError.self) { try tokenizer.decode([id]) }
    #expect(error?.code == .unknownID)
  }

  @Test("any text comes back from a byte-level vocabulary as it was", arguments: 0..<40)
  func roundTrip(seed: UInt64) throws {
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/bloom"))
    var generator = SplitMix64(seed: seed)
    let alphabet: [Unicode.Scalar] = [
      "a", "b", " ", " ", "\n", "\r", "\t", ".", "(", "1", "中", "。", "é", "😀", "\u{301}", "'", "s", "\u{200B}",
    ]
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...300, using: &generator) {
      text.append(alphabet[Int.random(in: 0..<alphabet.count, using: &generator)])
    }
    #expect(try tokenizer.decode(try tokenizer.encode(String(text))) == String(text))
  }

  @Test("a folder without a tokenizer, a web page and a broken model are told apart")
  func broken() throws {
    let folder = try TemporaryFolder()
    #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    try folder.write("tokenizer.model", "<!DOCTYPE html><html>")
    let page = #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    #expect(page?.reason.contains("web page") == true)
    try folder.write("tokenizer.model", [UInt8](repeating: 0xFF, count: 100))
    let model = #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    #expect(model?.code == .malformed)
  }
}

@Suite("Patterns of byte-level BPE") struct PreTokenizerTests {
  private func pieces(_ pattern: String, _ text: String) throws -> [String] {
    var pieces: [String] = []
    try PreTokenizer(name: pattern, file: "f").forEachPiece(Array(text.utf8)[...]) {
      pieces.append(String(decoding: $0, as: UTF8.self))
      return true
    }
    return pieces
  }

  // What the regular expressions give, worked out by hand from the alternatives.
  @Test(
    "words are cut as the regular expressions cut them",
    arguments: [
      ("bloom", "Hello,  two words (x|y).", ["Hello", ", ", " two", " words", " (", "x", "|", "y", ")."]),
      ("gpt-2", "I'll go  12 km!\n\n x", ["I", "'ll", " go", " ", " 12", " km", "!", "\n\n", " x"]),
      ("gpt-2", "I'LL  ", ["I", "'", "LL", "  "]),
      ("llama-bpe", "I'LL go  12345!\n\n x", ["I", "'LL", " go", " ", " ", "123", "45", "!\n\n", " x"]),
      ("llama-bpe", "a\t\tb \n c", ["a", "\t", "\tb", " \n", " c"]),
      ("qwen2", "n=10;", ["n", "=", "1", "0", ";"]),
      ("qwen2", "#x \n", ["#x", " \n"]),
    ])
  func words(pattern: String, text: String, expected: [String]) throws {
    #expect(try pieces(pattern, text) == expected)
  }
}

@Suite("tokenizer.json") struct TokenizerJSONTests {
  /// A vocabulary of all bytes and a few words, as text.
  private func json(
    merges: String = #"["a b", ["ab", "c"]]"#, extra: String = #", "ab": 256, "abc": 257"#, pattern: String = "null",
    added: String = "[]", model: String = ""
  ) -> String {
    let bytes = (0..<256).map { byte -> String in
      let scalar = ByteAlphabet.scalars[byte]
      return scalar == "\"" || scalar == "\\" ? "\"\\\(scalar)\": \(byte)" : "\"\(scalar)\": \(byte)"
    }
    return """
      {"added_tokens": \(added), "normalizer": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
       "post_processor": \(pattern), "decoder": {"type": "ByteLevel"},
       "model": {"type": "BPE"\(model), "vocab": {\(bytes.joined(separator: ", "))\(extra)}, "merges": \(merges)}}
      """
  }

  private func open(_ text: String) throws -> any Tokenizer {
    let folder = try TemporaryFolder()
    return try Tokenizers.open(try folder.write("tokenizer.json", text))
  }

  @Test("both spellings of merges are read, and merged in their order")
  func merges() throws {
    #expect(try open(json()).encode("abcab") == [257, 256])
    #expect(try open(json(merges: #"["a b"]"#)).encode("abcab") == [256, 99, 256])
  }

  @Test("a word that is in the vocabulary as a whole is taken where merges are ignored")
  func ignoreMerges() throws {
    #expect(try open(json(merges: #"["a b"]"#, model: #", "ignore_merges": true"#)).encode("abc") == [257])
  }

  @Test("the longest added token wins, and takes the spaces it asks for")
  func added() throws {
    let added = #"[{"id": 258, "content": "<x>"}, {"id": 259, "content": "<x>y", "lstrip": true, "rstrip": true}]"#
    #expect(try open(json(added: added)).encode("a <x>y ab<x>") == [97, 259, 256, 258])
  }

  @Test("a template says what stands before a text")
  func template() throws {
    let template = """
      {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
       "special_tokens": {"<s>": {"id": "<s>", "ids": [258], "tokens": ["<s>"]}}}]}
      """
    let tokenizer = try open(json(pattern: template, added: #"[{"id": 258, "content": "<s>"}]"#))
    #expect(try tokenizer.encodeDocument("ab") == [258, 256])
  }

  @Test(
    "what is broken or unknown is refused",
    arguments: [
      ("", TokenizerErrorCode.malformed), ("{", .malformed), ("[]", .malformed), ("{} {}", .malformed),
      (#"{"model": {"vocab": {"a": -1}}}"#, .malformed), (#"{"model": {"vocab": {"a": 4194304}}}"#, .malformed),
      (#"{"model": {"vocab": {"a": 0, "a": 1}}}"#, .malformed), (#"{"model": {"vocab": [["a", 0]]}}"#, .unsupported),
      (#"{"model": {"type": "Unigram", "vocab": {"a": 0}}}"#, .malformed), ("{}", .malformed),
      (#"{"model": {"type": "Unigram", "vocab": [["a"]]}}"#, .malformed),
      (#"{"model": {"type": "Unigram", "vocab": [["a", "b"]]}}"#, .malformed),
      (#"{"model": {"type": "Unigram", "vocab": [["a", 1e999]]}}"#, .malformed),
      (#"{"model": {"type": "Unigram", "vocab": [["a", 0], ["a", 0]]}}"#, .malformed),
      (#"{"model": {"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]}}"#, .malformed),
      (#"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#, .unsupported),
      (#"{"model": {"vocab": {"a": 0}, "unk_token": "b"}}"#, .malformed),
      (#"{"model": {"vocab": {"a": 0}, "dropout": 0.1}}"#, .unsupported),
      (#"{"model": {"vocab": {"a": 0}, "end_of_word_suffix": "</w>"}}"#, .unsupported),
      (String(repeating: "[", count: 100_000), .malformed),
      (#"{"x": "# + String(repeating: "[", count: 100_000), .malformed),
      (#"{"x": "\ud800"}"#, .malformed), ("{\"x\": \"a\nb\"}", .malformed),
    ])
  func refused(text: String, code: TokenizerErrorCode) throws {
    let error = #expect(throws: TokenizerError.self) { try open(text) }
    #expect(error?.code == (text.isEmpty ? .malformed : code))
  }

  @Test("merges of unknown tokens, ids that stand twice and unknown behaviors are refused")
  func inconsistent() throws {
    let merges = #expect(throws: TokenizerError.self) { try open(json(merges: #"["a zz"]"#)) }
    #expect(merges?.reason.contains("merge 0") == true)
    let twice = #expect(throws: TokenizerError.self) { try open(json(extra: #", "ab": 97, "abc": 257"#)) }
    #expect(twice?.reason.contains("97 stands for two tokens") == true)
    let split = json().replacing(#""use_regex": true"#, with: #""use_regex": true, "behavior": "Sideways""#)
    #expect(#expect(throws: TokenizerError.self) { try open(split) }?.code == .unsupported)
  }

  @Test("a word of a hundred thousand letters takes no quadratic time")
  func longWord() throws {
    let tokenizer = try open(json())
    let ids = try tokenizer.encode(String(repeating: "ab", count: 50_000))
    #expect(ids == Array(repeating: 256, count: 50_000))
  }
}
