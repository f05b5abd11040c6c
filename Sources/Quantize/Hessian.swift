// The Hessian of a layer's squared output error, H = 2/n · XᵀX, summed over tokens as they come.

import LinearAlgebra

/// Sums XᵀX over blocks of tokens.
///
/// Tokens are taken in blocks of a fixed number, so that neither the sizes of the batches nor the number of threads
/// changes a byte of the result; up to one block waits in memory.
package final class Hessian {
  /// Tokens of a block. Fewer cost time in passes over H; more, memory.
  package static let blockTokens = 512

  /// The number of inputs.
  package let inputs: Int
  /// How many tokens have been added.
  package private(set) var tokens = 0
  /// The lower triangle of Σ xᵀx.
  private let sum: Matrix<Float>
  private let waiting: Matrix<Float>
  private var waitingCount = 0

  /// An empty sum over layers' inputs of the given width.
  package init(inputs: Int, threads: Int = Engine.defaultThreads) {
    self.inputs = inputs
    sum = Matrix(rows: inputs, columns: inputs, threads: threads)
    waiting = Matrix(rows: Self.blockTokens, columns: inputs)
  }

  /// Adds the inputs of some tokens.
  ///
  /// - Parameters:
  ///   - x: `[tokens, in]`.
  ///   - threads: how many to use.
  /// - Complexity: in² FLOP a token.
  package func add(_ x: MatrixSlice<Float>, threads: Int = Engine.defaultThreads) {
    precondition(x.columns == inputs, "\(x.columns) inputs, and the Hessian has \(inputs)")
    tokens += x.rows
    var at = 0
    while at < x.rows {
      if waitingCount == 0, x.rows - at >= Self.blockTokens {
        // A whole block needs no copy.
        accumulate(x[at..<at + Self.blockTokens, 0..<inputs], threads)
        at += Self.blockTokens
        continue
      }
      let count = min(x.rows - at, Self.blockTokens - waitingCount)
      waiting[waitingCount..<waitingCount + count, 0..<inputs].copy(from: x[at..<at + count, 0..<inputs])
      waitingCount += count
      at += count
      if waitingCount == Self.blockTokens { flush(threads) }
    }
  }

  /// Adds all tokens of another sum over the same inputs.
  ///
  /// The result depends on what was summed where (sums of floats are not associative), but not on threads or timing.
  package func merge(_ other: Hessian, threads: Int = Engine.defaultThreads) {
    precondition(other.inputs == inputs)
    let (mine, theirs) = (sum.slice, other.sum.slice)
    forEachTile(inputs, threads: threads) { row in mine.add(theirs, row: row, count: row + 1) }
    tokens += other.tokens - other.waitingCount
    add(other.waiting[0..<other.waitingCount, 0..<inputs], threads: threads)
  }

  /// H = 2/n · XᵀX in the lower triangle of a matrix, which is this object's own: it must not be added to any more.
  package func finish(threads: Int = Engine.defaultThreads) -> Matrix<Float> {
    if waitingCount > 0 { flush(threads) }
    let factor = tokens == 0 ? 0 : 2 / Float(tokens)
    let sum = sum.slice
    forEachTile(inputs, threads: threads) { row in sum.scale(row: row, count: row + 1, by: factor) }
    return self.sum
  }

  private func flush(_ threads: Int) {
    accumulate(waiting[0..<waitingCount, 0..<inputs], threads)
    waitingCount = 0
  }

  private func accumulate(_ block: MatrixSlice<Float>, _ threads: Int) {
    syrk(block, transpose: true, into: sum.slice, .lower, beta: 1, threads: threads)
  }
}
