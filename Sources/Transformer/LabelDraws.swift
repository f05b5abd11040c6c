// Labels drawn from a model's own predictions, and the gradient of their cross entropy: the head's part of the Fisher
// information of the model's divergence. Source: Martens, *New Insights and Perspectives on the Natural Gradient Method*,
// arXiv:1412.1193 (true and empirical Fisher); use for quantization: arXiv:2505.22988.
//
// A block of rows sees the head in parts, twice: once for the sum of the exponentials, and once for the probabilities, among
// which each draw finds its label where their running sum passes a number from its seed.

import CBelleKernels
import LinearAlgebra
import Model

/// What is drawn: the same for the same seed, whatever the batches and the number of threads.
package struct LabelDraws: Sendable {
  /// Labels for each token.
  package let count: Int
  /// Where the random numbers begin.
  package let seed: UInt64

  /// Draws.
  package init(count: Int, seed: UInt64) { (self.count, self.seed) = (count, seed) }

  /// The number from 0 to below 1 of a draw for a token: SplitMix64's finalizer over both (Steele, Lea, Flood, OOPSLA 2014),
  /// its upper 53 bits.
  func uniform(_ draw: Int, token: Int) -> Double {
    let mixed = { (x: UInt64) -> UInt64 in
      var z = x &+ 0x9E37_79B9_7F4A_7C15
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return z ^ z >> 31
    }
    return Double(mixed(mixed(mixed(seed) &+ UInt64(draw)) &+ UInt64(token)) >> 11) * 0x1p-53
  }
}

extension TransformerModel {
  /// The gradients of −log p(label) at the last layer's output, for labels drawn from the model's predictions.
  ///
  /// - Parameters:
  ///   - states: the last layer's output, `[rows, hiddenSize]`.
  ///   - firstToken: the number of the first row among all tokens, which draws depend on.
  ///   - draws: how many, and their seed.
  ///   - threads: how many to use; the result does not depend on it.
  /// - Returns: a matrix of the shape of the states for each draw.
  /// - Complexity: 6 · rows · vocabulary · width FLOP, and 2 KB a token of the vocabulary in memory for each thread.
  package func drawnGradients(
    _ states: MatrixSlice<Float>, firstToken: Int, _ draws: LabelDraws, threads: Int
  ) throws -> [Matrix<Float>] {
    let normed = Matrix<Float>(rows: states.rows, columns: states.columns)
    normed.slice.copy(from: states)
    try normalizeOutput(normed.slice, threads: threads)
    let edge = 256
    let blocks = stride(from: 0, to: states.rows, by: edge).map {
      DrawnBlock(normed.slice, rows: $0..<min(states.rows, $0 + edge), firstToken: firstToken, draws, cap: logitCap)
    }
    try withHead(columns: states.columns) { rows, first in
      forEachTile(blocks.count, threads: threads) { blocks[$0].sum(rows, first: first) }
    }
    try withHead(columns: states.columns) { rows, first in
      forEachTile(blocks.count, threads: threads) { blocks[$0].draw(rows) }
    }
    let norm = try outerNorm(.outputNorm)
    return (0..<draws.count).map { draw in
      let result = Matrix<Float>(rows: states.rows, columns: states.columns)
      forEachTile(blocks.count, threads: threads) { index in
        let (block, columns) = (blocks[index], 0..<states.columns)
        let part = result[block.rows, columns]
        block.write(draw, to: part)
        norm?.goBack(part, states[block.rows, columns])
      }
      return result
    }
  }

  /// Shows the head's rows part by part, a whole number of what one product takes.
  private func withHead(columns: Int, _ body: (Matrix<Float>, _ first: Int) -> Void) throws {
    let head = try head()
    let vocabulary = configuration.vocabularySize
    let step = max(1, (128 << 20) / columns / LogitScores.columns) * LogitScores.columns
    for first in stride(from: 0, to: vocabulary, by: step) {
      body(try head.rows(first..<min(vocabulary, first + step)), first)
    }
  }
}

/// A block of rows on its way along the vocabulary. One thread at a time works on it.
private final class DrawnBlock: @unchecked Sendable {
  let rows: Range<Int>
  private let states: MatrixSlice<Float>
  private let cap: Float?
  private let draws: LabelDraws
  private var sums: [belle_logits]
  /// Σ p·w over the vocabulary, w the head's rows: what all draws have in common.
  private let mean: Matrix<Float>
  /// The head's row of each draw's label: `[rows, width]` a draw.
  private let labels: [Matrix<Float>]
  /// For each draw and row the probability that is still to pass before its label; below 0 once it is found.
  private var left: [[Double]]

  init(_ states: MatrixSlice<Float>, rows: Range<Int>, firstToken: Int, _ draws: LabelDraws, cap: Float?) {
    self.rows = rows
    self.states = states[rows, 0..<states.columns]
    (self.draws, self.cap) = (draws, cap)
    sums = Array(repeating: .none, count: rows.count)
    mean = Matrix(rows: rows.count, columns: states.columns)
    labels = (0..<draws.count).map { _ in Matrix(rows: rows.count, columns: states.columns) }
    // A hair less than 1, so that the rounding of probabilities leaves no label beyond the last token.
    left = (0..<draws.count).map { draw in rows.map { draws.uniform(draw, token: firstToken + $0) * (1 - 0x1p-20) } }
  }

  /// Goes along a part of the head by what one product takes.
  private func forEachPart(
    _ head: Matrix<Float>, _ body: (_ part: MatrixSlice<Float>, _ logits: MatrixSlice<Float>, _ begin: Int) -> Void
  ) {
    let memory = Matrix<Float>(rows: rows.count, columns: min(LogitScores.columns, head.rows))
    for begin in stride(from: 0, to: head.rows, by: LogitScores.columns) {
      let part = head[begin..<min(head.rows, begin + LogitScores.columns), 0..<head.columns]
      let logits = memory[0..<rows.count, 0..<part.rows]
      gemm(batch: [Product(states, part, transposeB: true, into: logits)])
      if let cap { logits.softCap(cap) }
      body(part, logits, begin)
    }
  }

  /// The first time: maximum and sum.
  func sum(_ head: Matrix<Float>, first: Int) {
    forEachPart(head) { _, logits, begin in
      for row in sums.indices { sums[row].update(logits, row: row, first: first + begin) }
    }
  }

  /// The second time: probabilities and labels.
  func draw(_ head: Matrix<Float>) {
    forEachPart(head) { part, logits, _ in
      let bent = cap.map { _ in
        let copy = Matrix<Float>(rows: logits.rows, columns: logits.columns)
        copy.slice.copy(from: logits)
        return copy
      }
      logits.probabilities(sums)
      for draw in labels.indices {
        for row in left[draw].indices where left[draw][row] >= 0 {
          guard let label = find(logits, draw, row) else { continue }
          let target = labels[draw][row..<row + 1, 0..<part.columns]
          target.copy(from: part[label..<label + 1, 0..<part.columns])
          if let cap, let bent {
            let share = bent[row, label] / cap
            target.multiply(by: 1 - share * share)
          }
        }
      }
      if let cap, let bent { logits.softCapGradient(bent.slice, cap) }
      gemm(batch: [Product(logits, part, into: mean.slice, beta: 1)])
    }
  }

  /// The place of a draw's label in a part of the vocabulary; nil where it comes later.
  private func find(_ probabilities: MatrixSlice<Float>, _ draw: Int, _ row: Int) -> Int? {
    var rest = left[draw][row]
    let values = probabilities[row..<row + 1, 0..<probabilities.columns]
    // SAFETY: the row has so many elements.
    for column in 0..<values.columns {
      rest -= Double(unsafe values.base[column])
      if rest < 0 {
        left[draw][row] = -1
        return column
      }
    }
    left[draw][row] = rest
    return nil
  }

  /// ∂(−log p(label)) = Σ p·w − w(label).
  func write(_ draw: Int, to target: MatrixSlice<Float>) {
    target.copy(from: labels[draw].slice)
    target.multiply(by: -1)
    target.add(mean.slice)
  }
}
