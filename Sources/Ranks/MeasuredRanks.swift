// Ranks that count: what this process sends and gets, and how long it waits for others. Everything else is passed on.

import Synchronization

/// Ranks whose traffic is counted.
public final class MeasuredRanks: Ranks {
  private let ranks: any Ranks
  private let counted = Mutex(Traffic())

  /// - Parameter ranks: those that do the work.
  public init(_ ranks: any Ranks) { self.ranks = ranks }

  /// Its number.
  public var rank: Int { ranks.rank }
  /// How many there are.
  public var count: Int { ranks.count }
  /// How many are on this machine.
  public var neighbours: Int { ranks.neighbours }
  /// What was counted.
  public var traffic: Traffic { counted.withLock { $0 } }

  /// Sends, and counts.
  public func send(_ parcel: Parcel, to rank: Int) throws(RanksError) {
    count { $0.sentBytes += parcel.byteCount }
    try ranks.send(parcel, to: rank)
  }

  /// Receives, and counts.
  public func receive(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    count { $0.receivedBytes += parcel.byteCount }
    try ranks.receive(parcel, from: rank)
  }

  /// Broadcasts, and counts.
  public func broadcast(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    let isOwn = rank == self.rank
    count { if isOwn { $0.sharedBytes += parcel.byteCount } else { $0.takenBytes += parcel.byteCount } }
    try ranks.broadcast(parcel, from: rank)
  }

  /// Waits, and counts the time.
  public func wait(for parcel: Parcel) throws(RanksError) {
    let (start, processors) = (ContinuousClock.now, processorSeconds())
    defer {
      let (seconds, taken) = ((ContinuousClock.now - start) / .seconds(1), processorSeconds() - processors)
      counted.withLock {
        $0.waitingSeconds += seconds
        $0.waitingProcessorSeconds += taken
      }
    }
    try ranks.wait(for: parcel)
  }

  /// Whether a parcel is where it should be.
  public func isDone(_ parcel: Parcel) throws(RanksError) -> Bool { try ranks.isDone(parcel) }
  /// Leaves the others.
  public func leave() { ranks.leave() }
  /// Ends all ranks.
  public func abort(status: Int32) { ranks.abort(status: status) }

  private func count(_ transfer: @Sendable (inout Traffic) -> Void) {
    counted.withLock {
      transfer(&$0)
      $0.transfers += 1
    }
  }
}
