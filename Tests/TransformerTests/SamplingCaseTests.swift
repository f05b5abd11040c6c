import Foundation
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

/// What transformers makes of the same logits: Tests/Fixtures/sampling/make.py.
private struct SamplingCases: Decodable {
  struct Options: Decodable, Sendable, CustomStringConvertible {
    let temperature, top_p, min_p, repeat_penalty: Double?
    let top_k, window: Int?

    var options: SamplingOptions {
      SamplingOptions(
        temperature: temperature ?? 1, topK: top_k ?? 0, topP: top_p ?? 1, minP: min_p ?? 0,
        repeatPenalty: repeat_penalty ?? 1, repeatWindow: window, seed: 1)
    }
    var description: String { "\(options)" }
  }

  struct Case: Decodable, Sendable {
    let options: Options
    let probabilities: [String: Double]
  }

  struct Greedy: Decodable, Sendable {
    let repeat_penalty: Double
    let tokens: [Int32]
  }

  let logits: [Float]
  let text: [Int32]
  let cases: [Case]
  let prompt: [Int32]
  let greedy: [Greedy]

  static let all: SamplingCases? = try? JSONDecoder().decode(
    SamplingCases.self, from: Data(contentsOf: URL(filePath: project("Tests/Fixtures/sampling/cases.json"))))
}

@Suite("Sampling, against transformers") struct SamplingCaseTests {
  @Test("the same tokens are left, with the same probabilities", arguments: SamplingCases.all?.cases ?? [])
  fileprivate func probabilities(one: SamplingCases.Case) throws {
    let all = try #require(SamplingCases.all)
    let found = Sampler(one.options.options).probabilities(all.logits, after: all.text)
    #expect(Set(found.map { String($0.token) }) == Set(one.probabilities.keys))
    for (token, probability) in found {
      let wanted = try #require(one.probabilities[String(token)])
      #expect(abs(probability - wanted) <= 1e-5 * wanted + 1e-9, "\(token): \(probability), \(wanted)")
    }
  }

  @Test("nothing but what is left is drawn", arguments: [0.1, 0.5])
  func drawn(minP: Double) throws {
    let all = try #require(SamplingCases.all)
    var sampler = Sampler(SamplingOptions(temperature: 1, minP: minP, seed: 4))
    let left = Set(sampler.probabilities(all.logits).map(\.token))
    #expect(left.isSuperset(of: (0..<200).compactMap { _ in sampler.next(all.logits) }))
  }

  @Test("a window of no tokens changes nothing, and a penalty below 1 makes repetition likelier")
  func window() {
    var none = Sampler(SamplingOptions(repeatPenalty: 9, repeatWindow: 0))
    var last = Sampler(SamplingOptions(repeatPenalty: 9, repeatWindow: 1))
    var reward = Sampler(SamplingOptions(repeatPenalty: 0.1))
    #expect(none.next([1, 2, 3], after: [2]) == 2)
    #expect(last.next([1, 2, 3], after: [1, 2]) == 1)
    #expect(last.next([1, 2, 3], after: [2, 1]) == 2)
    #expect(reward.next([1, 2, 3], after: [1]) == 1)
    // Tokens of no row, and logits of zero.
    #expect(reward.next([0, -1], after: [7, -1, 0, 1]) == 0)
  }

  @Test(
    "a real model writes the same without drawing", .enabled(if: hasTinyModels != nil),
    arguments: SamplingCases.all?.greedy ?? [])
  fileprivate func greedy(one: SamplingCases.Greedy) throws {
    let all = try #require(SamplingCases.all)
    let path = (hasTinyModels ?? "") + "llama"
    let loaded = try LoadedModel(try TransformerModel.open(path), threads: 2)
    let generator = Generator(loaded, try Tokenizers.open(path), threads: 2)
    var sampler = Sampler(SamplingOptions(repeatPenalty: one.repeat_penalty))
    let result = try generator.generate(all.prompt, limit: 40, sampler: &sampler) { _ in }
    #expect(result.tokens == one.tokens)
  }
}

@Suite("Stop texts") struct StopTextTests {
  /// Tokens of any texts, also of parts of characters.
  private struct Parts: Tokenizer {
    let parts: [[UInt8]]
    var kind: String { "parts" }
    var vocabularySize: Int { parts.count }
    var special: SpecialTokens { SpecialTokens() }
    func encode(_ text: String) throws -> [Int32] { [] }
    func decode(_ ids: [Int32]) throws -> String {
      String(decoding: ids.flatMap { parts[Int($0)] }, as: UTF8.self)
    }
  }

  @Test(
    "the text ends before the first stop text, wherever tokens are cut",
    arguments: [
      (["ab", "c\n", "\nHu", "man"], ["\n\nHuman"], "abc", true),
      (["one STOP two"], ["STOP"], "one ", true), (["a", "b", "c"], ["abc"], "", true),
      (["a", "b", "d"], ["abc"], "abd", false),
      // The one that comes first, not the one that is named first; and one within another.
      (["x END y STOP z"], ["STOP", "END"], "x ", true), (["xab", "cd"], ["bc", "abcd"], "xa", true),
      (["aaa", "ab"], ["aab"], "aa", true), (["好的。", "再见"], ["。再"], "好的", true),
      (["你", "好"], ["好", "你好"], "", true), (["水火"], ["火", "木"], "水", true), (["abc"], [], "abc", false),
      (["ab"], ["b c", "ab c"], "ab", false),
    ] as [([String], [String], String, Bool)])
  func several(parts: [String], stops: [String], text: String, isStopped: Bool) throws {
    // As a whole, and byte by byte.
    for parts in [parts.map { Array($0.utf8) }, parts.flatMap { $0.utf8.map { [$0] } }] {
      var stream = TextStream(Parts(parts: parts), after: [], stops: stops)
      var shown: [String] = []
      for id in parts.indices where !stream.isStopped { shown.append(try stream.take(Int32(id))) }
      if !stream.isStopped { shown.append(try stream.finish()) }
      #expect(shown.joined() == text && stream.isStopped == isStopped, "\(shown)")
    }
  }
}

@Suite("Records of prompts") struct PromptRecordTests {
  private func records(_ text: String) throws -> [PromptRecord] { try PromptRecord.list(Array(text.utf8), file: "f") }

  @Test(
    "fields that are asked",
    arguments: [
      (#"{"prompt": "a"}"#, .text("a")), (#"{"question":"水\n","class":"qa","std_answer":""}"#, .text("水\n")),
      (#"{"instruction": "do", "input": "this", "output": "x"}"#, .text("do\nthis")),
      (#"{"instruction": "do", "input": ""}"#, .text("do")),
      (
        #"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}"#,
        .conversation([ChatMessage("system", "s"), ChatMessage("user", "u")])
      ),
      (#"{"prompt": [{"role": "user", "content": "u"}]}"#, .conversation([ChatMessage("user", "u")])),
      (#"{"system": "s", "prompt": "a"}"#, .conversation([ChatMessage("system", "s"), ChatMessage("user", "a")])),
      (
        #"{"history": [["q", "r"]], "prompt": "a"}"#,
        .conversation([ChatMessage("user", "q"), ChatMessage("assistant", "r"), ChatMessage("user", "a")])
      ),
    ] as [(String, PromptRecord.Prompt)])
  func fields(line: String, prompt: PromptRecord.Prompt) throws {
    #expect(try records(line).map { try $0.prompt.get() } == [prompt])
  }

  @Test(
    "what cannot be asked says why, with the number of its line",
    arguments: [
      ("{", "byte 2"), ("[1]", "expected an object"), ("{\"a\": 1}", "its fields are a"),
      ("{\"prompt\": 5}", "no text"),
      ("{\"prompt\": \"\"}", "empty"), ("{\"messages\": []}", "no messages"), ("{\"messages\": \"x\"}", "no list"),
      ("{\"messages\": [{\"role\": \"user\"}]}", "message 1"), ("{\"prompt\": \"a\"} x", "follows"),
      ("{\"prompt\": \"a\", \"prompt\": \"b\"}", "twice"), ("{\"prompt\": \"\u{1}\"}", "control character"),
      ("{\"prompt\": \"a\", \"history\": [1]}", "pairs"),
    ])
  func complaints(line: String, reason: String) throws {
    let found = try records("{\"prompt\": \"a\"}\n\n" + line + "\r\n{\"prompt\": \"b\"}\n")
    #expect(found.map(\.number) == [1, 3, 4] && found[1].place == "line 3")
    guard case .failure(let complaint) = found[1].prompt else {
      Issue.record("\(found[1])")
      return
    }
    #expect(complaint.reason.contains(reason), "\(complaint.reason)")
  }

  @Test("a line that is no UTF-8 is one bad line")
  func damaged() throws {
    let good = Array("{\"prompt\": \"你好，世界，这里是一个很长的句子\"}\n".utf8)
    let found = try PromptRecord.list(
      good + Array("{\"prompt\": \"".utf8) + [0xFF, 0x22, 0x7D, 0x0A] + good, file: "f")
    #expect(found.map { if case .success = $0.prompt { true } else { false } } == [true, false, true])
  }

  @Test("a record comes back as it was, with what was generated, and without what was generated before")
  func lines() throws {
    let text = """
      [{"id": 12345678901234567890, "x": [1.50, {"y":
        null}], "prompt": "a\\u4f60\\/", "generated": "old", "generated_error": "e"}, 5]
      """
    let found = try records(text)
    #expect(
      found[0].line(.text("b\"\n好", tokens: 3, end: .stop))
        == #"{"id": 12345678901234567890, "x": [1.50, {"y":   null}], "prompt": "a\u4f60\/", "generated": "b\"\n好", "#
        + #""generated_tokens": 3, "generated_end": "stop"}"#)
    #expect(found[1].place == "record 2")
    #expect(found[1].line(.failed("no")) == #"{"record": 2, "generated": null, "generated_error": "no"}"#)
    #expect(
      found[0].line(.failed("no")).hasSuffix(#""prompt": "a\u4f60\/", "generated": null, "generated_error": "no"}"#))
  }

  @Test("a broken array is refused with its byte; UTF-16 is read, and GB18030 is named")
  func files() throws {
    #expect(throws: (any Error).self) { try records("[{\"prompt\": \"a\"},") }
    let marked: [UInt8] = [0xFF, 0xFE] + "{\"prompt\": \"水\"}\n".utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    #expect(try PromptRecord.list(marked, file: "f").map { try $0.prompt.get() } == [.text("水")])
    #expect(try records("").isEmpty && records("\n \n").isEmpty && records("[]").isEmpty)
  }
}
