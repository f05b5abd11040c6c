// Texts from files: plain text, JSON (an array, an array in an object, or one object) and JSON Lines, whose records are
// `TextRecord`'s. A record without a text is skipped and counted, and so is one of an unknown form among others, one whose
// bytes are no text, and one that is too large; JSON that is none is an error.

import ByteIO
import Foundation
import Jinja
import Model

/// One text of a file.
package struct TextDocument: Sendable, Equatable {
  /// The text.
  package let text: String
  /// Whether a chat template wrote it: the tokens that are set aside are in it by their texts, and none is to be added.
  package let isChat: Bool
}

/// The documents of a file.
package enum TextDocuments {
  /// The largest file, in bytes.
  package static let sizeLimit = TextFile.sizeLimit

  /// Values that one JSON document may have: a conversation has some hundred.
  package static let valueLimit = RelaxedJSON.valueLimit

  /// The bytes that one record may have. Some times as many are taken to read it.
  static let recordLimit = 64 << 20

  /// What was read of a file.
  package struct Reading {
    /// The file.
    fileprivate let path: String
    /// Records that were read.
    package fileprivate(set) var records = 0
    /// Those of them that gave no text.
    package fileprivate(set) var skipped = 0
    /// Why the first of these did not, and whether such a record is known.
    fileprivate var first: CalibrationError?
    /// Whether some records are no text, and so left out.
    fileprivate let isDamaged: Bool
    /// What is to be said of the file besides.
    fileprivate let own: [String]
    /// How conversations are written, once there is one; nil in it for BELLE's form.
    fileprivate let template: () throws -> ChatTemplate?
    fileprivate var found: ChatTemplate??
    /// Conversations that the model's chat template wrote, and what is to be told of the first such.
    fileprivate var conversations = 0
    fileprivate var remark: String?

    /// What the user should know.
    package var notes: [String] {
      var notes = own
      if conversations > 0 {
        notes.append(
          "\(displayName(path)): \(conversations == 1 ? "1 conversation is" : "\(conversations) conversations are") written "
            + "with the model's chat template")
      }
      if let remark { notes.append("\(displayName(path)): \(remark)") }
      if skipped > 0, let first {
        let place = first.place.map { $0 + ": " } ?? ""
        notes.append(
          "\(displayName(path)): \(skipped) of \(records) records \(skipped == 1 ? "has" : "have") no text that is known and "
            + "\(skipped == 1 ? "is" : "are") skipped; the first: \(place)\(first.reason)")
      }
      return notes
    }
  }

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
  /// - Returns: how many records there were, and how many without a text.
  /// - Throws: ``CalibrationError`` where no record has a text, with the place of the first; for what is not JSON, with its
  ///   place.
  @discardableResult
  package static func forEach(_ path: String, _ body: (String) throws -> Bool) throws -> Reading {
    try forEach(path, template: { nil }) { try body($0.text) }
  }

  /// The same, with conversations in the form of a model's chat template.
  ///
  /// - Parameter template: asked for where there is a conversation; nil for BELLE's form.
  package static func forEach(
    _ path: String, template: @escaping () throws -> ChatTemplate?, _ body: (TextDocument) throws -> Bool
  ) throws -> Reading {
    let contents = try TextFile.contents(of: path)
    let bytes = contents.bytes
    let form = RecordForm(of: bytes, path)
    let notes = [TextFile.note(on: path), form.note(path).map { "\(displayName(path)): \($0)" }].compactMap(\.self)
    var reading = Reading(path: path, isDamaged: contents.isDamaged, own: notes, template: template)
    switch form {
    case .text:
      if !bytes.isEmpty { _ = try body(TextDocument(text: String(decoding: bytes, as: UTF8.self), isChat: false)) }
      return reading
    case .lines: try lines(bytes, &reading, body)
    case .array(let start): try elements(bytes, from: start, isWhole: true, &reading, body)
    case .wrapped(_, let start, _): try elements(bytes, from: start, isWhole: false, &reading, body)
    }
    if reading.records > 0, reading.skipped == reading.records, let first = reading.first { throw first }
    return reading
  }

  /// An array of documents.
  ///
  /// - Parameter isWhole: whether nothing may follow it.
  private static func elements(
    _ bytes: ArraySlice<UInt8>, from start: Int, isWhole: Bool, _ reading: inout Reading,
    _ body: (TextDocument) throws -> Bool
  ) throws {
    var number = 0
    var malformed: CalibrationError {
      CalibrationError(
        .malformed, file: reading.path, place: number == 0 ? nil : "element \(number)",
        reason: "it begins as a JSON array, and its JSON breaks off or is wrong here",
        remedy: "see whether the file is cut off, or correct the JSON there")
    }
    var at = start + 1
    func skipSpace() { while at < bytes.endIndex, isJSONSpace(bytes[at]) { at += 1 } }
    skipSpace()
    var isEnd = at < bytes.endIndex && bytes[at] == UInt8(ascii: "]")
    while !isEnd {
      number += 1
      guard let end = jsonValueEnd(bytes, at), end > at, bytes[end] != UInt8(ascii: "}") else { throw malformed }
      do {
        if try !readRecord(bytes[at..<end], "element \(number)", &reading, body) { return }
      } catch is NotJSON { throw malformed }
      isEnd = bytes[end] == UInt8(ascii: "]")
      at = end + 1
      if !isEnd { skipSpace() }
    }
    if number == 0 { at += 1 }
    skipSpace()
    guard at == bytes.endIndex || !isWhole else { throw malformed }
  }

  /// JSON Lines (which BELLE's .json files are too), or one object.
  private static func lines(
    _ bytes: ArraySlice<UInt8>, _ reading: inout Reading, _ body: (TextDocument) throws -> Bool
  ) throws {
    var number = 0
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      let line = bytes[at..<end]
      at = end + 1
      number += 1
      guard line.contains(where: { !isJSONSpace($0) }) else { continue }
      let place = "line \(number)"
      do { if try !readRecord(line, place, &reading, body) { return } } catch is NotJSON {
        // An object that is written on several lines.
        if reading.records == 0, bytes.count <= recordLimit, let whole = RelaxedJSON.value(of: bytes) {
          _ = try take(whole, nil, &reading, body)
          return
        }
        throw CalibrationError(
          .malformed, file: reading.path, place: place, reason: "this is not JSON",
          remedy: end == bytes.endIndex
            ? "the file may be cut off: download it again, or leave its last line out" : "each line is one JSON value")
      }
    }
  }

  /// Hands over the texts of one value as it stands in the file, or counts it.
  ///
  /// - Returns: whether to go on.
  private static func readRecord(
    _ bytes: ArraySlice<UInt8>, _ place: String, _ reading: inout Reading, _ body: (TextDocument) throws -> Bool
  ) throws -> Bool {
    if bytes.count > recordLimit {
      skip(.limit, "it has \(bytes.count) bytes, and a record at most \(recordLimit)", nil, place, &reading)
      return true
    }
    if reading.isDamaged, !isSoundText(bytes) {
      skip(
        .malformed, "there are bytes in it that are not UTF-8", "convert the file, or download it again", place,
        &reading)
      return true
    }
    guard jsonValueCount(bytes) <= valueLimit else {
      throw CalibrationError(
        .limit, file: reading.path, place: place,
        reason: "it has more than \(valueLimit) values, and no more are read here")
    }
    guard let value = RelaxedJSON.value(of: bytes) else { throw NotJSON() }
    // A line may hold the turns of a conversation, or documents.
    let isList = place.hasPrefix("line")
    let values = (value as? [Any]).flatMap { isList && !TextRecord.isConversation($0) ? $0 : nil } ?? [value]
    for value in values { if try !take(value, place, &reading, body) { return false } }
    return true
  }

  private struct NotJSON: Error {}

  /// Hands over the text of one record, or counts it.
  ///
  /// - Returns: whether to go on.
  private static func take(
    _ value: Any, _ place: String?, _ reading: inout Reading, _ body: (TextDocument) throws -> Bool
  ) throws -> Bool {
    switch TextRecord(value) {
    case .text(let text):
      reading.records += 1
      return try body(TextDocument(text: text, isChat: false))
    case .conversation(let messages): return try take(messages, place, &reading, body)
    case .empty(let reason): skip(.tooShort, reason, "give records that have a text", place, &reading)
    case .unknown(let reason, let remedy): skip(.unknownForm, reason, remedy, place, &reading)
    }
    return true
  }

  /// Hands over a conversation, in the model's own form or in BELLE's; counts one that the model's form refuses.
  private static func take(
    _ messages: [ChatMessage], _ place: String?, _ reading: inout Reading, _ body: (TextDocument) throws -> Bool
  ) throws -> Bool {
    let template: ChatTemplate?
    if let found = reading.found {
      template = found
    } else {
      template = try reading.template()
      reading.found = .some(template)
    }
    guard let template else {
      reading.records += 1
      return try body(TextDocument(text: TextRecord.text(messages), isChat: false))
    }
    let text: String
    do { text = try template.text(messages, prompts: false) } catch let error as JinjaError {
      skip(.unknownForm, error.reason, error.remedy, place, &reading)
      return true
    }
    reading.records += 1
    reading.conversations += 1
    if reading.remark == nil { reading.remark = template.remark(on: messages, text: text) }
    return text.isEmpty ? true : try body(TextDocument(text: text, isChat: true))
  }

  /// Counts a record that gives no text.
  private static func skip(
    _ code: CalibrationErrorCode, _ reason: String, _ remedy: Remedy?, _ place: String?, _ reading: inout Reading
  ) {
    reading.records += 1
    reading.skipped += 1
    if reading.first == nil {
      reading.first = CalibrationError(code, file: reading.path, place: place, reason: reason, remedy: remedy)
    }
  }
}
