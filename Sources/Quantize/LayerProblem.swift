// One layer to quantize: what is given, and how it is cut into strips of rows. Rows are independent, given the factor.

import LinearAlgebra

/// A layer with all that its quantization needs.
struct LayerProblem: Sendable {
  /// W, `[out, in]`; where rows are coupled, in their order of elimination, and E = W* − Ŵ after it.
  let weights: MatrixSlice<Float>
  /// Of the Hessian; nil: round to nearest.
  let factor: HessianFactor?
  let grid: Grid
  let recipe: Recipe
  let correction: Correction?
  let steps: SolverSteps
  /// What an error of each column counts where weights are only rounded; nil for all alike.
  var columnWeights: [Float]?
  /// What couples rows: nil where they are independent.
  private(set) var coupling: RowCoupling?

  /// - Parameter outputs: what couples the rows, which are then in its order; nil where they are independent.
  init(
    weights: MatrixSlice<Float>, factor: HessianFactor?, grid: Grid, recipe: Recipe, correction: Correction?,
    outputs: OutputFactor? = nil
  ) {
    self.weights = weights
    self.factor = factor
    self.grid = grid
    self.recipe = recipe
    self.correction = correction
    steps =
      factor == nil
      ? .roundToNearest : SolverSteps(recipe, on: grid, rows: weights.rows, columns: weights.columns)
    coupling = factor == nil ? nil : outputs.map { RowCoupling($0, columns: weights.columns, stripWidth: width) }
  }

  var rows: Int { weights.rows }
  var columns: Int { weights.columns }
  var groups: Int { grid.groupCount(inputs: columns) }
  var groupSize: Int { grid.groupSize ?? columns }

  // MARK: Strips

  /// Of how many columns at most the grids are found at a time, where they are found on the way.
  var currentColumns: Int {
    guard factor != nil, !steps.fixesGrids, let groupSize = grid.groupSize else { return 0 }
    return min(columns, max(Blocking.block, groupSize) + min(Blocking.block, groupSize))
  }

  /// Whether a strip's second matrix holds more than products that wait for their turn.
  private var needsAll: Bool { steps.isRefined || steps.reorders || correction != nil }

  /// Whether a strip needs a third matrix.
  var needsThird: Bool { steps.isRefined || correction != nil }

  /// Rows of a strip: by the shape and the recipe alone. Wider strips multiply faster, narrower ones keep memory and more
  /// threads busy; those that need twice the memory have half of the rows.
  var width: Int { min(needsAll ? 256 : 512, max(64, (rows / 8 + 15) / 16 * 16), (rows + 15) / 16 * 16) }

  /// For how many columns a strip's second matrix has room: products wait in it for at most half of the columns.
  var waitingColumns: Int {
    needsAll || width < 128 ? columns : max(min(columns, Blocking.block), (columns + 1) / 2)
  }

  /// Lanes of which the first and the second matrix hold all columns.
  var wholeWidth: Int { waitingColumns == columns ? width : width / 2 / 16 * 16 }
}
