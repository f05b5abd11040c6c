// How a layer is quantized: steps, each with a switch of its own, and four named choices of them.
// What each step gains was measured: Documentation/gptq.md.

import ByteIO

/// The steps that turn weights and a Hessian into integers.
package struct Recipe: Sendable, Equatable {
  /// In which order columns are quantized.
  package enum Order: String, Sendable, Codable {
    /// As they lie.
    case natural
    /// By descending diagonal of the Hessian (`act-order`).
    case activation
  }

  /// How the grid of a group is found.
  package enum Fit: Sendable, Equatable {
    /// From the smallest to the largest weight, zero included.
    case range
    /// The best of 80 shrunken ranges by Σ|w − ŵ|^norm. The reference's `mse` is norm 2.4.
    case search(norm: Float)
    /// The best of shrunken ranges by Σ U_jj²·(w_j − ŵ_j)²: what an error costs that nothing after it makes good.
    case weightedSearch
  }

  /// When scales (and minimums) are rounded to the precision in which they are stored.
  package enum Rounding: String, Sendable, Codable {
    /// Before anything is quantized against them, so that the feedback makes good for it.
    case first
    /// After the last integer, as the reference does: the integers are those of float32 scales. With ``Recipe/refit``
    /// the error is never more than the reference's, because every scale begins where the reference's ends.
    case afterwards
  }

  /// In which order columns are quantized.
  package var order: Order
  /// Whether grids are fixed before the first column is quantized, on groups of neighbouring columns, so that stored
  /// groups are contiguous whatever the order. Otherwise they are found on the way, on groups formed in the order.
  package var fixesGridsUpFront: Bool
  /// How the grid of a group is found.
  package var fit: Fit
  /// Whether a symmetric grid may have a negative scale. Its range is lopsided (−8 … 7), and so is a group.
  package var negativeScales: Bool
  /// When scales are rounded to the precision in which they are stored.
  package var rounding: Rounding
  /// Sweeps of coordinate descent over the final integers.
  package var sweeps: Int
  /// Whether scales (and minimums) are moved to their optimum for the final integers: in every sweep, or, without
  /// sweeps, in one pass that counts the outputs' error alone, without λ.
  package var refit: Bool
  /// α: how much of the error that earlier layers put into the inputs the target makes good; 0 … 1.
  package var inputCorrection: Float
  /// β: the same for the residual stream.
  package var residualCorrection: Float
  /// λ, what is added to the diagonal of the Hessian, as a fraction of its mean.
  package var damping: Double
  /// How gradients of the model's predictions guide the solver, where the caller has them; nil for not at all.
  package var guidance: Guidance?

  /// A recipe.
  package init(
    order: Order = .natural, fixesGridsUpFront: Bool = false, fit: Fit = .range, negativeScales: Bool = false,
    rounding: Rounding = .first, sweeps: Int = 0, refit: Bool = false, inputCorrection: Float = 0,
    residualCorrection: Float = 0,
    damping: Double = 0.01, guidance: Guidance? = nil
  ) {
    self.order = order
    self.fixesGridsUpFront = fixesGridsUpFront
    self.fit = fit
    self.negativeScales = negativeScales
    self.rounding = rounding
    self.sweeps = sweeps
    self.refit = refit
    self.inputCorrection = inputCorrection
    self.residualCorrection = residualCorrection
    self.damping = damping
    self.guidance = guidance
  }

  /// What the reference does, integer by integer: GPTQ as it was published.
  package static let reference = Recipe(rounding: .afterwards)

  /// All that needs one stream of hidden states, at under four times the time of ``reference``.
  package static let fast = Recipe(
    order: .activation, fixesGridsUpFront: true, fit: .weightedSearch, negativeScales: true, sweeps: 2, refit: true)

  /// Everything: more sweeps, and the target corrected for earlier layers where the caller has measured them.
  package static let best = Recipe(
    order: .activation, fixesGridsUpFront: true, fit: .weightedSearch, negativeScales: true, sweeps: 4, refit: true,
    inputCorrection: 0.6, residualCorrection: 0.5)

  /// As ``best``, where errors count as much as they change the model's answers.
  package static let guided: Recipe = {
    var recipe = Recipe.best
    recipe.sweeps = 2
    recipe.guidance = Guidance()
    return recipe
  }()

  func validate(layer: String) throws(QuantizeError) {
    try guidance?.validate(layer: layer)
    guard damping >= 0, damping.isFinite, damping <= 1000 else {
      throw QuantizeError(
        .badOption, place: layer, reason: "expected a damping of 0 to 1000, found \(damping)", remedy: "0.01 is usual")
    }
    guard (0...100).contains(sweeps) else {
      throw QuantizeError(
        .badOption, place: layer, reason: "expected 0 to 100 sweeps, found \(sweeps)", remedy: "2 to 4 are enough")
    }
    guard [inputCorrection, residualCorrection].allSatisfy({ (0...2).contains($0) }) else {
      throw QuantizeError(
        .badOption, place: layer,
        reason: "expected corrections of 0 to 2, found \(inputCorrection) and \(residualCorrection)",
        remedy: "0 is none, 1 all of it")
    }
    if case .search(let norm) = fit {
      guard norm > 0, norm.isFinite else {
        throw QuantizeError(
          .badOption, place: layer, reason: "expected a positive norm, found \(norm)", remedy: "2.4 is usual")
      }
    }
  }
}
