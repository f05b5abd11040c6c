// What is kept of the logits of some rows while the vocabulary passes by.

import CBelleKernels
import LinearAlgebra

/// The scores of a block of rows. One thread at a time works on a block.
final class LogitScores: @unchecked Sendable {
  /// Entries of the vocabulary that one product takes.
  static let columns = 2048

  private let rows: Range<Int>
  /// The token that follows each row; -1 at the end of a window.
  private let targets: [Int32]
  /// The sums of the model's logits, and the logit of the token that follows.
  private(set) var model: [belle_logits]
  private(set) var targetLogits: [Float]
  /// The same of the reference.
  private(set) var reference: [belle_logits]
  private(set) var referenceTargetLogits: [Float]

  init(rows: Range<Int>, windows: TokenWindows) {
    self.rows = rows
    targets = rows.map { $0 % windows.length == windows.length - 1 ? -1 : windows.tokens[$0 + 1] }
    model = Array(repeating: .none, count: rows.count)
    reference = model
    targetLogits = Array(repeating: 0, count: rows.count)
    referenceTargetLogits = targetLogits
  }

  /// The rows of the block after which a token follows.
  var predicted: [Int] { targets.indices.filter { targets[$0] >= 0 } }

  /// Takes a part of the vocabulary: the head's rows from token `first` on, and the bounds to which logits are bent.
  func take(
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
      for row in 0..<rows.count where targets[row] >= 0 {
        model[row].update(own, row: row, first: first + begin)
        let target = Int(targets[row]) - first - begin
        if part.count > target, target >= 0 { targetLogits[row] = own[row, target] }
        guard let other else { continue }
        reference[row].update(other, row: row, other: own, first: first + begin)
        if part.count > target, target >= 0 { referenceTargetLogits[row] = other[row, target] }
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
