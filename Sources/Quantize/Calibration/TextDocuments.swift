// Texts from files: plain text, JSON (an array, or one object) and JSON Lines. An object is a text, an instruction with
// its answer, or a conversation; BELLE's and ShareGPT's names are known. Instructions and conversations are wrapped as
// BELLE's models were trained: `Human: …`, an empty line, `Assistant: …`.
// Sources: BELLE, data/ and train/; ShareGPT's export; OpenAI's `messages`.

import ByteIO
import Foundation

/// The documents of a file.
public enum TextDocuments {
  /// The largest file, in bytes.
  public static let sizeLimit = 1 << 30

  /// Reads a file.
  ///
  /// - Returns: its documents in order; a plain text is one. Empty ones are left out.
  /// - Throws: ``CalibrationError`` naming the line or element that is of no known form.
  public static func read(_ path: String) throws -> [String] {
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
    var bytes = try file.bytes(count: file.size)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CalibrationError(
        .malformed, file: path, reason: "it is not UTF-8", remedy: "convert it: iconv -f GB18030 -t UTF-8")
    }
    let documents = isJSON(path) ? try json(bytes, path) : [text]
    return documents.filter { !$0.isEmpty }
  }

  private static func isJSON(_ path: String) -> Bool {
    [".json", ".jsonl", ".ndjson"].contains { path.lowercased().hasSuffix($0) }
  }

  /// An array, JSON Lines (which BELLE's .json files are too), or one object.
  private static func json(_ bytes: [UInt8], _ path: String) throws -> [String] {
    let first = bytes.first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }
    if first == UInt8(ascii: "[") {
      guard let elements = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [Any] else {
        throw CalibrationError(.malformed, file: path, reason: "it begins as a JSON array and is none")
      }
      return try elements.enumerated().map { number, element in
        try document(element, path, place: "element \(number)")
      }
    }
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
      .filter { line in line.contains { ![0x20, 0x0D, 0x09].contains($0) } }
    if let one = lines.first, (try? JSONSerialization.jsonObject(with: Data(one))) == nil,
      let whole = try? JSONSerialization.jsonObject(with: Data(bytes))
    {
      return [try document(whole, path, place: nil)]
    }
    return try lines.enumerated().map { number, line in
      guard let object = try? JSONSerialization.jsonObject(with: Data(line)) else {
        throw CalibrationError(.malformed, file: path, place: "line \(number + 1)", reason: "this is no JSON object")
      }
      return try document(object, path, place: "line \(number + 1)")
    }
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
