// Colours of the words that messages begin with, where people read them. Source: https://no-color.org.

import ByteIO
import Foundation

enum Colour {
  /// Whether messages go to a terminal that has colours, and nobody has asked for none.
  private static let isWanted =
    ProgressDisplay.isPossible && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

  /// What stands before a message, in the colour of its kind.
  static func painted(_ label: Language.Label) -> String {
    let words = Language.label(label)
    guard isWanted, let code = code(label) else { return words }
    return "\u{1B}[\(code)m\(words)\u{1B}[0m"
  }

  /// Lines, the labels at whose beginnings are painted.
  static func labelled(_ text: String) -> String {
    guard isWanted else { return text }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let label = [Language.Label.error, .hint].first { line.hasPrefix(Language.label($0)) }
      return label.map { painted($0) + line.dropFirst(Language.label($0).count) } ?? String(line)
    }.joined(separator: "\n")
  }

  /// The parameters of SGR (ECMA-48): bold red, bold yellow, cyan.
  private static func code(_ label: Language.Label) -> String? {
    switch label {
    case .error: "1;31"
    case .warning, .interrupted: "1;33"
    case .hint, .note: "36"
    case .notJudged: nil
    }
  }
}
