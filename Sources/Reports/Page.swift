// A page: one HTML file that needs nothing else. No script, no font, no picture from elsewhere; the page itself forbids them
// (Content-Security-Policy), so that not even a fault of the escape could load or run anything.

import ByteIO

/// What can stand in a page.
package protocol Figure {
  /// The figure in HTML.
  var markup: Markup { get }
}

/// A page of figures. Equal values make equal bytes.
package struct Page {
  /// A part of a page, with a heading.
  package struct Section {
    let title: String
    let note: String?
    let figures: [any Figure]
    /// Whether figures stand side by side where there is room.
    let isPaired: Bool

    /// A section; without figures it does not appear.
    package init(_ title: String, note: String? = nil, paired isPaired: Bool = false, _ figures: [(any Figure)?]) {
      (self.title, self.note, self.isPaired) = (title, note, isPaired)
      self.figures = figures.compactMap(\.self)
    }

    var markup: Markup {
      guard !figures.isEmpty else { return Markup() }
      let inner = figures.map(\.markup).joined()
      let remark: Markup = note.map { "<p class=\"muted\">\($0)</p>\n" } ?? Markup()
      let body: Markup = isPaired && figures.count > 1 ? "<div class=\"pair\">\n\(inner)</div>\n" : inner
      return """
        <section>
        <h2>\(title)</h2>
        \(remark)\(body)</section>

        """
    }
  }

  /// What kind of page it is: "Quantization report".
  let kind: String
  /// What it is about: a model's name.
  let title: String
  /// A sentence on it.
  let lead: String
  /// The figures of all.
  let tiles: Tiles
  /// What must not be overlooked.
  let warnings: [String]
  let sections: [Section]
  /// The program that made it.
  let program: String

  /// The most warnings that are shown one by one.
  private static let mostWarnings = 12

  /// The page in HTML, as UTF-8.
  package var html: [UInt8] {
    let shown = warnings.prefix(Self.mostWarnings).map { "<p>\($0)</p>\n" as Markup }.joined()
    let more: Markup =
      warnings.count > Self.mostWarnings ? "<p>and \(warnings.count - Self.mostWarnings) more</p>\n" : Markup()
    let warning: Markup = warnings.isEmpty ? Markup() : "<div class=\"note warning\">\n\(shown)\(more)</div>\n"
    let markup: Markup = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width,initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; \
      base-uri 'none'">
      <meta name="generator" content="\(program)">
      <title>\(kind): \(title)</title>
      <style>
      \(Stylesheet.text)</style>
      </head>
      <body>
      <main>
      <header>
      <p class="kind muted">\(kind)</p>
      <h1>\(name: title)</h1>
      <p class="lead">\(lead)</p>
      </header>
      \(tiles.markup)\
      \(warning)\
      \(sections.map(\.markup).joined())\
      <footer>Made by \(program). The page is complete in itself: it loads nothing and runs nothing.</footer>
      </main>
      </body>
      </html>

      """
    return Array(markup.source.utf8)
  }
}
