// Lines of standard input as they are: Swift's own reading repairs what is not UTF-8, and a question would become another.

import ByteIO
import Foundation
import Tokenizer

/// Standard input, line by line.
struct StandardInput {
  private var number = 0
  /// The longest line that is a question.
  private static let limit = 64 << 20

  /// The next line without its end; nil at the end.
  ///
  /// - Throws: `TokenizerError` for a line that is not UTF-8, or longer than any question.
  mutating func line() throws -> String? {
    var bytes: [UInt8] = []
    number += 1
    while true {
      let next = getchar()
      if next == EOF {
        if bytes.isEmpty { return nil }
        break
      }
      if next == 0x0A { break }
      guard bytes.count < Self.limit else {
        throw TokenizerError(
          .badText, file: "standard input", reason: "line \(number) has more than \(Self.limit) bytes")
      }
      bytes.append(UInt8(truncatingIfNeeded: next))
    }
    if bytes.last == 0x0D { bytes.removeLast() }
    return try text(of: bytes)
  }

  /// The text of the line that was read last.
  ///
  /// - Throws: `TokenizerError` for what is not UTF-8.
  func text(of bytes: [UInt8]) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TokenizerError(
        .badText, file: "standard input",
        reason: "\(number > 0 ? "line \(number)" : "it") is not UTF-8; the locale is \(Locale.current)",
        remedy: "convert the text first, as `iconv -f GB18030 -t UTF-8` does, or set a locale of UTF-8")
    }
    return text
  }

  /// Whether a person types it.
  static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

  /// All that is left, as one text; line ends at its end are not of it.
  ///
  /// - Throws: `TokenizerError` as ``line()``.
  mutating func rest() throws -> String {
    var lines: [String] = []
    while let line = try line() { lines.append(line) }
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines.joined(separator: "\n")
  }

  /// All that is left, as bytes.
  ///
  /// - Throws: `TokenizerError` for more than the limit.
  mutating func bytes(limit: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let next = getchar()
      if next == EOF { return bytes }
      guard bytes.count < limit else {
        throw TokenizerError(
          .limit, file: "standard input", reason: "more than \(limit) bytes", remedy: "give a part of it")
      }
      bytes.append(UInt8(truncatingIfNeeded: next))
    }
  }

  /// The locale that text comes in.
  enum Locale {
    /// Its name.
    static var current: String {
      let environment = ProcessInfo.processInfo.environment
      let name = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
      return name.map(displayName) ?? "C, for none is set"
    }
  }
}
