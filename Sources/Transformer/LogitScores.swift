// What is kept of the logits of some rows while the vocabulary passes by.

import CBelleKernels
import LinearAlgebra
import Model

/// The scores of a block of rows. One thread at a time works on a block.
final class LogitScores: @unchecked Sendable {
  /// Entries of the vocabulary that one product takes.
  static let columns = 2048

  /// A token whose logit is wanted after a row.
  struct Target {
    /// Of the block.
    let row: Int
    let token: Int32
  }

  private let rows: Range<Int>
  /// What is wanted of the rows, in their order.
  let targets: [Target]
  /// The rows of which something is wanted; others are left out.
  private let wanted: [Int]
  /// The sums of the model's logits, a row each, and the logit of each target.
  private(set) var model: [belle_logits]
  private(set) var targetLogits: [Float]
  /// The same of the reference.
  private(set) var reference: [belle_logits]
  private(set) var referenceTargetLogits: [Float]

  init(rows: Range<Int>, targets: [Target]) {
    self.rows = rows
    self.targets = targets
    wanted = Set(targets.map(\.row)).sorted()
    model = Array(repeating: .none, count: rows.count)
    reference = model
    targetLogits = Array(repeating: 0, count: targets.count)
    referenceTargetLogits = targetLogits
  }

  /// What the model says of a target: the logarithm of its probability.
  func logProbability(_ target: Int) -> Double {
    Double(targetLogits[target]) - model[targets[target].row].logSum
  }

  /// Lets the vocabulary pass by all blocks, a part of the head at a time.
  ///
  /// - Parameters:
  ///   - own: the model, and its states at the head's input.
  ///   - other: the same of the reference.
  static func take(
    _ blocks: [LogitScores], _ own: (model: TransformerModel, states: MatrixSlice<Float>),
    _ other: (model: TransformerModel, states: MatrixSlice<Float>)?, threads: Int
  ) throws {
    let vocabulary = own.model.configuration.vocabularySize
    // Half a gigabyte of the head at a time, a multiple of what one product takes.
    let widest = max(own.states.columns, other?.states.columns ?? 0)
    let step = max(1, (128 << 20) / widest / columns) * columns
    // Each is read once, from its beginning to its end.
    let (head, otherHead) = (try own.model.head(), try other?.model.head())
    let caps = (model: own.model.logitCap, reference: other?.model.logitCap)
    for first in stride(from: 0, to: vocabulary, by: step) {
      let range = first..<min(vocabulary, first + step)
      let (rows, otherRows) = (try head.rows(range), try otherHead?.rows(range))
      forEachTile(blocks.count, threads: threads) { block in
        blocks[block].take(own.states, rows, other?.states, otherRows, caps: caps, first: first)
      }
    }
  }

  /// Takes a part of the vocabulary: the head's rows from token `first` on, and the bounds to which logits are bent.
  private func take(
    _ states: MatrixSlice<Float>, _ head: Matrix<Float>, _ others: MatrixSlice<Float>?, _ otherHead: Matrix<Float>?,
    caps: (model: Float?, reference: Float?), first: Int
  ) {
    let width = min(Self.columns, head.rows)
    let logits = Matrix<Float>(rows: rows.count, columns: width)
    let otherLogits = others.map { _ in Matrix<Float>(rows: rows.count, columns: width) }
    for begin in stride(from: 0, to: head.rows, by: Self.columns) {
      let part = begin..<min(head.rows, begin + Self.columns)
      let own = product(states, head, part, caps.model, into: logits)
      var other: MatrixSlice<Float>?
      if let others, let otherHead, let otherLogits {
        other = product(others, otherHead, part, caps.reference, into: otherLogits)
      }
      for row in wanted {
        model[row].update(own, row: row, first: first + begin)
        if let other { reference[row].update(other, row: row, other: own, first: first + begin) }
      }
      for (place, target) in targets.enumerated() {
        let column = Int(target.token) - first - begin
        guard column >= 0, column < part.count else { continue }
        targetLogits[place] = own[target.row, column]
        if let other { referenceTargetLogits[place] = other[target.row, column] }
      }
    }
  }

  private func product(
    _ states: MatrixSlice<Float>, _ head: Matrix<Float>, _ part: Range<Int>, _ cap: Float?, into logits: Matrix<Float>
  ) -> MatrixSlice<Float> {
    let out = logits[0..<rows.count, 0..<part.count]
    gemm(
      batch: [Product(states[rows, 0..<states.columns], head[part, 0..<head.columns], transposeB: true, into: out)])
    if let cap { out.softCap(cap) }
    return out
  }
}
