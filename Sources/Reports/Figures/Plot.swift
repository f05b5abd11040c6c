// Lines and histograms on two axes. The drawing is stretched to its place, its strokes and all labels are not: letters have
// one size at every width.

/// What stands around a drawing: its title, its axes and what its series are.
struct PlotFrame {
  let title: String
  let unit: String?
  let xTitle: String
  let x: Axis
  let y: Axis
  var xLabel: (Double) -> String = Numbers.short
  var yLabel: (Double) -> String = Numbers.short
  /// Names of the series, in the order of their colours.
  var legend: [String] = []
  var isLow = false

  /// The size that drawings are made for.
  static let (width, height) = (1000.0, 400.0)

  func horizontal(_ value: Double) -> Double { x.place(value) * Self.width }
  func vertical(_ value: Double) -> Double { (1 - y.place(value)) * Self.height }

  func markup(_ drawing: Markup, description: String) -> Markup {
    let labels = y.ticks.map { (y.place($0), yLabel($0)) }
    let longest = labels.map { $0.1.count }.max() ?? 1
    let ys = labels.map { "<span style=\"bottom:\(at: 100 * $0.0)%\">\($0.1)</span>" as Markup }
    let xs = x.ticks.map { tick -> Markup in
      let place = x.place(tick)
      let end: Markup = place < 0.03 ? " class=\"a\"" : place > 0.97 ? " class=\"z\"" : Markup()
      return "<span\(end) style=\"left:\(at: 100 * place)%\">\(xLabel(tick))</span>"
    }
    let lines = y.ticks.map { tick -> Markup in
      "<path class=\"grid\" d=\"M0 \(at: vertical(tick))H1000\"/>"
    }
    let keys = legend.enumerated().map { index, name -> Markup in
      """
      <li class="s\(index % Stylesheet.seriesCount)"><svg viewBox="0 0 18 10" aria-hidden="true">\
      <path class="line d\(index % Stylesheet.seriesCount)" d="M1 5H17"/></svg><span class="name">\(name: name)</span></li>

      """
    }
    let height: Markup = isLow ? " low" : Markup()
    let units: Markup = unit.map { "<small>\($0)</small>" } ?? Markup()
    let list: Markup = legend.isEmpty ? Markup() : "<ul class=\"legend\">\n\(keys.joined())</ul>\n"
    return """
      <figure><figcaption>\(title)\(units)</figcaption>
      \(list)<div class="frame"><div class="ys" style="width:\(longest)ch">\(ys.joined())</div>
      <svg class="area\(height)" viewBox="0 0 1000 400" preserveAspectRatio="none" role="img" \
      aria-label="\(description)">\(lines.joined())\(drawing)</svg>
      <div class="xs">\(xs.joined())</div><p class="axis">\(xTitle)</p></div></figure>

      """
  }
}

/// Lines over one axis.
package struct Lines: Figure {
  /// A line: its points in the order of x.
  package struct Series: Sendable {
    let name: String
    let points: [(x: Double, y: Double)]

    /// A line; points that are no numbers are left out.
    package init(_ name: String, _ points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points.filter { $0.x.isFinite && $0.y.isFinite }
    }
  }

  /// The most points of all lines together; where there are more, neighbours become their mean.
  static let mostPoints = 4000

  let title: String
  let unit: String?
  let xTitle: String
  let series: [Series]
  let isWhole: Bool
  let isLogarithmic: Bool

  /// Lines; without a point nothing is drawn.
  ///
  /// - Parameters:
  ///   - unit: what the values are, and their unit.
  ///   - isWhole: whether x is whole numbers.
  ///   - mayBeLogarithmic: whether the axis of values may have equal ratios where they are far apart.
  package init?(
    _ title: String, unit: String?, xTitle: String, isWhole: Bool, mayBeLogarithmic: Bool = true, _ series: [Series]
  ) {
    let drawn = series.filter { !$0.points.isEmpty }.prefix(Stylesheet.seriesCount)
    guard !drawn.isEmpty else { return nil }
    (self.title, self.unit, self.xTitle, self.isWhole, isLogarithmic) = (title, unit, xTitle, isWhole, mayBeLogarithmic)
    self.series = drawn.map { Self.thinned($0, to: Self.mostPoints / drawn.count) }
  }

  private static func thinned(_ series: Series, to most: Int) -> Series {
    guard series.points.count > most else { return series }
    let step = (series.points.count + most - 1) / most
    return Series(
      series.name,
      stride(from: 0, to: series.points.count, by: step).map { first in
        let part = series.points[first..<min(series.points.count, first + step)]
        return (part.reduce(0) { $0 + $1.x } / Double(part.count), part.reduce(0) { $0 + $1.y } / Double(part.count))
      })
  }

  /// The lines.
  package var markup: Markup {
    let all = series.flatMap(\.points)
    let xs = all.map(\.x)
    let (least, greatest) = (xs.min() ?? 0, xs.max() ?? 1)
    let x =
      isWhole
      ? Axis(whole: Int(least)...Int(greatest)) : Axis(xs, includesZero: false, count: 6)
    var frame = PlotFrame(
      title: title, unit: unit, xTitle: xTitle, x: x, y: Axis(all.map { $0.y }, mayBeLogarithmic: isLogarithmic))
    if isWhole { frame.xLabel = { Numbers.count(Int($0)) } }
    if series.count > 1 { frame.legend = series.map { $0.name } }
    let drawing: [Markup] = series.enumerated().map { [frame] index, series -> Markup in
      var (path, dots) = (Markup(), Markup())
      for (number, point) in series.points.enumerated() {
        let place: Markup = "\(at: frame.horizontal(point.x)) \(at: frame.vertical(point.y))"
        path += number == 0 ? "M\(place)" : "L\(place)"
        dots += "M\(place)h.01"
      }
      // Points by themselves where there are few: a line of one point is not seen.
      let marks: Markup = all.count > 400 ? Markup() : "<path class=\"dot\" d=\"\(dots)\"/>"
      return """
        <g class="s\(index)"><path class="line d\(index)" d="\(path)"><title>\(series.name)</title></path>\(marks)</g>
        """
    }
    return frame.markup(drawing.joined(), description: "\(title), by \(xTitle)")
  }
}

/// How often values occur.
package struct Histogram: Figure {
  let title: String
  let unit: String?
  let xTitle: String
  let bounds: [Double]
  let counts: [Int]
  let isLogarithmic: Bool
  let xLabel: (Double) -> String

  /// A histogram.
  ///
  /// - Parameters:
  ///   - bounds: the bounds of the bins, one more than these; in order.
  ///   - counts: how many values each bin has.
  ///   - isLogarithmic: whether bounds have equal ratios; they are labelled as powers of ten then.
  package init?(
    _ title: String, unit: String? = nil, xTitle: String, bounds: [Double], counts: [Int], isLogarithmic: Bool = false,
    xLabel: @escaping (Double) -> String = Numbers.short
  ) {
    guard !counts.isEmpty, bounds.count == counts.count + 1, counts.contains(where: { $0 > 0 }) else { return nil }
    (self.title, self.unit, self.xTitle) = (title, unit, xTitle)
    (self.bounds, self.counts, self.isLogarithmic, self.xLabel) = (bounds, counts, isLogarithmic, xLabel)
  }

  /// The histogram.
  package var markup: Markup {
    // Bins have equal widths on the page; their labels stand at their bounds.
    let last = Double(counts.count)
    let step = max(1, (counts.count + 5) / 6)
    let places = Array(stride(from: 0, through: counts.count, by: step))
    let frame = PlotFrame(
      title: title, unit: unit, xTitle: xTitle, x: Axis(bins: counts.count, labelled: places),
      y: Axis(counts.map(Double.init), count: 3),
      xLabel: { xLabel(bounds[min(bounds.count - 1, max(0, Int($0.rounded())))]) }, yLabel: Self.amount, isLow: true)
    let bars = counts.enumerated().filter { $1 > 0 }.map { index, count -> Markup in
      let (left, right) = (Double(index) / last * 1000, Double(index + 1) / last * 1000)
      let top = min(398.5, frame.vertical(Double(count)))
      return "M\(at: left + 0.6) 400V\(at: top)H\(at: right - 0.6)V400Z"
    }
    let drawing: Markup = "<path class=\"s0 fill\" d=\"\(bars.joined())\"/>"
    return frame.markup(drawing, description: "\(title): how often, by \(xTitle)")
  }

  private static func amount(_ value: Double) -> String {
    value >= 1e9
      ? Numbers.short(value / 1e9) + " G"
      : value >= 1e6 ? Numbers.short(value / 1e6) + " M" : value >= 1e4 ? Numbers.short(value / 1e3) + " k" : Numbers.short(value)
  }
}

extension Axis {
  /// An axis of bins, with labels at some of their bounds.
  init(bins count: Int, labelled places: [Int]) {
    (range, isLogarithmic, ticks) = (0...Double(max(1, count)), false, places.map(Double.init))
  }
}
