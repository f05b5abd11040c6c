// One option for each of many items, so that costs are least in sum and sizes within a budget: the multiple-choice knapsack,
// solved exactly. First the relaxed problem, in which two options of one item may be mixed: it gives a price of size, a bound
// from below and a choice near to it. An option that at this price costs more than lies between that choice and the bound is
// in no better one. What is left is gone through item by item, keeping of all partial choices only those that none beats in
// both size and cost, and that the bound does not rule out.
// Sources: Nemhauser and Ullmann, Discrete Dynamic Programming and Capital Allocation, 1969 (the lists); Sinha and Zoltners,
// The Multiple-Choice Knapsack Problem, 1979 (the relaxed problem); Pisinger, A Minimal Algorithm for the Multiple-Choice
// Knapsack Problem, 1995 (its bounds on the lists).

/// A choice of one option for each item.
package struct ChoiceProblem: Sendable {
  /// What can be chosen for an item.
  package struct Option: Sendable, Equatable {
    /// What it takes of the budget; not negative.
    package let size: Int
    /// What it costs; finite.
    package let cost: Double

    /// An option.
    package init(size: Int, cost: Double) { (self.size, self.cost) = (size, cost) }
  }

  /// A choice.
  package struct Solution: Sendable, Equatable {
    /// For each item the number of its option.
    package let options: [Int]
    /// The sum of the sizes.
    package let size: Int
    /// The sum of the costs.
    package let cost: Double
    /// What no choice is below: the cost, where the choice is proven best.
    package let bound: Double

    /// Whether no other choice within the budget costs less.
    package var isProven: Bool { bound >= cost }
  }

  /// For each item its options, at least one.
  package let items: [[Option]]
  /// How many partial choices are kept at once. Where more are left, the list is thinned, and the solution says so.
  package var listLimit = 1 << 17

  /// A problem.
  package init(_ items: [[Option]]) {
    precondition(items.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.size >= 0 && $0.cost.isFinite } })
    self.items = items
  }

  /// The sizes of the smallest and of the largest choice.
  package var sizes: ClosedRange<Int> {
    let extremes = items.map { options in options.map(\.size) }.map { ($0.min() ?? 0, $0.max() ?? 0) }
    return extremes.reduce(0) { $0 + $1.0 }...extremes.reduce(0) { $0 + $1.1 }
  }

  /// The best choice within a budget; nil where not even the smallest fits.
  ///
  /// - Complexity: the relaxed problem is a sort; the lists are short where costs fall with sizes in about the same way in
  ///   all items, and never longer than ``listLimit``.
  package func solve(budget: Int) -> Solution? {
    let candidates = items.map(Self.undominated)
    guard candidates.reduce(0, { $0 + $1[0].size }) <= budget else { return nil }
    let relaxed = Relaxation(candidates, budget: budget)
    var best = relaxed.choice
    improve(&best, candidates, budget: budget)
    let gap = max(0, total(best, candidates).cost - relaxed.bound)
    let lists = Lists(candidates, relaxed, gap: gap * (1 + 1e-9) + abs(relaxed.bound) * 1e-13, budget, listLimit)
    if let found = lists.best, total(found, candidates).cost < total(best, candidates).cost { best = found }
    let (size, cost) = total(best, candidates)
    let chosen = zip(best, candidates).map { $1[$0].number }
    return Solution(options: chosen, size: size, cost: cost, bound: lists.isComplete ? cost : min(cost, relaxed.bound))
  }

  // MARK: Candidates

  /// An option that no other of its item beats in both size and cost.
  struct Candidate {
    let size: Int
    let cost: Double
    /// Its number among the item's options.
    let number: Int
  }

  /// By rising size and falling cost.
  static func undominated(_ options: [Option]) -> [Candidate] {
    var kept: [Candidate] = []
    let sorted = options.enumerated().sorted {
      ($0.element.size, $0.element.cost, $0.offset) < ($1.element.size, $1.element.cost, $1.offset)
    }
    for (number, option) in sorted where kept.last.map({ option.cost < $0.cost }) ?? true {
      kept.append(Candidate(size: option.size, cost: option.cost, number: number))
    }
    return kept
  }

  private func total(_ choice: [Int], _ candidates: [[Candidate]]) -> (size: Int, cost: Double) {
    zip(choice, candidates).reduce((0, 0.0)) { ($0.0 + $1.1[$1.0].size, $0.1 + $1.1[$1.0].cost) }
  }

  /// Takes every exchange of one or two options that costs less and fits, the best one of each item first.
  private func improve(_ choice: inout [Int], _ candidates: [[Candidate]], budget: Int) {
    var room = budget - total(choice, candidates).size
    for _ in 0..<8 {
      var isBetter = false
      for item in choice.indices {
        let now = candidates[item][choice[item]]
        // Larger options of this item, paid for by a smaller one of another.
        var best: (gain: Double, option: Int, other: (item: Int, option: Int)?)?
        for option in choice[item] + 1..<max(choice[item] + 1, candidates[item].count) {
          let next = candidates[item][option]
          let (more, gain) = (next.size - now.size, now.cost - next.cost)
          if more <= room {
            if gain > best?.gain ?? 0 { best = (gain, option, nil) }
            continue
          }
          for other in choice.indices where other != item {
            let mine = candidates[other][choice[other]]
            for smaller in 0..<choice[other] {
              let left = candidates[other][smaller]
              guard more - (mine.size - left.size) <= room else { continue }
              let change = gain - (left.cost - mine.cost)
              if change > best?.gain ?? 0 { best = (change, option, (other, smaller)) }
            }
          }
        }
        guard let best else { continue }
        isBetter = true
        choice[item] = best.option
        if let other = best.other { choice[other.item] = other.option }
        room = budget - total(choice, candidates).size
      }
      guard isBetter else { return }
    }
  }
}

/// The problem in which two options of one item may be mixed.
struct Relaxation {
  /// What a unit of size is worth where the budget ends; 0 where it is more than enough.
  let price: Double
  /// What no choice costs less than.
  let bound: Double
  /// A choice that fits: the relaxed one, rounded down, and what fits besides.
  let choice: [Int]
  /// For each item the least cost of an option, its size paid for.
  let least: [Double]

  init(_ candidates: [[ChoiceProblem.Candidate]], budget: Int) {
    // Steps along the lower hull of each item: their worth for a unit of size falls.
    var steps: [(item: Int, from: Int, to: Int, size: Int, worth: Double)] = []
    for (item, options) in candidates.enumerated() {
      let hull = Self.hull(options)
      for (from, to) in zip(hull, hull.dropFirst()) {
        let size = options[to].size - options[from].size
        steps.append((item, from, to, size, (options[from].cost - options[to].cost) / Double(size)))
      }
    }
    steps.sort { ($1.worth, $0.item, $0.from) < ($0.worth, $1.item, $1.from) }
    var choice = candidates.map { _ in 0 }
    var room = budget - candidates.reduce(0) { $0 + $1[0].size }
    var price: Double?
    for step in steps where choice[step.item] == step.from {
      if step.size <= room {
        choice[step.item] = step.to
        room -= step.size
      } else if price == nil {
        price = step.worth
      }
    }
    let found = price ?? 0
    let least = candidates.map { options in options.map { $0.cost + found * Double($0.size) }.min() ?? 0 }
    (self.price, self.choice, self.least) = (found, choice, least)
    bound = least.reduce(0, +) - found * Double(budget)
  }

  /// The options on the lower hull of sizes and costs.
  private static func hull(_ options: [ChoiceProblem.Candidate]) -> [Int] {
    var hull: [Int] = []
    for next in options.indices {
      while hull.count >= 2 {
        let (a, b) = (options[hull[hull.count - 2]], options[hull[hull.count - 1]])
        // Whether b lies on or above the line from a to the next.
        let line = (a.cost - options[next].cost) * Double(b.size - a.size)
        guard (a.cost - b.cost) * Double(options[next].size - a.size) <= line else { break }
        hull.removeLast()
      }
      hull.append(next)
    }
    return hull
  }
}

/// Partial choices, item by item.
private struct Lists {
  /// The best choice below the gap; nil where there is none.
  private(set) var best: [Int]?
  /// Whether no list was thinned.
  private(set) var isComplete = true

  private struct State {
    let size: Int
    let cost: Double
    /// In the list before.
    let parent: Int32
    let option: Int32
  }

  init(
    _ candidates: [[ChoiceProblem.Candidate]], _ relaxed: Relaxation, gap: Double, _ budget: Int, _ limit: Int
  ) {
    // At the price, an option's size is paid for; what is left is how far it is from the bound.
    let allowed = candidates.enumerated().map { item, options in
      options.indices.filter {
        options[$0].cost + relaxed.price * Double(options[$0].size) - relaxed.least[item] <= gap
      }
    }
    // Items with one option left first: they only move the list.
    let order = candidates.indices.sorted { (allowed[$0].count, $0) < (allowed[$1].count, $1) }
    var smallest = candidates.indices.reduce(0) { $0 + candidates[$1][allowed[$1][0]].size }
    var paid = 0.0
    var lists: [[State]] = [[State(size: 0, cost: 0, parent: 0, option: 0)]]
    for item in order {
      smallest -= candidates[item][allowed[item][0]].size
      paid += relaxed.least[item]
      var next: [State] = []
      for (parent, state) in lists[lists.count - 1].enumerated() {
        for option in allowed[item] {
          let candidate = candidates[item][option]
          let (size, cost) = (state.size + candidate.size, state.cost + candidate.cost)
          guard size <= budget - smallest, cost + relaxed.price * Double(size) - paid <= gap else { continue }
          next.append(State(size: size, cost: cost, parent: Int32(parent), option: Int32(option)))
        }
      }
      next.sort { ($0.size, $0.cost, $0.parent, $0.option) < ($1.size, $1.cost, $1.parent, $1.option) }
      var kept: [State] = []
      for state in next where kept.last.map({ state.cost < $0.cost }) ?? true { kept.append(state) }
      if kept.count > limit {
        isComplete = false
        kept = thinned(kept, relaxed.price, to: limit)
      }
      lists.append(kept)
    }
    guard var at = lists[lists.count - 1].indices.last else { return }
    var choice = candidates.map { _ in 0 }
    for (place, item) in order.enumerated().reversed() {
      let state = lists[place + 1][at]
      choice[item] = Int(state.option)
      at = Int(state.parent)
    }
    best = choice
  }

  /// Of each of so many parts of a list the partial choice that is nearest to the bound.
  private func thinned(_ states: [State], _ price: Double, to limit: Int) -> [State] {
    (0..<limit).compactMap { part in
      states[part * states.count / limit..<(part + 1) * states.count / limit].min {
        $0.cost + price * Double($0.size) < $1.cost + price * Double($1.size)
      }
    }
  }
}
