// What a recipe comes to on one grid and for a layer of one shape: the only place where its switches are combined.

/// The steps of the solver on one layer, and what they cost.
struct SolverSteps: Sendable {
  /// Whether grids are fixed before the first column; a super-block's must be.
  let fixesGrids: Bool
  /// Whether columns are quantized in another order than the one in which they lie.
  let reorders: Bool
  /// Whether integers are found against scales that are not rounded yet.
  let roundsAfterwards: Bool
  /// Sweeps of coordinate descent.
  let sweeps: Int
  /// Whether scales are moved to their optimum.
  let refits: Bool
  /// Whether there is a refinement: something after the last column's integers that the errors must be kept in step with.
  ///
  /// Scales that are rounded afterwards, and nothing else, are no such thing for a large layer at few bits: that changes a
  /// row's error by a few parts in a thousand, to either side, and the layer's by one in ten thousand, and to count it anew
  /// would cost as much as the elimination.
  let isRefined: Bool

  /// Up to so many bits a half's rounding is a thousandth of a step.
  private static let fewBits = 4

  /// The steps of a recipe.
  init(_ recipe: Recipe, on grid: Grid, rows: Int, columns: Int) {
    fixesGrids = recipe.fixesGridsUpFront || grid.superBlock != nil
    reorders = recipe.order == .activation && fixesGrids
    // Nothing is rounded where scales are not stored as halves of their own.
    roundsAfterwards = recipe.rounding == .afterwards && grid.storesHalves
    (sweeps, refits) = (recipe.sweeps, recipe.refit)
    let isNeglected = grid.bits <= Self.fewBits && !OutputSample.takesAll(rows: rows, columns: columns)
    isRefined = sweeps > 0 || refits || roundsAfterwards && !isNeglected
  }

  /// Rounding to nearest.
  private init() {
    (fixesGrids, reorders, roundsAfterwards, isRefined) = (true, false, false, false)
    (sweeps, refits) = (0, false)
  }

  /// Each weight to its nearest value, on grids that are fixed before.
  static let roundToNearest = SolverSteps()

  /// Whether the error is counted anew at the end. Otherwise it is known: the elimination's, less what sweeps gained.
  var countsErrors: Bool { isRefined && sweeps == 0 }

  /// The solver's work, without the factor and a correction, in products of out·in² FLOP: the elimination, and for a
  /// refinement the sums of its first pass, each pass, and the count of what is left.
  var products: Double {
    if sweeps > 0 || refits { return Double(2 + max(1, sweeps)) }
    return isRefined ? 2 : 1
  }

  /// The solver's work on a layer, without the factors and a correction, in FLOP.
  ///
  /// With coupled rows there is the feedback of rows in the elimination; then E·H once as a whole, and for each pass what it
  /// does to the other columns and what all rows add to the gradients.
  func flop(rows: Int, columns: Int, isCoupled: Bool) -> Double {
    let (out, n) = (Double(rows), Double(columns))
    guard isCoupled else { return products * out * n * n }
    let passes = Double(max(sweeps, refits ? 1 : 0))
    return (3 + 2 * passes) * out * n * n + (1 + 2 * passes) * out * out * n
  }
}
