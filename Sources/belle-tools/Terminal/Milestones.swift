// Progress of long work where stderr is no terminal: a line each half minute.

import ByteIO

/// Notes on how much is done.
struct Milestones {
  private let total: Int
  private let isShown: Bool
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private var last: ContinuousClock.Instant
  private var done = 0

  init(total: Int, isShown: Bool) {
    self.total = total
    self.isShown = isShown
    start = clock.now
    last = start
  }

  /// Takes units of work that were done.
  mutating func advance(_ units: Int) {
    done += units
    let now = clock.now
    guard isShown, now - last > .seconds(30), done > 0, total > 0 else { return }
    last = now
    let left = (now - start).seconds * Double(total - done) / Double(done)
    Console.shared.note("\(Int(100 * Double(done) / Double(total)))% done, about \(Int(left)) seconds left")
  }
}
