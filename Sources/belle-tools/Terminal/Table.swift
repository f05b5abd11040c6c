// A small table for a terminal: columns as wide as what is in them, the first to the left, figures to the right.

/// Rows of cells under a head.
struct Table {
  private let head: [String]
  private var rows: [[String]] = []

  init(_ head: [String]) { self.head = head }

  /// Adds a row, a cell for each column.
  mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, the head first.
  var lines: [String] {
    let all = [head] + rows
    let widths = head.indices.map { column in all.map { Cells.width(of: $0[column]) }.max() ?? 0 }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let space = String(repeating: " ", count: widths[column] - Cells.width(of: cell))
        line += column == 0 ? cell + space : "  " + space + cell
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
