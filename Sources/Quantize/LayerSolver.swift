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

  /// A solver.
  ///
  /// - Parameters:
  ///   - problem: the layer.
  ///   - factor: the problem's, or the one that failed; nil where none was wanted.
  ///   - layer: what the report calls it.
  init(_ problem: LayerProblem, factor: HessianFactor?, layer: String) {
    self.problem = problem
    attempt = factor
    self.layer = layer
  }

  /// The layer's integers and grids; the same on any number of threads.
  func solve(threads: Int) -> QuantizedLayer {
    let clock = ContinuousClock()
    let start = clock.now
    let (rows, columns, groups, grid) = (problem.rows, problem.columns, problem.groups, problem.grid)
    let width = problem.width
    let strips = (rows + width - 1) / width
    let pool = WorkspacePool { [problem] in Workspace(problem) }
    // [out, groups], and sums for each row; the power of sampled rows in two halves.
    let scales = Matrix<Float>(rows: rows, columns: groups)
    let zeros = Matrix<Float>(rows: rows, columns: groups)
    let minimums = Matrix<Float>(rows: rows, columns: groups)
    let sums = RowSums(rows)
    let powers = Matrix<Float>(rows: OutputSample.halves, columns: rows)
    let sample = problem.factor.map { OutputSample(problem.weights, $0, mostLanes: problem.wholeWidth) }
    // SAFETY: every strip writes all integers of its rows, and the strips cover all rows.
    let integers = unsafe [UInt8](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      let target = unsafe buffer.baseAddress.map { unsafe Output(base: $0) }
      forEachTile(strips + (sample?.pieces ?? 0), threads: threads) { index in
        pool.with { workspace in
          guard index < strips else {
            sample?.write(piece: index - strips, workspace.first, workspace.second, to: powers.slice)
            return
          }
          let strip = Strip(problem, rows: index * width..<min(rows, (index + 1) * width), workspace)
          strip.quantize()
          if let target = unsafe target { unsafe strip.write(integers: target.base, scales, zeros, minimums, sums) }
        }
      }
      count = rows * columns
    }
    let weights = PackedLinear(
      bits: grid.bits, outFeatures: rows, inFeatures: columns, codes: .bytes(integers), scales: scales.values,
      scaleType: grid.precision == .half ? .f16 : .f32,
      // A zero point that is none comes of weights that are no numbers, which the report's loss tells.
      offsets: grid.form == .minimum
        ? .minimums(minimums.values) : .zeros(zeros.values.map { UInt16(exactly: $0) ?? 0 }),
      groups: groupIndex ?? PackedLinear.contiguousGroups(of: max(1, problem.groupSize), inputs: columns))
    let seconds = (clock.now - start) / .seconds(1)
    return QuantizedLayer(
      grid: grid, weights: weights, report: report(sums, powers, step: sample?.step ?? 1, seconds: seconds))
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

  private func report(_ sums: RowSums, _ powers: Matrix<Float>, step: Int, seconds: Double) -> LayerReport {
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
    let error = max(0, total(sums.error))
    let columns = Double(problem.columns)
    return LayerReport(
      layer: layer, method: isSolved ? .gptq : .roundToNearest, fallbackReason: attempt?.failure,
      relativeOutputError: !isSolved ? nil : power > 0 ? error / power : 0, isOutputEstimated: step > 1,
      loss: total(sums.loss) / Double(attempt?.scale ?? 1), damping: attempt?.damping ?? 0,
      isDoublePrecision: attempt?.isDoublePrecision ?? false, deadInputs: attempt?.deadInputs.count ?? 0,
      seconds: seconds, flop: isSolved ? problem.steps.products * Double(rows) * columns * columns : 0)
  }
}
