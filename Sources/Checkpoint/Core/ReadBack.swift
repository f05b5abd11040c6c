// Reads tensors back from a file that is still being written, and holds them against their source once more: on a thread
// of its own, behind the writer, so that the proof takes little of the time that the writing takes.

import ByteIO
import CBelleKernels
import Foundation

/// Compares what was written with what should have been.
final class ReadBack: Sendable {
  private let source: any TensorSource
  private let file: InputFile
  private let queue = Queue()
  /// Whether there is a thread; without one each tensor is compared when it is added.
  private let hasThread: Bool

  /// Begins.
  ///
  /// - Parameter file: the file that is written, opened again.
  init(_ source: any TensorSource, _ file: InputFile) {
    self.source = source
    self.file = file
    let start: ()? = try? startThread { [queue] in
      while let next = queue.next() {
        do { try Self.compare(source, next.index, file, next.start) } catch { return queue.end(error) }
      }
      queue.end(nil)
    }
    hasThread = start != nil
    if !hasThread { queue.end(nil) }
  }

  deinit { queue.close() }

  /// Takes a tensor that is written now.
  ///
  /// - Parameters:
  ///   - index: of the source.
  ///   - start: where its values begin in the file.
  /// - Throws: what an earlier tensor showed; ``CheckpointError`` with code `.badChecksum` for one that differs.
  func add(_ index: Int, _ start: Int) throws {
    let isSmall = source.storedRange(index) != nil || (source as? TensorView)?.isMadeInParts(index) == true
    if hasThread, isSmall { return try queue.add((index, start)) }
    // Other values that have to be put together may take as much memory as a tensor: not twice at the same time.
    try Self.compare(source, index, file, start)
  }

  /// Waits for the comparison of the last one.
  func finish() throws {
    queue.close()
    try queue.wait()
  }

  private static func compare(_ source: any TensorSource, _ index: Int, _ file: InputFile, _ start: Int) throws {
    var buffer = [UInt8](repeating: 0, count: min(streamPartSize, max(1, source.tensors[index].byteCount)))
    var at = start
    try source.read(index) { part in
      var done = 0
      while done < part.byteCount {
        let count = min(buffer.count, part.byteCount - done)
        if count < buffer.count { buffer.removeLast(buffer.count - count) }
        var span = buffer.mutableSpan
        var raw = unsafe span.mutableBytes
        try file.read(into: &raw, at: at)
        // SAFETY: both have `count` bytes.
        let isSame = unsafe part.extracting(done..<done + count).withUnsafeBytes { one in
          unsafe buffer.withUnsafeBytes { other in
            guard let one = one.baseAddress, let other = other.baseAddress else { return true }
            return unsafe memcmp(one, other, count) == 0
          }
        }
        guard isSame else {
          throw CheckpointError(
            .badChecksum, file: file.path, place: "byte \(at)",
            reason: "tensor \(displayName(source.tensors[index].name)) does not read as it was written",
            remedy: "the disk or the memory may be failing; do not trust what was written before either")
        }
        at += count
        done += count
      }
    }
  }

  /// Tensors on their way from the writer to the reader.
  ///
  /// SAFETY: every member is touched under `condition` only.
  private final class Queue: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [(index: Int, start: Int)] = []
    private var isClosed = false
    private var isEnded = false
    private var failure: (any Error)?

    func add(_ tensor: (Int, Int)) throws {
      try condition.withLock {
        if let failure { throw failure }
        waiting.append(tensor)
        condition.broadcast()
      }
    }

    /// The next tensor; nil where there will be none.
    func next() -> (index: Int, start: Int)? {
      condition.withLock {
        while waiting.isEmpty, !isClosed { condition.wait() }
        return waiting.isEmpty ? nil : waiting.removeFirst()
      }
    }

    func end(_ error: (any Error)?) {
      condition.withLock {
        failure = error
        isEnded = true
        condition.broadcast()
      }
    }

    func close() {
      condition.withLock {
        isClosed = true
        condition.broadcast()
      }
    }

    func wait() throws {
      try condition.withLock {
        while !isEnded { condition.wait() }
        if let failure { throw failure }
      }
    }
  }
}
