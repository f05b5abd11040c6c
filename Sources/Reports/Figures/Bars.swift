// Amounts side by side, each behind its name: sizes, times, counts.

/// A list of bars.
package struct Bars: Figure {
  /// One bar: its amount, and another one that it is held against.
  package struct Bar: Sendable {
    let label: String
    let detail: String?
    let amount: Double
    let former: Double?
    let value: String

    /// A bar.
    ///
    /// - Parameters:
    ///   - detail: what stands below the label.
    ///   - former: what the amount was before; drawn behind it.
    ///   - value: the amount in words.
    package init(_ label: String, detail: String? = nil, amount: Double, former: Double? = nil, value: String) {
      (self.label, self.detail, self.amount, self.former, self.value) = (label, detail, amount, former, value)
    }
  }

  let title: String
  let unit: String?
  let bars: [Bar]
  let restCount: Int

  /// The most bars that are drawn.
  static let most = 40

  /// Bars in their order; without any nothing is drawn.
  package init?(_ title: String, unit: String? = nil, _ bars: [Bar]) {
    guard !bars.isEmpty else { return nil }
    (self.title, self.unit, self.bars) = (title, unit, Array(bars.prefix(Self.most)))
    restCount = bars.count - self.bars.count
  }

  /// The bars as a list.
  package var markup: Markup {
    let longest = bars.map { max($0.amount, $0.former ?? 0) }.max() ?? 0
    let share = { (amount: Double) in longest > 0 && amount.isFinite ? max(0, amount) / longest * 1000 : 0 }
    let items = bars.map { bar -> Markup in
      let former = bar.former.map { former -> Markup in
        "<rect class=\"soft\" x=\"0\" y=\"0\" width=\"\(at: share(former))\" height=\"16\"/>"
      }
      let detail = bar.detail.map { "<small>\($0)</small>" as Markup } ?? Markup()
      let (y, height) = bar.former == nil ? (0, 16) : (3, 10)
      return """
        <li><span class="label"><span class="name">\(name: bar.label)</span>\(detail)</span>\
        <svg class="s0" viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label="\(bar.value)">\
        <rect class="track" width="1000" height="16"/>\(former ?? Markup())\
        <rect class="fill" x="0" y="\(y)" width="\(at: share(bar.amount))" \
        height="\(height)"/></svg>\
        <span class="value">\(bar.value)</span></li>

        """
    }
    let units: Markup = unit.map { "<small>\($0)</small>" } ?? Markup()
    let more: Markup = restCount > 0 ? "<p class=\"muted\">and \(restCount) more</p>\n" : Markup()
    return """
      <figure><figcaption>\(title)\(units)</figcaption>
      <ul class="bars">
      \(items.joined())</ul>
      \(more)</figure>

      """
  }
}
