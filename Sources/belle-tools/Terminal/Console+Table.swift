// Results in columns.

extension Console {
  /// Prints rows below a header, each column as wide as its widest cell; the last column is not filled.
  func table(_ header: [String], _ rows: [[String]]) {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    for row in [header] + rows {
      let cells = row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
      }
      result(cells.joined(separator: "  "))
    }
  }
}
