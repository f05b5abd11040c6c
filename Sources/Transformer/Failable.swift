// Results of pieces of work that run at once and may fail.

import Synchronization

/// Collects results by key, and the error of the lowest key that failed.
final class Failable<Key: Hashable & Comparable & Sendable, Value: Sendable>: Sendable {
  private struct State {
    var values: [Key: Value] = [:]
    var failure: (key: Key, error: any Error)?
  }

  private let state = Mutex(State())

  /// Runs one piece.
  func run(_ key: Key, _ body: () throws -> Value) {
    do {
      let value = try body()
      state.withLock { $0.values[key] = value }
    } catch {
      state.withLock { state in
        if state.failure.map({ key < $0.key }) ?? true { state.failure = (key, error) }
      }
    }
  }

  /// All results.
  func finish() throws -> [Key: Value] {
    try state.withLock { state in
      if let failure = state.failure { throw failure.error }
      return state.values
    }
  }
}
