// Two tensors side by side, element by element, in bounded memory: one is read on a thread of its own, which waits with
// each part until the other has caught up with it. Sources hand their values to a body; nobody can pull from them.

import ByteIO
import Foundation

enum Lockstep {
  /// Parts below this are gathered before they are handed over: handing over costs some microseconds.
  fileprivate static let partSize = 256 << 10

  /// Streams two tensors of equally many elements.
  ///
  /// - Parameter body: called with parts of equally many elements, in order; answers whether to go on.
  /// - Throws: what a source throws; ``CheckpointError`` with code `.badTensor` where they give different numbers of
  ///   elements.
  static func read(
    _ one: any TensorSource, _ index: Int, _ other: any TensorSource, _ otherIndex: Int,
    _ body: (RawSpan, RawSpan) throws -> Bool
  ) throws {
    let info = one.tensors[index]
    let sizes = (info.dtype.byteCount ?? 1, other.tensors[otherIndex].dtype.byteCount ?? 1)
    let handoff = Handoff()
    if info.byteCount <= partSize {
      // A thread costs more than a small tensor.
      try one.read(index) { part in try handoff.gather(part) }
      handoff.keepGathered()
    } else {
      try startThread {
        handoff.finish(
          Result {
            try one.read(index) { part in try handoff.give(part) }
            try handoff.giveGathered()
          })
      }
    }
    defer { handoff.stop() }
    do {
      try other.read(otherIndex) { part in
        var at = 0
        while at < part.byteCount {
          let goOn = try handoff.use(upTo: (part.byteCount - at) / sizes.1 * sizes.0) { there in
            let elements = min(there.byteCount / sizes.0, (part.byteCount - at) / sizes.1)
            guard elements > 0 else { throw unequal(info) }
            defer { at += elements * sizes.1 }
            return (
              elements * sizes.0,
              try body(
                there.extracting(first: elements * sizes.0), part.extracting(at..<at + elements * sizes.1))
            )
          }
          guard let goOn else { throw unequal(info) }
          if !goOn { throw Stopped() }
        }
      }
      if try handoff.use(upTo: sizes.0, { ($0.byteCount, true) }) != nil { throw unequal(info) }
    } catch is Stopped {}
  }

  private static func unequal(_ info: TensorInfo) -> CheckpointError {
    CheckpointError(
      .badTensor, file: info.file,
      reason: "tensor \(displayName(info.name)) gave another number of values than its counterpart")
  }
}

/// Ends a reading early.
private struct Stopped: Error {}

/// Hands parts from a producer to a consumer, one at a time.
///
/// SAFETY: `offered` points into memory that the producer's thread keeps alive, or into `gathered`, which nobody changes,
/// until the consumer has used it up and says so under `condition`; the producer waits for that.
@safe private final class Handoff: @unchecked Sendable {
  private let condition = NSCondition()
  private var offered: UnsafeRawBufferPointer?
  private var used = 0
  private var outcome: Result<Void, any Error>?
  private var isStopped = false
  /// The producer's own, while it runs.
  private var gathered: [UInt8] = []

  // MARK: The producer

  /// Hands a part over, or keeps it until there is enough to hand over.
  func give(_ part: RawSpan) throws {
    if gathered.isEmpty, part.byteCount >= Lockstep.partSize { return unsafe try part.withUnsafeBytes(offer) }
    try gather(part)
    if gathered.count >= Lockstep.partSize { try giveGathered() }
  }

  func gather(_ part: RawSpan) throws { unsafe part.withUnsafeBytes { unsafe gathered += $0 } }

  /// Hands over what was kept.
  func giveGathered() throws {
    guard !gathered.isEmpty else { return }
    unsafe try gathered.withUnsafeBytes(offer)
    gathered.removeAll(keepingCapacity: true)
  }

  private func offer(_ part: UnsafeRawBufferPointer) throws {
    try condition.withLock {
      unsafe offered = part
      used = 0
      condition.broadcast()
      while unsafe offered != nil, !isStopped { condition.wait() }
      unsafe offered = nil
      if isStopped { throw Stopped() }
    }
  }

  func finish(_ outcome: Result<Void, any Error>) {
    condition.withLock {
      self.outcome = outcome
      condition.broadcast()
    }
  }

  /// There is no producer: all that there is was gathered.
  func keepGathered() { finish(.success(())) }

  // MARK: The consumer

  /// Waits for bytes and uses some.
  ///
  /// - Parameter body: takes at most `limit` bytes; answers how many it used, and what the caller wants to know.
  /// - Returns: nil where there are no more.
  func use<Answer>(upTo limit: Int, _ body: (RawSpan) throws -> (Int, Answer)) throws -> Answer? {
    let part: UnsafeRawBufferPointer? = unsafe condition.withLock {
      while unsafe offered == nil, outcome == nil { condition.wait() }
      return unsafe offered
    }
    guard let part = unsafe part else {
      try outcome?.get()
      // Without a producer: what was gathered.
      guard used < gathered.count else { return nil }
      let rest = used..<min(gathered.count, used + limit)
      let (count, answer) = unsafe try gathered.withUnsafeBytes { unsafe try body($0.bytes.extracting(rest)) }
      used += count
      return answer
    }
    let (count, answer) = unsafe try body(part.bytes.extracting(used..<min(part.count, used + limit)))
    used += count
    if used == part.count {
      condition.withLock {
        unsafe offered = nil
        condition.broadcast()
      }
    }
    return answer
  }

  /// Tells the producer to stop, and waits until it has.
  func stop() {
    condition.withLock {
      isStopped = true
      condition.broadcast()
      while outcome == nil { condition.wait() }
    }
  }
}
