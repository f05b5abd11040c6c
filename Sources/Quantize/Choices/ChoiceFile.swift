// Files of multiple-choice questions: JSON Lines, a JSON array (also as a field of an object), CSV and TSV; folders of them.

import ByteIO
import Foundation

/// A set of questions: what one file holds.
package struct ChoiceFile: Sendable {
  /// Where it was read from.
  package let path: String
  /// Its questions, in order.
  package let questions: [ChoiceQuestion]
  /// Fields of its records that were not read.
  let unread: Set<String>

  /// The largest number of questions in a file.
  static let limit = 1 << 20

  /// The name that the set has in results: the file's, without its ending.
  package var name: String {
    let file = Folder.name(of: path)
    return file.firstIndex(of: ".").map { String(file[..<$0]) } ?? file
  }

  /// The files of a path: itself, or a folder's files of questions by their names.
  ///
  /// - Throws: ``CalibrationError`` for a folder without one, ``ByteIOError``.
  package static func files(of path: String) throws -> [String] {
    guard Folder.kind(of: path) == .folder else { return [path] }
    let names = try Folder.entries(of: path).filter { $0.kind == .file }.map(\.name).filter {
      !$0.hasPrefix(".") && (TextName.isJSON($0) || TextName.isTable($0))
    }
    guard !names.isEmpty else {
      throw CalibrationError(
        .unknownForm, file: path, reason: "there is no file of questions in this folder",
        remedy: "files of questions end in .jsonl, .json, .csv or .tsv")
    }
    return names.map { Folder.join(path, $0) }
  }

  /// Reads a file.
  ///
  /// - Throws: ``CalibrationError`` with the line or element that is no question, ``ByteIOError``.
  package init(_ path: String) throws {
    let contents = try TextFile.contents(of: path)
    guard !contents.isDamaged else {
      throw CalibrationError(
        .malformed, file: path, reason: "there are bytes in it that are not UTF-8",
        remedy: "convert the file, or download it again")
    }
    var questions: [ChoiceQuestion] = []
    var others: Set<String> = []
    func take(_ record: Any, _ place: String) throws {
      guard let fields = record as? [String: Any] else {
        throw CalibrationError(
          .unknownForm, file: path, place: place, reason: "this is no object with a question in it",
          remedy: ChoiceQuestion.remedy)
      }
      do throws(ChoiceQuestion.Fault) {
        let (question, unread) = try ChoiceQuestion.read(fields)
        questions.append(question)
        others.formUnion(unread)
      } catch {
        throw CalibrationError(.unknownForm, file: path, place: place, reason: error.reason, remedy: error.remedy)
      }
      guard questions.count <= Self.limit else {
        throw CalibrationError(.limit, file: path, reason: "it has more than \(Self.limit) questions")
      }
    }
    if TextName.isTable(path) {
      try Self.table(contents.bytes, path, take)
    } else {
      try Self.records(contents.bytes, path, take)
    }
    guard !questions.isEmpty else {
      throw CalibrationError(.tooShort, file: path, reason: "there is no question in it", remedy: ChoiceQuestion.remedy)
    }
    let isMixed = Set(questions.map(\.isLettered)).count > 1
    guard !isMixed else {
      throw CalibrationError(
        .unknownForm, file: path, reason: "some of its questions have columns A, B, …, and others a list of choices",
        remedy: "give them in two files")
    }
    self.path = path
    self.questions = questions
    unread = others
  }

  private init(_ file: ChoiceFile, _ questions: [ChoiceQuestion]) {
    (path, self.questions, unread) = (file.path, questions, file.unread)
  }

  /// The first questions.
  func first(_ count: Int) -> ChoiceFile { ChoiceFile(self, Array(questions.prefix(count))) }

  private static func table(
    _ bytes: ArraySlice<UInt8>, _ path: String, _ take: (Any, String) throws -> Void
  ) throws {
    let separator = path.lowercased().contains(".tsv") ? UInt8(ascii: "\t") : UInt8(ascii: ",")
    let rows = try DelimitedText.rows(bytes, separator: separator, file: path)
    guard let header = rows.first else { return }
    for row in rows.dropFirst() {
      guard row.fields.count == header.fields.count else {
        throw CalibrationError(
          .malformed, file: path, place: "line \(row.line)",
          reason: "this row has \(row.fields.count) fields, and the first one names \(header.fields.count)",
          remedy:
            "the first row names the columns: question, A, B, C, D, answer; a field with a separator in it is quoted")
      }
      var fields: [String: Any] = [:]
      for (name, value) in zip(header.fields, row.fields) where !name.isEmpty {
        guard fields.updateValue(value, forKey: name) == nil else {
          throw CalibrationError(
            .malformed, file: path, place: "line \(header.line)", reason: "two columns are called \(displayName(name))")
        }
      }
      // Sets with fewer choices leave the last columns empty.
      for (name, value) in fields where name.count == 1 && value as? String == "" { fields[name] = nil }
      try take(fields, "line \(row.line)")
    }
  }

  private static func records(
    _ bytes: ArraySlice<UInt8>, _ path: String, _ take: (Any, String) throws -> Void
  ) throws {
    func value(_ bytes: ArraySlice<UInt8>, _ place: String) throws -> Any {
      guard bytes.count <= TextDocuments.recordLimit, let value = RelaxedJSON.value(of: bytes) else {
        throw CalibrationError(
          .malformed, file: path, place: place, reason: "this is not JSON, or too large for a question",
          remedy: "see whether the file is cut off, or correct the JSON there")
      }
      return value
    }
    var form = RecordForm(of: bytes, path)
    if form == .text, bytes.first(where: { !isJSONSpace($0) }) == UInt8(ascii: "{") { form = .lines }
    switch form {
    case .text:
      throw CalibrationError(
        .unknownForm, file: path, reason: "this is a text, and questions are JSON Lines, JSON, CSV or TSV",
        remedy: ChoiceQuestion.remedy)
    case .lines:
      for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      where line.contains(where: { !isJSONSpace($0) }) {
        try take(try value(line, "line \(number + 1)"), "line \(number + 1)")
      }
    case .array(let start), .wrapped(_, let start, _):
      var (at, number, isEnd) = (start + 1, 0, false)
      while !isEnd {
        number += 1
        guard let end = jsonValueEnd(bytes, at), bytes[end] != UInt8(ascii: "}") else {
          throw CalibrationError(
            .malformed, file: path, place: "element \(number)",
            reason: "it begins as a JSON array, and its JSON breaks off or is wrong here",
            remedy: "see whether the file is cut off, or correct the JSON there")
        }
        isEnd = bytes[end] == UInt8(ascii: "]")
        let element = bytes[at..<end]
        at = end + 1
        if isEnd, number == 1, element.allSatisfy(isJSONSpace) { return }
        try take(try value(element, "element \(number)"), "element \(number)")
      }
    }
  }
}
