// One layer to quantize, cut into strips of rows: rows are independent, given the factor.

import CBelleKernels
import Checkpoint
import LinearAlgebra
import Packed

/// A layer with all that its quantization needs.
struct LayerProblem: Sendable {
  let weights: MatrixSlice<Float>
  /// Nil, or one without a factor: round to nearest.
  let factor: HessianFactor?
  let grid: Grid
  var recipe: Recipe
  let correction: Correction?
  let layer: String

  var rows: Int { weights.rows }
  var columns: Int { weights.columns }
  var groups: Int { grid.groupCount(inputs: columns) }
  var groupSize: Int { grid.groupSize ?? columns }
  /// The factor, where there is one to work with.
  var usable: HessianFactor? { factor?.failure == nil ? factor : nil }

  /// Whether anything happens after the last column's integers that their errors must be kept in step with.
  var isRefined: Bool {
    usable != nil
      && (recipe.sweeps > 0 || recipe.refit || solvesTwice || roundsAfterwards && !neglectsRounding)
  }
  /// Whether integers are found against scales that are not rounded yet.
  var roundsAfterwards: Bool { usable != nil && recipe.rounding.applied(to: grid) == .afterwards }
  /// Whether the error is not counted anew after scales were rounded.
  var neglectsRounding: Bool { usable != nil && recipe.neglectsRounding(of: grid, rows: rows, columns: columns) }
  /// Whether integers are found against scales of both kinds.
  var solvesTwice: Bool { usable != nil && recipe.rounding.applied(to: grid) == .either }
  /// Whether grids are fixed before the first column; a super-block's must be.
  var fixesGrids: Bool { recipe.fixesGridsUpFront || grid.superGroup != nil }

  /// Whether columns are quantized in another order than the one in which they lie.
  var reorders: Bool { usable != nil && recipe.order == .activation && fixesGrids }

  /// Of how many columns at most the grids are found at a time, where they are found on the way.
  private var currentColumns: Int {
    guard usable != nil, !fixesGrids, let groupSize = grid.groupSize else { return 0 }
    return min(columns, max(Strip.block, groupSize) + min(Strip.block, groupSize))
  }

  /// Whether a strip's second matrix holds more than products that wait for their turn.
  private var needsAll: Bool { isRefined || reorders || correction != nil }

  /// Rows of a strip: by the shape and the recipe alone. Wider strips multiply faster, narrower ones keep memory and more
  /// threads busy; those that need twice the memory have half of the rows.
  var width: Int { min(needsAll ? 256 : 512, max(64, (rows / 8 + 15) / 16 * 16), (rows + 15) / 16 * 16) }

  /// For how many columns a strip's second matrix has room: products wait in it for at most half of the columns.
  var waitingColumns: Int { needsAll || width < 128 ? columns : max(min(columns, Strip.block), (columns + 1) / 2) }

  /// Lanes of which the first and the second matrix hold all columns.
  var wholeWidth: Int { waitingColumns == columns ? width : width / 2 / 16 * 16 }

  func solve(threads: Int) -> QuantizedLayer {
    let clock = ContinuousClock()
    let start = clock.now
    let width = width
    let strips = (rows + width - 1) / width
    let pool = WorkspacePool {
      [columns, groups, grid, waitingColumns, needsThird = isRefined || correction != nil, reorders, currentColumns] in
      Workspace(
        columns: columns, width: width, groups: groups, superGroup: grid.superGroup,
        second: waitingColumns, third: needsThird ? columns : 0,
        reorders: reorders, current: currentColumns)
    }
    // [out, groups], and for each row: loss, error, the power's prediction; two halves of the power of sampled rows.
    let scales = Matrix<Float>(rows: rows, columns: groups)
    let zeros = Matrix<Float>(rows: rows, columns: groups)
    let minimums = Matrix<Float>(rows: rows, columns: groups)
    let sums = Matrix<Float>(rows: 3, columns: rows)
    let powers = Matrix<Float>(rows: OutputSample.halves, columns: rows)
    let sample = OutputSample(self)
    // SAFETY: every strip writes all integers of its rows, and the strips cover all rows.
    let integers = unsafe [UInt8](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      let target = unsafe buffer.baseAddress.map { unsafe Output(base: $0) }
      forEachTile(strips + sample.pieces, threads: threads) { index in
        pool.with { workspace in
          if index < strips {
            let strip = Strip(self, rows: index * width..<min(rows, (index + 1) * width), workspace)
            if solvesTwice { strip.quantizeTwice() } else { strip.quantize() }
            if let target = unsafe target { unsafe strip.write(integers: target.base, scales, zeros, minimums, sums) }
          } else {
            sample.write(piece: index - strips, workspace, to: powers.slice)
          }
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
      groups: groupIndex ?? PackedLinear.contiguousGroups(of: max(1, groupSize), inputs: columns))
    return QuantizedLayer(
      grid: grid, weights: weights,
      report: report(sums, powers, step: sample.step, seconds: (clock.now - start) / .seconds(1)))
  }

  /// A pointer that the strips share; each writes rows of its own.
  @unsafe private struct Output: @unchecked Sendable { let base: UnsafeMutablePointer<UInt8> }

  private var groupIndex: [Int32]? {
    guard let factor = usable, recipe.order == .activation, !recipe.fixesGridsUpFront else { return nil }
    var result = [Int32](repeating: 0, count: columns)
    for (position, column) in factor.columns.enumerated() { result[Int(column)] = Int32(position / groupSize) }
    return result
  }

  private func report(
    _ sums: Matrix<Float>, _ powers: Matrix<Float>, step: Int, seconds: Double
  ) -> LayerReport {
    func total(_ sums: Matrix<Float>, _ row: Int, step: Int = 1) -> Double {
      stride(from: 0, to: rows, by: step).reduce(0.0) { $0 + Double(sums[row, $1]) }
    }
    var power = (0..<OutputSample.halves).reduce(0.0) { $0 + total(powers, $1, step: step) }
    if step > 1 {
      // The sample's power, scaled up by what the Hessian's diagonal alone predicts for all rows and for the sample.
      let predicted = total(sums, Strip.Sum.predicted, step: step)
      power = predicted > 0 ? power * total(sums, Strip.Sum.predicted) / predicted : 0
    }
    let error = max(0, total(sums, Strip.Sum.error))
    let flop =
      usable == nil
      ? 0 : recipe.products(on: grid, rows: rows, columns: columns) * Double(rows) * Double(columns) * Double(columns)
    return LayerReport(
      layer: layer, method: usable == nil ? .roundToNearest : .gptq,
      fallbackReason: factor?.failure,
      relativeOutputError: usable == nil ? nil : power > 0 ? error / power : 0, isOutputEstimated: step > 1,
      loss: total(sums, Strip.Sum.loss) / Double(factor?.scale ?? 1), damping: factor?.damping ?? 0,
      isDoublePrecision: factor?.isDoublePrecision ?? false,
      deadInputs: factor?.deadInputs.count ?? 0, seconds: seconds, flop: flop)
  }
}
