// Records of every make, in files of every name: what is counted and left out, and what is named (kind 10).

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Quantize

@Suite("Records as people have them (kind 10)") struct RecordFormTests {
  private func read(_ name: String, _ bytes: some Sequence<UInt8>) throws -> (texts: [String], notes: [String]) {
    let folder = try TemporaryFolder()
    var texts: [String] = []
    let reading = try TextDocuments.forEach(folder.write(name, bytes)) {
      texts.append($0)
      return true
    }
    return (texts, reading.notes)
  }

  private func read(_ name: String, _ text: String) throws -> (texts: [String], notes: [String]) {
    try read(name, text.utf8)
  }

  /// They ended the run.
  @Test(
    "numbers that JSON has not are no text: the record is counted and skipped",
    arguments: ["-NaN", "nan", "-nan", "NAN", "1e99999", "-1e99999", "inf", "-inf", "+Infinity", "None", "undefined"])
  func numbers(word: String) throws {
    let good = #"{"instruction": "q", "output": "a"}"#
    let bad = #"{"instruction": "q", "output": \#(word)}"#
    for (name, text) in [("a.jsonl", "\(good)\n\(bad)\n\(good)\n"), ("a.json", "[\(good), \(bad), \(good)]")] {
      let (texts, notes) = try read(name, text)
      #expect(texts.count == 2)
      #expect(notes.first?.contains("1 of 3 records") == true, "\(notes)")
    }
    // Beside a text they are no matter, and in one they stay.
    #expect(try read("a.jsonl", #"{"text": "nan, 1e99999", "score": \#(word)}"#).texts == ["nan, 1e99999"])
  }

  @Test(
    "a line with bytes that are no UTF-8 is counted and skipped, in Chinese and in English",
    arguments: [[0xFF], [0xE9], [0xC3], [0xE7, 0x8B], [0x00]] as [[UInt8]], ["狐狸", "fox"])
  func damagedLine(bytes: [UInt8], word: String) throws {
    let good = Array("{\"text\": \"\(String(repeating: word + ", ", count: 20))\"}\n".utf8)
    let bad = Array("{\"text\": \"".utf8) + bytes + Array("x\"}\n".utf8)
    let array = Array("[\n".utf8) + good.dropLast() + Array(",\n".utf8) + bad.dropLast() + Array(",\n".utf8)
    for (name, file) in [
      ("a.jsonl", good + bad + good), ("a.txt", good + bad + good),
      ("a.json", array + good.dropLast() + Array("]".utf8)),
    ] {
      let (texts, notes) = try read(name, file)
      #expect(texts.count == 2, "\(name)")
      #expect(notes.contains { $0.contains("1 of 3 records") && $0.contains("not UTF-8") }, "\(notes)")
    }
    // Where most lines are so, the file is in another encoding.
    #expect(throws: CalibrationError.self) { try read("b.jsonl", good + bad + bad) }
  }

  @Test("GB18030 is named, and its lines in Chinese are not left out one by one")
  func gb18030() throws {
    let english = Array("{\"text\": \"a fox\"}\n".utf8)
    let chinese = Array("{\"text\": \"".utf8) + [0xC4, 0xE3, 0xBA, 0xC3] + Array("\"}\n".utf8)
    #expect { try read("a.jsonl", english + english + english + chinese) } throws: {
      ($0 as? CalibrationError)?.reason.contains("GB18030") == true
    }
  }

  @Test(
    "JSON Lines are read as such whatever the file is called, and a note says so",
    arguments: ["a.txt", "a", "a.text", "train.data"])
  func linesInText(name: String) throws {
    let lines = "{\"instruction\": \"q\", \"output\": \"a\"}\n\n{\"text\": \"b\"}\n"
    let (texts, notes) = try read(name, lines)
    #expect(texts == ["Human: q\n\nAssistant: a", "b"])
    #expect(notes.first?.contains("JSON Lines by what it holds") == true)
    #expect(try read(name, "[{\"text\": \"a\"}, {\"text\": \"b\"}]").texts == ["a", "b"])
    #expect(try read(name, "{\"data\": [{\"text\": \"a\"}]}").texts == ["a"])
  }

  @Test(
    "a text that only begins like JSON stays a text",
    arguments: [
      "{not JSON}\nbut a text\n", "[1] The first footnote\n", "{\"text\": \"a\"}\nand then prose\n", "{\"foo\": 1}\n",
      "[a]", "{",
      "{}\n", "[\"a\", \"b\"]\n",
    ])
  func texts(text: String) throws {
    let (texts, notes) = try read("a.txt", text)
    #expect(texts == [text])
    #expect(notes.isEmpty)
  }

  @Test(
    "an array in an object is what the object wraps",
    arguments: [
      #"{"data": [{"text": "a"}, {"text": "b"}]}"#,
      #"{"type": "text_only", "instances": [{"text": "a"}, {"text": "b"}]}"#,
      "{\n  \"version\": {\"a\": [1, 2]},\n  \"data\": [\n    {\"text\": \"a\"},\n    {\"text\": \"b\"}\n  ],\n  \"n\": 2\n}\n",
      #"{"rows": [{"row_idx": 0, "row": {"text": "a"}}, {"row_idx": 1, "row": {"text": "b"}}]}"#,
      #"{"train": [{"text": "a"}, {"text": "b"}], "test": [{"text": "c"}]}"#,
    ])
  func wrapped(text: String) throws {
    for name in ["a.json", "a.jsonl"] {
      let (texts, notes) = try read(name, text)
      #expect(texts == ["a", "b"], "\(name)")
      #expect(notes.first?.contains("of the field") == true, "\(notes)")
      #expect(notes.first?.contains("not read: test") == text.contains("test"))
    }
  }

  @Test("a record that has such a field besides is a record, and one line of several is no wrapper")
  func notWrapped() throws {
    #expect(try read("a.json", #"{"text": "a", "data": [{"text": "b"}]}"#).texts == ["a"])
    #expect(throws: CalibrationError.self) { try read("a.json", #"{"data": 3}"#) }
    #expect(
      try read("a.jsonl", "{\"text\": \"a\", \"items\": []}\n{\"text\": \"b\"}\n").texts == ["a", "b"])
  }

  @Test("a wrapper may have more values than any record, and a line of many megabytes is left out")
  func large() throws {
    let record = #"{"text": "a", "n": [0, 1, 2, 3, 4, 5, 6, 7]}"#
    let many = Array(repeating: record, count: TextDocuments.valueLimit / 8).joined(separator: ",")
    #expect(try read("a.json", "{\"data\": [\(many)]}").texts.count == TextDocuments.valueLimit / 8)
    let long = "{\"text\": \"\(String(repeating: "a", count: TextDocuments.recordLimit))\"}"
    let (texts, notes) = try read("a.jsonl", "{\"text\": \"a\"}\n\(long)\n")
    #expect(texts == ["a"])
    #expect(notes.first?.contains("a record at most") == true, "\(notes)")
    #expect { try read("a.jsonl", long) } throws: { ($0 as? CalibrationError)?.code == .limit }
    #expect { try read("b.json", "{\"data\": [\(long)]}") } throws: { ($0 as? CalibrationError)?.code == .limit }
  }

  @Test("an unfinished download is no data", arguments: ["a.jsonl.part", "a.txt.crdownload", "a.jsonl"])
  func unfinished(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, #"{"text": "a"}"#)
    if name == "a.jsonl" { try folder.write("a.jsonl.aria2", "") }
    #expect { try TextDocuments.read(path) } throws: {
      ($0 as? CalibrationError)?.reason.contains("not finished") == true
    }
  }

  private static func tar(_ name: String) -> [UInt8] {
    var head = [UInt8](repeating: 0, count: 2048)
    for (at, text) in [(0, name), (100, "0000644"), (257, "ustar\u{0}00")] {
      for (index, byte) in text.utf8.enumerated() { head[at + index] = byte }
    }
    return head
  }

  private static func zip(_ name: String) -> [UInt8] {
    [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 26) + Array(name.utf8) + [UInt8](repeating: 0, count: 40)
  }

  @Test(
    "what other programs write is named as what it is",
    arguments: [
      (tar("a.jsonl"), "tar archive"), (zip("[Content_Types].xml........word/document.xml"), "Word"),
      (zip("[Content_Types].xml........xl/workbook.xml"), "Excel"),
      (zip("docProps/app.xml....ppt/slides"), "PowerPoint"),
      (Array("ARROW1\0\0".utf8), "Arrow"),
      ([0xFF, 0xFF, 0xFF, 0xFF, 0x78, 1, 0, 0, 0x10, 0, 0, 0, 0, 0, 0x0A, 0], "Arrow"),
      (Array("\n<!DOCTYPE html>\n<html><body>".utf8), "web page"),
      (Array("<!-- saved from url -->\n<html>".utf8), "web page"),
      (Array("<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC>".utf8), "web page"),
      (Array("GGUF".utf8) + [3, 0, 0, 0], "GGUF"), ([0x80, 2, 0x7D, 0x71, 0], "pickle"),
      ([0x80, 4, 0x95, 0x0A, 0, 0], "pickle"), ([0x93] + Array("NUMPY".utf8) + [1, 0], "NumPy"),
      ([0, 0, 0, 0x18] + Array("ftypmp42".utf8) + [0, 0], "MP4"), (Array("OggS\0\u{2}".utf8), "Ogg"),
      (Array("GIF89a".utf8) + [0x0A, 0], "GIF"), (Array("RIFF".utf8) + [1, 0, 0, 0] + Array("WAVEfmt ".utf8), "WAV"),
      ([0x7F] + Array("ELF".utf8) + [2, 1, 1, 0], "program"),
    ] as [([UInt8], String)])
  func foreign(bytes: [UInt8], name: String) throws {
    for file in ["a.txt", "a.jsonl", "a.json"] {
      #expect {
        try read(file, bytes)
      } throws: { error in
        guard let error = error as? CalibrationError else { return false }
        return error.reason.contains(name) && error.remedy != nil
      }
    }
  }

  @Test("texts that begin as magics do, and headers of safetensors, are what they are")
  func innocent() throws {
    for text in [
      "ORCHIDS bloom", "The BIG DUCK", "12345678DUCK\nx", "PARIS", "<b>bold</b>", "<!-- a comment -->\ntext",
    ] {
      #expect(try read("a.txt", text).texts == [text])
    }
    for start: [UInt8] in [[0xFF, 0xD8, 0xFF, 0], [0x1F, 0x9D, 0x90, 0]] {
      let head = start + [0, 0, 0, 0] + Array("{\"a\":{\"dtype\":\"F32\"".utf8) + [UInt8](repeating: 7, count: 64)
      #expect(FileKind(head: head, size: head.count) == .other)
    }
  }
}
