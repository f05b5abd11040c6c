// Several pieces of blocking work at once, as structured concurrency: a task group hands each to a thread of its own, so
// that reads and writes never hold up the tasks' own threads.

import Foundation
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

/// Runs blocking work on a thread of its own.
///
/// - Parameter body: the work; it asks the flag, which is set when the task is cancelled.
public func onThread<Result: Sendable>(
  _ body: @escaping @Sendable (CancellationFlag) -> Result
) async -> Result {
  let flag = CancellationFlag()
  return await withTaskCancellationHandler {
    await withCheckedContinuation { continuation in
      Thread { continuation.resume(returning: body(flag)) }.start()
    }
  } onCancel: {
    flag.set()
  }
}

/// Runs work for each element, a few at once, and hands over the results as they come.
///
/// - Parameters:
///   - elements: taken in order.
///   - jobs: how many at once, at least 1.
///   - work: blocking work; it asks the flag now and then.
///   - receive: called with each result; answers whether to go on. After the first `false` nothing new is begun, and
///     what runs is told to stop; its results are still received.
public func forEachConcurrently<Element: Sendable, Result: Sendable>(
  _ elements: [Element],
  jobs: Int,
  work: @escaping @Sendable (Element, CancellationFlag) -> Result,
  receive: (Result) -> Bool
) async {
  await withTaskGroup(of: Result.self) { group in
    var waiting = elements.makeIterator()
    for _ in 0..<max(1, jobs) {
      guard let element = waiting.next() else { break }
      group.addTask { await onThread { work(element, $0) } }
    }
    var goOn = true
    while let result = await group.next() {
      if !receive(result), goOn {
        goOn = false
        group.cancelAll()
      }
      if goOn, let element = waiting.next() {
        group.addTask { await onThread { work(element, $0) } }
      }
    }
  }
}
