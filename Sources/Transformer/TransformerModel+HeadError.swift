// What an error of the head costs: to second order in it, the divergence of the predictions is half the variance of the
// logits' errors under the predictions (the Fisher information of a categorical distribution, diag p − p·pᵀ).
//
// The head goes by in parts; each row keeps the sums of exponentials, of errors and of their squares, on the scale of the
// largest logit so far, so that it is read once.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model

extension TransformerModel {
  /// The mean divergence of the predictions with other values in place of the head's, in nats.
  ///
  /// - Parameters:
  ///   - states: the last layer's output, `[rows, hiddenSize]`.
  ///   - others: sources whose tensor of the given name has the other values.
  ///   - name: of the head's tensor, or of the embedding's where that is the head.
  ///   - threads: how many to use; the result does not depend on it.
  /// - Returns: a number for each of the others.
  /// - Complexity: 2 · rows · vocabulary · width FLOP for each of the others and once more.
  package func headDivergences(
    _ states: MatrixSlice<Float>, of others: [any TensorSource], named name: String, threads: Int
  ) throws -> [Double] {
    let normed = Matrix<Float>(rows: states.rows, columns: states.columns)
    normed.slice.copy(from: states)
    try normalizeOutput(normed.slice, threads: threads)
    let head = try head()
    let readers = try others.map { source in
      guard let index = source.tensors.firstIndex(where: { $0.name == name }) else {
        throw ModelError(.missing, file: path, reason: "there is no tensor \(displayName(name))")
      }
      return try RowReader(source, index)
    }
    let edge = 64
    let blocks = stride(from: 0, to: states.rows, by: edge).map {
      HeadErrorBlock(
        normed[$0..<min(states.rows, $0 + edge), 0..<states.columns], others: others.count, cap: logitCap)
    }
    let vocabulary = configuration.vocabularySize
    let step = max(1, (64 << 20) / (4 * states.columns))
    for first in stride(from: 0, to: vocabulary, by: step) {
      let rows = first..<min(vocabulary, first + step)
      let own = try head.rows(rows)
      let errors = try readers.map { reader in
        let error = try reader.rows(rows)
        error.slice.subtract(own.slice, threads: threads)
        return error
      }
      forEachTile(blocks.count, threads: threads) { blocks[$0].add(own, errors) }
    }
    return others.indices.map { other in
      blocks.reduce(0.0) { $0 + $1.variance(other) } / Double(2 * max(1, states.rows))
    }
  }
}

extension TransformerModel {
  /// The mean of p·(1 − p) of each token of the vocabulary: what an error of one logit counts.
  ///
  /// - Parameters:
  ///   - states: the last layer's output, `[rows, hiddenSize]`.
  ///   - threads: how many to use; the result does not depend on it.
  package func headVariances(_ states: MatrixSlice<Float>, threads: Int) throws -> [Double] {
    let normed = Matrix<Float>(rows: states.rows, columns: states.columns)
    normed.slice.copy(from: states)
    try normalizeOutput(normed.slice, threads: threads)
    let head = try head()
    let vocabulary = configuration.vocabularySize
    let logits = Matrix<Float>(rows: states.rows, columns: vocabulary)
    let step = max(1, (64 << 20) / (4 * states.columns))
    for first in stride(from: 0, to: vocabulary, by: step) {
      let rows = first..<min(vocabulary, first + step)
      gemm(
        normed.slice, try head.rows(rows).slice, transposeB: true, into: logits[0..<states.rows, rows],
        threads: threads)
    }
    if let logitCap { logits.slice.softCap(logitCap) }
    var sums = [Double](repeating: 0, count: vocabulary)
    for row in 0..<states.rows {
      let values = logits[row..<row + 1, 0..<vocabulary].values
      let top = values.max() ?? 0
      let exponentials = values.map { Double(exp($0 - top)) }
      let sum = exponentials.reduce(0, +)
      for (token, value) in exponentials.enumerated() { sums[token] += value / sum * (1 - value / sum) }
    }
    return sums.map { $0 / Double(max(1, states.rows)) }
  }
}

/// Some rows of states on their way along the vocabulary. One thread at a time works on it.
private final class HeadErrorBlock: @unchecked Sendable {
  private let states: MatrixSlice<Float>
  private let cap: Float?
  private var largest: [Float]
  private var sums: [Double]
  /// For each of the others and each row: Σ e·δ and Σ e·δ², e the exponentials.
  private var means: [[Double]]
  private var squares: [[Double]]

  init(_ states: MatrixSlice<Float>, others: Int, cap: Float?) {
    (self.states, self.cap) = (states, cap)
    largest = Array(repeating: -.infinity, count: states.rows)
    sums = Array(repeating: 0, count: states.rows)
    means = Array(repeating: sums, count: others)
    squares = means
  }

  /// Goes along some of the head's rows, of which the others differ by errors.
  func add(_ head: Matrix<Float>, _ errors: [Matrix<Float>]) {
    let step = 2048
    let memory = (0...errors.count).map { _ in Matrix<Float>(rows: states.rows, columns: min(step, head.rows)) }
    for first in stride(from: 0, to: head.rows, by: step) {
      let rows = first..<min(head.rows, first + step)
      let parts = zip(memory, [head] + errors).map { target, matrix in
        let part = target[0..<states.rows, 0..<rows.count]
        Float.gemmTile(states, false, matrix[rows, 0..<matrix.columns], true, into: part, alpha: 1, beta: 0)
        return part
      }
      for row in 0..<states.rows { add(row, parts[0], Array(parts.dropFirst())) }
    }
  }

  private func add(_ row: Int, _ logits: MatrixSlice<Float>, _ errors: [MatrixSlice<Float>]) {
    var values = logits[row..<row + 1, 0..<logits.columns].values
    // Of a bent logit, by how much it gives way to an error.
    var slopes: [Float] = []
    if let cap {
      values = values.map { cap * tanh($0 / cap) }
      slopes = values.map { 1 - ($0 / cap) * ($0 / cap) }
    }
    let top = max(largest[row], values.max() ?? -.infinity)
    let scale = Double(exp(largest[row] - top))
    largest[row] = top
    let exponentials = values.map { exp($0 - top) }
    sums[row] = sums[row] * scale + exponentials.reduce(0.0) { $0 + Double($1) }
    for (other, error) in errors.enumerated() {
      var differences = error[row..<row + 1, 0..<error.columns].values
      if cap != nil { differences = zip(differences, slopes).map { $0 * $1 } }
      var (mean, square) = (0.0, 0.0)
      for (weight, difference) in zip(exponentials, differences) {
        let product = Double(weight) * Double(difference)
        mean += product
        square += product * Double(difference)
      }
      means[other][row] = means[other][row] * scale + mean
      squares[other][row] = squares[other][row] * scale + square
    }
  }

  /// The variances of all rows, in sum.
  func variance(_ other: Int) -> Double {
    sums.indices.reduce(0.0) { total, row in
      let mean = means[other][row] / sums[row]
      return total + max(0, squares[other][row] / sums[row] - mean * mean)
    }
  }
}

extension MatrixSlice<Float> {
  /// self − other, row by row.
  fileprivate func subtract(_ other: MatrixSlice, threads: Int) {
    precondition(rows == other.rows && columns == other.columns)
    forEachTile(rows, threads: threads) { row in
      // SAFETY: `columns` elements follow both, and each piece writes a row of its own.
      let (to, from) = unsafe (base + row * stride, other.base + row * other.stride)
      for column in 0..<columns { unsafe to[column] -= from[column] }
    }
  }
}
