import ByteIO
import Foundation
import Reports
import Testing

@Suite("Pages of figures") struct MarkupTests {
  /// Names that would be markup, or would end what they stand in.
  static let hostile = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style><script>x()</script>", "' onload='x()",
    "</title></head><body onload=x()>", "<!--", "-->", "&lt;b&gt;", "a\u{202E}b\u{0}c\nd", "]]><svg/onload=x()>",
    "javascript:alert(1)", String(repeating: "<b>", count: 4000),
  ]

  @Test("what is put into markup is text, whatever it is")
  func escaped() {
    let markup: Markup = "<p title=\"\("a\"b")\">\("<b>&'")</p>"
    #expect(markup.source == "<p title=\"a&quot;b\">&lt;b&gt;&amp;&#39;</p>")
    #expect(("\("\u{202E}\u{0}")" as Markup).source == "\\u{202e}\\u{0}")
    #expect(Markup(name: "a.b/c_d").source == "a.<wbr>b/<wbr>c_<wbr>d")
    #expect(Markup(name: String(repeating: "x", count: 1 << 20)).source.count < 400)
  }

  /// Every kind of page, with a name wherever a name can stand.
  static func pages(_ name: String) -> [Page] {
    let modules = (0..<3).flatMap { layer in
      ["q", "up"].map { kind in
        QuantizationReport.Module(
          name: "m.\(layer).\(kind)\(name)", error: 0.01 * Double(layer + 1), form: name, weights: 4096,
          formerBytes: 8192,
          bytes: 2304, seconds: 0.5, warnings: layer == 0 ? [name] : [])
      }
    }
    let quantization = QuantizationReport(
      title: name, program: name, lead: name, command: name, facts: [(name, name), ("none", nil)], modules: modules,
      kept: [(name, 100, 100)], formerBytes: 1 << 20, bytes: 1 << 18, seconds: 75, peakMemory: 1 << 20, remark: name)
    let tensor = { (layer: Int) in
      ComparisonReport.Tensor(
        name: "m.\(layer).\(name)", status: "different", maximum: 0.1, relative: 0.01 * Double(layer + 1), detail: name)
    }
    let comparison = ComparisonReport(
      first: name, second: name, program: name, command: name, tolerance: 0, counts: [("equal", 1), ("different", 3)],
      differing: (0..<3).map(tensor), incomparable: [tensor(9)])
    let evaluation = EvaluationReport(
      model: name, reference: name, program: name, command: name, facts: [(name, name)], tokens: 10, perplexity: 3,
      otherPerplexity: 2.9, divergence: 0.01, agreement: 0.9,
      stretches: (0..<5).map {
        .init(position: Double($0), loss: 1, otherLoss: 1.1, divergence: 0.01 * Double($0), agreement: 0.5)
      }, spread: ([0.1, 1, 10], [3, 4]),
      worst: [
        .init(
          position: 3, window: 0, before: name, actual: name, own: (name, 0.5), other: (name, 0.25), loss: 2,
          divergence: 1)
      ])
    let inspection = InspectionReport(
      title: name, program: name, command: name, format: name, tensorCount: 2, parameters: 10, bytes: 100,
      facts: [(name, name)], groups: [.init(name: name, count: 2, type: name, shape: "[2]", bytes: 100, elements: 10)],
      values: [.init(name: name, bounds: [0, 1, 2], counts: [1, 2], note: name)], scales: [])
    return [quantization.page, comparison.page, evaluation.page, inspection.page]
  }

  /// The names of a page's tags and of their attributes, in order; places to break a name apart.
  private static func structure(_ page: Page) -> [String] {
    String(decoding: page.html, as: UTF8.self).matches(of: /<[^>]*>/).map { match in
      // Values in quotes have no sign in them that could end them.
      String(match.output).replacing(/"[^"]*"/, with: "")
    }.filter { $0 != "<wbr>" }
  }

  @Test("a hostile name changes no tag of any page", arguments: hostile)
  func injection(name: String) {
    let honest = Self.pages("name").map(Self.structure)
    let found = Self.pages(name).map(Self.structure)
    for (one, other) in zip(honest, found) { #expect(one == other) }
    #expect(honest.allSatisfy { $0.count > 60 })
    for page in Self.pages(name) {
      let html = String(decoding: page.html, as: UTF8.self)
      #expect(!html.contains("<script") && !html.contains("<img"))
      #expect(html.contains("default-src 'none'"))
    }
  }

  @Test("a page asks for nothing from elsewhere, and equal figures are equal bytes")
  func complete() {
    for (one, other) in zip(Self.pages("a"), Self.pages("a")) {
      #expect(one.html == other.html)
      let html = String(decoding: one.html, as: UTF8.self)
      for word in ["http:", "https:", "url(", "@import", "src=", "href=", "<link"] {
        #expect(!html.contains(word), "\(word)")
      }
      #expect(html.contains("prefers-color-scheme:dark") && html.contains("@media print"))
    }
  }

  @Test("figures that are no numbers do not break a page")
  func notNumbers() {
    for value in [Double.nan, .infinity, -.infinity, 0, -1, 1e300, .leastNonzeroMagnitude] {
      let modules = (0..<2).map { QuantizationReport.Module(name: "m.\($0).q", error: value, seconds: value) }
      let report = QuantizationReport(
        title: "t", program: "p", lead: "l", facts: [], modules: modules, kept: [], formerBytes: nil, bytes: 0,
        seconds: value)
      let html = String(decoding: report.page.html, as: UTF8.self)
      #expect(!html.contains("=\"nan") && !html.contains("=\"inf") && html.hasSuffix("</html>\n"))
    }
    let empty = QuantizationReport(
      title: "t", program: "p", lead: "l", facts: [], modules: [], kept: [], formerBytes: nil, bytes: 0)
    #expect(String(decoding: empty.page.html, as: UTF8.self).contains("</main>"))
  }

  @Test("a page of 300 000 tensors is no larger than one that can be read")
  func bounded() {
    let group = InspectionReport.Group(name: "a.tensor", count: 1, type: "F16", shape: "[2, 2]", bytes: 8, elements: 4)
    let inspection = InspectionReport(
      title: "t", program: "p", command: nil, format: "f", tensorCount: 300_000, parameters: 1, bytes: 8, facts: [],
      groups: Array(repeating: group, count: 300_000), values: [], scales: [])
    #expect(inspection.page.html.count < 200_000)
    let modules = (0..<20_000).map { QuantizationReport.Module(name: "m.\($0).\($0 % 997).q", error: 0.1, bytes: 1) }
    let quantization = QuantizationReport(
      title: "t", program: "p", lead: "l", facts: [], modules: modules, kept: [], formerBytes: nil, bytes: 0)
    #expect(quantization.page.html.count < 400_000)
  }

  @Test(
    "numbers in three digits",
    arguments: [
      (0.0, "0"), (1.0, "1"), (1234.5, "1235"), (0.01234, "0.0123"), (12.34, "12.3"), (-0.5, "−0.5"),
      (1.5e-5, "1.5e−5"),
      (6.74e9, "6.74e9"), (.infinity, "∞"),
    ])
  func short(value: Double, text: String) { #expect(Numbers.short(value) == text) }

  @Test("large counts and times")
  func words() {
    #expect(Numbers.large(6_738_415_616) == "6.74 billion" && Numbers.count(1_234_567) == "1\u{202F}234\u{202F}567")
    #expect(Numbers.duration(75) == "1 min 15 s" && Numbers.duration(2.34) == "2.3 s")
    #expect(Numbers.percent(0.0123) == "1.23 %")
  }
}

@Suite("Names that differ in numbers") struct NameFoldingTests {
  private func fold(_ names: [String], _ traits: [String] = []) -> [String] {
    NameFolding.lines(names.count) {
      names[$0]
    } trait: {
      traits.isEmpty ? "" : traits[$0]
    }.map { line in
      line.indices.count > 1 ? "\(line.name) × \(line.indices.count)" : line.name
    }
  }

  @Test("layers are one line, each kind where its first is")
  func layers() {
    let names = (0..<32).flatMap { ["model.layers.\($0).a", "model.layers.\($0).b"] } + ["norm"]
    #expect(fold(names) == ["model.layers.{0..31}.a × 32", "model.layers.{0..31}.b × 32", "norm"])
  }

  @Test("only where type and shape agree")
  func traits() {
    #expect(
      fold((0..<5).map { "l.\($0).w" }, ["a", "a", "b", "a", "a"]) == ["l.{0..1,3..4}.w × 4", "l.2.w"])
  }

  @Test("experts and layers together where every pair is there, and over the layers alone where not")
  func boxes() {
    let all = (0..<3).flatMap { layer in (0..<4).map { "l.\(layer).e.\($0).w" } }
    #expect(fold(all) == ["l.{0..2}.e.{0..3}.w × 12"])
    #expect(
      fold(Array(all.dropLast())) == [
        "l.{0..2}.e.0.w × 3", "l.{0..2}.e.1.w × 3", "l.{0..2}.e.2.w × 3", "l.{0..1}.e.3.w × 2",
      ])
  }

  @Test(
    "a number is digits between dots that are written in one way", arguments: ["a.01.b", "a.1x.b", "a.-1.b", "a.１.b"])
  func numbers(name: String) {
    #expect(NumberedName(name).numbers.isEmpty)
    #expect(fold([name, name + "2"]) == [name, name + "2"])
  }

  @Test("each name is in one line, whatever the names are")
  func complete() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let names = Set(
        (0..<60).map { _ in
          (0..<Int.random(in: 1...4, using: &generator)).map { _ in
            ["a", "b", "\(Int.random(in: 0...3, using: &generator))"].randomElement(using: &generator)!
          }.joined(separator: ".")
        }
      ).sorted()
      let lines = NameFolding.lines(names.count) {
        names[$0]
      } trait: { _ in
        ""
      }
      #expect(lines.flatMap(\.indices).sorted() == Array(names.indices))
    }
  }

  @Test("what all layers' names begin with is left out")
  func shortened() {
    #expect(
      NumberedName.shortened(["model.layers.*.mlp.up", "model.layers.*.q", "lm_head"])
        == ["model.layers.*.mlp.up": "mlp.up", "model.layers.*.q": "q", "lm_head": "lm_head"])
    #expect(NumberedName.shortened(["a.*.x", "b.*.x"]) == ["a.*.x": "a.*.x", "b.*.x": "b.*.x"])
  }
}
