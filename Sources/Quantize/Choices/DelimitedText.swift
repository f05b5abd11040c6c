// Tables as CSV and TSV. Source: RFC 4180; line ends as they come, and no comments.

import ByteIO

/// The rows of a table.
enum DelimitedText {
  /// Fields that one row may have.
  static let fieldLimit = 1024

  /// A row, and the line on which it begins.
  struct Row: Equatable {
    let line: Int
    let fields: [String]
  }

  /// Reads a table.
  ///
  /// - Parameters:
  ///   - bytes: UTF-8.
  ///   - separator: a comma or a tab.
  /// - Throws: ``CalibrationError`` with the line: a quote that is not closed, text behind a quoted field, too many fields.
  static func rows(_ bytes: ArraySlice<UInt8>, separator: UInt8, file: String) throws(CalibrationError) -> [Row] {
    let (quote, newline, carriage) = (UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    var rows: [Row] = []
    var (at, line) = (bytes.startIndex, 1)
    while at < bytes.endIndex {
      let first = line
      var fields: [String] = []
      var isRow = true
      while isRow {
        var field: [UInt8] = []
        if at < bytes.endIndex, bytes[at] == quote {
          let opened = line
          at += 1
          while true {
            guard at < bytes.endIndex else {
              throw CalibrationError(
                .malformed, file: file, place: "line \(opened)", reason: "a quoted field begins here and does not end",
                remedy: "see whether the file is cut off, or close the quote")
            }
            let byte = bytes[at]
            at += 1
            if byte == quote {
              guard at < bytes.endIndex, bytes[at] == quote else { break }
              at += 1
            }
            if byte == newline { line += 1 }
            field.append(byte)
          }
          guard at == bytes.endIndex || [separator, newline, carriage].contains(bytes[at]) else {
            throw CalibrationError(
              .malformed, file: file, place: "line \(line)", reason: "there is text behind the end of a quoted field",
              remedy: "quotes in a quoted field are doubled")
          }
        } else {
          let rest = bytes[at...]
          let end = rest.firstIndex { $0 == separator || $0 == newline } ?? bytes.endIndex
          field = Array(bytes[at..<end])
          if field.last == carriage, end == bytes.endIndex || bytes[end] == newline { field.removeLast() }
          at = end
        }
        fields.append(String(decoding: field, as: UTF8.self))
        guard fields.count <= fieldLimit else {
          throw CalibrationError(
            .limit, file: file, place: "line \(first)", reason: "this row has more than \(fieldLimit) fields")
        }
        if at < bytes.endIndex, bytes[at] == carriage { at += 1 }
        isRow = at < bytes.endIndex && bytes[at] == separator
        if at < bytes.endIndex {
          if bytes[at] == newline { line += 1 }
          at += 1
        }
      }
      if fields != [""] { rows.append(Row(line: first, fields: fields)) }
    }
    return rows
  }
}
