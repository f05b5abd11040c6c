// Sweeps of coordinate descent over a strip's integers and scales, at the cost of one triangular product each.
//
// A column's gradient is G_i = Σ_j H_ij E_j. A sweep from left to right needs for each block the sums over the columns
// left of it with this sweep's E, and right of it with the last one's. The next sweep goes from right to left: what it
// needs from the left are the sums that this one has just made. So every sweep makes one half of the products, not both.

import CBelleKernels
import LinearAlgebra

extension Strip {
  /// Columns of a block here: whole groups where they fit, so that a scale's group lies in one block.
  private var sweepEdge: Int {
    if hasLargeGroups { return Self.block }
    if groupSize > Self.block { return groupSize }
    return Self.block / groupSize * groupSize
  }

  /// Whether groups are too large for the kernel.
  private var hasLargeGroups: Bool { groupSize > 256 }

  /// `second` holds E in the order of the columns, `ordered` the integers; both are improved.
  func sweep(_ factor: HessianFactor) {
    let (left, right) = (space.first, space.third)
    for index in 0..<recipe.sweeps {
      let goesRight = hasLargeGroups || index % 2 == 0
      if index == 0 || hasLargeGroups {
        right.slice.fill(0)
        addRight(factor, 0..<n, to: right, edge: sweepEdge)
      }
      (goesRight ? left : right).slice.fill(0)
      pass(factor, 0..<n, left, right, goesRight: goesRight, edge: sweepEdge) {
        sweepBlock(factor, $0, left, right, isDamped: true)
      }
      if hasLargeGroups, recipe.refit { refitLargeGroups(factor, isDamped: true) }
    }
  }

  /// Without sweeps: every scale to its optimum on H without λ, which is what the reported error counts.
  func refit(_ factor: HessianFactor) {
    if hasLargeGroups {
      refitLargeGroups(factor, isDamped: false)
      return
    }
    let (left, right) = (space.first, space.third)
    right.slice.fill(0)
    addRight(factor, 0..<n, to: right, edge: sweepEdge)
    left.slice.fill(0)
    pass(factor, 0..<n, left, right, goesRight: true, edge: sweepEdge) {
      sweepBlock(factor, $0, left, right, isDamped: false)
    }
  }

  /// As ``refit(_:)``, for groups of more columns than the kernel takes.
  private func refitLargeGroups(_ factor: HessianFactor, isDamped: Bool) {
    let (left, right) = (space.first, space.third)
    right.slice.fill(0)
    addRight(factor, 0..<n, to: right, edge: groupSize)
    left.slice.fill(0)
    let refit = LargeGroupRefit(self, factor, isDamped: isDamped)
    pass(factor, 0..<n, left, right, goesRight: true, edge: groupSize) { refit.move($0, left, right) }
  }

  /// Adds Σ_{j after i's block} H_ij E_j for every column i.
  private func addRight(_ factor: HessianFactor, _ range: Range<Int>, to sums: Matrix<Float>, edge: Int) {
    guard range.count > edge else { return }
    let middle = Self.middle(of: range, edge: edge)
    addRight(factor, range.lowerBound..<middle, to: sums, edge: edge)
    addRight(factor, middle..<range.upperBound, to: sums, edge: edge)
    carry(factor, from: middle..<range.upperBound, to: range.lowerBound..<middle, sums)
  }

  /// Adds what the errors of some columns do to the gradients of others, before or after them.
  private func carry(_ factor: HessianFactor, from: Range<Int>, to: Range<Int>, _ sums: Matrix<Float>) {
    let isLeftward = from.lowerBound > to.lowerBound
    Float.gemmTile(
      isLeftward ? factor.matrix[from, to] : factor.matrix[to, from], isLeftward, space.second[from, 0..<width], false,
      into: sums[to, 0..<width], alpha: 1, beta: 1)
  }

  private func pass(
    _ factor: HessianFactor, _ range: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>, goesRight: Bool,
    edge: Int, _ block: (Range<Int>) -> Void
  ) {
    guard range.count > edge else {
      block(range)
      return
    }
    let middle = Self.middle(of: range, edge: edge)
    let halves = (range.lowerBound..<middle, middle..<range.upperBound)
    let (now, later) = goesRight ? halves : (halves.1, halves.0)
    pass(factor, now, left, right, goesRight: goesRight, edge: edge, block)
    carry(factor, from: now, to: later, goesRight ? left : right)
    pass(factor, later, left, right, goesRight: goesRight, edge: edge, block)
  }

  private func sweepBlock(
    _ factor: HessianFactor, _ block: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>, isDamped: Bool
  ) {
    let hessian = factor.symmetricBlock(block, isDamped: isDamped)
    // Columns that weigh most take their turn first.
    let order = (0..<block.count).sorted {
      (factor.diagonal[block.lowerBound + $0], $1) > (factor.diagonal[block.lowerBound + $1], $0)
    }.map { UInt32($0) }
    let groups = block.map { UInt32($0 / groupSize) }
    let gains = space.sums[Sum.scratch..<Sum.scratch + 1, 0..<width]
    gains.fill(0)
    // SAFETY: all arrays have the shapes that the kernel's header asks for: block.count columns, `width` lanes.
    unsafe hessian.withUnsafeBufferPointer { hessian in
      unsafe order.withUnsafeBufferPointer { order in
        unsafe groups.withUnsafeBufferPointer { groups in
          var work = unsafe belle_sweep_block_work(
            columns: block.count, lanes: width, stride: width, grid_stride: width, hessian: hessian.baseAddress,
            left: left.slice.pointer(block.lowerBound), right: right.slice.pointer(block.lowerBound),
            errors: space.second.slice.pointer(block.lowerBound), order: order.baseAddress,
            groups: groups.baseAddress, scales: space.scales.slice.base, minimums: space.minimums.slice.base,
            zeros: space.zeros.slice.base, integers: space.ordered.pointer(block.lowerBound * width),
            gains: gains.base, max_integer: Float(grid.maximum), smallest_scale: grid.smallestScale,
            moves_integers: recipe.sweeps > 0, refits: recipe.refit && !hasLargeGroups,
            has_minimums: grid.form == .minimum, half: grid.storesHalves,
            negative_scales: recipe.negativeScales && grid.form == .symmetric,
            scale_units: grid.superGroup == nil ? nil : space.scaleUnits.slice.base,
            minimum_units: grid.superGroup == nil ? nil : space.minimumUnits.slice.base,
            super_groups: grid.superGroup ?? 1)
          unsafe belle_sweep_block(belle_best_variant(), &work)
        }
      }
    }
    space.sums[Sum.loss..<Sum.loss + 1, 0..<width].add(gains, row: 0, from: 0, times: -1)
  }
}
