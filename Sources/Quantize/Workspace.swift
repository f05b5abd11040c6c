// The memory of one strip of rows: reused by the next strip, because fresh pages cost as much as the arithmetic on them.

import LinearAlgebra
import Synchronization

/// What the quantization of one strip needs; 7 to 14 bytes a weight of the strip.
///
/// The phases have the three large matrices in turns, each under names of its own:
///
/// | | ``Target`` | ``Elimination`` | ``Refinement`` |
/// |---|---|---|---|
/// | `first` | weights: W, then W* | differences: W*, then D | left sums |
/// | `second` | correction · H, in either order | products P | errors E |
/// | `third` | correction | | right sums |
final class Workspace: Sendable {
  /// Rows of the layer across, columns down: `[in, width]`.
  let first: Matrix<Float>
  /// As `first`, or with fewer rows where it only holds products: ``LayerProblem/waitingColumns``.
  let second: Matrix<Float>
  /// As `first`, or empty.
  let third: Matrix<Float>
  /// Integers, in the order of elimination and in that of the columns: the same bytes where the orders are the same.
  let eliminated: Bytes
  let ordered: Bytes
  /// The grids of all groups.
  let grids: StripGrids
  /// Weights with their feedback, of the groups that begin in a block; empty where grids are fixed up front.
  let current: Matrix<Float>
  /// Sums for each row of the strip.
  let sums: RowSums

  init(_ problem: LayerProblem) {
    let (columns, width) = (problem.columns, problem.width)
    first = Matrix(rows: columns, columns: width)
    second = Matrix(rows: problem.waitingColumns, columns: width)
    third = Matrix(rows: problem.needsThird ? columns : 0, columns: width)
    eliminated = Bytes(columns * width)
    ordered = problem.steps.reorders ? Bytes(columns * width) : eliminated
    grids = StripGrids(
      problem.grid, problem.recipe, roundsScales: !problem.steps.roundsAfterwards, columns: columns, width: width)
    current = Matrix(rows: problem.currentColumns, columns: width)
    sums = RowSums(width)
  }
}

/// Workspaces that wait for their next strip.
final class WorkspacePool: Sendable {
  private let free = Mutex<[Workspace]>([])
  private let make: @Sendable () -> Workspace

  init(_ make: @escaping @Sendable () -> Workspace) { self.make = make }

  func with(_ body: (Workspace) -> Void) {
    let workspace = free.withLock { $0.popLast() } ?? make()
    body(workspace)
    free.withLock { $0.append(workspace) }
  }
}
