// One strip of rows, from weights to integers, on one thread: target, elimination, refinement. Rows lie across, columns
// down, so that a matrix product serves all rows at once and the kernels find neighbouring rows in neighbouring lanes.
//
// Letters, as in Documentation/gptq.md: W weights, W* the target, Ŵ the quantized values, D = E = W* − Ŵ, D in the order of
// elimination and E in that of the columns; H the damped Hessian, U its factor, H = U·Uᵀ; P the products that the feedback
// is made of.

import CBelleKernels
import LinearAlgebra

/// A strip of a layer.
struct Strip {
  private let problem: LayerProblem
  private let rows: Range<Int>
  private let space: Workspace
  private var n: Int { problem.columns }
  private var width: Int { space.first.columns }

  init(_ problem: LayerProblem, rows: Range<Int>, _ space: Workspace) {
    self.problem = problem
    self.rows = rows
    self.space = space
  }

  /// From weights to integers in `space.ordered`.
  func quantize() {
    space.sums.clear()
    let elimination = Elimination(problem, rows: rows, space)
    guard let factor = problem.factor else {
      problem.weights.gather(rows, order: (0..<UInt32(n)).map { $0 }, into: space.first.slice)
      space.grids.findAll(space.first, weights: problem.columnWeights)
      elimination.roundToNearest()
      return
    }
    Target(problem, factor, rows: rows, space).load()
    elimination.run(factor)
    if problem.steps.reorders { putIntegersInOrder(factor, elimination) }
    guard problem.coupling == nil else { return handOver(factor, elimination) }
    guard problem.steps.isRefined else {
      if problem.steps.roundsAfterwards { space.grids.round() }
      sumErrors(factor, elimination.differences, order: factor.elimination)
      return
    }
    let refinement = Refinement(problem, factor, space)
    for (position, column) in factor.elimination.enumerated() {
      refinement.errors[Int(column)..<Int(column) + 1, 0..<width].copy(
        from: elimination.differences[position..<position + 1, 0..<width])
    }
    if problem.steps.roundsAfterwards { space.grids.round(keeping: refinement.errors, of: refinement.integers) }
    refinement.run()
    sumErrors(factor, refinement.errors, order: (0..<UInt32(n)).map { $0 })
  }

  /// Where rows are coupled, the errors take the place of the strip's weights: what follows is done for all rows at once.
  private func handOver(_ factor: HessianFactor, _ elimination: Elimination) {
    let errors = space.second[0..<n, 0..<width]
    for (position, column) in factor.elimination.enumerated() {
      errors[Int(column)..<Int(column) + 1, 0..<width].copy(
        from: elimination.differences[position..<position + 1, 0..<width])
    }
    problem.weights[rows, 0..<n].copy(transposed: errors[0..<n, 0..<rows.count])
  }

  /// From the order of elimination to that of the columns.
  private func putIntegersInOrder(_ factor: HessianFactor, _ elimination: Elimination) {
    for (position, column) in factor.elimination.enumerated() {
      // SAFETY: both have n · width bytes, and an order holds each column once.
      unsafe space.ordered.pointer(Int(column) * width).update(
        from: elimination.integers.pointer(position * width), count: width)
    }
  }

  /// From the loss, which counts λ and dead inputs, to the error of the outputs.
  ///
  /// - Parameters:
  ///   - errors: `[in, width]`.
  ///   - order: the column of each of its rows.
  private func sumErrors(_ factor: HessianFactor, _ errors: Matrix<Float>, order: [UInt32]) {
    let (loss, error, squares) = (space.sums.loss, space.sums.error, space.sums.scratch)
    squares.fill(0)
    for (position, column) in order.enumerated() {
      let isDead = factor.isDead[Int(column)]
      errors.slice.addSquares(
        row: position, times: factor.lambda + (isDead ? factor.diagonal[Int(column)] : 0), to: squares)
    }
    if problem.steps.countsErrors {
      // The loss is that of scales which are no more.
      error.fill(0)
      OutputPower(factor).add(of: 0..<n, errors.slice, scratch: space.first.slice, to: error)
      for lane in 0..<width { loss[0, lane] = error[0, lane] + squares[0, lane] }
    } else {
      for lane in 0..<width {
        // Never less than what λ counts of it: what gains leave of a loss that falls to nothing is their roundings.
        loss[0, lane] = max(loss[0, lane], squares[0, lane])
        error[0, lane] = loss[0, lane] - squares[0, lane]
      }
    }
  }

  /// Hands over the results of the strip's rows.
  ///
  /// - Parameters:
  ///   - integers: `[out, in]`.
  ///   - grids: of all rows of the layer.
  ///   - sums: of all rows of the layer.
  func write(integers: UnsafeMutablePointer<UInt8>, _ grids: LayerGrids, _ sums: RowSums) {
    let order = problem.factor?.columns ?? (0..<UInt32(n)).map { $0 }
    // SAFETY: `integers` has all rows of the layer; the strip writes its own.
    unsafe order.withUnsafeBufferPointer { order in
      guard let order = order.baseAddress else { return }
      unsafe belle_scatter_bytes(
        space.ordered.pointer(0), width, rows.count, n, order, integers + rows.lowerBound * n, n)
    }
    space.grids.write(rows, to: grids)
    space.sums.write(rows, to: sums)
  }
}
