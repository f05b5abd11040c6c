// Two models side by side: how many tensors are the same, where the others differ, and by how much.

import ByteIO
import Foundation

/// A comparison, to be looked at.
package struct ComparisonReport: Sendable {
  /// One tensor that is not equal.
  package struct Tensor: Sendable {
    let name: String
    let status: String
    let maximum: Double?
    let relative: Double?
    let detail: String?

    /// A tensor.
    ///
    /// - Parameters:
    ///   - status: what was found.
    ///   - maximum: the largest difference of two values.
    ///   - relative: the relative difference of all of them.
    ///   - detail: what is there to say besides.
    package init(name: String, status: String, maximum: Double?, relative: Double?, detail: String?) {
      (self.name, self.status, self.maximum, self.relative, self.detail) = (name, status, maximum, relative, detail)
    }
  }

  let first: String
  let second: String
  let program: String
  let command: String?
  let tolerance: Double
  let counts: [(status: String, count: Int)]
  let differing: [Tensor]
  let incomparable: [Tensor]

  /// A comparison.
  ///
  /// - Parameters:
  ///   - counts: how many tensors were found to be what.
  ///   - differing: those that could be compared and are not equal, the worst first.
  ///   - incomparable: those that only one model has, or that have other shapes; some of them are enough.
  package init(
    first: String, second: String, program: String, command: String?, tolerance: Double,
    counts: [(status: String, count: Int)], differing: [Tensor], incomparable: [Tensor]
  ) {
    (self.first, self.second, self.program, self.command) = (first, second, program, command)
    (self.tolerance, self.counts, self.differing, self.incomparable) = (tolerance, counts, differing, incomparable)
  }

  /// The page.
  package var page: Page {
    let total = counts.reduce(0) { $0 + $1.count }
    let equal = counts.first { $0.status == "equal" }?.count ?? 0
    return Page(
      kind: "Comparison", title: first,
      lead: "Held against \(second), tensor by tensor: "
        + (equal == total ? "all are equal." : "\(Numbers.count(total - equal)) of \(Numbers.count(total)) are not equal."),
      tiles: Tiles(
        [("Tensors", Numbers.count(total), nil)] + counts.map { ($0.status.capitalized, Numbers.count($0.count), nil) }
          + [
            differing.lazy.compactMap(\.relative).max().map {
              ("Largest relative difference", Numbers.short($0), differing.first?.name)
            }
          ]),
      warnings: [],
      sections: [found, where_, worst, missing, Page.Section("How it was made", [command.map { Code($0) }, facts])],
      program: program)
  }

  private var facts: Facts {
    Facts([
      ("first model", first), ("second model", second),
      ("tolerance", tolerance == 0 ? "none: equal is equal in every value" : Numbers.short(tolerance)),
    ])
  }

  private var found: Page.Section {
    Page.Section(
      "What was found",
      [
        Bars(
          "Tensors", counts.map { Bars.Bar($0.status, amount: Double($0.count), value: Numbers.count($0.count)) })
      ])
  }

  private var where_: Page.Section {
    let kinds = ModuleKinds(differing.map(\.name))
    let relative = differing.map { $0.relative?.isFinite == true ? $0.relative : nil }
    let exponents = relative.compactMap { $0.flatMap { $0 > 0 ? log10($0) : nil } }
    return Page.Section(
      "Where they differ",
      note: "Relative difference: the root of the summed squares of the differences over that of the first model's values.",
      paired: true,
      [
        Lines("Along the layers", unit: "relative difference", xTitle: "layer", isWhole: true, kinds.series(relative, scale: 1)),
        HeatMap("Each tensor", unit: "relative difference", xTitle: "layer", kinds.rows(relative, scale: 1)),
        Self.decades(exponents),
      ])
  }

  /// How many tensors have which order of difference.
  private static func decades(_ exponents: [Double]) -> Histogram? {
    guard let least = exponents.min(), let greatest = exponents.max() else { return nil }
    let first = max(-40, Int(least.rounded(.down)))
    let last = max(first + 1, min(40, Int(greatest.rounded(.up))))
    // Thirds of decades, where that is few enough.
    let parts = last - first > 12 ? 1 : 3
    var counts = [Int](repeating: 0, count: (last - first) * parts)
    for exponent in exponents {
      let place = Int(((exponent - Double(first)) * Double(parts)).rounded(.down))
      counts[min(counts.count - 1, max(0, place))] += 1
    }
    return Histogram(
      "How many tensors differ how much", unit: "tensors", xTitle: "relative difference",
      bounds: (0...counts.count).map { pow(10, Double(first) + Double($0) / Double(parts)) }, counts: counts,
      isLogarithmic: true)
  }

  private var worst: Page.Section {
    Page.Section(
      "Tensors that differ most",
      [
        Table(
          [("tensor", .name), ("found", .text), ("relative", .number), ("largest", .number), ("remark", .text)],
          of: differing, most: 60
        ) {
          [
            $0.name, $0.status, $0.relative.map(Numbers.short) ?? "", $0.maximum.map(Numbers.short) ?? "",
            $0.detail ?? "",
          ]
        }
      ])
  }

  private var missing: Page.Section {
    let all = counts.filter { ["missing", "shape"].contains($0.status) }.reduce(0) { $0 + $1.count }
    let rest = all > incomparable.count ? "The first \(incomparable.count) of \(Numbers.count(all))." : nil
    return Page.Section(
      "Tensors that could not be compared", note: rest,
      [
        Table([("tensor", .name), ("found", .text), ("why", .text)], of: incomparable) {
          [$0.name, $0.status, $0.detail ?? ""]
        }
      ])
  }
}
