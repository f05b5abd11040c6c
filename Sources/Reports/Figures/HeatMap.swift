// A figure for each pair of a kind and a layer: darker is more.

/// Cells of rows and columns.
package struct HeatMap: Figure {
  /// A row: its values by column.
  package struct Row: Sendable {
    let name: String
    let values: [Int: Double]

    /// A row.
    package init(_ name: String, _ values: [Int: Double]) { (self.name, self.values) = (name, values) }
  }

  /// The most rows and columns that are drawn.
  static let (mostRows, mostColumns) = (32, 256)

  let title: String
  let unit: String?
  let xTitle: String
  let rows: [Row]
  let columns: ClosedRange<Int>
  let label: (Double) -> String

  /// Cells; nothing is drawn where there are fewer than two columns.
  package init?(
    _ title: String, unit: String?, xTitle: String, label: @escaping (Double) -> String = Numbers.short, _ rows: [Row]
  ) {
    let drawn = Array(rows.filter { !$0.values.isEmpty }.prefix(Self.mostRows))
    let columns = drawn.flatMap(\.values.keys)
    guard let first = columns.min(), let last = columns.max(), last > first, last - first < Self.mostColumns else {
      return nil
    }
    (self.title, self.unit, self.xTitle, self.label) = (title, unit, xTitle, label)
    (self.rows, self.columns) = (drawn, first...last)
  }

  /// The cells.
  package var markup: Markup {
    let all = rows.flatMap(\.values.values).filter(\.isFinite)
    let (least, greatest) = (all.min() ?? 0, all.max() ?? 1)
    let axis = Axis(all, mayBeLogarithmic: true, includesZero: false)
    let (low, high) = (axis.place(least), axis.place(greatest))
    let cells = rows.enumerated().map { number, row -> Markup in
      row.values.sorted { $0.key < $1.key }.map { column, value -> Markup in
        let place = high > low ? (axis.place(value) - low) / (high - low) : 0.5
        return """
          <rect x="\(column - columns.lowerBound)" y="\(number)" width=".94" height=".9" fill-opacity="\(at: 0.08 + 0.92 * place)">\
          <title>\(row.name), \(xTitle) \(column): \(label(value))</title></rect>
          """
      }.joined()
    }
    let names = rows.map { "<span class=\"name\">\(name: $0.name)</span>" as Markup }
    let x = Axis(whole: columns)
    let xs = x.ticks.map { tick -> Markup in
      let place = (tick - Double(columns.lowerBound) + 0.47) / Double(columns.count)
      return "<span style=\"left:\(at: 100 * place)%\">\(Int(tick))</span>"
    }
    let units: Markup =
      unit.map { "<small>\($0): from \(label(least)), pale, to \(label(greatest)), full</small>" } ?? Markup()
    return """
      <figure><figcaption>\(title)\(units)</figcaption>
      <div class="frame heat"><div class="rows" style="grid-template-rows:repeat(\(rows.count),26px)">\(names.joined())</div>
      <svg class="s0 fill" style="display:block;width:100%;height:\(26 * rows.count)px" viewBox="0 0 \(columns.count) \(rows.count)" \
      preserveAspectRatio="none" role="img" aria-label="\(title)">\(cells.joined())</svg>
      <div class="xs">\(xs.joined())</div><p class="axis">\(xTitle)</p></div></figure>

      """
  }
}
