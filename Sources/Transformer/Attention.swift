// Causal attention, for one window and head at a time, by blocks of queries: no matrix is larger than queries of a block ×
// tokens of a window. Where keys and values are kept they are longer than the queries; the offset says by how much.
// Sources: as in Layer.swift.

import CBelleKernels
import LinearAlgebra

/// Attention over the rows of some states.
struct Attention {
  /// What the modules before attention gave, by heads.
  private struct Projections: Sendable {
    let outputs: [Matrix<Float>]
    let plan: LayerPlan

    func queries(_ rows: Range<Int>, _ head: Int) -> MatrixSlice<Float> { part(plan.queries[head], rows) }
    func keys(_ rows: Range<Int>, _ head: Int) -> MatrixSlice<Float> { part(plan.keys[head], rows) }
    func values(_ rows: Range<Int>, _ head: Int) -> MatrixSlice<Float> { part(plan.values[head], rows) }

    private func part(_ place: LayerPlan.Place, _ rows: Range<Int>) -> MatrixSlice<Float> {
      outputs[place.matrix][rows, place.column..<place.column + plan.headSize]
    }
  }

  private let plan: LayerPlan
  private let projections: Projections
  private let states: HiddenStates
  private let rotary: RotaryTable?
  private let kept: KeyValueCache.Layer?

  /// - Parameters:
  ///   - outputs: what the modules before attention gave for each row of the states; queries and keys are turned in
  ///     place.
  ///   - states: whose windows they are.
  ///   - rotary: the rotations of a window's rows; nil where positions are not rotary.
  ///   - kept: the keys and values of what was read before, which the only window continues.
  init(
    _ plan: LayerPlan, _ outputs: [Matrix<Float>], _ states: HiddenStates, _ rotary: RotaryTable?,
    _ kept: KeyValueCache.Layer?
  ) {
    precondition(kept == nil || states.windowCount == 1)
    self.plan = plan
    projections = Projections(outputs: outputs, plan: plan)
    self.states = states
    self.rotary = rotary
    self.kept = kept
  }

  /// What attention gives.
  ///
  /// - Returns: `[rows, headCount · headSize]`.
  func mixed(threads: Int) -> Matrix<Float> {
    if let rotary {
      plan.rotate(
        projections.outputs, states.blocks, windowLength: states.windowLength, rotary, threads: threads)
    }
    let (heads, length) = (plan.headCount, states.windowLength)
    let (projections, scores, size) = (projections, plan.scores, plan.headSize)
    let share = heads / plan.keyValueHeadCount
    let result = Matrix<Float>(rows: states.residual.rows, columns: heads * size)
    // By head of keys; nil where a window has none but its own.
    let earlier = kept.map { kept in
      (0..<plan.keyValueHeadCount).map { head in
        kept.appending(keys: projections.keys(0..<length, head), values: projections.values(0..<length, head), head)
      }
    }
    let seen = earlier?.first?.keys.rows ?? length
    let isDirect = kept != nil && length <= Self.directQueries
    // One thread for a few tokens: less than starting others costs.
    let threads = states.windowCount * length * seen * heads * size < 1 << 18 ? 1 : threads
    forEachTile(states.windowCount * heads, threads: threads) { task in
      let (window, head) = task.quotientAndRemainder(dividingBy: heads)
      let rows = window * length..<(window + 1) * length
      let (keys, values) =
        earlier?[head / share] ?? (projections.keys(rows, head / share), projections.values(rows, head / share))
      let (queries, out) = (projections.queries(rows, head), result[rows, head * size..<(head + 1) * size])
      if isDirect {
        Self.attendDirectly(queries, keys, values, scores[head], into: out)
      } else {
        Self.attend(queries, keys, values, scores[head], into: out)
      }
    }
    return result
  }

  /// Queries that are worked on at once.
  private static let queryBlock = 128
  /// Up to so many queries over kept keys go without the BLAS.
  private static let directQueries = 4

  /// One head of one window. The last query stands at the last key's position.
  private static func attend(
    _ queries: MatrixSlice<Float>, _ keys: MatrixSlice<Float>, _ values: MatrixSlice<Float>,
    _ weighing: AttentionScores, into out: MatrixSlice<Float>
  ) {
    let offset = keys.rows - queries.rows
    let width = queries.columns
    let scores = Matrix<Float>(rows: min(queryBlock, queries.rows), columns: keys.rows)
    for begin in stride(from: 0, to: queries.rows, by: queryBlock) {
      let block = begin..<min(queries.rows, begin + queryBlock)
      // Keys after the block's last query, and before the window of its first, are seen by none of its queries.
      let first = weighing.firstSeen(of: offset + begin + 1)
      let seen = first..<offset + block.upperBound
      let part = scores[0..<block.count, 0..<seen.count]
      gemm(batch: [Product(queries[block, 0..<width], keys[seen, 0..<width], transposeB: true, into: part)])
      part.softmax(visible: offset + begin + 1 - first, weighing)
      gemm(batch: [Product(part, values[seen, 0..<width], into: out[block, 0..<width])])
    }
  }

  /// One head of a few queries, without the BLAS, which would pack keys and values for every product.
  private static func attendDirectly(
    _ queries: MatrixSlice<Float>, _ keys: MatrixSlice<Float>, _ values: MatrixSlice<Float>,
    _ weighing: AttentionScores, into out: MatrixSlice<Float>
  ) {
    let size = queries.columns
    let scores = Matrix<Float>(rows: 1, columns: keys.rows).slice
    for row in 0..<queries.rows {
      let end = keys.rows - queries.rows + row + 1
      let first = weighing.firstSeen(of: end)
      let visible = end - first
      // SAFETY: `visible` rows of `size` numbers in keys and values from `first` on, as many scores, and `size` numbers out.
      unsafe belle_rows_multiply(
        Kernels.variant, BELLE_F32, keys.base + first * keys.stride, keys.stride, visible, size,
        queries.base + row * queries.stride, scores.base)
      unsafe weighing.weigh(scores.base, visible: visible, count: visible)
      unsafe belle_rows_combine(
        Kernels.variant, values.base + first * values.stride, values.stride, visible, size, scores.base,
        out.base + row * out.stride)
    }
  }
}
