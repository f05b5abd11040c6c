// Which windows are whose. Batches of whole blocks are dealt out in turn: what is summed up over the windows goes from
// batch to batch in their order, so that a rank which has done its part of a batch has another one to compute on while the
// sum is at the others (SumChain). Where the batches are cut is of no matter to the result.

import LinearAlgebra
import Ranks
import Transformer

/// The batches of a run, and those of this rank.
struct WindowShare: Sendable {
  /// A batch.
  struct Batch: Sendable {
    /// Its number among all.
    let number: Int
    /// Its rows among those of all windows.
    let rows: Range<Int>
    /// Where its rows are among those of the rank that has it.
    let place: Range<Int>
  }

  let ranks: any Ranks
  /// Tokens of a window.
  let windowLength: Int
  /// How many threads a rank computes with, for what all ranks must cut alike.
  let threads: Int
  /// The rows of all ranks.
  let rows: Int
  /// All batches, in order; number n is rank n mod count's.
  let all: [Batch]
  /// Those of this rank, in order.
  var own: [Batch] { all.filter { owner(of: $0.number) == ranks.rank } }
  /// The rows of this rank.
  var ownRows: Int { own.last?.place.upperBound ?? 0 }

  /// Cuts windows into batches.
  ///
  /// - Parameters:
  ///   - windows: how many windows.
  ///   - windowLength: tokens in each of them.
  ///   - batchWindows: about how many make a batch; all ranks must say the same, as they must of threads.
  ///   - threads: of a rank.
  init(_ ranks: any Ranks, windows: Int, windowLength: Int, batchWindows: Int, threads: Int) {
    (self.ranks, self.windowLength, self.threads) = (ranks, windowLength, threads)
    rows = windows * windowLength
    let step = HiddenStates.windowsPerBlock(length: windowLength)
    let (blocks, wanted) = ((windows + step - 1) / step, max(1, batchWindows / step))
    var batches = (blocks + wanted - 1) / wanted
    var edges = (0...batches).map { min(blocks, $0 * wanted) }
    if ranks.count > 1 {
      // As many for each rank, and of the same size, as far as blocks go.
      batches = min(blocks, (batches + ranks.count - 1) / ranks.count * ranks.count)
      edges = (0...batches).map { blocks * $0 / max(1, batches) }
    }
    var places = [Int](repeating: 0, count: ranks.count)
    all = (0..<batches).map { number in
      let first = edges[number] * step * windowLength
      let rows = first..<min(windows, edges[number + 1] * step) * windowLength
      let owner = number % ranks.count
      defer { places[owner] += rows.count }
      return Batch(number: number, rows: rows, place: places[owner]..<places[owner] + rows.count)
    }
  }

  /// How many of all rows a batch stands for, where others are at work on theirs meanwhile.
  func weight(of batch: Batch) -> Double { Double(batch.rows.count) * Double(rows) / Double(max(1, ownRows)) }

  /// The rank that has a batch.
  func owner(of batch: Int) -> Int { batch % ranks.count }

  /// The rows of the largest and of the smallest block that products are made of.
  var depths: ClosedRange<Int> {
    let step =
      windowLength > HiddenStates.largestBlock
      ? HiddenStates.largestBlock : HiddenStates.windowsPerBlock(length: windowLength) * windowLength
    let whole = windowLength > HiddenStates.largestBlock ? windowLength : rows
    let rest = whole % step
    return min(whole, rest == 0 ? step : rest)...min(whole, step)
  }
}
