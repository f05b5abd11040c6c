// Quantizes linear layers with GPTQ (arXiv:2210.17323), in the form that needs one Cholesky factor and no inverse.
// Knows no model and no file: weights and a Hessian in; integers, scales, zero points and a report out.

import ByteIO
import LinearAlgebra

/// The solver.
package enum GPTQ {
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
  ///   - outputs: what errors of the outputs count together: then rows are not independent. Grids must be fixed up front.
  ///   - layer: what errors and the report call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` for shapes that do not fit, options that mean nothing, NaN or infinity.
  /// - Complexity: out·in² FLOP; with sweeps, out·in² · (2 + sweeps). Memory: beside W and the factor, the integers and
  ///   about 14 bytes for each weight of one strip a thread.
  ///
  /// Source: arXiv:2210.17323, Algorithm 1; the derivation of this form: Documentation/gptq.md.
  package static func quantize(
    _ weights: MatrixSlice<Float>, factor: HessianFactor, grid: Grid, recipe: Recipe = .fast,
    correction: Correction? = nil, outputs: OutputFactor? = nil, layer: String,
    threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) -> QuantizedLayer {
    try solver(
      weights, factor: factor, grid: grid, recipe: recipe, correction: correction, outputs: outputs, layer: layer,
      threads: threads
    ).solve(threads: threads)
  }

  /// What solves one linear layer, once everything was checked; parameters and errors as above.
  static func solver(
    _ weights: MatrixSlice<Float>, factor: HessianFactor, grid: Grid, recipe: Recipe, correction: Correction?,
    outputs: OutputFactor?, layer: String, threads: Int
  ) throws(QuantizeError) -> LayerSolver {
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
    guard grid.superBlock == nil || recipe.order == .natural || recipe.fixesGridsUpFront else {
      throw QuantizeError(
        .badOption, place: layer,
        reason: "super-blocks hold neighbouring columns, and this recipe forms groups in its order",
        remedy: "fix the grids up front")
    }
    try grid.check(weights, layer: layer, threads: threads)
    try correction?.check(outputs: weights.rows, inputs: weights.columns, layer: layer, threads: threads)
    if let outputs, factor.failure == nil {
      return try coupled(weights, factor, grid, recipe, correction, outputs, layer: layer, threads: threads)
    }
    let problem = LayerProblem(
      weights: weights, factor: factor.failure == nil ? factor : nil, grid: grid, recipe: recipe,
      correction: correction)
    return LayerSolver(problem, factor: factor, layer: layer)
  }

  /// The same with rows that are coupled: in their order of elimination.
  private static func coupled(
    _ weights: MatrixSlice<Float>, _ factor: HessianFactor, _ grid: Grid, _ recipe: Recipe, _ correction: Correction?,
    _ outputs: OutputFactor, layer: String, threads: Int
  ) throws(QuantizeError) -> LayerSolver {
    guard outputs.factor.inputs == weights.rows else {
      throw QuantizeError(
        .shape, place: layer,
        reason: "weights with \(weights.rows) outputs, and gradients of \(outputs.factor.inputs) of them")
    }
    guard grid.canCoupleRows else {
      throw QuantizeError(.badOption, place: layer, reason: "rows of a code book's integers are not coupled here")
    }
    guard recipe.fixesGridsUpFront || grid.superBlock != nil, recipe.rounding == .first else {
      throw QuantizeError(
        .badOption, place: layer, reason: "rows that are coupled need grids that are fixed before the first column",
        remedy: "fix the grids up front")
    }
    let permuted = { (matrix: MatrixSlice<Float>) -> Matrix<Float> in
      let copy = Matrix<Float>(rows: matrix.rows, columns: matrix.columns)
      copy.slice.copy(rowsOf: matrix, order: outputs.order, threads: threads)
      return copy
    }
    let problem = LayerProblem(
      weights: permuted(weights).slice, factor: factor, grid: grid, recipe: recipe,
      correction: correction.map {
        Correction(inputs: $0.inputs, residual: $0.residual.map { permuted($0.slice) })
      }, outputs: outputs)
    return LayerSolver(problem, weights: weights, factor: factor, layer: layer)
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
  package static func quantize(
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
}
