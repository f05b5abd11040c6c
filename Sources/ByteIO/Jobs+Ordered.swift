// Several pieces of blocking work at once for a caller that waits: threads take the elements in order, and the caller
// receives the results in order too, so that what it prints does not depend on the number of threads.

import Foundation

/// Runs blocking work for each element, a few at once, and hands over the results in the order of the elements.
///
/// - Parameters:
///   - elements: taken in order.
///   - jobs: how many at once; with one, and where the system makes no threads, everything happens on the calling thread.
///   - work: called on threads of its own. Its results should be small: those that come early wait for their turn.
///   - receive: called on the calling thread.
/// - Throws: what `receive` throws, or `work` for the first element that fails; nothing new is begun then, and what runs
///   is waited for.
public func forEachInOrder<Element: Sendable, Result: Sendable>(
  _ elements: [Element], jobs: Int, work: @escaping @Sendable (Element) throws -> Result,
  receive: (Result) throws -> Void
) throws {
  let board = ResultBoard<Swift.Result<Result, any Error>>(count: elements.count)
  if jobs > 1, elements.count > 1 {
    board.startWorkers(min(jobs, elements.count)) { index in Swift.Result { try work(elements[index]) } }
  }
  guard board.hasWorkers else {
    for element in elements { try receive(try work(element)) }
    return
  }
  defer { board.stop() }
  for index in elements.indices { try receive(try board.result(index).get()) }
}

/// What is to be done, what is done, and who still works; guarded by `condition`.
final class ResultBoard<Value: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private let count: Int
  /// How many results may be on their way at once.
  private let window: Int
  private var next = 0
  /// Results that were taken, and of them those that the caller is done with.
  private var taken = 0
  private var received = 0
  private var results: [Int: Value] = [:]
  private var isStopped = false
  private var workers = 0

  /// - Parameters:
  ///   - count: how many elements there are.
  ///   - window: how many are begun at most that ``nextResult()`` has not given and its caller dealt with.
  init(count: Int, window: Int? = nil) {
    self.count = count
    self.window = window ?? count
  }

  /// Starts threads that work on the elements; as many as the system makes.
  func startWorkers(_ wanted: Int, _ work: @escaping @Sendable (Int) -> Value) {
    for _ in 0..<wanted {
      condition.withLock { workers += 1 }
      do {
        try startThread { while let index = self.take() { self.put(index, work(index)) } }
      } catch {
        return condition.withLock { workers -= 1 }
      }
    }
  }

  /// Whether threads were made, or have already done everything.
  var hasWorkers: Bool { condition.withLock { workers > 0 || next > 0 } }

  /// The next element to work on; nil tells the worker to end.
  private func take() -> Int? {
    condition.withLock {
      while !isStopped, next < count, next - received >= window { condition.wait() }
      guard !isStopped, next < count else {
        workers -= 1
        condition.broadcast()
        return nil
      }
      next += 1
      return next - 1
    }
  }

  private func put(_ index: Int, _ result: Value) {
    condition.withLock {
      results[index] = result
      condition.broadcast()
    }
  }

  /// Waits for a result; each can be had once.
  func result(_ index: Int) -> Value {
    condition.withLock {
      while true {
        if let result = results.removeValue(forKey: index) { return result }
        condition.wait()
      }
    }
  }

  /// Waits for any result; nil where there will be none. Who asks is done with the one before.
  func nextResult() -> Value? {
    condition.withLock {
      received = taken
      condition.broadcast()
      while true {
        if let (index, result) = results.first {
          results.removeValue(forKey: index)
          taken += 1
          return result
        }
        if workers == 0 { return nil }
        condition.wait()
      }
    }
  }

  /// Lets nothing new begin.
  func beginNothingNew() {
    condition.withLock {
      isStopped = true
      condition.broadcast()
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
