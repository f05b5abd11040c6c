import TestSupport
import Testing

@testable import Quantize

@Suite("One option for each item, within a budget") struct ChoiceTests {
  private typealias Option = ChoiceProblem.Option

  /// Items as modules are: sizes in steps, costs that fall about geometrically; and some that are anything.
  private func problem(_ generator: inout SplitMix64, items: Int, isWild: Bool) -> ChoiceProblem {
    ChoiceProblem(
      (0..<items).map { _ in
        let weights = Int.random(in: 1...9, using: &generator)
        let scale = Double.random(in: 0.1...10, using: &generator)
        return (0..<Int.random(in: 1...5, using: &generator)).map { step in
          isWild
            ? Option(
              size: Int.random(in: 0...40, using: &generator), cost: Double(Int.random(in: 0...20, using: &generator)))
            : Option(
              size: weights * (2 + step),
              cost: scale / Double(1 << (2 * step)) * Double.random(in: 0.8...1.2, using: &generator))
        }
      })
  }

  /// Every choice there is.
  private func best(_ problem: ChoiceProblem, budget: Int) -> Double? {
    var best: Double?
    func follow(_ item: Int, _ size: Int, _ cost: Double) {
      guard size <= budget else { return }
      guard item < problem.items.count else {
        best = min(best ?? .infinity, cost)
        return
      }
      for option in problem.items[item] { follow(item + 1, size + option.size, cost + option.cost) }
    }
    follow(0, 0, 0)
    return best
  }

  @Test("the choice is the best of all that there are", arguments: [false, true])
  func exact(isWild: Bool) throws {
    var generator = SplitMix64(seed: isWild ? 2 : 1)
    for _ in 0..<400 {
      let problem = problem(&generator, items: Int.random(in: 1...6, using: &generator), isWild: isWild)
      let sizes = problem.sizes
      let budget = Int.random(in: max(0, sizes.lowerBound - 3)...sizes.upperBound + 3, using: &generator)
      let (found, wanted) = (problem.solve(budget: budget), best(problem, budget: budget))
      #expect((found == nil) == (wanted == nil))
      guard let found, let wanted else { continue }
      #expect(abs(found.cost - wanted) <= 1e-9 * (1 + wanted), "\(problem.items), \(budget)")
      #expect(found.isProven && found.size <= budget)
      let chosen = zip(problem.items, found.options).map { $0[$1] }
      #expect(chosen.reduce(0) { $0 + $1.size } == found.size)
      #expect(abs(chosen.reduce(0) { $0 + $1.cost } - found.cost) <= 1e-9 * (1 + wanted))
    }
  }

  @Test("as many items as a large model has modules, and a smaller budget never costs less")
  func large() throws {
    var generator = SplitMix64(seed: 3)
    let problem = problem(&generator, items: 560, isWild: false)
    var last = -Double.infinity
    for part in stride(from: 10, through: 0, by: -1) {
      let sizes = problem.sizes
      let budget = sizes.lowerBound + (sizes.upperBound - sizes.lowerBound) * part / 10
      let found = try #require(problem.solve(budget: budget))
      #expect(found.isProven && found.size <= budget && found.cost >= last - 1e-9)
      last = found.cost
    }
  }

  @Test("a list that is cut short is said to be, and what it gives fits and is within the bound that it has")
  func thinned() throws {
    var generator = SplitMix64(seed: 4)
    // Costs that have nothing to do with sizes: no bound rules much out.
    var problem = ChoiceProblem(
      (0..<40).map { _ in
        (0..<4).map { _ in
          Option(
            size: Int.random(in: 1000...2000, using: &generator),
            cost: Double.random(in: 1000...1001, using: &generator))
        }
      })
    problem.listLimit = 8
    let found = try #require(problem.solve(budget: 56_000))
    #expect(found.size <= 56_000 && found.bound <= found.cost)
    problem.listLimit = 1 << 16
    let exact = try #require(problem.solve(budget: 56_000))
    #expect(exact.isProven && exact.cost <= found.cost && found.bound <= exact.cost)
  }

  @Test("equal options, one item, and no room at all")
  func edges() {
    let one = ChoiceProblem([[Option(size: 5, cost: 1), Option(size: 5, cost: 1), Option(size: 4, cost: 1)]])
    #expect(one.solve(budget: 4)?.options == [2])
    #expect(one.solve(budget: 3) == nil)
    #expect(ChoiceProblem([]).solve(budget: 0)?.options == [])
    #expect(one.solve(budget: 100)?.isProven == true)
  }
}
