// How much of what rounding says of a form the solver leaves, by one layer that is solved in all of them. Of few bits it is
// more: feedback pushes weights beyond the ends of their grids. Figures: Documentation/gptq.md, "A size on demand".

/// What the solver leaves of the predicted costs, form by form.
struct FormRemainders {
  private var sums: [String: (loss: Double, rounded: Double)] = [:]

  /// Adds what was found of a module.
  mutating func add(_ module: [String: (loss: Double, rounded: Double)]) {
    for (form, found) in module where found.loss.isFinite && found.rounded.isFinite {
      let before = sums[form] ?? (0, 0)
      sums[form] = (before.loss + found.loss, before.rounded + found.rounded)
    }
  }

  /// Of each form, relative to that of which the least is left: rounding foretells it well as it is (above), and embeddings
  /// are rounded, so that costs must stay what they are beside theirs.
  var factors: [String: Double] {
    let ratios = sums.compactMapValues { $0.rounded > 0 && $0.loss > 0 ? $0.loss / $0.rounded : nil }
    guard let least = ratios.values.min() else { return [:] }
    return ratios.mapValues { $0 / least }
  }

  /// A module's costs with what the solver leaves of them.
  func applied(to costs: [String: ModuleCosts.Cost]) -> [String: ModuleCosts.Cost] {
    let factors = factors
    return costs.reduce(into: [:]) { result, cost in
      let factor = factors[cost.key] ?? 1
      result[cost.key] = ModuleCosts.Cost(divergence: cost.value.divergence * factor, loss: cost.value.loss * factor)
    }
  }
}
