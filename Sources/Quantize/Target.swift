// The first phase of a strip: what is to be quantized. That is the weights W, or, where earlier layers' errors are to be
// made good for, W* = W + (α·W·Δ + β·P)·(H + λI)⁻¹: the same problem with another target. Documentation/gptq.md.

import LinearAlgebra

/// The target of a strip, and the grids that are fixed before any integer is found.
struct Target {
  let problem: LayerProblem
  let factor: HessianFactor
  /// Which rows of the layer.
  let rows: Range<Int>
  let grids: StripGrids
  let sums: RowSums

  /// `[in, width]`: W and then W*, in the order of the columns; at the end W* in the order of elimination.
  let weights: Matrix<Float>
  /// α·W·Δ + β·P, by input; then a copy of what changes its order.
  let products: Matrix<Float>
  /// The correction of the target, in the order of elimination.
  let correction: Matrix<Float>

  private var n: Int { problem.columns }
  private var lanes: Range<Int> { 0..<weights.columns }
  private var recipe: Recipe { problem.recipe }

  init(_ problem: LayerProblem, _ factor: HessianFactor, rows: Range<Int>, _ space: Workspace) {
    self.problem = problem
    self.factor = factor
    self.rows = rows
    (grids, sums) = (space.grids, space.sums)
    (weights, products, correction) = (space.first, space.second, space.third)
  }

  /// Loads the weights, corrects them, and fixes grids where that is done up front.
  func load() {
    problem.weights.gather(rows, order: factor.columns, into: weights.slice)
    for column in 0..<n where !factor.isDead[column] {
      // What the output's power is predicted from.
      weights.slice.addSquares(row: column, times: factor.diagonal[column], to: sums.predicted)
    }
    if problem.correction != nil { correct() }
    // The reference fixes the grid of a whole row before it clears dead columns.
    if !problem.steps.fixesGrids, problem.grid.groupSize == nil {
      grids.find(0, weights[0..<n, lanes], weights: nil)
    }
    for column in 0..<n where factor.isDead[column] { weights[column..<column + 1, lanes].fill(0) }
    if problem.steps.fixesGrids { grids.findAll(weights, weights: factor.columnWeights) }
    if problem.steps.reorders {
      products.slice.copy(from: weights.slice)
      for (position, column) in factor.elimination.enumerated() {
        weights[position..<position + 1, lanes].copy(from: products[Int(column)..<Int(column) + 1, lanes])
      }
    }
  }

  /// W* in place of W.
  private func correct() {
    let residual = recipe.residualCorrection != 0 ? problem.correction?.residual : nil
    let delta = recipe.inputCorrection != 0 ? problem.correction?.inputs : nil
    guard residual != nil || delta != nil else { return }
    let products = products.slice
    let beta = recipe.residualCorrection * factor.scale
    // First by input, as Δ and P lie; whole rows are put into the order of elimination afterwards.
    if let residual {
      if rows.count < lanes.count { products.fill(0) }
      products[0..<n, 0..<rows.count].copy(transposed: residual[rows, 0..<n])
    }
    if let delta {
      let byInput = recipe.order == .natural || problem.steps.fixesGrids ? weights : correction
      if byInput !== weights {
        problem.weights.gather(rows, order: (0..<UInt32(n)).map { $0 }, into: byInput.slice)
      }
      // (W·Δ)ᵀ = Δᵀ·Wᵀ.
      Float.gemmTile(
        delta.slice, true, byInput.slice, false, into: products, alpha: recipe.inputCorrection * factor.scale,
        beta: residual == nil ? 0 : beta)
    } else {
      for row in 0..<n { products.scale(row: row, count: lanes.count, by: beta) }
    }
    for (position, column) in factor.elimination.enumerated() {
      let input = Int(factor.columns[Int(column)])
      correction[position..<position + 1, lanes].copy(from: products[input..<input + 1, lanes])
    }
    let u = factor.matrix.slice
    Float.trsmTile(u, .upper, transpose: false, side: .left, into: correction.slice)
    Float.trsmTile(u, .upper, transpose: true, side: .left, into: correction.slice)
    for (position, column) in factor.elimination.enumerated() {
      weights.slice.add(correction.slice, row: Int(column), from: position)
    }
  }
}
