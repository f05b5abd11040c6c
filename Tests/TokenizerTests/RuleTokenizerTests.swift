// Tokenizers that follow a tokenizer.json's rules, against tokenizers: Tests/Fixtures/tokens/rules.py. And those of lists.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

private struct Rules: Decodable, Sendable, CustomTestStringConvertible {
  struct Case: Decodable, Sendable {
    let text: String
    let ids: [Int32]
    let decoded: String
  }

  let name: String
  let tokenizer: String
  let cases: [Case]

  var testDescription: String { name }

  static let all = decodeJSON([Rules].self, project("Tests/Fixtures/tokens/rules.json"))
}

@Suite("tokenizer.json by its rules") struct RuleTokenizerTests {
  @Test("ids and texts are tokenizers'", arguments: Rules.all)
  fileprivate func golden(rules: Rules) throws {
    let folder = try TemporaryFolder()
    let tokenizer = try Tokenizers.open(try folder.write("tokenizer.json", rules.tokenizer))
    for known in rules.cases {
      // SentencePiece takes <s> for ordinary text.
      if tokenizer.kind == "sentencepiece", known.text.contains("<s>") { continue }
      #expect(try tokenizer.encode(known.text) == known.ids, "\(known.text.debugDescription)")
      #expect(try tokenizer.decode(known.ids) == known.decoded, "\(known.text.debugDescription)")
    }
  }

  // What tokenizers 0.23.3 has of these numbers, in the fewest digits; of the first three the nearest double is another.
  @Test(
    "scores are the doubles that tokenizers makes of a file's numbers",
    arguments: [
      ("-7.5038161065840105", "-7.503816106584011"), ("-7.6338798822411285", "-7.633879882241128"),
      ("-2.0122928619384766", "-2.012292861938477"), ("-0.10000000000000000000000000001", "-0.1"),
      ("-1.5E-7", "-1.5e-07"),
      ("123456789012345678901234567890", "1.2345678901234568e+29"), ("1e-320", "1e-320"), ("1.0e-400", "0"),
      ("0.00000000000000000000000000000000000012345678901234567", "1.2345678901234567e-37"), ("3e+2", "300"),
      ("-17.999999999999996", "-17.999999999999996"), ("12345678901234567890.5e3", "1.2345678901234568e+22"),
      ("0", "0"),
      ("98765432109876543210987e-340", "9.876545e-318"),
    ])
  func numbers(text: String, value: String) {
    #expect(Double(asTokenizersReads: Array(text.utf8)[...]) == Double(value))
    #expect(Double(asTokenizersReads: Array("1e400".utf8)[...]) == nil)
  }

  // Ids of tokenizers 0.23.3.
  @Test(
    "what the normalizers take away at the left was the first: nothing is put before the rest",
    arguments: [
      ("a", [1]), (" a", [2]), ("\u{301}a", [2]), ("a\u{301} a", [1, 2]), ("\u{301} a", [2]), ("\u{E1}a", [1, 2]),
      ("", []), ("\u{301}", []), ("  a a", [2, 2]),
    ])
  func headsTakenAway(text: String, ids: [Int32]) throws {
    let folder = try TemporaryFolder()
    let file = #"""
      {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"},
      {"type": "Strip", "strip_left": true, "strip_right": true}]}, "pre_tokenizer": {"type": "Sequence",
      "pretokenizers": [{"type": "WhitespaceSplit"},
      {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]},
      "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -2.0], ["a", -3.0], ["▁", -4.0]]}}
      """#
    #expect(try Tokenizers.open(try folder.write("tokenizer.json", file)).encode(text) == ids)
  }

  @Test("long words have the ids of the whole, in parts")
  func longWords() throws {
    let folder = try TemporaryFolder()
    let rules = try #require(Rules.all.first { $0.name == "words" })
    let tokenizer = try Tokenizers.open(try folder.write("tokenizer.json", rules.tokenizer))
    let word = "thecatsat"
    let one = try tokenizer.encode(word)
    #expect(
      try tokenizer.encode(String(repeating: word + " ", count: 9000))
        == Array(repeating: one, count: 9000).flatMap(\.self))
    #expect(try tokenizer.encode(String(repeating: word, count: 9000)).count > 9000)
  }

  @Test(
    "equal merges: the last counts, as in tokenizers", arguments: ["[\"a b\", \"b c\", \"a b\"]", "[\"b c\", \"a b\"]"])
  func equalMerges(merges: String) throws {
    let folder = try TemporaryFolder()
    let text =
      #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4}, "merges": "# + merges + "}}"
    #expect(try Tokenizers.open(try folder.write("tokenizer.json", text)).encode("abc") == [0, 4])
  }

  @Test("punctuation is what it was in Unicode 8, as in tokenizers")
  func punctuation() throws {
    let folder = try TemporaryFolder()
    let text =
      #"{"pre_tokenizer": {"type": "Punctuation"}, "model": {"type": "BPE", "vocab": {"a": 0, "𑑍": 1, "᙭": 2, "!": 3, "#
      + #""\#u{111C9}": 7, "a𑑍": 4, "a᙭": 5, "a!": 6, "a\#u{111C9}": 8}, "#
      + #""merges": ["a 𑑍", "a ᙭", "a !", "a \#u{111C9}"]}}"#
    let tokenizer = try Tokenizers.open(try folder.write("tokenizer.json", text))
    #expect(try tokenizer.encode("a𑑍a᙭a!a\u{111C9}") == [4, 0, 2, 0, 3, 0, 7])
  }

  @Test("unknown characters: one token each, or one for several, or their bytes, or none")
  func unknown() throws {
    let folder = try TemporaryFolder()
    let open = { (more: String, vocabulary: String) in
      try Tokenizers.open(
        try folder.write(
          "tokenizer.json",
          #"{"model": {"type": "BPE"\#(more), "vocab": {"<u>": 0, "a": 1\#(vocabulary)}, "merges": []}}"#))
    }
    #expect(try open(#", "unk_token": "<u>""#, "").encode("xya") == [0, 0, 1])
    #expect(try open(#", "unk_token": "<u>", "fuse_unk": true"#, "").encode("xyaz") == [0, 1, 0])
    #expect(try open("", "").encode("xya") == [1])
    let bytes = #", "<0x78>": 2, "<0xC3>": 3, "<0xA9>": 4"#
    #expect(try open(#", "unk_token": "<u>", "byte_fallback": true"#, bytes).encode("xéy") == [2, 3, 4, 0])
  }

  @Test(
    "BERT's and RoBERTa's processors say what stands around a text", arguments: ["BertProcessing", "RobertaProcessing"])
  func processors(name: String) throws {
    let folder = try TemporaryFolder()
    let text =
      #"{"post_processor": {"type": "\#(name)", "sep": ["[S]", 2], "cls": ["[C]", 1]}, "model": {"vocab": {"a": 0, "[C]": 1, "[S]": 2}, "merges": []}}"#
    #expect(try Tokenizers.open(try folder.write("tokenizer.json", text)).encodeDocument("a") == [1, 0, 2])
  }
}

@Suite("Tokenizers of lists") struct VocabularyListTests {
  /// GPT-2's form of all bytes and two merges.
  private func folder(
    _ settings: String? = #"{"tokenizer_class": "GPT2Tokenizer"}"#, merges: String = "#version: 0.2\na b\nab c\n"
  ) throws
    -> TemporaryFolder
  {
    let folder = try TemporaryFolder()
    let tokens = (0..<256).map { String(ByteAlphabet.scalars[$0]) } + ["ab", "abc"]
    let object = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($1, $0) })
    try folder.write("vocab.json", [UInt8](try JSONEncoder().encode(object)))
    try folder.write("merges.txt", merges)
    if let settings { try folder.write("tokenizer_config.json", settings) }
    return folder
  }

  @Test("vocab.json and merges.txt are read as the class says that is named beside them")
  func vocabularyAndMerges() throws {
    let plain = try folder()
    #expect(try Tokenizers.open(plain.path).encode("abcab 12") == [257, 256, 32, 49, 50])
    #expect(try Tokenizers.vocabulary(plain.path).model == .byteLevelBPE(pattern: "gpt-2", merges: ["a b", "ab c"]))
    #expect(try Tokenizers.open(plain.path + "/vocab.json").encode("ab") == [256])
    let qwen = try folder(#"{"tokenizer_class": "Qwen2Tokenizer"}"#)
    // Composed before it is cut.
    #expect(try Tokenizers.open(qwen.path).encode("e\u{301}") == [0xC3, 0xA9])
    #expect(Tokenizers.files(in: qwen.path).map { Folder.name(of: $0) } == ["vocab.json"])
  }

  @Test(
    "lists that do not say how words are cut are refused, and so are broken ones",
    arguments: [
      (nil, "a b\n", TokenizerErrorCode.unsupported), (#"{"tokenizer_class": "Unheard"}"#, "a b\n", .unsupported),
      (#"{"tokenizer_class": "GPT2Tokenizer"}"#, "a b\na\n", .malformed),
      (#"{"tokenizer_class": "GPT2Tokenizer"}"#, "a b c\n", .malformed),
      (#"{"tokenizer_class": "GPT2Tokenizer"}"#, "a zz\n", .malformed),
    ] as [(String?, String, TokenizerErrorCode)])
  func refused(settings: String?, merges: String, code: TokenizerErrorCode) throws {
    let folder = try folder(settings, merges: merges)
    #expect(#expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }?.code == code)
  }

  @Test("merges of ranks: two tokens become a third where the list has it, the lowest rank first")
  func ranked() {
    var table = StringTable(capacity: 8)
    let strings = ["a", "b", "c", "bc", "ab", "abc"].map { Array($0.utf8) }
    for (id, string) in strings.enumerated() { _ = table.insert(string, id: Int32(id)) }
    let merges = MergeTable(ranked: strings, table)
    var merger = PairMerger()
    var ids: [Int32] = []
    merger.merge([0, 1, 2, 0, 1] as [Int32], by: merges, to: &ids)
    #expect(ids == [5, 4])
  }

  @Test(
    "a tiktoken list's lines are byte strings by rank",
    arguments: ["IQ== 0\nIg== 2\n", "IQ== 0\n!! 1\n", "IQ== 0\nIg==\n"])
  func broken(text: String) {
    #expect(throws: TokenizerError.self) { try ByteRanks.strings(Array(text.utf8), file: "f") }
  }

  @Test("Llama 3's list is read with its tokens of control")
  func llama3() throws {
    let folder = try TemporaryFolder()
    // As long as it, of other strings: the bytes, and then pairs of them.
    var list = ""
    for number in 0..<128_000 {
      let (low, middle, high) = (UInt8(number % 256), UInt8(number / 256 % 256), UInt8(number / 65536))
      let string: [UInt8] = number < 256 ? [low] : [middle, low, high]
      list += Data(string).base64EncodedString() + " \(number)\n"
    }
    try folder.write("tokenizer.model", list)
    let tokenizer = try Tokenizers.open(folder.path)
    #expect(tokenizer.vocabularySize == 128_256 && tokenizer.special.prefix == [128_000])
    #expect(try tokenizer.encode("a<|eot_id|>") == [0x61, 128_009])
    #expect(try tokenizer.decode([128_255]) == "<|reserved_special_token_245|>")
  }
}
