// How wide a text is on a terminal: Chinese letters take two cells, marks on letters none.

import ByteIO

enum Cells {
  /// The cells that a text without control characters takes.
  static func width(of text: some StringProtocol) -> Int {
    text.unicodeScalars.reduce(0) { $0 + terminalCells(of: $1) }
  }

  /// The rows that a text without control characters takes on a terminal so many cells wide: a letter of two cells that
  /// does not fit at the end of a row begins the next one.
  static func rows(of text: some StringProtocol, width: Int) -> Int {
    var (rows, used) = (1, 0)
    for scalar in text.unicodeScalars {
      let cells = terminalCells(of: scalar)
      used += cells
      guard used > width else { continue }
      rows += 1
      used = cells
    }
    return rows
  }

  /// The longest beginning of a text that fits into so many cells.
  static func prefix(of text: String, fitting cells: Int) -> String {
    var (kept, used) = ("", 0)
    for letter in text {
      used += width(of: String(letter))
      guard used <= cells else { break }
      kept.append(letter)
    }
    return kept
  }
}
