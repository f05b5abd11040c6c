// A layer's strips on threads, the power of its outputs beside them, and the report.

import Checkpoint
import LinearAlgebra
import Packed

/// Solves one layer.
struct LayerSolver {
  private let problem: LayerProblem
  /// The factor that there was meant to be: it may have failed, and the report says so.
  private let attempt: HessianFactor?
  private let layer: String
  /// W, rows as they lie.
  private let weights: MatrixSlice<Float>

  /// A solver.
  ///
  /// - Parameters:
  ///   - problem: the layer.
  ///   - weights: W, where the problem has a copy with its rows in another order.
  ///   - factor: the problem's, or the one that failed; nil where none was wanted.
  ///   - layer: what the report calls it.
  init(_ problem: LayerProblem, weights: MatrixSlice<Float>? = nil, factor: HessianFactor?, layer: String) {
    self.problem = problem
    self.weights = weights ?? problem.weights
    attempt = factor
    self.layer = layer
  }

  /// The layer's integers and grids; the same on any number of threads.
  func solve(threads: Int) -> QuantizedLayer {
    let solved = begin()
    solve(strips: 0..<solved.strips, pieces: 0..<solved.pieces, of: solved, threads: threads)
    return finish(solved, threads: threads)
  }

  // MARK: In parts

  /// A layer on its way: what strips and pieces of the sample write, each to a place of its own.
  final class Solved {
    /// `[out, in]`
    var integers: [UInt8]
    fileprivate(set) var grids: LayerGrids
    fileprivate(set) var sums: RowSums
    /// Of sampled rows, in two halves.
    let powers: Matrix<Float>
    fileprivate let sample: OutputSample?
    /// How many strips there are, and how many rows each has.
    let strips: Int
    let width: Int
    fileprivate let start = ContinuousClock.now

    fileprivate init(_ problem: LayerProblem, _ weights: MatrixSlice<Float>) {
      let count = problem.rows * problem.columns
      // SAFETY: every strip writes all integers of its rows, and the strips cover all rows, here or at another rank.
      integers = unsafe [UInt8](unsafeUninitializedCapacity: count) { $1 = count }
      (grids, sums) = (LayerGrids(problem), RowSums(problem.rows))
      powers = Matrix(rows: OutputSample.halves, columns: problem.rows)
      sample = problem.factor.map { OutputSample(weights, $0, mostLanes: problem.wholeWidth) }
      width = problem.width
      strips = (problem.rows + width - 1) / width
    }

    /// How many pieces of the sample there are.
    var pieces: Int { sample?.pieces ?? 0 }

    /// What makes the layer and its report beside the integers, of some rows.
    func figures(of rows: Range<Int>) -> [MatrixSlice<Float>] {
      [grids.scales, grids.zeros, grids.minimums].map { $0[rows, 0..<$0.columns] } + [sums.all[0..<sums.all.rows, rows]]
    }
  }

  /// Memory for the layer.
  func begin() -> Solved { Solved(problem, weights) }

  /// Solves some strips of rows, and measures the output power of some pieces of the sample.
  func solve(strips: Range<Int>, pieces: Range<Int>, of solved: Solved, threads: Int) {
    let pool = WorkspacePool { [problem] in Workspace(problem) }
    let (grids, sums, powers, sample, width) = (solved.grids, solved.sums, solved.powers, solved.sample, solved.width)
    unsafe solved.integers.withUnsafeMutableBufferPointer { buffer in
      let target = unsafe buffer.baseAddress.map { unsafe Output(base: $0) }
      forEachTile(strips.count + pieces.count, threads: threads) { index in
        pool.with { workspace in
          guard index < strips.count else {
            let piece = pieces.lowerBound + index - strips.count
            sample?.write(piece: piece, workspace.first, workspace.second, to: powers.slice)
            return
          }
          let first = (strips.lowerBound + index) * width
          let strip = Strip(problem, rows: first..<min(problem.rows, first + width), workspace)
          strip.quantize()
          // SAFETY: the integers have room for all rows; each strip writes those of its own.
          if let target = unsafe target { unsafe strip.write(integers: target.base, grids, sums) }
        }
      }
    }
  }

  /// What is left to do when all strips are solved.
  func finish(_ solved: Solved, threads: Int) -> QuantizedLayer {
    var outcome: CoupledRefinement.Outcome?
    if let factor = problem.factor, let coupling = problem.coupling {
      let refinement = CoupledRefinement(problem, factor, coupling.outputs, solved.grids, threads: threads)
      unsafe solved.integers.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { outcome = unsafe refinement.run(base) }
      }
    }
    if let order = problem.coupling?.outputs.order {
      solved.integers = Self.inLayer(solved.integers, order, columns: problem.columns)
      (solved.grids, solved.sums) = (solved.grids.inLayer(order), solved.sums.inLayer(order))
    }
    let seconds = (ContinuousClock.now - solved.start) / .seconds(1)
    return layer(
      solved,
      report(solved.sums, solved.powers, outcome, step: solved.sample?.step ?? 1, seconds: seconds))
  }

  /// The layer that integers and grids make, rows as they lie in it.
  func layer(_ solved: Solved, _ report: LayerReport) -> QuantizedLayer {
    let (grid, grids) = (problem.grid, solved.grids)
    let packed = PackedLinear(
      bits: grid.bits, outFeatures: problem.rows, inFeatures: problem.columns, codes: .bytes(solved.integers),
      scales: grids.scales.values, scaleType: grid.precision == .half ? .f16 : .f32,
      // A zero point that is none comes of weights that are no numbers, which the report's loss tells.
      offsets: grid.form == .minimum
        ? .minimums(grids.minimums.values) : .zeros(grids.zeros.values.map { UInt16(exactly: $0) ?? 0 }),
      groups: groupIndex ?? PackedLinear.contiguousGroups(of: max(1, problem.groupSize), inputs: problem.columns))
    return QuantizedLayer(grid: grid, weights: packed, report: report)
  }

  /// Rows of integers in the order in which they lie in the layer.
  private static func inLayer(_ integers: [UInt8], _ order: [UInt32], columns: Int) -> [UInt8] {
    var position = [Int](repeating: 0, count: order.count)
    for (place, row) in order.enumerated() { position[Int(row)] = place }
    var result: [UInt8] = []
    result.reserveCapacity(integers.count)
    for place in position { result += integers[place * columns..<(place + 1) * columns] }
    return result
  }

  /// A pointer that the strips share; each writes rows of its own.
  @unsafe private struct Output: @unchecked Sendable { let base: UnsafeMutablePointer<UInt8> }

  /// The group of each column, where groups were formed in the order of elimination.
  private var groupIndex: [Int32]? {
    guard let factor = problem.factor, problem.recipe.order == .activation, !problem.recipe.fixesGridsUpFront
    else { return nil }
    var result = [Int32](repeating: 0, count: problem.columns)
    for (position, column) in factor.columns.enumerated() {
      result[Int(column)] = Int32(position / problem.groupSize)
    }
    return result
  }

  private func report(
    _ sums: RowSums, _ powers: Matrix<Float>, _ outcome: CoupledRefinement.Outcome?, step: Int, seconds: Double
  ) -> LayerReport {
    let rows = problem.rows
    func total(_ sums: MatrixSlice<Float>, step: Int = 1) -> Double {
      stride(from: 0, to: rows, by: step).reduce(0.0) { $0 + Double(sums[0, $1]) }
    }
    var power = (0..<OutputSample.halves).reduce(0.0) { $0 + total(powers[$1..<$1 + 1, 0..<rows], step: step) }
    if step > 1 {
      // The sample's power, scaled up by what the Hessian's diagonal alone predicts for all rows and for the sample.
      let predicted = total(sums.predicted, step: step)
      power = predicted > 0 ? power * total(sums.predicted) / predicted : 0
    }
    let isSolved = problem.factor != nil
    let error = max(0, outcome?.error ?? total(sums.error))
    let scale = Double(attempt?.scale ?? 1) * Double(problem.coupling?.outputs.factor.scale ?? 1)
    return LayerReport(
      layer: layer, method: isSolved ? .gptq : .roundToNearest, fallbackReason: attempt?.failure,
      relativeOutputError: !isSolved ? nil : power > 0 ? error / power : 0, isOutputEstimated: step > 1,
      loss: (total(sums.loss) - (outcome?.gain ?? 0)) / scale,
      divergence: outcome.flatMap { divergence($0) }, damping: attempt?.damping ?? 0,
      isDoublePrecision: attempt?.isDoublePrecision ?? false, deadInputs: attempt?.deadInputs.count ?? 0,
      seconds: seconds,
      flop: isSolved
        ? problem.steps.flop(rows: rows, columns: problem.columns, isCoupled: problem.coupling != nil) : 0)
  }

  /// What the layer's error costs the model: ½·tr(H_O·E·H_I·Eᵀ), with means over tokens of g·gᵀ and x·xᵀ, which are half of
  /// the two matrices here. M, which the solver has, is s·H_O/mean + (1 − s)·I.
  private func divergence(_ outcome: CoupledRefinement.Outcome) -> Double? {
    guard let outputs = problem.coupling?.outputs else { return nil }
    let (share, own) = (outputs.shrinkage, Double(outputs.factor.scale))
    let raw = (outcome.coupled / own - (1 - share) * outcome.error) * outputs.mean / share
    return max(0, raw) / Double(attempt?.scale ?? 1) / 8
  }
}
