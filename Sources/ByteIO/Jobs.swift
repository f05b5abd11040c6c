// Several pieces of blocking work at once for a caller that waits, and takes the results as they come: on threads, not in
// tasks, whose own threads must not be held up by reads and writes, and come from a pool that waits for ever where the
// system makes none.

import Synchronization

/// Asked by long work now and then: whether it should stop.
public final class CancellationFlag: Sendable {
  private let flag = Atomic<Bool>(false)

  /// A flag that is not set.
  public init() {}

  /// Whether the work should stop.
  public var isSet: Bool { flag.load(ordering: .relaxed) }

  /// Tells the work to stop.
  public func set() { flag.store(true, ordering: .relaxed) }
}

/// Runs work for each element, a few at once, and hands over the results as they come.
///
/// - Parameters:
///   - elements: taken in order.
///   - jobs: how many at once, at least 1; fewer where the system makes no more threads. With one everything happens on
///     the calling thread.
///   - work: blocking work; it asks the flag now and then.
///   - receive: called with each result on the calling thread; answers whether to go on. After the first `false` nothing
///     new is begun, and what runs is told to stop; its results are still received.
public func forEachConcurrently<Element: Sendable, Result: Sendable>(
  _ elements: [Element],
  jobs: Int,
  work: @escaping @Sendable (Element, CancellationFlag) -> Result,
  receive: (Result) -> Bool
) {
  let flag = CancellationFlag()
  let board = ResultBoard<Result>(count: elements.count, window: max(1, jobs))
  if jobs > 1, elements.count > 1 {
    board.startWorkers(min(jobs, elements.count)) { work(elements[$0], flag) }
  }
  guard board.hasWorkers else {
    for element in elements {
      guard receive(work(element, flag)) else { return flag.set() }
    }
    return
  }
  while let result = board.nextResult() {
    if !receive(result) {
      flag.set()
      board.beginNothingNew()
    }
  }
}
