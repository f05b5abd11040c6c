// Columns of text: aligned by the cells that they take on a terminal, for a Chinese letter takes two.

/// Rows of cells.
struct TextTable {
  /// Whether a column's cells are pushed to the right.
  let isRight: [Bool]
  private let widths: [Int]

  /// Names that are longer push what stands behind them to the right, and leave the others in their place.
  private static let widest = 72

  /// The columns of rows, which are shown afterwards.
  ///
  /// - Parameter rows: as many cells each; they are asked for once.
  init(isRight: [Bool], _ rows: some Sequence<[String]>) {
    self.isRight = isRight
    var widths = isRight.map { _ in 0 }
    for row in rows {
      for (column, cell) in row.enumerated() { widths[column] = max(widths[column], Cells.width(of: cell)) }
    }
    self.widths = widths.map { min($0, Self.widest) }
  }

  /// A row with its cells in their places; nothing ends in spaces.
  func line(_ row: [String], more: String = "") -> String {
    var line = ""
    for (column, cell) in row.enumerated() {
      let space = String(repeating: " ", count: max(0, widths[column] - Cells.width(of: cell)))
      line += (column > 0 ? "  " : "") + (isRight[column] ? space + cell : cell + space)
    }
    line += more
    while line.last == " " { line.removeLast() }
    return line
  }
}
