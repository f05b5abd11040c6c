// Progress of long work where stderr is no terminal: a line each half minute.

import ByteIO
import Synchronization

/// Notes on how much is done.
final class Milestones: Sendable {
  private struct State {
    var done = 0
    var last: ContinuousClock.Instant
  }

  private let total: Int
  private let start: ContinuousClock.Instant
  private let state: Mutex<State>

  init(total: Int) {
    self.total = total
    start = ContinuousClock.now
    state = Mutex(State(last: start))
  }

  /// Takes what was done, and says how much it is now where half a minute has passed without a word.
  func take(_ event: ProgressEvent) {
    guard case .advanced(_, let units) = event else { return }
    let now = ContinuousClock.now
    let done: Int? = state.withLock { state in
      state.done += units
      guard now - state.last > .seconds(30), state.done > 0, total > 0 else { return nil }
      state.last = now
      return min(state.done, total)
    }
    guard let done else { return }
    let left = (now - start).seconds * Double(total - done) / Double(done)
    Console.shared.note("\(Int(100 * Double(done) / Double(total)))% done, about \(Int(left)) seconds left")
  }
}
