// The few figures that stand at the top of a page, and lists of facts.

/// Large figures, each with a label.
package struct Tiles: Figure {
  /// A label, a figure, and what there is to say of it.
  package typealias Tile = (label: String, value: String, note: String?)

  let tiles: [Tile]

  /// Figures; those that are not known are left out.
  package init(_ tiles: [Tile?]) { self.tiles = tiles.compactMap(\.self) }

  /// The figures as cards.
  package var markup: Markup {
    guard !tiles.isEmpty else { return Markup() }
    let cards = tiles.map { tile -> Markup in
      let note = tile.note.map { "<span class=\"muted\">\($0)</span>" as Markup } ?? Markup()
      return "<div class=\"card\"><span class=\"muted\">\(tile.label)</span><b>\(tile.value)</b>\(note)</div>\n"
    }
    return "<div class=\"tiles\">\n\(cards.joined())</div>\n"
  }
}

/// Facts, each behind its name.
package struct Facts: Figure {
  let facts: [(name: String, value: String)]

  /// Facts; those that are not known are left out.
  package init(_ facts: [(name: String, value: String?)]) {
    self.facts = facts.compactMap { fact in fact.value.map { (fact.name, $0) } }
  }

  /// The facts as a list.
  package var markup: Markup {
    guard !facts.isEmpty else { return Markup() }
    let items = facts.map { "<dt>\($0.name)</dt><dd>\(name: $0.value)</dd>\n" as Markup }
    return "<dl class=\"facts\">\n\(items.joined())</dl>\n"
  }
}

/// A command line, or some.
package struct Code: Figure {
  let text: String

  /// A command as it is typed.
  package init(_ text: String) { self.text = text }

  /// The command.
  package var markup: Markup { "<pre><code>\(text)</code></pre>\n" }
}

/// A sentence.
package struct Sentence: Figure {
  let text: String

  /// A sentence.
  package init(_ text: String) { self.text = text }

  /// The sentence as a paragraph.
  package var markup: Markup { "<p class=\"muted\">\(text)</p>\n" }
}
