// The way back through attention, for one window and head of keys at a time, by blocks of queries, as Attention.swift goes
// forward. Weights are computed again: kept, they would take tokens² a head.
// With P = softmax(S), S = Q·Kᵀ bent and scaled: ∂V = Pᵀ·∂O, ∂P = ∂O·Vᵀ, ∂S = P ∘ (∂P − Σ P·∂P), ∂Q = ∂S·K, ∂K = ∂Sᵀ·Q.

import LinearAlgebra

/// The way back through attention over the rows of some windows.
struct AttentionGradient {
  let plan: LayerPlan
  /// What the modules before attention gave, queries and keys turned.
  let outputs: [Matrix<Float>]
  let windowCount: Int
  let windowLength: Int

  /// The gradients at `outputs`, queries and keys turned.
  ///
  /// - Parameter gradient: at what attention gave, `[rows, headCount · headSize]`.
  func gradients(of gradient: MatrixSlice<Float>, threads: Int) -> [Matrix<Float>] {
    let results = outputs.map { Matrix<Float>(rows: $0.rows, columns: $0.columns) }
    let (plan, outputs, length, size) = (plan, outputs, windowLength, plan.headSize)
    let share = plan.headCount / plan.keyValueHeadCount
    forEachTile(windowCount * plan.keyValueHeadCount, threads: threads) { task in
      let (window, key) = task.quotientAndRemainder(dividingBy: plan.keyValueHeadCount)
      let rows = window * length..<(window + 1) * length
      let part = { (matrices: [Matrix<Float>], place: LayerPlan.Place) in
        matrices[place.matrix][rows, place.column..<place.column + size]
      }
      let heads = (queries: plan.queries, keys: plan.keys[key], values: plan.values[key])
      for head in key * share..<(key + 1) * share {
        Self.goBack(
          gradient[rows, head * size..<(head + 1) * size],
          (part(outputs, heads.queries[head]), part(outputs, heads.keys), part(outputs, heads.values)),
          into: (part(results, heads.queries[head]), part(results, heads.keys), part(results, heads.values)),
          plan.scores[head])
      }
    }
    return results
  }

  private typealias Head = (queries: MatrixSlice<Float>, keys: MatrixSlice<Float>, values: MatrixSlice<Float>)

  /// Queries that are worked on at once.
  private static let queryBlock = 128

  /// One head of queries: its own gradient is written, those of its keys and values are added to.
  private static func goBack(
    _ gradient: MatrixSlice<Float>, _ head: Head, into result: Head, _ weighing: AttentionScores
  ) {
    let (length, width) = (gradient.rows, 0..<gradient.columns)
    let most = min(queryBlock, length)
    let weights = Matrix<Float>(rows: most, columns: length)
    let slopes = Matrix<Float>(rows: most, columns: length)
    let bent = weighing.cap.map { _ in Matrix<Float>(rows: most, columns: length) }
    for begin in stride(from: 0, to: length, by: queryBlock) {
      let block = begin..<min(length, begin + queryBlock)
      let first = weighing.firstSeen(of: begin + 1)
      let seen = first..<block.upperBound
      let place = (rows: 0..<block.count, columns: 0..<seen.count)
      let (p, s) = (weights[place.rows, place.columns], slopes[place.rows, place.columns])
      let (queries, keys) = (head.queries[block, width], head.keys[seen, width])
      let above = gradient[block, width]
      gemm(batch: [Product(queries, keys, transposeB: true, into: p)])
      let scores = bent?[place.rows, place.columns]
      if let scores, let cap = weighing.cap {
        scores.copy(from: p)
        scores.multiply(by: weighing.scale)
        scores.softCap(cap)
      }
      p.softmax(visible: begin + 1 - first, weighing)
      gemm(
        batch: [
          Product(above, head.values[seen, width], transposeB: true, into: s),
          Product(p, transposeA: true, above, into: result.values[seen, width], beta: 1),
        ])
      s.softmaxGradient(p, bent: scores, weighing)
      gemm(
        batch: [
          Product(s, keys, into: result.queries[block, width]),
          Product(s, transposeA: true, queries, into: result.keys[seen, width], beta: 1),
        ])
    }
  }
}
