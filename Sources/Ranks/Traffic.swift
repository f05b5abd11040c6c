// What goes between ranks, and what processors take, counted.

import Foundation

/// Seconds of processors that this process has taken, over all its threads.
public func processorSeconds() -> Double {
  var time = timespec()
  // SAFETY: the call writes the time, which is this function's own.
  guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

/// What went between this rank and others.
public struct Traffic: Sendable, Equatable, Codable {
  /// Bytes sent to single ranks.
  public var sentBytes = 0
  /// Bytes received from single ranks.
  public var receivedBytes = 0
  /// Bytes that this rank gave to all others, each counted once: how often they cross a link is the library's matter.
  public var sharedBytes = 0
  /// Bytes that others gave to all.
  public var takenBytes = 0
  /// Transfers of any kind.
  public var transfers = 0
  /// Seconds that this rank waited for transfers.
  public var waitingSeconds = 0.0
  /// Seconds of processors that this process took meanwhile.
  public var waitingProcessorSeconds = 0.0

  /// Nothing.
  public init() {}

  /// What came to it since an earlier moment.
  public func since(_ earlier: Traffic) -> Traffic {
    var traffic = self
    traffic.sentBytes -= earlier.sentBytes
    traffic.receivedBytes -= earlier.receivedBytes
    traffic.sharedBytes -= earlier.sharedBytes
    traffic.takenBytes -= earlier.takenBytes
    traffic.transfers -= earlier.transfers
    traffic.waitingSeconds -= earlier.waitingSeconds
    traffic.waitingProcessorSeconds -= earlier.waitingProcessorSeconds
    return traffic
  }
}
