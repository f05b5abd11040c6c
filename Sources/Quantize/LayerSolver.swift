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
    let clock = ContinuousClock()
    let start = clock.now
    let (rows, columns, grid) = (problem.rows, problem.columns, problem.grid)
    let width = problem.width
    let strips = (rows + width - 1) / width
    let pool = WorkspacePool { [problem] in Workspace(problem) }
    // Sums for each row; the power of sampled rows in two halves.
    var grids = LayerGrids(problem)
    var sums = RowSums(rows)
    let powers = Matrix<Float>(rows: OutputSample.halves, columns: rows)
    let sample = problem.factor.map { OutputSample(weights, $0, mostLanes: problem.wholeWidth) }
    var outcome: CoupledRefinement.Outcome?
    // SAFETY: every strip writes all integers of its rows, and the strips cover all rows.
    var integers = unsafe [UInt8](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      let target = unsafe buffer.baseAddress.map { unsafe Output(base: $0) }
      forEachTile(strips + (sample?.pieces ?? 0), threads: threads) { [grids, sums] index in
        pool.with { workspace in
          guard index < strips else {
            sample?.write(piece: index - strips, workspace.first, workspace.second, to: powers.slice)
            return
          }
          let strip = Strip(problem, rows: index * width..<min(rows, (index + 1) * width), workspace)
          strip.quantize()
          if let target = unsafe target { unsafe strip.write(integers: target.base, grids, sums) }
        }
      }
      if let factor = problem.factor, let coupling = problem.coupling, let base = buffer.baseAddress {
        let refinement = CoupledRefinement(problem, factor, coupling.outputs, grids, threads: threads)
        outcome = unsafe refinement.run(base)
      }
      count = rows * columns
    }
    if let order = problem.coupling?.outputs.order {
      integers = Self.inLayer(integers, order, columns: columns)
      (grids, sums) = (grids.inLayer(order), sums.inLayer(order))
    }
    let packed = PackedLinear(
      bits: grid.bits, outFeatures: rows, inFeatures: columns, codes: .bytes(integers), scales: grids.scales.values,
      scaleType: grid.precision == .half ? .f16 : .f32,
      // A zero point that is none comes of weights that are no numbers, which the report's loss tells.
      offsets: grid.form == .minimum
        ? .minimums(grids.minimums.values) : .zeros(grids.zeros.values.map { UInt16(exactly: $0) ?? 0 }),
      groups: groupIndex ?? PackedLinear.contiguousGroups(of: max(1, problem.groupSize), inputs: columns))
    let seconds = (clock.now - start) / .seconds(1)
    return QuantizedLayer(
      grid: grid, weights: packed, report: report(sums, powers, outcome, step: sample?.step ?? 1, seconds: seconds))
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
