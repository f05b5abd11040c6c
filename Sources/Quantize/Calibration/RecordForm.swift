// How a file holds records: as JSON Lines, as an array, or as an array in an object; or that it is a text. Told by its name,
// and where that says nothing, by what it holds: people call JSON Lines .txt.
// Sources of the wrappers' names: LMFlow (instances), SQuAD and OpenAI's exports (data), the datasets server (rows).

import ByteIO
import Foundation

/// How a file holds records.
enum RecordForm: Equatable {
  /// It is one text.
  case text
  /// Each line is one, or the whole file is.
  case lines
  /// An array, from its bracket on.
  case array(at: Int)
  /// An array that is a field of one object: the field, where its bracket is, and the names of other such fields.
  case wrapped(String, at: Int, others: [String])

  /// Fields whose value is an array of records.
  private static let wrappers = [
    "data", "instances", "examples", "samples", "rows", "records", "items", "documents", "texts", "train", "validation",
    "test",
  ]
  /// Lines that are looked at where the name says nothing.
  private static let lineCount = 8
  /// The largest such line, in bytes.
  private static let lineLimit = 1 << 20
  /// Fields of a wrapper.
  private static let fieldLimit = 64

  /// Tells the form of a file.
  init(of bytes: ArraySlice<UInt8>, _ path: String) {
    let isNamed = TextName.isJSON(path)
    guard let start = bytes.firstIndex(where: { !isJSONSpace($0) }) else {
      self = isNamed ? .lines : .text
      return
    }
    switch bytes[start] {
    case UInt8(ascii: "[") where isNamed:
      self = TextName.isJSONLines(path) && Self.endsOnItsLine(bytes, start) ? .lines : .array(at: start)
    case UInt8(ascii: "["):
      let end = jsonValueEnd(bytes, start + 1)
      self = end.map { Self.isRecord(bytes[(start + 1)..<$0]) } == true ? .array(at: start) : .text
    case UInt8(ascii: "{"):
      self = Self.wrapped(bytes, start) ?? (isNamed || Self.areRecords(bytes) ? .lines : .text)
    default: self = isNamed ? .lines : .text
    }
  }

  /// What is to be told of it, after the file's name; nil where its name says so.
  func note(_ path: String) -> String? {
    switch self {
    case .text: nil
    case .lines: TextName.isJSON(path) ? nil : "it is JSON Lines by what it holds, and is read so"
    case .array: TextName.isJSON(path) ? nil : "it is JSON by what it holds, and is read so"
    case .wrapped(let name, _, let others):
      "its records are those of the field \(displayName(name))"
        + (others.isEmpty ? "" : "; not read: \(others.map(displayName).joined(separator: ", "))")
    }
  }

  /// Whether an array ends on the line on which it begins: then each line may be one.
  private static func endsOnItsLine(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Bool {
    let line = bytes[start...].prefix { $0 != 0x0A }
    return line.last(where: { !isJSONSpace($0) }) == UInt8(ascii: "]")
  }

  /// Whether the first lines are records of a known form, each of them.
  private static func areRecords(_ bytes: ArraySlice<UInt8>) -> Bool {
    var (count, at) = (0, bytes.startIndex)
    while at < bytes.endIndex, count < lineCount {
      let end = bytes[at...].prefix(lineLimit).firstIndex(of: 0x0A) ?? min(bytes.endIndex, at + lineLimit)
      let line = bytes[at..<end]
      at = end + 1
      guard line.contains(where: { !isJSONSpace($0) }) else { continue }
      // What is damaged says nothing, as long as others do.
      guard isSoundText(line) else { continue }
      guard isRecord(line) else { return false }
      count += 1
    }
    return count > 0
  }

  /// Whether some bytes are one object with a field that is known.
  private static func isRecord(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.count <= lineLimit,
      let start = bytes.firstIndex(where: { !isJSONSpace($0) }), bytes[start] == UInt8(ascii: "{"),
      let object = RelaxedJSON.value(of: bytes) as? [String: Any]
    else { return false }
    if case .unknown = TextRecord(object) { return false }
    return true
  }

  /// The array in an object that is all of a file, and no record itself; nil where there is none.
  private static func wrapped(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Self? {
    guard let fields = fields(bytes, start), TextRecord.knownFields.isDisjoint(with: fields.map(\.name)) else {
      return nil
    }
    let arrays = fields.filter { bytes[$0.at] == UInt8(ascii: "[") && wrappers.contains($0.name) }
    guard let first = wrappers.lazy.compactMap({ name in arrays.first { $0.name == name } }).first else { return nil }
    return .wrapped(first.name, at: first.at, others: arrays.map(\.name).filter { $0 != first.name })
  }

  /// The fields of an object that is all that follows, and where their values begin; nil for anything else. Values are passed
  /// over, and not made.
  private static func fields(_ bytes: ArraySlice<UInt8>, _ start: Int) -> [(name: String, at: Int)]? {
    var fields: [(name: String, at: Int)] = []
    var at = start + 1
    func skipSpace() { while at < bytes.endIndex, isJSONSpace(bytes[at]) { at += 1 } }
    while fields.count < fieldLimit {
      skipSpace()
      guard at < bytes.endIndex, bytes[at] == UInt8(ascii: "\"") else { return nil }
      let nameStart = at + 1
      guard let nameEnd = bytes[nameStart...].prefix(256).firstIndex(of: UInt8(ascii: "\"")) else { return nil }
      at = nameEnd + 1
      skipSpace()
      guard at < bytes.endIndex, bytes[at] == UInt8(ascii: ":") else { return nil }
      at += 1
      skipSpace()
      guard at < bytes.endIndex, let end = jsonValueEnd(bytes, at) else { return nil }
      fields.append((String(decoding: bytes[nameStart..<nameEnd], as: UTF8.self), at))
      at = end + 1
      if bytes[end] == UInt8(ascii: ",") { continue }
      skipSpace()
      return bytes[end] == UInt8(ascii: "}") && at >= bytes.endIndex ? fields : nil
    }
    return nil
  }
}
