// Calibration and evaluation data as people have it: encodings, compressors, tables, and records of every make.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Quantize

@Suite("Data as people have it") struct DataFileTests {
  private static let answer = "An answer that is long enough. 足够长的回答。"

  private func documents(_ name: String, _ text: String) throws -> (texts: [String], notes: [String]) {
    let folder = try TemporaryFolder()
    var texts: [String] = []
    let reading = try TextDocuments.forEach(folder.write(name, text)) {
      texts.append($0)
      return true
    }
    return (texts, reading.notes)
  }

  /// NaN of pandas, null and records without a text ended the run.
  @Test(
    "a record without a text is skipped and counted, whatever is in its place",
    arguments: [
      #"{"instruction": "a", "input": "", "output": null}"#, #"{"instruction": "a", "input": "", "output": NaN}"#,
      #"{"instruction": NaN, "output": "b"}"#, #"{"instruction": "a", "output": Infinity}"#,
      #"{"instruction": "a", "output": -Infinity}"#, #"{"instruction": "a", "output": ""}"#, #"{"text": null}"#,
      #"{"text": ""}"#, #"{"text": 3}"#, #"{"messages": []}"#, #"{"messages": null}"#,
      #"{"messages": [{"role": "user", "content": null}]}"#, #"{"conversations": [{"from": "human"}]}"#,
      #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}"#,
      #"{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f"}}]}]}"#,
      #"{"messages": [{"role": "robot", "content": "x"}]}"#, #"{"messages": [{"content": "x"}]}"#, #"{"foo": 1}"#, "3",
      "null", "\"\"",
    ])
  func withoutText(record: String) throws {
    let good = #"{"instruction": "q", "input": "", "output": "\#(Self.answer)"}"#
    for (name, text) in [
      ("a.jsonl", "\(good)\n\n\(record)\n\(good)\n"), ("a.json", "[\(good), \(record), \(good)]"),
    ] {
      let (texts, notes) = try documents(name, text)
      #expect(texts.count == 2)
      #expect(notes.count == 1)
      #expect(notes.first?.contains("1 of 3 records has no text") == true, "\(notes)")
      #expect(notes.first?.contains(name == "a.jsonl" ? "line 3" : "element 2") == true, "\(notes)")
    }
    #expect(throws: CalibrationError.self) { try documents("b.jsonl", record) }
  }

  @Test(
    "what Python writes and JSON has not is read",
    arguments: [
      (#"{"text": "a", "score": NaN}"#, "a"), (#"{"score": -Infinity, "text": "NaN, Infinity"}"#, "NaN, Infinity"),
      (#"{"text": "half \ud83d of a pair"}"#, "half \u{FFFD} of a pair"), (#"{"text": "\ud83e\udd8a"}"#, "🦊"),
      (#"{"x": NaN, "text": "\ud83e\udd8a \" \\"}"#, "🦊 \" \\"),
    ])
  func python(record: String, text: String) throws {
    #expect(try documents("a.jsonl", record).texts == [text])
    #expect(try documents("a.json", "[\(record)]").texts == [text])
  }

  @Test(
    "contents in parts, roles of today's tools and fields of well-known sets",
    arguments: [
      (
        #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}]}"#,
        "Human: a\nb"
      ),
      (
        #"{"messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": ["a", "b"]}]}"#,
        "d\n\nHuman: a\nb"
      ),
      (
        #"{"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}"#,
        "Human: a\n\nAssistant: b"
      ),
      (
        #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": []}, {"role": "tool", "content": "{}"}]}"#,
        "Human: a\n\n{}"
      ),
      (
        #"{"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "f"}, {"from": "observation", "value": "o"}, {"from": "gpt", "value": "b"}]}"#,
        "Human: a\n\nf\n\no\n\nAssistant: b"
      ),
      (#"[{"role": "user", "content": "a"}, {"role": "ipython", "content": "1"}]"#, "Human: a\n\n1"),
      (#"{"question": "a", "answer": "b"}"#, "Human: a\n\nAssistant: b"),
      (#"{"query": "a", "response": "b"}"#, "Human: a\n\nAssistant: b"),
      (#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#, "Human: a\n\nAssistant: b"),
      (#"{"prompt": "a", "chosen": [{"role": "assistant", "content": "b"}]}"#, "Human: a\n\nAssistant: b"),
      (
        #"{"instruction": "c", "output": "d", "history": [["a", "b"]], "system": "s"}"#,
        "s\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d"
      ),
      (#"{"raw_content": "a", "url": null}"#, "a"),
      (
        #"{"conversation": [{"human": "a", "assistant": "b"}, {"human": "c", "assistant": "d"}]}"#,
        "Human: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d"
      ),
      (#"{"id": 1, "dialog": ["a", "b"]}"#, "Human: a\n\nAssistant: b"),
      (#"{"instruction": "a", "context": "c", "response": "b"}"#, "Human: a\nc\n\nAssistant: b"),
      (#"{"system_prompt": "s", "question": "a", "response": "b"}"#, "s\n\nHuman: a\n\nAssistant: b"),
    ])
  func forms(record: String, text: String) throws {
    #expect(try documents("a.jsonl", record + "\n").texts == [text])
  }

  @Test(
    "a line that is no JSON is told by its number in the file, blank lines counted",
    arguments: ["\n", "\n\n\n", " \n\r\n"])
  func lineNumbers(blank: String) throws {
    let text = #"{"text": "a"}"# + "\n" + blank + "{\"text\": \n" + #"{"text": "b"}"# + "\n"
    let line = 2 + blank.utf8.count { $0 == 0x0A }
    #expect { try documents("a.jsonl", text) } throws: { ($0 as? CalibrationError)?.place == "line \(line)" }
    #expect { try documents("a.json", #"["a", "b", {"text": }]"#) } throws: {
      ($0 as? CalibrationError)?.place == "element 3"
    }
  }

  @Test(
    "UTF-16 of either order is read, as text and as JSON Lines",
    arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian], ["\u{FEFF}", ""])
  func utf16(encoding: String.Encoding, mark: String) throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "敏捷的棕色狐狸，跳过了懒狗。 The quick brown fox.\n", count: 20)
    let path = try folder.write("a.txt", [UInt8](try #require((mark + text).data(using: encoding))))
    #expect(try TextDocuments.read(path) == [text])
    let lines = String(repeating: #"{"text": "狐狸, fox"}"# + "\n", count: 3)
    let json = try folder.write("a.jsonl", [UInt8](try #require((mark + lines).data(using: encoding))))
    #expect(try TextDocuments.read(json) == ["狐狸, fox", "狐狸, fox", "狐狸, fox"])
  }

  /// `iconv -f GB18030` was the advice for every one of them.
  @Test(
    "what is no text is named and not taken for another encoding",
    arguments: [
      ([0x50, 0x41, 0x52, 0x31, 0x15, 0x04, 0xFF], "Parquet"), ([0x28, 0xB5, 0x2F, 0xFD, 0xA4], "zstd"),
      (Array("%PDF-1.5\n".utf8) + [0xE2, 0xE3], "PDF"),
      ([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0x80, count: 60), "zip"),
      ([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 26) + Array("xl/workbook.xml".utf8), "Excel"),
      ([0xE9, 0x20, 0x61], "not UTF-8, UTF-16 or GB18030"), ([0xC4, 0xE3, 0xBA, 0xC3], "GB18030"),
      ([0x61, 0, 0x62], "zero bytes"),
      (Array(String(repeating: "狐狸", count: 100).utf8.dropLast()), "at byte 597"),
    ] as [([UInt8], String)])
  func named(bytes: [UInt8], name: String) throws {
    let folder = try TemporaryFolder()
    for file in ["a.txt", "a.jsonl"] {
      let path = try folder.write(file, bytes)
      #expect { try TextDocuments.read(path) } throws: { error in
        guard let error = error as? CalibrationError else { return false }
        return error.reason.contains(name)
          && (error.remedy?.description.contains("GB18030") ?? false) == (name == "GB18030")
      }
    }
  }

  @Test("gzip is decompressed, in one member or several, and a bomb or a broken one is refused")
  func gzip() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: #"{"text": "狐狸"}"# + "\n", count: 1000)
    let plain = try folder.write("a.jsonl", text)
    let make = { (script: String) in try belleTools(shell: "cd \(folder.path) && \(script)").status }
    #expect(
      try make("gzip -c a.jsonl > a.jsonl.gz && cat a.jsonl.gz a.jsonl.gz > two.jsonl.gz && gzip -c a.jsonl > a.txt.gz")
        == 0)
    #expect(try TextDocuments.read(folder.file("a.jsonl.gz")) == TextDocuments.read(plain))
    #expect(try TextDocuments.read(folder.file("two.jsonl.gz")).count == 2000)
    // Records are records whatever the name.
    #expect(try TextDocuments.read(folder.file("a.txt.gz")).count == 1000)
    var bytes = try readBytes(folder.file("a.jsonl.gz"))
    let cut = try folder.write("cut.jsonl.gz", bytes.dropLast(9))
    bytes[bytes.count - 6] ^= 1
    let broken = try folder.write("broken.jsonl.gz", bytes)
    for path in [cut, broken] {
      #expect { try TextDocuments.read(path) } throws: { ($0 as? CalibrationError)?.code == .malformed }
    }
    // A member a line, as loggers write them.
    #expect(try make("echo '{\"text\": \"a\"}' | gzip -c > line.gz") == 0)
    let member = try readBytes(folder.file("line.gz"))
    let members = try folder.write("members.jsonl.gz", Array(repeatElement(member, count: 20000).joined()))
    #expect(try TextDocuments.read(members).count == 20000)
    let tape = try folder.write("tape.jsonl.gz", member + [UInt8](repeating: 0, count: 512))
    #expect(try TextDocuments.read(tape).count == 1)
    let foreign = try folder.write("foreign.jsonl.gz", member + [0, 0, 7])
    #expect { try TextDocuments.read(foreign) } throws: { ($0 as? CalibrationError)?.code == .malformed }
    #expect(try make("head -c 100000000 /dev/zero | gzip -c > bomb.txt.gz") == 0)
    #expect { try TextDocuments.read(folder.file("bomb.txt.gz")) } throws: { ($0 as? CalibrationError)?.code == .limit }
  }

  @Test("the name of a data set is told to be a path")
  func names() {
    #expect { try TextDocuments.read("wikitext2") } throws: {
      ($0 as? ByteIOError)?.remedy?.description.contains("data sets are files here") == true
    }
  }
}
