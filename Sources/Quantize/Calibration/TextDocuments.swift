// Texts from files: plain text, JSON (an array, or one object) and JSON Lines. An object is a text, an instruction with
// its answer, or a conversation; BELLE's and ShareGPT's names are known. Instructions and conversations are wrapped as
// BELLE's models were trained: `Human: …`, an empty line, `Assistant: …`.
// Sources: BELLE, data/ and train/; ShareGPT's export; OpenAI's `messages`.

import ByteIO
import Foundation

/// The documents of a file.
package enum TextDocuments {
  /// The largest file, in bytes.
  package static let sizeLimit = 1 << 30

  /// Values that one JSON document may have: a conversation has some hundred.
  package static let valueLimit = 1 << 17

  /// Reads a file.
  ///
  /// - Returns: its documents in order; a plain text is one. Empty ones are left out.
  /// - Throws: ``CalibrationError`` naming the line or element that is of no known form.
  package static func read(_ path: String) throws -> [String] {
    var documents: [String] = []
    try forEach(path) {
      documents.append($0)
      return true
    }
    return documents
  }

  /// Reads a file, one document after the other.
  ///
  /// - Parameter body: called with each document that is not empty, in order; answers whether to go on. What comes after
  ///   the last is not looked at.
  /// - Throws: as ``read(_:)``.
  package static func forEach(_ path: String, _ body: (String) throws -> Bool) throws {
    let bytes = try contents(of: path)
    guard isJSON(path) else {
      if !bytes.isEmpty { _ = try body(String(decoding: bytes, as: UTF8.self)) }
      return
    }
    if bytes.first(where: { !isSpace($0) }) == UInt8(ascii: "[") {
      try elements(bytes, path, body)
    } else {
      try lines(bytes, path, body)
    }
  }

  /// The bytes of a file, which are UTF-8, without a byte order mark.
  private static func contents(of path: String) throws -> ArraySlice<UInt8> {
    let file = try InputFile(path)
    guard file.size <= sizeLimit else {
      throw CalibrationError(
        .limit, file: path, reason: "\(byteCount(file.size)) of text are too much", remedy: "give a part of it")
    }
    guard file.size > 0 else {
      throw CalibrationError(.tooShort, file: path, reason: "the file is empty", remedy: "give a file with text in it")
    }
    if let complaint = try FileKind(of: file).complaint {
      throw CalibrationError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    let bytes = try file.bytes(count: file.size)
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw CalibrationError(
        .malformed, file: path, reason: "it is not UTF-8", remedy: "convert it: iconv -f GB18030 -t UTF-8")
    }
    return bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
  }

  private static func isJSON(_ path: String) -> Bool {
    [".json", ".jsonl", ".ndjson"].contains { path.lowercased().hasSuffix($0) }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x0A, 0x0D, 0x09].contains(byte) }

  /// An array of documents.
  private static func elements(
    _ bytes: ArraySlice<UInt8>, _ path: String, _ body: (String) throws -> Bool
  ) throws {
    let malformed = CalibrationError(.malformed, file: path, reason: "it begins as a JSON array and is none")
    guard var at = bytes.firstIndex(of: UInt8(ascii: "[")).map({ $0 + 1 }) else { throw malformed }
    func skipSpace() { while at < bytes.endIndex, isSpace(bytes[at]) { at += 1 } }
    skipSpace()
    var number = 0
    var isEnd = at < bytes.endIndex && bytes[at] == UInt8(ascii: "]")
    while !isEnd {
      let place = "element \(number)"
      guard let end = valueEnd(bytes, at), end < bytes.endIndex, end > at else { throw malformed }
      let value: Any
      do { value = try parse(bytes[at..<end], path, place, .fragmentsAllowed) } catch is NotJSON { throw malformed }
      let text = try document(value, path, place: place)
      if !text.isEmpty, try !body(text) { return }
      isEnd = bytes[end] == UInt8(ascii: "]")
      number += 1
      at = end + 1
      if !isEnd { skipSpace() }
    }
    if number == 0 { at += 1 }
    skipSpace()
    guard at == bytes.endIndex else { throw malformed }
  }

  /// Where an array's element ends: at the comma or bracket behind it; nil where there is none.
  private static func valueEnd(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Int? {
    var depth = 0
    var isText = false
    var at = start
    while at < bytes.endIndex {
      let byte = bytes[at]
      if isText {
        if byte == UInt8(ascii: "\\") { at += 1 } else if byte == UInt8(ascii: "\"") { isText = false }
      } else {
        switch byte {
        case UInt8(ascii: "\""): isText = true
        case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
        case UInt8(ascii: "]"), UInt8(ascii: "}"):
          if depth == 0 { return byte == UInt8(ascii: "]") ? at : nil }
          depth -= 1
        case UInt8(ascii: ",") where depth == 0: return at
        default: break
        }
      }
      at += 1
    }
    return nil
  }

  /// JSON Lines (which BELLE's .json files are too), or one object.
  private static func lines(_ bytes: ArraySlice<UInt8>, _ path: String, _ body: (String) throws -> Bool) throws {
    var number = 0
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      let line = bytes[at..<end]
      at = end + 1
      guard line.contains(where: { !isSpace($0) }) else { continue }
      number += 1
      let place = "line \(number)"
      let value: Any
      do { value = try parse(line, path, place) } catch is NotJSON {
        // An object that is written on several lines.
        if number == 1, let whole = try? parse(bytes, path, nil) {
          _ = try body(try document(whole, path, place: nil))
          return
        }
        throw CalibrationError(.malformed, file: path, place: place, reason: "this is no JSON object")
      }
      let text = try document(value, path, place: place)
      if !text.isEmpty, try !body(text) { return }
    }
  }

  private struct NotJSON: Error {}

  /// One JSON value.
  private static func parse(
    _ bytes: ArraySlice<UInt8>, _ path: String, _ place: String?, _ options: JSONSerialization.ReadingOptions = []
  ) throws -> Any {
    guard jsonValueCount(bytes) <= valueLimit else {
      throw CalibrationError(
        .limit, file: path, place: place, reason: "it has more than \(valueLimit) values, which no text needs")
    }
    guard let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: options) else { throw NotJSON() }
    return value
  }

  /// The text of one JSON value.
  private static func document(_ value: Any, _ path: String, place: String?) throws -> String {
    if let text = value as? String { return text }
    guard let object = value as? [String: Any] else {
      throw CalibrationError(.unknownForm, file: path, place: place, reason: "this is neither a text nor an object")
    }
    let text = { (name: String) in object[name] as? String }
    if let text = text("text") ?? text("content") { return text }
    for name in ["conversations", "conversation", "messages"] {
      if let turns = object[name] as? [[String: Any]] { return try conversation(turns, path, place: place) }
    }
    if let instruction = text("instruction") ?? text("prompt"),
      let output = text("output") ?? text("response") ?? text("completion")
    {
      let input = text("input") ?? ""
      // BELLE's multiturn sets write the turns before into the instruction themselves.
      let isWrapped = instruction.hasPrefix("Human:")
      let asked = input.isEmpty ? instruction : instruction + "\n" + input
      return isWrapped ? asked + " " + output : human(asked) + "\n\n" + assistant(output)
    }
    throw CalibrationError(
      .unknownForm, file: path, place: place,
      reason: "its fields are \(object.keys.sorted().map(displayName).joined(separator: ", "))",
      remedy:
        "known are text; instruction, input and output; conversations with from and value; messages with role and content"
    )
  }

  private static func conversation(_ turns: [[String: Any]], _ path: String, place: String?) throws -> String {
    try turns.map { turn in
      guard let who = turn["from"] as? String ?? turn["role"] as? String,
        let said = turn["value"] as? String ?? turn["content"] as? String
      else {
        throw CalibrationError(
          .malformed, file: path, place: place, reason: "a turn of the conversation has no speaker or no text")
      }
      switch who.lowercased() {
      case "human", "user": return human(said)
      case "gpt", "assistant", "chatgpt", "bing", "bard", "model": return assistant(said)
      case "system", "tool", "function", "observation": return said
      default:
        throw CalibrationError(
          .unknownForm, file: path, place: place, reason: "the speaker \(displayName(who)) is not known",
          remedy: "known are human, user, gpt, assistant and system")
      }
    }.joined(separator: "\n\n")
  }

  private static func human(_ text: String) -> String { "Human: " + text }
  private static func assistant(_ text: String) -> String { "Assistant: " + text }
}
