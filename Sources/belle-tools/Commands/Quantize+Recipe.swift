// The steps of the solver: a named choice of them, and single ones that were asked for.

import ArgumentParser
import Quantize

extension QuantizeCommand {
  enum RecipeName: String, ExpressibleByArgument, CaseIterable {
    case guided, best, fast, reference

    var recipe: Recipe {
      switch self {
      case .guided: .guided
      case .best: .best
      case .fast: .fast
      case .reference: .reference
      }
    }
  }

  /// Draws, power, least and most weight of a token, share of H_O: `1,0.5,0.1,10,0.3`.
  static func guidance(_ text: String) throws -> Guidance {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
    guard numbers.count == 5, numbers.allSatisfy({ (0...1000).contains($0) }), numbers[2] <= numbers[3] else {
      throw ValidationError(
        "--guidance takes five numbers: draws, power, least and most weight of a token, share of H_O.")
    }
    return Guidance(draws: Int(numbers[0]), power: numbers[1], bounds: numbers[2]...numbers[3], share: numbers[4])
  }

  /// Changes the steps that options name.
  func changeSteps(of recipe: inout Recipe) {
    if let alpha { recipe.inputCorrection = alpha }
    if let beta { recipe.residualCorrection = beta }
    if let sweeps { recipe.sweeps = sweeps }
    if let guidance { recipe.guidance = guidance }
    if actOrder {
      recipe.order = .activation
      recipe.fixesGridsUpFront = staticGroups
    } else if staticGroups {
      recipe.fixesGridsUpFront = true
    }
    if mse { recipe.fit = .search(norm: 2.4) }
    recipe.damping = damping
  }
}
