// Several pieces of blocking work at once for a caller that waits: threads take the elements in order, and the caller
// receives the results in order too, so that what it prints does not depend on the number of threads.

import Foundation

/// Runs blocking work for each element, a few at once, and hands over the results in the order of the elements.
///
/// - Parameters:
///   - elements: taken in order.
///   - jobs: how many at once; with one, everything happens on the calling thread.
///   - work: called on threads of its own. Its results should be small: those that come early wait for their turn.
///   - receive: called on the calling thread.
/// - Throws: what `receive` throws, or `work` for the first element that fails; nothing new is begun then, and what runs
///   is waited for.
public func forEachInOrder<Element: Sendable, Result: Sendable>(
  _ elements: [Element], jobs: Int, work: @escaping @Sendable (Element) throws -> Result,
  receive: (Result) throws -> Void
) throws {
  guard jobs > 1, elements.count > 1 else {
    for element in elements { try receive(try work(element)) }
    return
  }
  let board = ResultBoard<Result>(count: elements.count, workers: min(jobs, elements.count))
  for _ in 0..<min(jobs, elements.count) {
    Thread {
      while let index = board.take() {
        let element = elements[index]
        board.put(index, Swift.Result { try work(element) })
      }
    }.start()
  }
  defer { board.stop() }
  for index in elements.indices { try receive(try board.result(index).get()) }
}

/// What is to be done, what is done, and who still works; guarded by `condition`.
private final class ResultBoard<Value: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private let count: Int
  private var next = 0
  private var results: [Int: Result<Value, any Error>] = [:]
  private var isStopped = false
  private var workers: Int

  init(count: Int, workers: Int) {
    self.count = count
    self.workers = workers
  }

  /// The next element to work on; nil tells the worker to end.
  func take() -> Int? {
    condition.withLock {
      guard !isStopped, next < count else {
        workers -= 1
        condition.broadcast()
        return nil
      }
      next += 1
      return next - 1
    }
  }

  func put(_ index: Int, _ result: Result<Value, any Error>) {
    condition.withLock {
      results[index] = result
      condition.broadcast()
    }
  }

  /// Waits for a result; each can be had once.
  func result(_ index: Int) -> Result<Value, any Error> {
    condition.withLock {
      while true {
        if let result = results.removeValue(forKey: index) { return result }
        condition.wait()
      }
    }
  }

  /// Lets nothing new begin, and waits until nothing runs.
  func stop() {
    condition.withLock {
      isStopped = true
      while workers > 0 { condition.wait() }
    }
  }
}
