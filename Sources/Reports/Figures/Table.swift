// A table; on a narrow screen each row is a card, so that nothing has to be scrolled sideways.

/// A table.
package struct Table: Figure {
  /// How a column is set.
  package enum Kind: Sendable {
    case text
    /// A name of a tensor, a module or a file.
    case name
    case number
    /// A piece of a text, as a model sees it.
    case code
  }

  /// The most rows that are shown.
  static let mostRows = 200

  let columns: [(title: String, kind: Kind)]
  let rows: [[String]]
  let restCount: Int

  /// A table; without rows nothing is shown.
  ///
  /// - Parameters:
  ///   - all: what there is a row of each.
  ///   - row: a text for each column.
  ///   - most: how many rows are shown at most; no more are asked for.
  package init?<Row>(
    _ columns: [(title: String, kind: Kind)], of all: [Row], most: Int = mostRows, _ row: (Row) -> [String]
  ) {
    guard !all.isEmpty else { return nil }
    self.columns = columns
    rows = all.prefix(min(most, Self.mostRows)).map(row)
    restCount = all.count - rows.count
  }

  /// The table.
  package var markup: Markup {
    let head = columns.map { "<th\(Self.style($0.kind))>\($0.title)</th>" as Markup }
    let body = rows.map { row -> Markup in
      let cells = zip(columns, row).map { column, text -> Markup in
        "<td\(Self.style(column.kind)) data-l=\"\(column.title)\">\(Self.cell(text, column.kind))</td>"
      }
      return "<tr>\(cells.joined())</tr>\n"
    }
    let more: Markup = restCount > 0 ? "<p class=\"muted\">and \(Numbers.count(restCount)) more</p>\n" : Markup()
    return """
      <table><thead><tr>\(head.joined())</tr></thead>
      <tbody>
      \(body.joined())</tbody></table>
      \(more)
      """
  }

  private static func style(_ kind: Kind) -> Markup {
    switch kind {
    case .number: " class=\"n\""
    case .code: " class=\"wide\""
    case .text, .name: Markup()
    }
  }

  private static func cell(_ text: String, _ kind: Kind) -> Markup {
    // A cell that is empty says so.
    guard !text.isEmpty else { return "–" }
    switch kind {
    case .name: return "<span class=\"name\">\(name: text)</span>"
    case .code: return "<code>\(text)</code>"
    case .text, .number: return "\(text)"
    }
  }
}
