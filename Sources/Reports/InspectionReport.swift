// What is in a checkpoint: sizes by part and type, the tensors, and how their values are spread.

import ByteIO

/// A checkpoint, to be looked at.
package struct InspectionReport: Sendable {
  /// Tensors of one kind: a line of the list.
  package struct Group: Sendable {
    let name: String
    let count: Int
    let type: String
    let shape: String
    let bytes: Int
    let elements: Int

    /// Tensors.
    ///
    /// - Parameters:
    ///   - name: theirs, folded.
    ///   - bytes: of all of them together, as are the elements.
    package init(name: String, count: Int, type: String, shape: String, bytes: Int, elements: Int) {
      (self.name, self.count, self.type, self.shape) = (name, count, type, shape)
      (self.bytes, self.elements) = (bytes, elements)
    }
  }

  /// How the values of some tensors are spread.
  package struct Spread: Sendable {
    let name: String
    let bounds: [Double]
    let counts: [Int]
    let note: String

    /// A spread.
    ///
    /// - Parameter note: extremes, and what lies outside of the bounds.
    package init(name: String, bounds: [Double], counts: [Int], note: String) {
      (self.name, self.bounds, self.counts, self.note) = (name, bounds, counts, note)
    }
  }

  let title: String
  let program: String
  let command: String?
  let format: String
  let tensorCount: Int
  let parameters: Int
  let bytes: Int
  let facts: [(name: String, value: String?)]
  let groups: [Group]
  let values: [Spread]
  let scales: [Spread]

  /// The most histograms of a kind on a page.
  package static let mostSpreads = 24

  /// A checkpoint.
  ///
  /// - Parameters:
  ///   - facts: what the file says besides tensors.
  ///   - values: of weights.
  ///   - scales: of what weights are multiplied by.
  package init(
    title: String, program: String, command: String?, format: String, tensorCount: Int, parameters: Int, bytes: Int,
    facts: [(name: String, value: String?)], groups: [Group], values: [Spread], scales: [Spread]
  ) {
    (self.title, self.program, self.command, self.format) = (title, program, command, format)
    (self.tensorCount, self.parameters, self.bytes) = (tensorCount, parameters, bytes)
    (self.facts, self.groups, self.values, self.scales) = (facts, groups, values, scales)
  }

  /// The page.
  package var page: Page {
    Page(
      kind: "Checkpoint", title: title, lead: "What is in it, and how its values are spread.",
      tiles: Tiles([
        ("Tensors", Numbers.count(tensorCount), format), ("Parameters", Numbers.large(parameters), nil),
        ("Size", byteCount(bytes), nil),
        parameters > 0 ? ("Bits a parameter", fixed(8 * Double(bytes) / Double(parameters), 2), nil) : nil,
      ]), warnings: [],
      sections: [
        sizes, spreads("Values", values), spreads("Scales", scales), list,
        Page.Section(
          "What the file says besides", [facts.isEmpty ? nil : Facts(Array(facts.prefix(60)))]),
        Page.Section("How it was made", [command.map { Code($0) }]),
      ], program: program)
  }

  private var sizes: Page.Section {
    let order = groups.enumerated().sorted {
      $0.element.bytes != $1.element.bytes ? $0.element.bytes > $1.element.bytes : $0.offset < $1.offset
    }.map(\.element)
    var types: [String] = []
    var byType: [String: (count: Int, bytes: Int)] = [:]
    for group in groups {
      if byType[group.type] == nil { types.append(group.type) }
      let sum = byType[group.type, default: (0, 0)]
      byType[group.type] = (sum.count + group.count, sum.bytes + group.bytes)
    }
    types.sort { (byType[$0]?.bytes ?? 0, $1) > (byType[$1]?.bytes ?? 0, $0) }
    let share = { (part: Int) in bytes > 0 ? ", \(Numbers.percent(Double(part) / Double(bytes)))" : "" }
    return Page.Section(
      "Sizes",
      [
        Bars(
          "By part", unit: "bytes, all layers together",
          order.prefix(20).map { group in
            Bars.Bar(
              group.name, detail: "\(Numbers.count(group.count)) × \(group.type) \(group.shape)",
              amount: Double(group.bytes), value: byteCount(group.bytes) + share(group.bytes))
          }),
        Bars(
          "By type", unit: "bytes",
          types.map { type in
            let sum = byType[type, default: (0, 0)]
            return Bars.Bar(
              type, detail: "\(Numbers.count(sum.count)) tensor\(sum.count == 1 ? "" : "s")", amount: Double(sum.bytes),
              value: byteCount(sum.bytes) + share(sum.bytes))
          }),
      ])
  }

  private func spreads(_ title: String, _ spreads: [Spread]) -> Page.Section {
    Page.Section(
      title, paired: true,
      spreads.prefix(Self.mostSpreads).map {
        Histogram($0.name, unit: $0.note, xTitle: "value", bounds: $0.bounds, counts: $0.counts)
      })
  }

  private var list: Page.Section {
    Page.Section(
      "Tensors", note: "Those that differ in numbers only stand in one line.",
      [
        Table(
          [("tensor", .name), ("type", .text), ("shape", .text), ("count", .number), ("bytes", .number)], of: groups
        ) { [$0.name, $0.type, $0.shape, Numbers.count($0.count), byteCount($0.bytes)] }
      ])
  }
}
