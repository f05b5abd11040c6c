// Texts as people have them, given to the real binary: what a file holds is what a model is evaluated and calibrated with,
// whatever its encoding, and a record without a text costs that record and nothing else.

import Foundation
import TestSupport
import Testing

@Suite("Calibration and evaluation data as people have it (kind 10)") struct DataVerbTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try TokenizedCheckpoint().write(folder)
  }

  private static let answers = [
    "An answer that is long enough to be one. 足够长的回答。", "Rivers run to the sea. 大江东去，浪淘尽，千古风流人物。",
    "Another one, of other words: 敏捷的棕色狐狸跳过了懒狗。",
  ]

  private static func record(_ number: Int) -> String {
    #"{"instruction": "question \#(number)", "input": "", "output": "\#(answers[number])"}"#
  }

  private func evaluate(_ path: String) throws -> (perplexity: Double, said: String) {
    let run = try belleTools("evaluate", model, "--text", path, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return (try #require(try run.objects().last?["perplexity"] as? Double), run.errors)
  }

  private func calibrate(_ path: String, _ more: String...) throws -> (digest: String, said: String) {
    let run = try Running(
      ["quantize", model, folder.file("q"), "--calibration", path, "--group-size", "64", "--samples", "2"]
        + ["--sequence-length", "32", "--recipe", "fast", "--force", "--json"] + more
    ).finish()
    #expect(run.status == 0, "\(run.errors)")
    return (try #require(try run.objects().last?["calibration_sha256"] as? String), run.errors)
  }

  @Test(
    "a record without a text is left out and counted: the others are what they are without it",
    arguments: [
      #"{"instruction": "a", "input": "", "output": NaN}"#, #"{"instruction": "a", "input": "", "output": null}"#,
      #"{"instruction": "a", "output": -Infinity}"#, #"{"messages": []}"#, #"{"text": 3}"#, "null", "3",
      #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}"#,
      #"{"conversations": [{"from": "human"}]}"#, #"{"foo": 1}"#,
    ])
  func withoutText(record: String) throws {
    let wanted = try evaluate(folder.write("good.jsonl", "\(Self.record(0))\n\(Self.record(1))\n")).perplexity
    let lines = try evaluate(folder.write("a.jsonl", "\(Self.record(0))\n\n\(record)\n\(Self.record(1))\n"))
    #expect(lines.perplexity == wanted && lines.said.contains("1 of 3 records has no text"), "\(lines.said)")
    #expect(lines.said.contains("line 3"), "\(lines.said)")
    let list = try evaluate(folder.write("a.json", "[\(Self.record(0)), \(record), \(Self.record(1))]"))
    #expect(list.perplexity == wanted && list.said.contains("element 2"), "\(list.said)")
  }

  @Test(
    "contents in parts and roles of today's tools are the texts that they hold",
    arguments: [
      #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "QUESTION"}, {"type": "image"}]}, {"role": "assistant", "content": [{"type": "text", "text": "ANSWER"}]}]}"#,
      #"{"messages": [{"role": "user", "content": "QUESTION"}, {"role": "assistant", "content": "ANSWER", "tool_calls": []}]}"#,
      #"{"contents": [{"role": "user", "parts": [{"text": "QUESTION"}]}, {"role": "model", "parts": [{"text": "ANSWER"}]}]}"#,
      #"{"conversations": [{"from": "human", "value": "QUESTION"}, {"from": "gpt", "value": "ANSWER"}]}"#,
      #"{"question": "QUESTION", "answer": "ANSWER"}"#, #"{"prompt": "QUESTION", "chosen": "ANSWER", "rejected": "x"}"#,
    ])
  func forms(record: String) throws {
    let wanted = try evaluate(folder.write("good.jsonl", Self.record(0) + "\n")).perplexity
    let found = try evaluate(
      folder.write(
        "a.jsonl",
        record.replacing("QUESTION", with: "question 0").replacing("ANSWER", with: Self.answers[0]) + "\n"))
    #expect(found.perplexity == wanted)
  }

  @Test(
    "UTF-16 and gzip are decoded: the text is the same",
    arguments: ["utf-16-le", "utf-16-be", "utf-16-le without a mark", "gzip"], ["a.txt", "a.jsonl"])
  func encodings(encoding: String, name: String) throws {
    let text =
      name == "a.txt" ? Self.answers.joined(separator: "\n") + "\n" : (0..<3).map { Self.record($0) + "\n" }.joined()
    let wanted = try evaluate(folder.write("plain/" + name, text)).perplexity
    let path: String
    if encoding == "gzip" {
      #expect(try belleTools(shell: "gzip -kn '\(folder.file("plain/" + name))'").status == 0)
      path = folder.file("plain/\(name).gz")
    } else {
      let order = encoding.hasPrefix("utf-16-be") ? String.Encoding.utf16BigEndian : .utf16LittleEndian
      let mark = encoding.hasSuffix("mark") ? "" : "\u{FEFF}"
      path = try folder.write("other/" + name, try #require((mark + text).data(using: order)))
    }
    #expect(try evaluate(path).perplexity == wanted)
  }

  private static let foreign: [(bytes: [UInt8], name: String)] = [
    ([0x50, 0x41, 0x52, 0x31, 0x15, 4, 0xFF, 0xFE], "Parquet"), ([0x28, 0xB5, 0x2F, 0xFD, 0xA4, 0], "zstd"),
    (Array("%PDF-1.5\n%".utf8), "PDF"), ([0x50, 0x4B, 3, 4, 0x80, 0x80], "zip"),
    (Array("SQLite format 3\0".utf8), "SQLite"), (Array("ARROW1\0\0".utf8), "Arrow"),
  ]

  @Test("what is no text is called what it is, and gets no advice that makes rubbish of it", arguments: foreign)
  func named(bytes: [UInt8], name: String) throws {
    for file in ["a.txt", "a.jsonl"] {
      let path = try folder.write(file, bytes + [UInt8](repeating: 0xC1, count: 64))
      for verb in [
        ["evaluate", model, "--text", path], ["quantize", model, folder.file("q"), "--calibration", path],
      ] {
        let run = try Running(verb).finish()
        #expect(run.status == 1 && run.errors.contains(name) && !run.errors.contains("GB18030"), "\(run.errors)")
      }
    }
  }

  @Test("GB18030 is told, with how to decode it")
  func gb18030() throws {
    let path = try folder.write("a.txt", [0xC4, 0xE3, 0xBA, 0xC3, 0xA3, 0xAC, 0xCA, 0xC0, 0xBD, 0xE7])
    let run = try belleTools("evaluate", model, "--text", path)
    #expect(run.status == 1 && run.errors.contains("iconv -f GB18030"), "\(run.errors)")
  }

  @Test("passages come from everywhere in a text of one line, without blanks and ASCII")
  func oneLine() throws {
    var random = SplitMix64(seed: 5)
    let characters = Array("的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学水火山石田土日月风云")
    let text = String((0..<60_000).map { _ in characters[Int.random(in: characters.indices, using: &random)] })
    let other = String(text.prefix(6000)) + String(text.dropFirst(6000).map { $0 == "水" ? "火" : $0 })
    let one = try calibrate(folder.write("a.txt", text), "--samples", "24").digest
    #expect(try calibrate(folder.write("b.txt", other), "--samples", "24").digest != one)
    #expect(try calibrate(folder.write("c.txt", text), "--samples", "24").digest == one)
  }
}
