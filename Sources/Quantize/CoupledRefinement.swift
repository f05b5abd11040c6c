// Coordinate descent where rows are coupled: the third phase of a layer whose first two went strip by strip. Rows down,
// columns across, both in the order of the problem.
//
// Of row r the gradient is G = Σ_k M_rk/M_rr·(E·H)_k, M the factor's matrix of the outputs: with rows apart from r held, its
// part of the objective is M_rr·(E_r·H·E_rᵀ + 2·E_r·(G − E·H)_rᵀ), a problem of one row. So every step is an exact line search,
// as in Refinement, and none raises the objective. E·H of all rows is kept in step: what a block's steps do to the others is
// a product, and so is what all other rows add to the gradients of a strip.

import CBelleKernels
import LinearAlgebra

/// The refinement of a layer with coupled rows.
struct CoupledRefinement {
  let problem: LayerProblem
  /// Of the inputs.
  let factor: HessianFactor
  let outputs: OutputFactor
  let grids: LayerGrids
  let threads: Int
  /// `[out, in]`: E = W* − Ŵ.
  let errors: MatrixSlice<Float>
  /// `[out, in]`: E·(H + λI).
  let products: Matrix<Float>

  private let stripRows = 128
  private var n: Int { problem.columns }
  private var rows: Int { problem.rows }
  private var matrix: MatrixSlice<Float> { outputs.factor.matrix.slice }

  init(_ problem: LayerProblem, _ factor: HessianFactor, _ outputs: OutputFactor, _ grids: LayerGrids, threads: Int) {
    (self.problem, self.factor, self.outputs, self.grids) = (problem, factor, outputs, grids)
    self.threads = threads
    errors = problem.weights
    products = Matrix(rows: problem.rows, columns: problem.columns)
  }

  /// Columns of a block: whole groups where they fit.
  private var edge: Int {
    let size = problem.groupSize
    return hasLargeGroups ? Blocking.block : size > Blocking.block ? size : Blocking.block / size * size
  }

  /// What came of it.
  struct Outcome {
    /// By how much the objective fell.
    var gain = 0.0
    /// tr(E·H·Eᵀ), H without λ.
    var error = 0.0
    /// tr(M·E·H·Eᵀ), both without λ; an estimate from some rows where the layer is large.
    var coupled = 0.0
  }

  /// Improves errors, integers and grids by the recipe's sweeps, or by a refit alone.
  ///
  /// - Parameter integers: `[out, in]`.
  func run(_ integers: UnsafeMutablePointer<UInt8>) -> Outcome {
    multiply(errors, 0..<n, into: products.slice)
    var outcome = Outcome()
    let (sweeps, refits) = (problem.steps.sweeps, problem.steps.refits)
    for index in 0..<max(sweeps, refits ? 1 : 0) {
      outcome.gain += unsafe sweep(integers, goesRight: index % 2 == 0, movesIntegers: sweeps > 0)
    }
    measure(&outcome)
    return outcome
  }

  // MARK: E·H

  /// The product of some columns with H + λI.
  ///
  /// - Parameters:
  ///   - change: `[rows, columns of the range]`.
  ///   - columns: which of H they are.
  ///   - target: `[rows, in]`; overwritten in these columns, and added to in the others.
  func multiply(_ change: MatrixSlice<Float>, _ columns: Range<Int>, into target: MatrixSlice<Float>) {
    let (first, rows) = (columns.lowerBound, 0..<change.rows)
    let part = { (range: Range<Int>) in change[rows, range.shifted(by: -first)] }
    for block in columns.pieces() {
      let h = Matrix(rows: block.count, columns: block.count, factor.symmetricBlock(block))
      gemm(part(block), h.slice, into: target[rows, block], threads: threads)
    }
    addAcross(columns, part, into: target)
    for outside in [0..<first, columns.upperBound..<n] where !outside.isEmpty {
      carry(change, from: columns, to: outside, into: target[rows, outside], alpha: 1)
    }
  }

  /// What two halves of columns do to each other, and so on within them.
  private func addAcross(
    _ range: Range<Int>, _ part: (Range<Int>) -> MatrixSlice<Float>, into target: MatrixSlice<Float>
  ) {
    guard range.count > Blocking.block else { return }
    let (left, right) = range.halves(edge: Blocking.block)
    for (from, to) in [(left, right), (right, left)] {
      carry(part(from), from: from, to: to, into: target[0..<target.rows, to], alpha: 1)
    }
    addAcross(left, part, into: target)
    addAcross(right, part, into: target)
  }

  /// products += α · change · H, of some columns to others.
  private func carry(
    _ change: MatrixSlice<Float>, from: Range<Int>, to: Range<Int>, into target: MatrixSlice<Float>, alpha: Float
  ) {
    // Only the lower triangle holds H.
    let isLeftward = from.lowerBound > to.lowerBound
    gemm(
      change, isLeftward ? factor.matrix[from, to] : factor.matrix[to, from], transposeB: !isLeftward, into: target,
      alpha: alpha, beta: 1, threads: threads)
  }

  // MARK: A sweep

  /// The rows of a strip, what they have to do with each other, and what the other rows add to their gradients.
  struct RowStrip {
    let rows: Range<Int>
    /// M_rk / M_rr.
    let coupling: [Float]
    /// M_rr.
    let weights: [Float]
    /// `[rows, in]`: Σ over the other strips' rows.
    let others: Matrix<Float>
    /// `[rows, in]`: by how much E fell.
    let moved: Matrix<Float>
  }

  /// Whether groups are too large for the kernel.
  private var hasLargeGroups: Bool { problem.groupSize > 256 }

  private func sweep(_ integers: UnsafeMutablePointer<UInt8>, goesRight: Bool, movesIntegers: Bool) -> Double {
    var gain = 0.0
    for range in (0..<rows).pieces(of: stripRows) {
      let strip = strip(range)
      if movesIntegers || !hasLargeGroups {
        pass(0..<n, goesRight: goesRight, strip) {
          gain += unsafe move($0, strip, integers, movesIntegers: movesIntegers)
        }
      }
      if problem.steps.refits, hasLargeGroups { gain += unsafe refitLargeGroups(strip, integers) }
    }
    return gain
  }

  private func strip(_ range: Range<Int>) -> RowStrip {
    let others = Matrix<Float>(rows: range.count, columns: n)
    let (before, after) = (0..<range.lowerBound, range.upperBound..<rows)
    if !before.isEmpty {
      gemm(matrix[range, before], products[before, 0..<n], into: others.slice, threads: threads)
    }
    if !after.isEmpty {
      gemm(
        matrix[after, range], transposeA: true, products[after, 0..<n], into: others.slice, beta: 1, threads: threads)
    }
    let weights = range.map { outputs.factor.diagonal[$0] + outputs.factor.lambda }
    var own = outputs.factor.symmetricBlock(range)
    for row in 0..<range.count {
      for other in 0..<range.count { own[row * range.count + other] /= weights[row] }
      others.slice.scale(row: row, count: n, by: 1 / weights[row])
    }
    return RowStrip(
      rows: range, coupling: own, weights: weights, others: others, moved: Matrix(rows: range.count, columns: n))
  }

  /// Goes through all blocks of a range in one direction, and carries what those it has passed did to the others.
  private func pass(_ range: Range<Int>, goesRight: Bool, _ strip: RowStrip, _ block: (Range<Int>) -> Void) {
    guard range.count > edge else { return block(range) }
    let halves = range.halves(edge: edge)
    let (now, later) = goesRight ? halves : (halves.right, halves.left)
    let moved = { (from: Range<Int>, to: Range<Int>) in
      carry(
        strip.moved[0..<strip.rows.count, from], from: from, to: to, into: products[strip.rows, to], alpha: -1)
    }
    pass(now, goesRight: goesRight, strip, block)
    moved(now, later)
    pass(later, goesRight: goesRight, strip, block)
    moved(later, now)
  }

  /// Moves the integers of a block, then its scales; by how much the objective fell.
  private func move(
    _ block: Range<Int>, _ strip: RowStrip, _ integers: UnsafeMutablePointer<UInt8>, movesIntegers: Bool
  ) -> Double {
    let (count, grid) = (strip.rows.count, problem.grid)
    let hessian = factor.symmetricBlock(block)
    let order = (0..<block.count).sorted {
      (factor.diagonal[block.lowerBound + $0], $1) > (factor.diagonal[block.lowerBound + $1], $0)
    }.map { UInt32($0) }
    let groups = block.map { UInt32($0 / problem.groupSize) }
    let gradients = Matrix<Float>(rows: count, columns: block.count)
    gradients.slice.copy(from: strip.others[0..<count, block])
    let coupling = Matrix(rows: count, columns: count, strip.coupling)
    gemm(coupling.slice, products[strip.rows, block], into: gradients.slice, beta: 1)
    let first = strip.rows.lowerBound
    var gain = 0.0
    // SAFETY: all arrays have the shapes that the kernel's header asks for: rows of the strip, columns of the block.
    unsafe hessian.withUnsafeBufferPointer { hessian in
      unsafe order.withUnsafeBufferPointer { order in
        unsafe groups.withUnsafeBufferPointer { groups in
          unsafe strip.weights.withUnsafeBufferPointer { weights in
            var work = unsafe belle_two_sided_sweep_work(
              rows: count, columns: block.count, hessian: hessian.baseAddress, coupling: coupling.slice.base,
              weights: weights.baseAddress, gradients: gradients.slice.base,
              products: products.slice.pointer(first, block.lowerBound),
              errors: errors.pointer(first, block.lowerBound), moved: strip.moved.slice.pointer(0, block.lowerBound),
              integers: integers + first * n + block.lowerBound, product_stride: products.columns,
              error_stride: errors.stride, moved_stride: strip.moved.columns, integer_stride: n,
              order: order.baseAddress, groups: groups.baseAddress, scales: grids.scales.slice.pointer(first),
              minimums: grids.minimums.slice.pointer(first), zeros: grids.zeros.slice.pointer(first),
              grid_stride: grids.scales.columns, gain: 0, max_integer: Float(grid.maximum),
              smallest_scale: grid.smallestScale, moves_integers: movesIntegers,
              refits: problem.steps.refits && !hasLargeGroups, has_minimums: grid.form == .minimum,
              half: grid.storesHalves, negative_scales: problem.recipe.negativeScales && grid.form == .symmetric,
              scale_units: grid.superBlock == nil ? nil : grids.scaleUnits.slice.pointer(first),
              minimum_units: grid.superBlock == nil ? nil : grids.minimumUnits.slice.pointer(first),
              unit_stride: grids.scaleUnits.columns, super_groups: grid.superBlock?.groups ?? 1,
              least_multiple: Float(multiples.lowerBound), most_multiple: Float(multiples.upperBound),
              most_minimum: Float(grid.superBlock?.mostMinimum ?? 0))
            unsafe belle_two_sided_sweep(belle_best_variant(), &work)
            gain = unsafe work.gain
          }
        }
      }
    }
    return gain
  }

  private var multiples: ClosedRange<Int> {
    let isSigned = problem.recipe.negativeScales && problem.grid.form == .symmetric
    return problem.grid.superBlock?.multiples(ofBothSigns: isSigned) ?? 1...1
  }

  // MARK: What is left

  /// The error of the outputs, and what it costs the model. E·H loses its λ.
  private func measure(_ outcome: inout Outcome) {
    for column in 0..<n where factor.isDead[column] {
      for row in 0..<rows { products[row, column] = 0 }
    }
    let live = (0..<n).filter { !factor.isDead[$0] }
    let (errors, products, lambda) = (errors, products.slice, factor.lambda)
    let sums = Matrix<Double>(rows: rows, columns: 1)
    forEachTile(rows, threads: threads) { row in
      // SAFETY: both rows have n elements.
      let (e, p) = unsafe (errors.pointer(row), products.pointer(row))
      var sum = 0.0
      for column in live {
        unsafe p[column] -= lambda * e[column]
        sum += unsafe Double(e[column]) * Double(p[column])
      }
      sums[row, 0] = sum
    }
    let own = sums.values
    outcome.error = own.reduce(0, +)
    // Of a large layer some rows, scaled up by what the diagonal alone says of all.
    let step = OutputSample.takesAll(rows: rows, columns: n) ? 1 : rows / 128
    let sample = Array(stride(from: 0, to: rows, by: step))
    let m = Matrix<Float>(rows: sample.count, columns: rows)
    for (place, row) in sample.enumerated() {
      for other in 0..<rows {
        m[place, other] = row == other ? outputs.factor.diagonal[row] : matrix[max(row, other), min(row, other)]
      }
    }
    let coupled = Matrix<Float>(rows: sample.count, columns: n)
    gemm(m.slice, products, into: coupled.slice, threads: threads)
    var (sum, diagonal) = (0.0, 0.0)
    for (place, row) in sample.enumerated() {
      for column in live { sum += Double(errors[row, column]) * Double(coupled[place, column]) }
      diagonal += Double(outputs.factor.diagonal[row]) * own[row]
    }
    let all = (0..<rows).reduce(0.0) { $0 + Double(outputs.factor.diagonal[$1]) * own[$1] }
    outcome.coupled = step == 1 ? sum : diagonal > 0 ? sum * all / diagonal : 0
  }
}
