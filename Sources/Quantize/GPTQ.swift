// Quantizes linear layers with GPTQ (arXiv:2210.17323), in the form that needs one Cholesky factor and no inverse.
// Knows no model and no file: weights and a Hessian in; integers, scales, zero points and a report out.

import ByteIO
import CBelleKernels
import LinearAlgebra

/// The solver.
public enum GPTQ {
  /// Quantizes one linear layer.
  ///
  /// Rows are quantized in strips of a fixed number, each on one thread: the result does not depend on `threads`.
  /// - Parameters:
  ///   - weights: W, `[out, in]`; only read.
  ///   - factor: of the damped Hessian of the layer's inputs; may be shared by layers with the same inputs. Where it has
  ///     a ``HessianFactor/failure``, weights are rounded to nearest, and the report says so.
  ///   - grid: the values that a weight can take.
  ///   - recipe: the steps; its order and groups must be those that the factor was made for.
  ///   - correction: what earlier layers did to the inputs; used where the recipe's α or β is not 0.
  ///   - layer: what errors and the report call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` for shapes that do not fit, options that mean nothing, NaN or infinity.
  /// - Complexity: out·in² FLOP; with sweeps, out·in² · (2 + sweeps). Memory: beside W and the factor, the integers and
  ///   about 14 bytes for each weight of one strip a thread.
  ///
  /// Source: arXiv:2210.17323, Algorithm 1; the derivation of this form: Documentation/gptq.md.
  public static func quantize(
    _ weights: MatrixSlice<Float>, factor: HessianFactor, grid: Grid, recipe: Recipe = .fast,
    correction: Correction? = nil, layer: String, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) -> QuantizedLayer {
    try recipe.validate(layer: layer)
    try grid.validate(inputs: factor.inputs, layer: layer)
    guard weights.columns == factor.inputs else {
      throw QuantizeError(
        .shape, place: layer, reason: "weights with \(weights.columns) inputs, and a Hessian with \(factor.inputs)")
    }
    guard recipe.order == factor.order, recipe.order == .natural || recipe.fixesGridsUpFront == factor.fixesGridsUpFront
    else {
      throw QuantizeError(
        .badOption, place: layer, reason: "the Hessian was factored for another order of columns than the recipe's",
        remedy: "make the factor with the same recipe")
    }
    guard grid.superGroup == nil || recipe.order == .natural || recipe.fixesGridsUpFront else {
      throw QuantizeError(
        .badOption, place: layer,
        reason: "super-blocks hold neighbouring columns, and this recipe forms groups in its order",
        remedy: "fix the grids up front")
    }
    try checkValues(weights, grid, layer: layer, threads: threads)
    try correction?.check(outputs: weights.rows, inputs: weights.columns, layer: layer, threads: threads)
    let problem = LayerProblem(
      weights: weights, factor: factor, grid: grid, recipe: recipe, correction: correction, layer: layer)
    return problem.solve(threads: threads)
  }

  /// Quantizes one linear layer from its Hessian: factors it and quantizes.
  ///
  /// - Parameters:
  ///   - weights: W, `[out, in]`; only read.
  ///   - hessian: `[in, in]`, H = 2/n · XᵀX; only its lower triangle is read, and its memory is taken over.
  ///   - grid: the values that a weight can take.
  ///   - recipe: the steps.
  ///   - correction: what earlier layers did to the inputs.
  ///   - layer: what errors and the report call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError``, as the two steps do.
  public static func quantize(
    _ weights: MatrixSlice<Float>, hessian: consuming Matrix<Float>, grid: Grid, recipe: Recipe = .fast,
    correction: Correction? = nil, layer: String, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) -> QuantizedLayer {
    guard hessian.rows == weights.columns else {
      throw QuantizeError(
        .shape, place: layer, reason: "weights with \(weights.columns) inputs, and a Hessian with \(hessian.rows)")
    }
    try grid.validate(inputs: weights.columns, layer: layer)
    let factor = try HessianFactor(hessian, recipe: recipe, layer: layer, threads: threads)
    return try quantize(
      weights, factor: factor, grid: grid, recipe: recipe, correction: correction, layer: layer, threads: threads)
  }

  static func checkValues(
    _ weights: MatrixSlice<Float>, _ grid: Grid, layer: String, threads: Int
  ) throws(QuantizeError) {
    guard weights.rows > 0, weights.columns > 0 else {
      throw QuantizeError(.shape, place: layer, reason: "no weights: \(weights.rows) × \(weights.columns)")
    }
    let limit = grid.largestWeight
    let bad = firstRow(weights.rows, threads: threads) { weights.largest(row: $0) > limit }
    guard let bad else { return }
    guard weights.largest(row: bad).isFinite else {
      throw QuantizeError(
        .notFinite, place: layer, reason: "the weights hold NaN or infinity in row \(bad)",
        remedy: "the checkpoint is damaged: verify its checksums")
    }
    throw QuantizeError(
      .notStorable, place: layer,
      reason: "row \(bad) holds weights of \(weights.largest(row: bad)), too large for \(grid.precision) precision",
      remedy: "the checkpoint is damaged: verify its checksums")
  }
}

/// Rounding to nearest: no Hessian, no feedback.
public enum RoundToNearest {
  /// Quantizes each weight to the nearest value of its group's grid.
  ///
  /// - Parameters:
  ///   - weights: W, `[out, in]`; only read.
  ///   - grid: the values that a weight can take.
  ///   - fit: how the grid of a group is found; a weighted search has no weights here and counts all columns alike.
  ///   - negativeScales: whether a symmetric grid may have a negative scale.
  ///   - layer: what errors and the report call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` for options that mean nothing, NaN or infinity.
  public static func quantize(
    _ weights: MatrixSlice<Float>, grid: Grid, fit: Recipe.Fit = .range, negativeScales: Bool = false, layer: String,
    threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) -> QuantizedLayer {
    try grid.validate(inputs: weights.columns, layer: layer)
    try GPTQ.checkValues(weights, grid, layer: layer, threads: threads)
    let recipe = Recipe(fixesGridsUpFront: true, fit: fit, negativeScales: negativeScales)
    try recipe.validate(layer: layer)
    let problem = LayerProblem(
      weights: weights, factor: nil, grid: grid, recipe: recipe, correction: nil, layer: layer)
    return problem.solve(threads: threads)
  }
}

/// What quantizing earlier layers did to the inputs of this one; sums over the tokens, on the scale of H.
public struct Correction: Sendable {
  /// Δ = 2/n · Σ (x_f − x_q)·x_qᵀ, `[in, in]`: x_f the inputs in the unquantized model, x_q in the quantized one.
  public let inputs: Matrix<Float>?
  /// P = 2/n · Σ (r_f − r_q)·x_qᵀ, `[out, in]`: r the residual stream that this layer's output is added to.
  public let residual: Matrix<Float>?

  /// A correction; either may be missing.
  public init(inputs: Matrix<Float>? = nil, residual: Matrix<Float>? = nil) {
    self.inputs = inputs
    self.residual = residual
  }

  func check(outputs: Int, inputs n: Int, layer: String, threads: Int) throws(QuantizeError) {
    guard inputs.map({ $0.rows == n && $0.columns == n }) ?? true,
      residual.map({ $0.rows == outputs && $0.columns == n }) ?? true
    else { throw QuantizeError(.shape, place: layer, reason: "a correction that does not fit \(outputs) × \(n)") }
    for matrix in [inputs, residual].compactMap({ $0 }) {
      let slice = matrix.slice
      if firstRow(slice.rows, threads: threads, where: { !slice.isFinite(row: $0, count: slice.columns) }) != nil {
        throw QuantizeError(.notFinite, place: layer, reason: "a correction that holds NaN or infinity")
      }
    }
  }
}
