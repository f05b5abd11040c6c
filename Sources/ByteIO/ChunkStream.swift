// Moves a file through memory in chunks: one producer fills them, several consumers (digests, a writer) see each of
// them in order, every one on a thread of its own, as long as there are processors for them. Memory is bounded by the
// ring of chunks, whatever the file's size.
//
// Real threads and not tasks: producers and consumers block in read and write, which tasks must not do.

import Foundation

/// A part of the work that a ``ChunkStream`` does for each chunk.
///
/// - Parameters:
///   - chunk: the bytes.
///   - offset: where in the stream they begin.
public typealias ChunkWork = (_ chunk: RawSpan, _ offset: Int) throws -> Void

/// Streams a known number of bytes from a producer through consumers.
public struct ChunkStream: Sendable {
  /// Bytes a chunk.
  public let chunkSize: Int
  /// Chunks in the ring.
  public let slots: Int

  /// The memory that all streams of a process may share, in bytes. Larger rings measured no faster
  /// (benchmarks/runs).
  public static let memoryBudget = 12 << 20

  /// A ring that suits a number of streams at once.
  ///
  /// - Parameter streams: how many share ``memoryBudget``.
  public init(sharedBy streams: Int) {
    slots = 6
    let share = Self.memoryBudget / max(1, streams) / slots
    // Powers of two between 64 KiB and 1 MiB.
    chunkSize = min(1 << 20, max(64 << 10, 1 << (Int.bitWidth - 1 - max(1, share).leadingZeroBitCount)))
  }

  /// A ring of given measures.
  public init(chunkSize: Int, slots: Int) {
    self.chunkSize = max(1, chunkSize)
    self.slots = max(2, slots)
  }

  /// Runs the stream; returns when every consumer has seen every byte.
  ///
  /// - Parameters:
  ///   - count: the bytes to move.
  ///   - produce: fills a chunk from an offset; called in order, on the calling thread.
  ///   - consumers: called in order for each chunk, the slowest first. The last of them share a thread where there are
  ///     more than processors: a thread more would only take the slowest one's processor from it.
  ///   - isCancelled: asked before each chunk.
  /// - Throws: what the first of them to fail threw, or `CancellationError`.
  public func run(
    count: Int,
    produce: (_ chunk: inout MutableRawSpan, _ offset: Int) throws -> Void,
    consumers: [ChunkWork],
    isCancelled: () -> Bool = { false }
  ) throws {
    let lanes = Self.lanes(consumers, atMost: processorCount)
    let ring = ChunkRing(
      count: count, chunkSize: min(chunkSize, max(count, 1)), slots: slots, consumers: lanes.count)
    // A thread costs more than a small file; and where the system makes none, the work is done without.
    guard ring.chunks > 1, ring.startConsumers(lanes) else {
      for index in 0..<ring.chunks {
        if isCancelled() { throw CancellationError() }
        try ring.fill(index, produce)
        for consume in lanes { try ring.pass(index, to: consume) }
      }
      return
    }
    ring.produce(produce, isCancelled)
    ring.join()
    if let failure = ring.failure { throw failure }
  }

  /// One piece of work for each thread.
  static func lanes(_ consumers: [ChunkWork], atMost limit: Int) -> [ChunkWork] {
    let alone = max(1, limit) - 1
    guard consumers.count > alone + 1 else { return consumers }
    let shared = consumers[alone...]
    return Array(consumers[..<alone]) + [{ chunk, offset in for consume in shared { try consume(chunk, offset) } }]
  }
}

/// The ring's memory and its counters.
///
/// SAFETY: a chunk is written by the producer only while no consumer may read it, and read only after the producer has
/// counted it; the counters are guarded by `condition`. The memory lives as long as the ring.
@safe private final class ChunkRing: @unchecked Sendable {
  private let count: Int
  private let chunkSize: Int
  private let slots: Int
  private let memory: UnsafeMutableRawBufferPointer
  private let condition = NSCondition()
  private var produced = 0
  private var consumed: [Int]
  private var running: Int
  /// Whether the producer waits, and how many consumers do: nobody is woken who could not go on.
  private var producerWaits = false
  private var waitingConsumers = 0
  private var firstFailure: (any Error)?
  /// The consumers' work, until none of them runs any more. Its last owner must be the calling thread: what is removed with
  /// it (an output's temporary) is gone then when the stream has ended, and not when a thread of it gets a processor again.
  private var works: [ChunkWork] = []

  init(count: Int, chunkSize: Int, slots: Int, consumers: Int) {
    self.count = count
    self.chunkSize = chunkSize
    self.slots = slots
    unsafe memory = .allocate(byteCount: chunkSize * slots, alignment: 4096)
    consumed = Array(repeating: 0, count: consumers)
    running = consumers
  }

  deinit { unsafe memory.deallocate() }

  var failure: (any Error)? { condition.withLock { firstFailure } }

  var chunks: Int { (count + chunkSize - 1) / chunkSize }

  /// How many chunks every consumer has seen.
  private var slowest: Int { consumed.min() ?? produced }

  /// The memory of a chunk.
  private func chunk(_ index: Int) -> UnsafeMutableRawBufferPointer {
    let start = (index % slots) * chunkSize
    let length = min(chunkSize, count - index * chunkSize)
    return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + length])
  }

  /// Lets the producer fill a chunk.
  func fill(_ index: Int, _ produce: (inout MutableRawSpan, Int) throws -> Void) throws {
    var span = unsafe chunk(index).mutableBytes
    try produce(&span, index * chunkSize)
  }

  /// Shows a chunk to a consumer.
  func pass(_ index: Int, to work: ChunkWork) throws {
    unsafe try work(chunk(index).bytes, index * chunkSize)
  }

  /// Starts a thread for each consumer.
  ///
  /// - Returns: whether all could be made; otherwise none runs any more, and none has seen anything.
  func startConsumers(_ consumers: [ChunkWork]) -> Bool {
    works = consumers
    for index in consumers.indices {
      // A thread owns nothing but the ring: it may still hold what it owns when it has been joined.
      do { try startThread { self.consume(index) } } catch {
        condition.withLock {
          running -= consumers.count - index
          firstFailure = error
          condition.broadcast()
        }
        join()
        return false
      }
    }
    return true
  }

  private func fail(_ error: any Error) {
    condition.withLock {
      if firstFailure == nil { firstFailure = error }
      condition.broadcast()
    }
  }

  func produce(
    _ produce: (inout MutableRawSpan, Int) throws -> Void, _ isCancelled: () -> Bool
  ) {
    do {
      for index in 0..<chunks {
        if isCancelled() { throw CancellationError() }
        let goOn = condition.withLock {
          while firstFailure == nil, index - slowest >= slots {
            producerWaits = true
            condition.wait()
          }
          producerWaits = false
          return firstFailure == nil
        }
        guard goOn else { return }
        try fill(index, produce)
        condition.withLock {
          produced = index + 1
          if waitingConsumers > 0 { condition.broadcast() }
        }
      }
    } catch {
      fail(error)
    }
  }

  func consume(_ consumer: Int) {
    passAll(to: consumer)
    condition.withLock {
      running -= 1
      condition.broadcast()
    }
  }

  /// A function of its own, so that the thread holds nothing of the work when it says that it has ended.
  @inline(never) private func passAll(to consumer: Int) {
    let work = works[consumer]
    do {
      for index in 0..<chunks {
        let goOn = condition.withLock {
          while firstFailure == nil, produced <= index {
            waitingConsumers += 1
            condition.wait()
            waitingConsumers -= 1
          }
          return firstFailure == nil
        }
        guard goOn else { break }
        try pass(index, to: work)
        condition.withLock {
          consumed[consumer] = index + 1
          // Half a ring at a time: waking the producer for each chunk costs more than the chunk waits.
          if producerWaits, produced - slowest <= slots / 2 { condition.broadcast() }
        }
      }
    } catch {
      fail(error)
    }
  }

  /// Waits until no consumer runs any more.
  func join() {
    condition.withLock {
      while running > 0 { condition.wait() }
    }
    works = []
  }
}
