// Help in Chinese: what ArgumentParser makes of the declarations, with each text translated and folded anew, for it divides
// lines at spaces, which Chinese has not.

import ArgumentParser
import ByteIO

/// A page of help in another language.
struct TranslatedHelp {
  private let catalogue: Translations
  private let width: Int

  init(_ catalogue: Translations, width: Int) { (self.catalogue, self.width) = (catalogue, max(40, width)) }

  /// So wide that nothing of the English page is folded.
  static let unfolded = 100_000

  /// The column in which the texts of arguments begin.
  private static let column = 26

  private static let titles = [
    "ARGUMENTS": "参数", "OPTIONS": "选项", "SUBCOMMANDS": "命令", "RELEASES SUBCOMMANDS": "发布",
    "CHECKPOINTS SUBCOMMANDS": "检查点", "MODELS SUBCOMMANDS": "模型",
  ]

  /// Translates a page that is not folded.
  func page(_ english: String) -> String {
    var lines: [String] = []
    var label: String?
    var section = ""
    for line in english.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if let waiting = label {
        label = nil
        if line.hasPrefix(String(repeating: " ", count: Self.column)) {
          lines += argument(waiting, line.trimmed)
          continue
        }
        lines.append(waiting)
      }
      if line.hasPrefix("OVERVIEW: ") {
        lines += folded("概述：" + text(String(line.dropFirst("OVERVIEW: ".count))))
      } else if line.hasPrefix("USAGE: ") {
        lines += folded("用法：" + line.dropFirst("USAGE: ".count), indent: 2)
      } else if line.hasSuffix(":"), !line.hasPrefix(" "), line == line.uppercased() {
        section = String(line.dropLast())
        lines.append((Self.titles[section] ?? text(section.capitalizedSentence)) + "：")
      } else if !section.isEmpty, line.hasPrefix("  "), !line.trimmed.isEmpty {
        let start = line.dropFirst(2)
        let text = line.dropFirst(Self.column)
        // A label ends before the column of texts, or two spaces divide it from its text.
        if text.first != " ", !text.isEmpty, line.dropFirst(Self.column - 1).first == " " {
          lines += argument("  " + String(start.prefix(Self.column - 2)).trimmed, String(text).trimmed)
        } else if let gap = start.firstRange(of: "  ") {
          lines += argument("  " + start[..<gap.lowerBound], String(start[gap.upperBound...]).trimmed)
        } else if line.count < Self.column {
          lines.append(line)
        } else {
          label = line
        }
      } else if line.hasPrefix("  ") || line.trimmed.isEmpty {
        // A command.
        lines.append(line)
      } else {
        lines += folded(text(line))
      }
    }
    if let label { lines.append(label) }
    return lines.joined(separator: "\n")
  }

  /// A text, and behind it what the parser adds: values that are possible, the default.
  private func text(_ english: String) -> String {
    let plain = english.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    let whole = { catalogue.translation(of: plain) ?? plain }
    guard plain.hasSuffix(")"), let open = plain.lastRange(of: "(") else { return whole() }
    let addition = plain[open.upperBound...].dropLast()
    guard addition.hasPrefix("default: ") || addition.hasPrefix("values: ") else { return whole() }
    let words = addition.replacing("default: ", with: "默认值：").replacing("values: ", with: "可选：")
      .replacing("; ", with: "；")
    let before = String(plain[..<open.lowerBound]).trimmed
    return "\(before.isEmpty ? "" : catalogue.translation(of: before) ?? before)（\(words)）"
  }

  private func argument(_ label: String, _ english: String) -> [String] {
    let lines = fold(text(english), to: width - Self.column)
    let indent = String(repeating: " ", count: Self.column)
    let used = Cells.width(of: label)
    guard used < Self.column else { return [label] + lines.map { indent + $0 } }
    return lines.enumerated().map { index, line in
      index == 0 ? label + String(repeating: " ", count: Self.column - used) + line : indent + line
    }
  }

  private func folded(_ text: String, indent: Int = 0) -> [String] {
    fold(text, to: width - indent).enumerated().map { index, line in
      index == 0 ? line : String(repeating: " ", count: indent) + line
    }
  }

  /// Divides a text into lines: between Chinese letters, and at spaces; not before signs that end something.
  private func fold(_ text: String, to width: Int) -> [String] {
    var (lines, line, used) = ([String](), "", 0)
    for piece in Self.pieces(text) {
      let cells = Cells.width(of: piece)
      if used + Cells.width(of: piece.trimmed) > width, !line.isEmpty {
        lines.append(line.trimmed)
        (line, used) = ("", 0)
      }
      if line.isEmpty, piece.trimmed.isEmpty { continue }
      line += piece
      used += cells
    }
    return lines + (line.trimmed.isEmpty ? [] : [line.trimmed])
  }

  /// What must not be divided: words with the space behind them, Chinese letters with the signs behind them.
  private static func pieces(_ text: String) -> [String] {
    var pieces: [String] = []
    for letter in text {
      let isWide = Cells.width(of: String(letter)) > 1
      let ends = "，。；：、）》」！？".contains(letter)
      if let last = pieces.last?.last, !pieces.isEmpty,
        ends || "（《「".contains(last) || letter == " " || (!isWide && last != " " && Cells.width(of: String(last)) == 1)
      {
        pieces[pieces.count - 1].append(letter)
      } else {
        pieces.append(String(letter))
      }
    }
    return pieces
  }
}

extension String {
  /// Without spaces at either end.
  fileprivate var trimmed: String {
    var rest = self[...]
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  /// `QUANTIZED MODELS` as `Quantized models`.
  fileprivate var capitalizedSentence: String { prefix(1) + dropFirst().lowercased() }
}

extension BidirectionalCollection<Character> where Self.SubSequence == Substring {
  /// The last place of some text.
  fileprivate func lastRange(of text: String) -> Range<Index>? { ranges(of: text).last }
}
