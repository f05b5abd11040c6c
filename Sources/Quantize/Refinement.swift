// The third phase of a strip: coordinate descent over its integers and scales, at the cost of one triangular product a
// pass.
//
// A column's gradient is G_i = Σ_j H_ij E_j. A sweep from left to right needs for each block the sums over the columns
// left of it with this sweep's E, and right of it with the last one's. The next sweep goes from right to left: what it
// needs from the left are the sums that this one has just made. So every sweep makes one half of the products, not both.

import CBelleKernels
import LinearAlgebra

/// The refinement of a strip, in the order of the columns.
struct Refinement {
  let problem: LayerProblem
  let factor: HessianFactor
  let grids: StripGrids
  let sums: RowSums

  /// `[in, width]`: E = W* − Ŵ, kept in step with integers and grids.
  let errors: Matrix<Float>
  /// For each column Σ_j H_ij E_j over the columns before its block.
  let left: Matrix<Float>
  /// The same over those after it.
  let right: Matrix<Float>
  /// `[in, width]`
  let integers: Bytes

  private var n: Int { problem.columns }
  private var width: Int { errors.columns }
  private var lanes: Range<Int> { 0..<width }
  private var groupSize: Int { problem.groupSize }

  init(_ problem: LayerProblem, _ factor: HessianFactor, _ space: Workspace) {
    self.problem = problem
    self.factor = factor
    (grids, sums) = (space.grids, space.sums)
    (left, errors, right, integers) = (space.first, space.second, space.third, space.ordered)
  }

  /// Improves errors, integers and grids by the recipe's sweeps, or by a refit alone.
  func run() {
    if problem.steps.sweeps > 0 { sweep() } else if problem.steps.refits { refit() }
  }

  /// Columns of a block here: whole groups where they fit, so that a scale's group lies in one block.
  private var edge: Int {
    if hasLargeGroups { return Blocking.block }
    if groupSize > Blocking.block { return groupSize }
    return Blocking.block / groupSize * groupSize
  }

  /// Whether groups are too large for the kernel.
  private var hasLargeGroups: Bool { groupSize > 256 }

  private func sweep() {
    for index in 0..<problem.steps.sweeps {
      let goesRight = hasLargeGroups || index % 2 == 0
      if index == 0 || hasLargeGroups { sumRight(edge: edge) }
      (goesRight ? left : right).slice.fill(0)
      pass(0..<n, goesRight: goesRight, edge: edge) { move($0, isDamped: true) }
      if hasLargeGroups, problem.steps.refits { refitLargeGroups(isDamped: true) }
    }
  }

  /// Without sweeps: every scale to its optimum on H without λ, which is what the reported error counts.
  private func refit() {
    if hasLargeGroups {
      refitLargeGroups(isDamped: false)
      return
    }
    sumRight(edge: edge)
    left.slice.fill(0)
    pass(0..<n, goesRight: true, edge: edge) { move($0, isDamped: false) }
  }

  /// As ``refit()``, for groups of more columns than the kernel takes.
  private func refitLargeGroups(isDamped: Bool) {
    sumRight(edge: groupSize)
    left.slice.fill(0)
    let refit = LargeGroupRefit(
      factor, grids, errors: errors, integers: integers, losses: sums.loss, isDamped: isDamped)
    pass(0..<n, goesRight: true, edge: groupSize) { refit.move($0, left, right) }
  }

  // MARK: Sums

  /// The right sums of all blocks.
  private func sumRight(edge: Int) {
    right.slice.fill(0)
    addRight(0..<n, edge: edge)
  }

  /// Adds Σ_{j after i's block} H_ij E_j for every column i.
  private func addRight(_ range: Range<Int>, edge: Int) {
    guard range.count > edge else { return }
    let (first, second) = range.halves(edge: edge)
    addRight(first, edge: edge)
    addRight(second, edge: edge)
    carry(from: second, to: first, right)
  }

  /// Adds what the errors of some columns do to the gradients of others, before or after them.
  private func carry(from: Range<Int>, to: Range<Int>, _ sums: Matrix<Float>) {
    let isLeftward = from.lowerBound > to.lowerBound
    Float.gemmTile(
      isLeftward ? factor.matrix[from, to] : factor.matrix[to, from], isLeftward, errors[from, lanes], false,
      into: sums[to, lanes], alpha: 1, beta: 1)
  }

  /// Goes through all blocks of a range in one direction, and carries the errors of those it has passed to the others.
  private func pass(_ range: Range<Int>, goesRight: Bool, edge: Int, _ block: (Range<Int>) -> Void) {
    guard range.count > edge else {
      block(range)
      return
    }
    let halves = range.halves(edge: edge)
    let (now, later) = goesRight ? halves : (halves.right, halves.left)
    pass(now, goesRight: goesRight, edge: edge, block)
    carry(from: now, to: later, goesRight ? left : right)
    pass(later, goesRight: goesRight, edge: edge, block)
  }

  // MARK: A block

  /// Moves the integers of a block where there are sweeps, then its scales.
  private func move(_ block: Range<Int>, isDamped: Bool) {
    let hessian = factor.symmetricBlock(block, isDamped: isDamped)
    // Columns that weigh most take their turn first.
    let order = (0..<block.count).sorted {
      (factor.diagonal[block.lowerBound + $0], $1) > (factor.diagonal[block.lowerBound + $1], $0)
    }.map { UInt32($0) }
    let groups = block.map { UInt32($0 / groupSize) }
    let (grid, gains) = (problem.grid, sums.scratch)
    gains.fill(0)
    // SAFETY: all arrays have the shapes that the kernel's header asks for: block.count columns, `width` lanes.
    unsafe hessian.withUnsafeBufferPointer { hessian in
      unsafe order.withUnsafeBufferPointer { order in
        unsafe groups.withUnsafeBufferPointer { groups in
          var work = unsafe belle_sweep_block_work(
            columns: block.count, lanes: width, stride: width, grid_stride: width, hessian: hessian.baseAddress,
            left: left.slice.pointer(block.lowerBound), right: right.slice.pointer(block.lowerBound),
            errors: errors.slice.pointer(block.lowerBound), order: order.baseAddress,
            groups: groups.baseAddress, scales: grids.scales.slice.base, minimums: grids.minimums.slice.base,
            zeros: grids.zeros.slice.base, integers: integers.pointer(block.lowerBound * width),
            gains: gains.base, max_integer: Float(grid.maximum), smallest_scale: grid.smallestScale,
            moves_integers: problem.steps.sweeps > 0, refits: problem.steps.refits && !hasLargeGroups,
            has_minimums: grid.form == .minimum, half: grid.storesHalves,
            negative_scales: grids.allowsNegativeScales,
            scale_units: grid.superBlock == nil ? nil : grids.scaleUnits.slice.base,
            minimum_units: grid.superBlock == nil ? nil : grids.minimumUnits.slice.base,
            super_groups: grid.superBlock?.groups ?? 1, least_multiple: Float(grids.multiples.lowerBound),
            most_multiple: Float(grids.multiples.upperBound), most_minimum: Float(grid.superBlock?.mostMinimum ?? 0),
            levels: grid.cLevels)
          unsafe belle_sweep_block(belle_best_variant(), &work)
        }
      }
    }
    sums.loss.add(gains, row: 0, from: 0, times: -1)
  }
}
