// Modules by kind and layer: what plots over the layers of a model are made of.

/// Names of modules or tensors, by what they have in common.
struct ModuleKinds {
  /// The members of one kind.
  struct Group {
    /// The name without the layer.
    let name: String
    /// Their numbers, in the order of the names.
    let members: [Int]
  }

  /// The kinds, in the order of their first members.
  let groups: [Group]
  private let layers: [Int?]

  init(_ names: [String]) {
    let parts = names.map(NumberedName.init)
    layers = parts.map(\.layer)
    var members: [String: [Int]] = [:]
    var order: [String] = []
    for (index, part) in parts.enumerated() {
      if members[part.pattern] == nil { order.append(part.pattern) }
      members[part.pattern, default: []].append(index)
    }
    let short = NumberedName.shortened(order)
    groups = order.map { Group(name: short[$0] ?? $0, members: members[$0] ?? []) }
  }

  /// The kinds that layers have, with the mean of a kind's values in each layer.
  private func means(_ values: [Double?], scale: Double) -> [(name: String, values: [Int: Double])] {
    groups.compactMap { group in
      var sums: [Int: (sum: Double, count: Int)] = [:]
      for index in group.members {
        guard let layer = layers[index], let value = values[index], value.isFinite else { continue }
        let sum = sums[layer, default: (0, 0)]
        sums[layer] = (sum.sum + value * scale, sum.count + 1)
      }
      return sums.isEmpty ? nil : (group.name, sums.mapValues { $0.sum / Double($0.count) })
    }
  }

  /// A line for each kind over the layers; the kinds with the greatest values, where there are too many.
  func series(_ values: [Double?], scale: Double) -> [Lines.Series] {
    var means = means(values, scale: scale)
    if means.count > Stylesheet.seriesCount {
      let greatest = means.map { $0.values.values.max() ?? 0 }.sorted(by: >)[Stylesheet.seriesCount - 1]
      means = Array(means.filter { ($0.values.values.max() ?? 0) >= greatest }.prefix(Stylesheet.seriesCount))
    }
    return means.map { kind in
      Lines.Series(kind.name, kind.values.sorted { $0.key < $1.key }.map { (Double($0.key), $0.value) })
    }
  }

  /// A row for each kind over the layers.
  func rows(_ values: [Double?], scale: Double) -> [HeatMap.Row] {
    means(values, scale: scale).map { HeatMap.Row($0.name, $0.values) }
  }

  /// The sums of all values of a layer.
  func byLayer(_ values: [Double?]) -> [(x: Double, y: Double)] {
    var sums: [Int: Double] = [:]
    for (index, value) in values.enumerated() {
      guard let layer = layers[index], let value, value.isFinite else { continue }
      sums[layer, default: 0] += value
    }
    return sums.sorted { $0.key < $1.key }.map { (Double($0.key), $0.value) }
  }

  /// The members that belong to no layer and have a value.
  func outside(_ values: [Double?]) -> [Int] { values.indices.filter { layers[$0] == nil && values[$0] != nil } }
}
