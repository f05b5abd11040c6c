// Rounding to nearest: what GPTQ is measured against, and what a layer without a factor gets.

import LinearAlgebra

/// Rounding to nearest: no Hessian, no feedback.
package enum RoundToNearest {
  /// Quantizes each weight to the nearest value of its group's grid.
  ///
  /// - Parameters:
  ///   - weights: W, `[out, in]`; only read.
  ///   - grid: the values that a weight can take.
  ///   - fit: how the grid of a group is found; a weighted search without weights counts all columns alike.
  ///   - negativeScales: whether a symmetric grid may have a negative scale.
  ///   - columnWeights: what an error of each column counts, for a weighted search; nil for all alike.
  ///   - layer: what errors and the report call it.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` for options that mean nothing, NaN or infinity.
  package static func quantize(
    _ weights: MatrixSlice<Float>, grid: Grid, fit: Recipe.Fit = .range, negativeScales: Bool = false,
    columnWeights: [Float]? = nil, layer: String, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) -> QuantizedLayer {
    try solver(
      weights, grid: grid, fit: fit, negativeScales: negativeScales, columnWeights: columnWeights, layer: layer,
      threads: threads
    ).solve(threads: threads)
  }

  /// What rounds one linear layer, once everything was checked; parameters and errors as above.
  static func solver(
    _ weights: MatrixSlice<Float>, grid: Grid, fit: Recipe.Fit, negativeScales: Bool, columnWeights: [Float]? = nil,
    layer: String, threads: Int
  ) throws(QuantizeError) -> LayerSolver {
    precondition(columnWeights.map { $0.count == weights.columns } ?? true, "a weight for each column")
    try grid.validate(inputs: weights.columns, layer: layer)
    try grid.check(weights, layer: layer, threads: threads)
    let recipe = Recipe(fixesGridsUpFront: true, fit: fit, negativeScales: negativeScales)
    try recipe.validate(layer: layer)
    var problem = LayerProblem(weights: weights, factor: nil, grid: grid, recipe: recipe, correction: nil)
    problem.columnWeights = columnWeights
    return LayerSolver(problem, factor: nil, layer: layer)
  }
}
