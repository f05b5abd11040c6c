// Long texts are encoded in parts: the ids must be those of the whole.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

@Suite("Long texts") struct LongTextTests {
  /// Pieces of texts that tokenizers treat in ways of their own.
  private static let pieces = [
    "的一是不了在人有我", "，。", "the ", " quick", "Brown", "\n", "\n\n", "  ", "        ", "\t", " \n ", "'s", "'LL", "123",
    "4567890",
    "!?", "...", "é", "e\u{301}", "😀", "👨‍👩‍👧", "\u{2581}", "<s>", "</s>", "<0x0A>", "аб", "ｱ", "\u{3000}", "a", "\r\n",
    "https://x.y/z?q=1",
    "가각", "\u{1100}\u{1161}", "－", "(", ")", "|", "۔",
  ]

  private func text(_ seed: UInt64, count: Int) -> String {
    var generator = SplitMix64(seed: seed)
    var text = ""
    while text.utf8.count < count {
      let piece = Self.pieces[Int.random(in: 0..<Self.pieces.count, using: &generator)]
      text += String(repeating: piece, count: Int.random(in: 1...9, using: &generator) / 8 * 20 + 1)
    }
    return text
  }

  @Test("SentencePiece gives a text's parts the ids of the whole", arguments: 0..<12)
  func sentencePiece(seed: Int) throws {
    let model = try #require(
      try Tokenizers.open(project("Tests/Fixtures/tiny/llama/tokenizer.model")) as? SentencePieceModel)
    let text = text(UInt64(seed), count: 6 * SentencePieceModel.partSize)
    let whole = try model.encodeWhole(text)
    #expect(try model.encode(text) == whole)
    // The beginning is enough where no more is asked for.
    let some = try model.encode(text, atLeast: 1000)
    #expect(some.count >= 1000 && some.count < whole.count && some.elementsEqual(whole.prefix(some.count)))
  }

  @Test(
    "a pattern cuts a text through a window as it cuts the whole",
    arguments: ["bloom", "gpt-2", "smollm", "llama-bpe", "qwen2"], [1, 7, 64])
  func windows(name: String, size: Int) throws {
    let pattern = try PreTokenizer(name: name, file: "f")
    for seed in 0..<8 as Range<UInt64> {
      let bytes = Array(text(seed, count: 4000).utf8)
      func pieces(_ size: Int) throws -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        try pattern.forEachPiece(bytes[...], windowSize: size) {
          pieces.append(Array($0))
          return true
        }
        return pieces
      }
      #expect(try pieces(size) == pieces(bytes.count))
    }
  }

  @Test("a text is composed in parts as it is as a whole", arguments: [1, 5, 100])
  func composing(size: Int) {
    for seed in 0..<8 as Range<UInt64> {
      let text = text(seed, count: 3000)
      let composed = TextNormalizer.Form.composed.applyInParts(text, partSize: size)
      #expect(composed.utf8.elementsEqual(text.precomposedStringWithCanonicalMapping.utf8))
    }
  }

  @Test(
    "what goes on for megabytes without a place to cut is no text",
    arguments: [("tiny/llama", " ")])
  func endless(name: String, character: String) throws {
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/" + name))
    #expect(throws: TokenizerError.self) { try tokenizer.encode(String(repeating: character, count: 5 << 20)) }
  }

  /// By tokenizers 0.23.3, of the same tokenizer.json: no place to cut, and merges that go on over all parts.
  @Test(
    "a run of letters has tokenizers' ids under BLOOM's pattern, however long it is",
    arguments: [
      ("a", 70_001, "", [(4, 17_500), (0, 1)]), ("a", 163_843, "", [(4, 40_960), (5, 1)]),
      ("a", 100_002, "b", [(4, 25_000), (7, 1)]), ("ab", 30_001, "", [(0, 1), (6, 30_000), (1, 1)]),
      ("aab", 25_000, "a", [(7, 24_999), (3, 1), (6, 1)]), ("c", 40_000, "aaa", [(2, 40_000), (5, 1)]),
    ] as [(String, Int, String, [(Int32, Int)])])
  func runs(piece: String, count: Int, tail: String, ids: [(Int32, Int)]) throws {
    let tokens = ["a", "b", "c", "aa", "aaaa", "aaa", "ba", "aab"].map { Vocabulary.Token($0) }
    let merges = ["a a", "aa aa", "aa a", "b a", "aa b"]
    let vocabulary = Vocabulary(
      model: .byteLevelBPE(pattern: "bloom", merges: merges), tokens: tokens, special: SpecialTokens())
    let tokenizer = try Tokenizers.tokenizer(of: vocabulary, file: "memory")
    #expect(
      try tokenizer.encode(String(repeating: piece, count: count) + tail)
        == ids.flatMap { Array(repeating: $0.0, count: $0.1) })
  }

  /// tokenizers' own tables are Unicode 9's; the model of a text of newer marks gets them as they are.
  @Test(
    "what is newer than Unicode 9 is neither composed nor put in order, and nothing across it",
    arguments: [
      ("a\u{89F}\u{323}", "a\u{89F}\u{323}", "NFC"), ("a\u{301}\u{323}", "\u{1EA1}\u{301}", "NFC"),
      ("e\u{301}\u{1DF6}e\u{301}", "\u{E9}\u{1DF6}\u{E9}", "NFC"), ("e\u{1DF6}\u{301}", "e\u{1DF6}\u{301}", "NFC"),
      ("\u{32FF}\u{33A2}", "\u{32FF}km2", "NFKC"), ("\u{A7F2}\u{1F16C}\u{FB01}", "\u{A7F2}\u{1F16C}fi", "NFKD"),
      ("\u{11938}\u{E9}", "\u{11938}e\u{301}", "NFD"), ("\u{1DFB}\u{323}", "\u{323}\u{1DFB}", "NFD"),
    ])
  func newer(text: String, expected: String, form: String) throws {
    let form = try #require(TextNormalizer.Form(rawValue: form))
    #expect(form.applyInParts(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  /// Foundation leaves the marks of a character that becomes several before what belongs in front of them.
  @Test(
    "marks stand in the order of their classes, whatever they came of",
    arguments: [
      ("\u{1FDF}\u{A9C0}", " \u{A9C0}\u{314}\u{342}", "NFKC"), ("\u{1FDF}\u{A9C0}", " \u{A9C0}\u{314}\u{342}", "NFKD"),
      ("a\u{344}\u{323}", "\u{1EA1}\u{308}\u{301}", "NFC"), ("a\u{344}\u{323}", "a\u{323}\u{308}\u{301}", "NFD"),
      ("\u{1EA1}\u{302}", "\u{1EAD}", "NFC"), ("\u{F39}\u{F73}", "\u{F71}\u{F72}\u{F39}", "NFKD"),
      ("\u{2A1}a", "\u{2A1}a", "NFC"), ("中文", "中文", "NFC"), ("\u{2126}\u{345}\u{313}", "\u{1FA8}", "NFC"),
    ])
  func order(text: String, expected: String, form: String) throws {
    let form = try #require(TextNormalizer.Form(rawValue: form))
    #expect(form.applyInParts(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  @Test(
    "accents are the marks of Unicode 9",
    arguments: [
      ("e\u{301}\u{93E}\u{20DD}", "e"), ("a\u{1CF2}\u{1CF3}b", "ab"), ("\u{111C9}", "\u{111C9}"),
      ("a\u{1DFA}", "a\u{1DFA}"), ("中\u{5D0}", "中\u{5D0}"),
    ])
  func accents(text: String, expected: String) throws {
    #expect(try TextNormalizer.stripAccents.apply(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  @Test("a SentencePiece model of a million pieces is refused before it is made")
  func pieces() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("tokenizer.model", (0..<1_000_000).flatMap { _ in [0x0A, 0] as [UInt8] })
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.open(path) }
    #expect(error?.code == .limit)
  }

  @Test("byte-level BPE gives a long word's parts the ids of the whole")
  func longWords() throws {
    let model = try #require(try Tokenizers.open(project("Tests/Fixtures/tiny/bloom")) as? ByteLevelBPE)
    for seed in 0..<4 as Range<UInt64> {
      var generator = SplitMix64(seed: seed)
      let letters = Array("的一是不了在人有我他这中abcdefgXYZQ".unicodeScalars)
      var word = ""
      while word.utf8.count < 60_000 {
        word.unicodeScalars.append(letters[Int.random(in: 0..<letters.count, using: &generator)])
      }
      var whole: [Int32] = []
      var merger = ByteLevelBPE.Merger(model)
      try merger.append(Array(word.utf8)[...], to: &whole, partLength: .max)
      var parts: [Int32] = []
      try merger.append(Array(word.utf8)[...], to: &parts)
      #expect(parts == whole)
      #expect(try model.encode(word) == whole)
    }
  }
}
