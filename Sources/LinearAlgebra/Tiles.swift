// Work in pieces whose number and shape depend on the problem alone, run on any number of threads.

import ByteIO
import Synchronization

/// Runs pieces of work on several threads and waits for all.
///
/// Each piece must write to a place of its own; then the result does not depend on the number of threads.
/// - Parameters:
///   - count: how many pieces; `body` is called with 0 ..< count.
///   - threads: how many run at once; 1 runs all here, in order. Fewer where the system makes no more threads.
///   - body: one piece of work.
public func forEachTile(_ count: Int, threads: Int, _ body: @Sendable (Int) -> Void) {
  Engine.prepare()
  let threads = min(threads, Engine.threadLimit)
  guard threads > 1, count > 1 else {
    for index in 0..<count { body(index) }
    return
  }
  let next = Counter()
  onSeveralThreads(min(threads, count)) {
    while true {
      let index = next.take()
      guard index < count else { return }
      body(index)
    }
  }
}

private final class Counter: Sendable {
  private let value = Atomic<Int>(0)
  func take() -> Int { value.add(1, ordering: .relaxed).oldValue }
}

/// How a matrix is cut into tiles: by its shape alone, never by the number of threads.
struct TileGrid: Sendable {
  let rows: Int
  let columns: Int
  let height: Int
  let width: Int

  /// Tiles of 1024 × 1024 where there are enough of them to keep many threads busy, else smaller ones: small tiles cost
  /// up to a fifth of the rate, because each call packs its operands anew.
  init(rows: Int, columns: Int, depth: Int) {
    self.rows = rows
    self.columns = columns
    var edge = 1024
    while edge > 128, Self.parts(rows, edge) * Self.parts(columns, edge) < 16 { edge /= 2 }
    // Less than a tenth of a millisecond is not worth a thread.
    if rows * columns * depth < 1 << 22 { edge = max(rows, columns, 1) }
    height = edge
    width = edge
  }

  private static func parts(_ length: Int, _ edge: Int) -> Int { (length + edge - 1) / edge }

  private var across: Int { Self.parts(columns, width) }
  var count: Int { Self.parts(rows, height) * across }

  subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let row = index / across * height
    let column = index % across * width
    return (row..<min(rows, row + height), column..<min(columns, column + width))
  }
}
