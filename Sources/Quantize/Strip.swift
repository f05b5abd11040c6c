// One strip of rows, from weights to integers, on one thread. Rows lie across, columns down, so that a matrix product
// serves all rows at once and the kernels find neighbouring rows in neighbouring lanes.
//
// Letters, as in Documentation/gptq.md: W weights, Ŵ their quantized values, D = E = W − Ŵ; H the damped Hessian, U its
// factor, H = U·Uᵀ; P the products that the feedback is made of.

import CBelleKernels
import LinearAlgebra

struct Strip {
  /// Columns of a block: what the reference uses, and grids found on the way depend on it.
  static let block = 128

  let problem: LayerProblem
  let rows: Range<Int>
  let space: Workspace
  let n: Int
  let width: Int
  var grid: Grid { problem.grid }
  var recipe: Recipe { problem.recipe }
  var groupSize: Int { problem.groupSize }

  /// Rows of `sums`.
  enum Sum { static let loss = 0, error = 1, predicted = 2, scratch = 3 }

  init(_ problem: LayerProblem, rows: Range<Int>, _ space: Workspace) {
    self.problem = problem
    self.rows = rows
    self.space = space
    n = problem.columns
    width = space.first.columns
  }

  /// From weights to integers in `space.ordered`.
  func quantize() {
    space.sums.slice.fill(0)
    guard let factor = problem.usable else {
      roundToNearest()
      return
    }
    loadTarget(factor)
    feedback(factor)
    let isOrdered = problem.isRefined
    // From the order of elimination to that of the columns.
    for (position, column) in factor.elimination.enumerated() {
      if problem.reorders {
        unsafe space.ordered.pointer(Int(column) * width).update(
          from: space.eliminated.pointer(position * width), count: width)
      }
      if isOrdered {
        space.second[Int(column)..<Int(column) + 1, 0..<width].copy(
          from: space.first[position..<position + 1, 0..<width])
      }
    }
    if problem.neglectsRounding { roundScales() } else if problem.roundsAfterwards { roundGrid() }
    if recipe.sweeps > 0 { sweep(factor) } else if recipe.refit { refit(factor) }
    sumErrors(factor, isOrdered ? space.second : space.first, isOrdered: isOrdered)
  }

  /// Against scales that are rounded afterwards, and against rounded ones; of each row the better result stays.
  func quantizeTwice() {
    var other = problem
    other.recipe.rounding = .afterwards
    Strip(other, rows: rows, space).quantize()
    let errors = space.sums.copy()
    let kept =
      [(space.sums, errors)] + [space.scales, space.zeros, space.minimums].map { (result: $0, copy: $0.copy()) }
    let integers = Bytes(n * width)
    unsafe integers.pointer(0).update(from: space.ordered.pointer(0), count: n * width)

    other.recipe.rounding = .first
    Strip(other, rows: rows, space).quantize()
    let wasBetter = (0..<width).filter { errors[Sum.error, $0] < space.sums[Sum.error, $0] }
    guard !wasBetter.isEmpty else { return }
    for column in 0..<n {
      let (from, to) = unsafe (integers.pointer(column * width), space.ordered.pointer(column * width))
      // SAFETY: both have n · width bytes, and a lane is below width.
      for lane in wasBetter { unsafe to[lane] = from[lane] }
    }
    for (result, copy) in kept {
      for row in 0..<result.rows {
        for lane in wasBetter { result[row, lane] = copy[row, lane] }
      }
    }
  }

  // MARK: Weights and grids

  /// W (or the corrected target) into `first`, in the order of elimination; grids that are fixed up front.
  private func loadTarget(_ factor: HessianFactor) {
    load(order: factor.columns, into: space.first)
    for column in 0..<n where !factor.isDead[column] {
      // What the output's power is predicted from.
      space.first.slice.addSquares(
        row: column, times: factor.diagonal[column], to: space.sums[Sum.predicted..<Sum.predicted + 1, 0..<width])
    }
    if problem.correction != nil { correct(factor) }
    // The reference fixes the grid of a whole row before it clears dead columns.
    if !problem.fixesGrids, grid.groupSize == nil {
      findGrid(0, space.first[0..<n, 0..<width], weights: nil)
    }
    for column in 0..<n where factor.isDead[column] { space.first[column..<column + 1, 0..<width].fill(0) }
    if problem.fixesGrids {
      findAllGrids(weights: factor.columnWeights)
    }
    if problem.reorders {
      let (ordered, target) = (space.first.slice, space.second.slice)
      target.copy(from: ordered)
      for (position, column) in factor.elimination.enumerated() {
        ordered[position..<position + 1, 0..<width].copy(from: target[Int(column)..<Int(column) + 1, 0..<width])
      }
    }
  }

  private func load(order: [UInt32], into target: Matrix<Float>, step: Int = 1) {
    let weights = problem.weights
    // SAFETY: the strip's rows lie in W, an order holds each column once, and the target has n · width elements.
    unsafe order.withUnsafeBufferPointer { order in
      guard let order = order.baseAddress else { return }
      unsafe belle_gather_strip(
        weights.pointer(rows.lowerBound * step), weights.stride * step, rows.count, n, order, target.slice.base, width)
    }
  }

  /// W + (α·W·Δ + β·P)·(H + λI)⁻¹ in place of W: the same problem with another target.
  private func correct(_ factor: HessianFactor) {
    let residual = recipe.residualCorrection != 0 ? problem.correction?.residual : nil
    let delta = recipe.inputCorrection != 0 ? problem.correction?.inputs : nil
    guard residual != nil || delta != nil else { return }
    let (w, sums, t) = (space.first.slice, space.second.slice, space.third.slice)
    let beta = recipe.residualCorrection * factor.scale
    // First by input, as Δ and P lie; whole rows are put into the order of elimination afterwards.
    if let residual {
      if rows.count < width { sums.fill(0) }
      sums[0..<n, 0..<rows.count].copy(transposed: residual[rows, 0..<n])
    }
    if let delta {
      let isNatural = recipe.order == .natural || problem.fixesGrids
      if !isNatural { load(order: (0..<UInt32(n)).map { $0 }, into: space.third) }
      // (W·Δ)ᵀ = Δᵀ·Wᵀ.
      Float.gemmTile(
        delta.slice, true, isNatural ? w : t, false, into: sums, alpha: recipe.inputCorrection * factor.scale,
        beta: residual == nil ? 0 : beta)
    } else {
      for row in 0..<n { sums.scale(row: row, count: width, by: beta) }
    }
    for (position, column) in factor.elimination.enumerated() {
      let input = Int(factor.columns[Int(column)])
      t[position..<position + 1, 0..<width].copy(from: sums[input..<input + 1, 0..<width])
    }
    let u = factor.matrix.slice
    Float.trsmTile(u, .upper, transpose: false, side: .left, into: t)
    Float.trsmTile(u, .upper, transpose: true, side: .left, into: t)
    for (position, column) in factor.elimination.enumerated() { w.add(t, row: Int(column), from: position) }
  }

  /// The grids of all groups, from `first` in the order of the columns.
  private func findAllGrids(weights: [Float]?) {
    for group in 0..<problem.groups {
      let columns = group * groupSize..<min(n, (group + 1) * groupSize)
      findGrid(group, space.first[columns, 0..<width], weights: weights.map { Array($0[columns]) })
    }
    guard let superGroup = grid.superGroup else { return }
    let weights = recipe.fit == .weightedSearch ? weights : nil
    for (number, group) in stride(from: 0, to: problem.groups, by: superGroup).enumerated() {
      // SAFETY: a super-block's columns and groups lie one after the other, and inputs fill whole super-blocks.
      unsafe (weights ?? [1]).withUnsafeBufferPointer { pointer in
        var work = unsafe belle_super_grid_work(
          columns: groupSize, groups: superGroup, lanes: width, stride: width, grid_stride: width,
          values: space.first.slice.pointer(group * groupSize),
          column_weights: weights == nil ? nil : pointer.baseAddress.map { unsafe $0 + group * groupSize },
          scales: space.scales.slice.pointer(group), minimums: space.minimums.slice.pointer(group),
          scale_unit: space.scaleUnits.slice.pointer(number), minimum_unit: space.minimumUnits.slice.pointer(number),
          max_integer: Float(grid.maximum))
        unsafe belle_super_grid(belle_best_variant(), &work)
      }
    }
  }

  /// The grid of one group of every row.
  private func findGrid(_ group: Int, _ values: MatrixSlice<Float>, weights: [Float]?) {
    let (norm, isCoarse): (Float, Bool) =
      switch recipe.fit {
      case .range: (0, false)
      case .search(let norm): (norm, false)
      case .weightedSearch: (2, true)
      }
    let columnWeights = recipe.fit == .weightedSearch ? weights : nil
    // SAFETY: `values` has its columns as rows here, with `width` lanes; grids have `width` lanes too.
    unsafe (columnWeights ?? [1]).withUnsafeBufferPointer { pointer in
      var work = unsafe belle_grid_work(
        columns: values.rows, lanes: width, stride: values.stride, values: values.base,
        column_weights: columnWeights == nil ? nil : pointer.baseAddress, scales: space.scales.slice.pointer(group),
        zeros: space.zeros.slice.pointer(group), minimums: space.minimums.slice.pointer(group), form: grid.cForm,
        max_integer: Float(grid.maximum), lowest_zero: Float(grid.lowestZeroPoint), smallest_scale: grid.smallestScale,
        norm: norm, coarse: isCoarse, half: grid.storesHalves && !problem.roundsAfterwards,
        negative_scales: recipe.negativeScales && grid.form == .symmetric,
        minimum_below_zero: grid.superGroup != nil)
      unsafe belle_grid(belle_best_variant(), &work)
    }
  }

  // MARK: GPTQ

  private func roundToNearest() {
    load(order: (0..<UInt32(n)).map { $0 }, into: space.first)
    findAllGrids(weights: nil)
    // No feedback: U = I and no products.
    let products = space.second[0..<min(n, Self.block), 0..<width]
    products.fill(0)
    var identity = [Float](repeating: 0, count: Self.block * Self.block)
    for from in stride(from: 0, to: n, by: Self.block) {
      let columns = from..<min(n, from + Self.block)
      for i in 0..<columns.count {
        for j in 0..<columns.count { identity[i * columns.count + j] = i == j ? 1 : 0 }
      }
      quantizeBlock(columns, identity, groups: columns.map { UInt32($0 / groupSize) }, products: products)
    }
  }

  /// All columns in the order of elimination: `first` becomes D, `eliminated` the integers.
  private func feedback(_ factor: HessianFactor) {
    space.second[0..<min(n, Self.block), 0..<width].fill(0)
    feedback(factor, 0..<n, origin: 0)
  }

  /// One half, its feedback on the other one as one product, the other half.
  ///
  /// Products of the columns from `origin` on lie in `second` from its first row on: those before it are done, and what
  /// was added to them is of no use any more. So room for half of the columns is enough.
  private func feedback(_ factor: HessianFactor, _ range: Range<Int>, origin: Int) {
    let products = range.shifted(by: -origin)
    guard range.count > Self.block else {
      let block = factor.factorBlock(range)
      if !problem.fixesGrids { findGridsOnTheWay(factor, range, block, space.second[products, 0..<width]) }
      let groups = range.map { UInt32((problem.fixesGrids ? Int(factor.elimination[$0]) : $0) / groupSize) }
      quantizeBlock(range, block, groups: groups, products: space.second[products, 0..<width])
      return
    }
    let middle = Self.middle(of: range, edge: Self.block)
    let (left, right) = (range.lowerBound..<middle, middle..<range.upperBound)
    feedback(factor, left, origin: origin)
    // Nothing was added yet to a half with nothing but that one before it.
    let isFirst = range.lowerBound == 0
    let next = isFirst ? middle : origin
    Float.gemmTile(
      factor.matrix[left, right], true, space.first[left, 0..<width], false,
      into: space.second[right.shifted(by: -next), 0..<width], alpha: 1, beta: isFirst ? 0 : 1)
    feedback(factor, right, origin: next)
  }

  /// Where a range is cut: at the largest power of two of blocks, so that blocks begin at multiples of their size.
  static func middle(of range: Range<Int>, edge: Int) -> Int {
    var half = edge
    while half * 2 < range.count { half *= 2 }
    return range.lowerBound + half
  }

  /// The grids of groups that begin in a block, from weights with the feedback of all blocks before it: what the
  /// reference does. Those weights are W + P·U⁻¹, U's diagonal block from here to the end of the groups.
  private func findGridsOnTheWay(
    _ factor: HessianFactor, _ block: Range<Int>, _ diagonal: [Float], _ products: MatrixSlice<Float>
  ) {
    guard grid.groupSize != nil else { return }
    let firstGroup = (block.lowerBound + groupSize - 1) / groupSize
    let groups = firstGroup..<max(firstGroup, (block.upperBound + groupSize - 1) / groupSize)
    guard !groups.isEmpty else { return }
    let range = block.lowerBound..<max(block.upperBound, min(n, groups.upperBound * groupSize))
    let current = space.current[0..<range.count, 0..<width]
    current[0..<block.count, 0..<width].copy(from: products)
    if range.upperBound > block.upperBound {
      // The products of columns beyond the block are not complete yet where they lie.
      Float.gemmTile(
        factor.matrix[0..<block.lowerBound, block.upperBound..<range.upperBound], true,
        space.first[0..<block.lowerBound, 0..<width], false, into: current[block.count..<range.count, 0..<width],
        alpha: 1, beta: 0)
    }
    // By blocks: the products with those before, and then its own.
    for from in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
      let part = from..<min(range.upperBound, from + Self.block)
      let target = current[part.shifted(by: -range.lowerBound), 0..<width]
      if part != block {
        Float.gemmTile(
          factor.matrix[range.lowerBound..<from, part], true, current[0..<from - range.lowerBound, 0..<width], false,
          into: target, alpha: -1, beta: 1)
      }
      solveBlock(part == block ? diagonal : factor.factorBlock(part), target)
    }
    for column in 0..<range.count { current.add(space.first.slice, row: column, from: range.lowerBound + column) }
    for group in groups {
      let columns = group * groupSize - range.lowerBound..<min(n, (group + 1) * groupSize) - range.lowerBound
      findGrid(
        group, current[columns, 0..<width], weights: Array(factor.columnWeights[columns.shifted(by: range.lowerBound)]))
    }
  }

  private func solveBlock(_ factor: [Float], _ products: MatrixSlice<Float>) {
    // SAFETY: as below.
    unsafe factor.withUnsafeBufferPointer { factor in
      var work = unsafe belle_solve_block_work(
        columns: products.rows, lanes: width, stride: products.stride, factor: factor.baseAddress,
        products: products.base)
      unsafe belle_solve_block(belle_best_variant(), &work)
    }
  }

  private func quantizeBlock(
    _ block: Range<Int>, _ factor: [Float], groups: [UInt32], products: MatrixSlice<Float>
  ) {
    // SAFETY: all arrays have the shapes that the kernel's header asks for: block.count columns, `width` lanes.
    unsafe factor.withUnsafeBufferPointer { factor in
      unsafe groups.withUnsafeBufferPointer { groups in
        var work = unsafe belle_gptq_block_work(
          columns: block.count, lanes: width, stride: width, grid_stride: width, factor: factor.baseAddress,
          weights: space.first.slice.pointer(block.lowerBound), products: products.base, groups: groups.baseAddress,
          scales: space.scales.slice.base, zeros: space.zeros.slice.base,
          minimums: space.minimums.slice.base, integers: space.eliminated.pointer(block.lowerBound * width),
          losses: space.sums.slice.pointer(Sum.loss), max_integer: Float(grid.maximum))
        unsafe belle_gptq_block(belle_best_variant(), &work)
      }
    }
  }

  // MARK: Results

  /// From the loss, which counts λ and dead inputs, to the error of the outputs.
  private func sumErrors(_ factor: HessianFactor, _ errors: Matrix<Float>, isOrdered: Bool) {
    let sums = space.sums.slice
    let squares = sums[Sum.scratch..<Sum.scratch + 1, 0..<width]
    squares.fill(0)
    for position in 0..<n {
      let column = isOrdered ? position : Int(factor.elimination[position])
      errors.slice.addSquares(
        row: position, times: factor.lambda + (factor.isDead[column] ? factor.diagonal[column] : 0), to: squares)
    }
    guard recipe.sweeps == 0, recipe.refit || problem.roundsAfterwards, !problem.neglectsRounding else {
      for lane in 0..<width {
        // Never less than what λ counts of it: what gains leave of a loss that falls to nothing is their roundings.
        sums[Sum.loss, lane] = max(sums[Sum.loss, lane], squares[0, lane])
        sums[Sum.error, lane] = sums[Sum.loss, lane] - squares[0, lane]
      }
      return
    }
    // The loss is that of scales which are no more: the error is counted anew.
    addPower(factor, of: errors, scratch: space.first, to: sums[Sum.error..<Sum.error + 1, 0..<width])
    for lane in 0..<width { sums[Sum.loss, lane] = sums[Sum.error, lane] + squares[0, lane] }
  }

  /// Rounds scales and minimums to half precision, as late as the reference does.
  private func roundScales() {
    // SAFETY: grids have groups · width elements.
    unsafe belle_round_halves(space.scales.slice.base, problem.groups * width, grid.smallestScale)
    unsafe belle_round_halves(space.minimums.slice.base, problem.groups * width, 0)
  }

  /// Rounds scales and minimums, and keeps the errors in step.
  private func roundGrid() {
    let (scales, minimums) = (space.scales.copy(), space.minimums.copy())
    roundScales()
    // SAFETY: grids have groups · width elements, errors and integers n · width.
    for group in 0..<problem.groups {
      let columns = group * groupSize..<min(n, (group + 1) * groupSize)
      unsafe belle_move_grid(
        space.second.slice.pointer(columns.lowerBound), space.ordered.pointer(columns.lowerBound * width),
        columns.count, width, space.zeros.slice.pointer(group), scales.slice.pointer(group),
        minimums.slice.pointer(group), space.scales.slice.pointer(group), space.minimums.slice.pointer(group))
    }
  }

  /// Hands over the results of the strip's rows.
  func write(
    integers: UnsafeMutablePointer<UInt8>, _ scales: Matrix<Float>, _ zeros: Matrix<Float>, _ minimums: Matrix<Float>,
    _ sums: Matrix<Float>
  ) {
    let order = problem.usable?.columns ?? (0..<UInt32(n)).map { $0 }
    // SAFETY: `integers` has all rows of the layer; the strip writes its own.
    unsafe order.withUnsafeBufferPointer { order in
      guard let order = order.baseAddress else { return }
      unsafe belle_scatter_bytes(
        space.ordered.pointer(0), width, rows.count, n, order, integers + rows.lowerBound * n, n)
    }
    for (from, to) in [(space.scales, scales), (space.zeros, zeros), (space.minimums, minimums)] {
      to[rows, 0..<problem.groups].copy(transposed: from[0..<problem.groups, 0..<rows.count])
    }
    for (lane, row) in rows.enumerated() {
      sums[Sum.loss, row] = space.sums[Sum.loss, lane]
      sums[Sum.error, row] = space.sums[Sum.error, lane]
      sums[Sum.predicted, row] = space.sums[Sum.predicted, lane]
    }
  }

  /// xᵀ·H·x of every row, H without λ; `scratch` loses its contents.
  private func addPower(
    _ factor: HessianFactor, of x: Matrix<Float>, scratch sums: Matrix<Float>, to power: MatrixSlice<Float>
  ) {
    power.fill(0)
    OutputPower(factor).add(of: 0..<n, x.slice, scratch: sums.slice, to: power)
  }
}

extension Range<Int> {
  func shifted(by offset: Int) -> Range<Int> { lowerBound + offset..<upperBound + offset }
}
