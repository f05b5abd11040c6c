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
  let sum: Matrix<Float>
  private var waiting: Matrix<Float>
  private var waitingCount = 0
  /// What waited before, once a block was made of it.
  private var other: Matrix<Float>?
  private let arithmetic: Arithmetic

  /// An empty sum over layers' inputs of the given width.
  ///
  /// - Parameters:
  ///   - arithmetic: of the products; in bfloat16 each sum is still one of squares, of inputs that were rounded.
  ///   - threads: how many clear the memory.
  package init(inputs: Int, arithmetic: Arithmetic = .single, threads: Int = Engine.defaultThreads) {
    (self.inputs, self.arithmetic) = (inputs, arithmetic)
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
    for block in take(x) { accumulate(block, part: nil, threads) }
  }

  // MARK: In parts

  /// The whole blocks that some tokens complete, in order: to be added to all tiles before the next call.
  ///
  /// - Parameter x: the tokens' inputs, `[tokens, in]`; they must stay as they are until then.
  func take(_ x: MatrixSlice<Float>) -> [MatrixSlice<Float>] {
    precondition(x.columns == inputs, "\(x.columns) inputs, and the Hessian has \(inputs)")
    tokens += x.rows
    var blocks: [MatrixSlice<Float>] = []
    var at = 0
    if waitingCount > 0 {
      at = min(x.rows, Self.blockTokens - waitingCount)
      waiting[waitingCount..<waitingCount + at, 0..<inputs].copy(from: x[0..<at, 0..<inputs])
      waitingCount += at
      if waitingCount == Self.blockTokens { blocks.append(takeWaiting()) }
    }
    while x.rows - at >= Self.blockTokens {
      // A whole block needs no copy.
      blocks.append(x[at..<at + Self.blockTokens, 0..<inputs])
      at += Self.blockTokens
    }
    let left = x.rows - at
    if left > 0 {
      waiting[waitingCount..<waitingCount + left, 0..<inputs].copy(from: x[at..<x.rows, 0..<inputs])
      waitingCount += left
    }
    return blocks
  }

  /// The tokens that wait as a block, however many; what comes next waits in other memory meanwhile.
  func takeWaiting() -> MatrixSlice<Float> {
    let block = waiting[0..<waitingCount, 0..<inputs]
    (waiting, other) = (other ?? Matrix(rows: Self.blockTokens, columns: inputs), waiting)
    waitingCount = 0
    return block
  }

  /// Adds a block to some tiles, or all.
  ///
  /// - Parameter part: which of ``SumTiles``; nil for all.
  func accumulate(_ block: MatrixSlice<Float>, part: Range<Int>?, _ threads: Int) {
    syrk(block, transpose: true, into: sum.slice, .lower, beta: 1, part: part, in: arithmetic, threads: threads)
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
  ///
  /// - Parameter tokens: how many were added, where others have added to the sum as well; nil for those that were added here.
  package func finish(tokens: Int? = nil, threads: Int = Engine.defaultThreads) -> Matrix<Float> {
    if waitingCount > 0 { accumulate(takeWaiting(), part: nil, threads) }
    let tokens = tokens ?? self.tokens
    let factor = tokens == 0 ? 0 : 2 / Float(tokens)
    let sum = sum.slice
    forEachTile(inputs, threads: threads) { row in sum.scale(row: row, count: row + 1, by: factor) }
    return self.sum
  }

  /// The tokens that wait for others to make a block, `[tokens, in]`.
  var rest: MatrixSlice<Float> { waiting[0..<waitingCount, 0..<inputs] }

  /// Takes the tokens that wait over from elsewhere, which were counted there.
  func wait(with rows: Int, _ fill: (MatrixSlice<Float>) throws -> Void) rethrows {
    precondition(waitingCount == 0 && rows < Self.blockTokens)
    try fill(waiting[0..<rows, 0..<inputs])
    waitingCount = rows
  }

  /// Forgets the tokens that wait: they were handed over.
  func dropRest() { waitingCount = 0 }
}
