// Texts from files: plain text, JSON (an array, or one object) and JSON Lines, whose records are `TextRecord`'s. A record
// without a text is skipped and counted, and so is one of an unknown form among others; JSON that is none is an error.

import ByteIO
import Foundation

/// The documents of a file.
package enum TextDocuments {
  /// The largest file, in bytes.
  package static let sizeLimit = TextFile.sizeLimit

  /// Values that one JSON document may have: a conversation has some hundred.
  package static let valueLimit = 1 << 17

  /// What was read of a file.
  package struct Reading: Sendable {
    /// The file.
    fileprivate let path: String
    /// Records that were read.
    package fileprivate(set) var records = 0
    /// Those of them that gave no text.
    package fileprivate(set) var skipped = 0
    /// Why the first of these did not, and whether such a record is known.
    fileprivate var first: CalibrationError?
    /// What is to be said of the file besides.
    fileprivate var note: String?

    /// What the user should know.
    package var notes: [String] {
      var notes = note.map { [$0] } ?? []
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
    let bytes = try TextFile.contents(of: path)
    var reading = Reading(path: path, note: TextFile.note(on: path))
    guard TextFile.isJSON(path) else {
      if !bytes.isEmpty { _ = try body(String(decoding: bytes, as: UTF8.self)) }
      return reading
    }
    if isOneArray(bytes, path) {
      try elements(bytes, &reading, body)
    } else {
      try lines(bytes, &reading, body)
    }
    if reading.records > 0, reading.skipped == reading.records, let first = reading.first { throw first }
    return reading
  }

  /// Whether a file is an array of documents, and not lines of which each may be one.
  private static func isOneArray(_ bytes: ArraySlice<UInt8>, _ path: String) -> Bool {
    guard let start = bytes.firstIndex(where: { !isSpace($0) }), bytes[start] == UInt8(ascii: "[") else { return false }
    guard TextFile.isJSONLines(path) else { return true }
    let line = bytes[start...].prefix { $0 != 0x0A }
    return line.last(where: { !isSpace($0) }) != UInt8(ascii: "]")
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x0A, 0x0D, 0x09].contains(byte) }

  /// An array of documents.
  private static func elements(
    _ bytes: ArraySlice<UInt8>, _ reading: inout Reading, _ body: (String) throws -> Bool
  ) throws {
    var number = 0
    var malformed: CalibrationError {
      CalibrationError(
        .malformed, file: reading.path, place: number == 0 ? nil : "element \(number)",
        reason: "it begins as a JSON array, and its JSON breaks off or is wrong here",
        remedy: "see whether the file is cut off, or correct the JSON there")
    }
    guard var at = bytes.firstIndex(of: UInt8(ascii: "[")).map({ $0 + 1 }) else { throw malformed }
    func skipSpace() { while at < bytes.endIndex, isSpace(bytes[at]) { at += 1 } }
    skipSpace()
    var isEnd = at < bytes.endIndex && bytes[at] == UInt8(ascii: "]")
    while !isEnd {
      number += 1
      let place = "element \(number)"
      guard let end = valueEnd(bytes, at), end < bytes.endIndex, end > at else { throw malformed }
      let value: Any
      do { value = try parse(bytes[at..<end], reading.path, place) } catch is NotJSON { throw malformed }
      if try !take(value, place, &reading, body) { return }
      isEnd = bytes[end] == UInt8(ascii: "]")
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
  private static func lines(
    _ bytes: ArraySlice<UInt8>, _ reading: inout Reading, _ body: (String) throws -> Bool
  ) throws {
    var number = 0
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      let line = bytes[at..<end]
      at = end + 1
      number += 1
      guard line.contains(where: { !isSpace($0) }) else { continue }
      let place = "line \(number)"
      let value: Any
      do { value = try parse(line, reading.path, place) } catch is NotJSON {
        // An object that is written on several lines.
        if reading.records == 0, let whole = try? parse(bytes, reading.path, nil) {
          _ = try take(whole, nil, &reading, body)
          return
        }
        throw CalibrationError(
          .malformed, file: reading.path, place: place, reason: "this is not JSON",
          remedy: end == bytes.endIndex
            ? "the file may be cut off: download it again, or leave its last line out" : "each line is one JSON value")
      }
      // A line may hold the turns of a conversation, or documents.
      let values = (value as? [Any]).flatMap { TextRecord.isConversation($0) ? nil : $0 } ?? [value]
      for value in values { if try !take(value, place, &reading, body) { return } }
    }
  }

  private struct NotJSON: Error {}

  /// One JSON value.
  private static func parse(
    _ bytes: ArraySlice<UInt8>, _ path: String, _ place: String?
  ) throws -> Any {
    guard jsonValueCount(bytes) <= valueLimit else {
      throw CalibrationError(
        .limit, file: path, place: place, reason: "it has more than \(valueLimit) values, and no more are read here")
    }
    if let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) { return value }
    // Python writes what JSON does not have.
    guard let repaired = RelaxedJSON.repaired(bytes),
      let value = try? JSONSerialization.jsonObject(with: Data(repaired), options: .fragmentsAllowed)
    else { throw NotJSON() }
    return value
  }

  /// Hands over the text of one record, or counts it.
  ///
  /// - Returns: whether to go on.
  private static func take(
    _ value: Any, _ place: String?, _ reading: inout Reading, _ body: (String) throws -> Bool
  ) throws -> Bool {
    reading.records += 1
    let fault: (code: CalibrationErrorCode, reason: String, remedy: Remedy?)
    switch TextRecord(value) {
    case .text(let text): return try body(text)
    case .empty(let reason): fault = (.tooShort, reason, "give records that have a text")
    case .unknown(let reason, let remedy): fault = (.unknownForm, reason, remedy)
    }
    reading.skipped += 1
    if reading.first == nil {
      reading.first = CalibrationError(
        fault.code, file: reading.path, place: place, reason: fault.reason, remedy: fault.remedy)
    }
    return true
  }
}
