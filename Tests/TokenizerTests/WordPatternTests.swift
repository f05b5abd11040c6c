// The regular expressions of tokenizers, and the patterns that llama.cpp has names for, against tokenizers' own words:
// Tests/Fixtures/tokens/rules.py.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

private struct Pattern: Decodable, Sendable, CustomTestStringConvertible {
  struct Case: Decodable, Sendable {
    let text: String
    let pieces: [String]
  }

  let name: String
  let steps: [String]
  let texts: [Case]

  var testDescription: String { name }

  static let all = decodeJSON([Pattern].self, project("Tests/Fixtures/tokens/patterns.json"))
}

/// The words that a pattern cuts a text into.
private func pieces(_ pattern: PreTokenizer, _ text: String, window: Int = 1 << 14) throws -> [String] {
  var pieces: [String] = []
  try pattern.forEachPiece(Array(text.utf8)[...], windowSize: window) {
    pieces.append(String(decoding: $0, as: UTF8.self))
    return true
  }
  return pieces
}

@Suite("Patterns under llama.cpp's names") struct NamedPatternTests {
  @Test("every row compiles, and is found by its steps", arguments: NamedPattern.all.map(\.names[0]))
  func compiles(name: String) throws {
    let row = try #require(NamedPattern.named(name))
    let pattern = try PreTokenizer(name: name, file: "f")
    #expect(pattern.steps.map(\.expression) == row.steps)
    #expect(pattern.rows.contains { $0.names == row.names })
    for spelling in row.spellings { #expect(try spelling.map { try PreTokenizer.Step($0) }.count == spelling.count) }
  }

  @Test("no name stands for two patterns")
  func names() {
    let names = NamedPattern.all.flatMap(\.names) + NamedPattern.others.flatMap(\.names)
    #expect(Set(names).count == names.count)
  }

  @Test("words are tokenizers', and the published steps have the name", arguments: Pattern.all)
  fileprivate func words(pattern: Pattern) throws {
    let read = PreTokenizer(steps: try pattern.steps.map { try PreTokenizer.Step($0) })
    #expect(read.rows.contains { $0.names.contains(pattern.name) })
    for known in pattern.texts { #expect(try pieces(read, known.text) == known.pieces, "\(known.text)") }
  }

  @Test("what is matched by hand is what the expressions match", arguments: PatternByHand.allCases)
  func byHand(pattern: PatternByHand) throws {
    let row = try #require(NamedPattern.all.first { $0.byHand == pattern })
    let quick = PreTokenizer(row)
    // A step that changes nothing makes it another pattern.
    let slow = PreTokenizer(steps: quick.steps + [try PreTokenizer.Step("\u{FFFF}")])
    #expect(quick.byHand == pattern && slow.byHand == nil)
    var random = SplitMix64(seed: 11)
    let alphabet = [
      "a", "B", " ", "  ", "\n", "\r", "\t", "1", "23", "中", "。", "'s", "'LL", "'", "ſ", "é", "e\u{301}", "カ", "(", "|",
      "½",
      "\u{A0}", "\u{200B}", "😀", "!", "\u{85}", "_",
    ]
    for _ in 0..<150 {
      let text = (0..<Int.random(in: 1...40, using: &random)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }.joined()
      #expect(try pieces(quick, text) == pieces(slow, text), "\(text.debugDescription)")
    }
  }

  @Test(
    "a piece is the same whatever the window that it is looked for in",
    arguments: ["deepseek-llm", "deepseek-v3", "tekken", "gpt-4o", "default", "kimi-k2", "exaone-moe", "chameleon"])
  func windows(name: String) throws {
    let pattern = try PreTokenizer(name: name, file: "f")
    var random = SplitMix64(seed: 7)
    let alphabet = ["a", "B", " ", "  ", "\n", "1", "2", "中", "。", "'s", "é", "カ", "(", "\r\n"]
    let text = (0..<400).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }.joined()
    let whole = try pieces(pattern, text)
    #expect(whole.joined() == text)
    for size in [1, 3, 17, 64] { #expect(try pieces(pattern, text, window: size) == whole, "\(size)") }
  }

  @Test(
    "a long run takes no quadratic time, whatever follows it", .timeLimit(.minutes(1)),
    arguments: ["deepseek-llm", "tekken", "llama-bpe", "default"], [" ", "a", "A", "\n", "1"])
  func runs(name: String, character: String) throws {
    let run = String(repeating: character, count: 20_000) + "1x"
    #expect(try pieces(PreTokenizer(name: name, file: "f"), run).joined() == run)
  }

  /// The rows as lines of a list.
  private var listed: String {
    let rows = NamedPattern.all.map { row -> String in
      let notes = [
        row.ignoresMerges ? "words that are tokens are not merged" : nil, row.addsBOS ? "BOS" : nil,
        row.composes ? "NFC" : nil, row.difference,
      ].compactMap(\.self)
      let steps = row.steps.map { "`` \($0.count > 300 ? $0.prefix(40) + "…" : $0[...]) ``" }
      return "- **\(row.names[0])**" + row.names.dropFirst().map { ", \($0)" }.joined()
        + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))") + ": " + steps.joined(separator: ", then ")
        + "\n"
    }
    let others = NamedPattern.others.map { "- \($0.names.joined(separator: ", ")): not read, for \($0.reason)\n" }
    return "\n" + rows.joined() + others.joined()
  }

  @Test("the list in Documentation/tokenizers.md is made of the rows")
  func documentation() throws {
    let path = project("Documentation/tokenizers.md")
    let text = String(decoding: try readBytes(path), as: UTF8.self)
    let start = try #require(text.firstRange(of: "RECORD_GOLDEN=1 -->\n"))
    let end = try #require(text.firstRange(of: "<!-- end -->"))
    let found = String(text[start.upperBound..<end.lowerBound])
    if ProcessInfo.processInfo.environment["RECORD_GOLDEN"] != nil {
      let new = String(text[..<start.upperBound]) + listed + String(text[end.lowerBound...])
      try new.write(toFile: path, atomically: true, encoding: .utf8)
    }
    #expect(found == listed)
  }

  @Test("names that are not read say why", arguments: ["superbpe", "tiny_aya", "gemma4", "unheard-of"])
  func unknown(name: String) {
    let error = #expect(throws: TokenizerError.self) { try PreTokenizer(name: name, file: "f") }
    #expect(error?.code == .unsupported && error?.reason.contains(name) == true)
  }
}

@Suite("Regular expressions of tokenizers") struct WordPatternTests {
  // What Oniguruma's rules say, worked out by hand.
  @Test(
    "expressions match what they say",
    arguments: [
      ("a|ab", "ab", "a"), ("ab|a", "ab", "ab"), ("a+?b", "aaab", "aaab"), ("a{2,3}", "aaaa", "aaa"),
      ("a{2}", "aaa", "aa"),
      ("a{2,}", "aaaa", "aaaa"), ("a++b|a", "aaab", "aaab"), ("a++a|b", "aaa", nil), ("(?:ab)+", "ababa", "abab"),
      ("(?:ab)+?c", "ababc", "ababc"), ("(a|b)+c", "abbac", "abbac"), ("x(?:a|b){1,2}", "xabb", "xab"),
      ("(?i:ab)c", "ABc", "ABc"), ("(?i:ab)c", "ABC", nil), ("(?i:[a-c]+)", "aBCd", "aBC"),
      ("(?i:s)", "\u{17F}", "\u{17F}"),
      (#"\d+"#, "12٣a", "12٣"), (#"\w+"#, "aé_1-", "aé_1"), (#"\W"#, "a", nil), (#"\S+"#, "a\u{85}", "a"),
      (".+", "ab\ncd", "ab"),
      (#"\p{Han}+"#, "漢字か", "漢字"), (#"\p{Hiragana}+"#, "かな漢", "かな"), (#"\P{L}+"#, "12a", "12"), (#"\p{^L}"#, "1", "1"),
      (#"[\p{L}&&[^\p{Han}]]+"#, "ab漢", "ab"), ("[a-c[x-z]]+", "axzd", "axz"), ("[^a&&b]", "b", "b"),
      (#"[a\-c]+"#, "a-cb", "a-c"),
      (#"\s+$"#, "  \nb", "  "), (#"\s+\z"#, "  \nb", nil), (#"a(?=b)"#, "ab", "a"), (#"a(?!b|c)"#, "ac", nil),
      (#"\u3042"#, "あ", "あ"), (#"\x{1F600}"#, "😀", "😀"), (#"\x41"#, "A", "A"), ("a(?:b(?:c|d)?)?e", "abde", "abde"),
      (#"\p{Lu}\p{Ll}*"#, "Ǆǆa", "Ǆǆa"), ("[^\u{4E00}-\u{9FFF}]+", "ab中", "ab"),
    ] as [(String, String, String?)])
  func matches(expression: String, text: String, expected: String?) throws {
    let pattern = try WordPattern(expression)
    let scalars = Array(text.unicodeScalars)
    var run = WordPattern.Run()
    let end = try pattern.match(scalars, in: 0..<scalars.count, at: 0, &run)
    let found = end.map { scalars[..<$0].reduce(into: "") { $0.unicodeScalars.append($1) } }
    #expect(found == expected)
  }

  @Test(
    "what is not read is refused with what it is",
    arguments: [
      "(a", "a)", "[a", "a{2", "a{3,2}", "^a", "a**", "[z-a]", "", "a*", "a?", "(?=a)", #"a\b"#, "(?<=a)b", "(?<n>a)b",
      #"(a)\1"#,
      "[[:alpha:]]", #"\p{Nothing}"#, #"\p"#, "(?:a*)*b", "(?>a)b", "[]", #"\xE9"#, #"(?i:\p{Lu})"#, "a{2}?", "a{1,2}+",
      "(?m:a)", "a{5000}",
      #"\"#,
    ])
  func refused(expression: String) {
    let failure = #expect(throws: WordPattern.Failure.self) { try WordPattern(expression) }
    #expect(failure?.reason.isEmpty == false)
  }

  @Test("groups in groups and expressions without end are no patterns", .timeLimit(.minutes(1)))
  func bounded() {
    for expression in [
      String(repeating: "(?:", count: 100_000), String(repeating: "[", count: 100_000),
      String(repeating: "a", count: 1_000_000),
      String(repeating: "(?:", count: 1000) + "a" + String(repeating: ")", count: 1000),
      "(?:(?:(?:ab){100}){100}){100}",
    ] {
      #expect(throws: WordPattern.Failure.self) { try WordPattern(expression) }
    }
  }

  @Test("an expression that tries for ever is stopped", .timeLimit(.minutes(1)))
  func stopped() throws {
    let pattern = try WordPattern("(?:a|a)+b")
    let scalars = Array(repeating: Unicode.Scalar("a"), count: 64)
    var run = WordPattern.Run(stepsLeft: 100_000)
    #expect(throws: WordPattern.TooManySteps.self) { try pattern.match(scalars, in: 0..<64, at: 0, &run) }
  }
}
