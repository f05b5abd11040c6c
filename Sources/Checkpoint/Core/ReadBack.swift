// Reads tensors back from a file that is still being written, and holds them against their source once more, or against
// checksums of what was made: on a thread of its own, behind the writer, so that the proof takes little of the time that the
// writing takes.

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
        do { try Self.compare(source, next, file) } catch { return queue.end(error) }
      }
      queue.end(nil)
    }
    hasThread = start != nil
    if !hasThread { queue.end(nil) }
  }

  deinit { queue.close() }

  /// Checksums of a tensor's values, for those that are made: to make them twice would take as long again, and as much
  /// memory. What the source's file holds is read there once more.
  func sums(of index: Int) -> PartSums? { source.storedRange(index) == nil ? PartSums() : nil }

  /// Takes a tensor that is written now.
  ///
  /// - Parameters:
  ///   - index: of the source.
  ///   - start: where its values begin in the file.
  ///   - sums: of the values that were written, where they are made.
  ///   - whenWritten: waits until it can be read.
  /// - Throws: what an earlier tensor showed; ``CheckpointError`` with code `.badChecksum` for one that differs.
  func add(
    _ index: Int, _ start: Int, _ sums: PartSums?, _ whenWritten: @escaping @Sendable () throws(ByteIOError) -> Void
  ) throws {
    let tensor = Tensor(index: index, start: start, sums: sums, whenWritten: whenWritten)
    if hasThread { return try queue.add(tensor) }
    try Self.compare(source, tensor, file)
  }

  /// Waits for the comparison of the last one.
  func finish() throws {
    queue.close()
    try queue.wait()
  }

  private static func compare(_ source: any TensorSource, _ tensor: Tensor, _ file: InputFile) throws {
    try tensor.whenWritten()
    let info = source.tensors[tensor.index]
    var buffer = [UInt8](repeating: 0, count: min(streamPartSize, max(1, info.byteCount)))
    var at = tensor.start
    /// Reads what comes next, and looks whether it is right.
    func next(_ count: Int, _ isRight: (RawSpan) -> Bool) throws {
      if count != buffer.count { buffer = [UInt8](repeating: 0, count: count) }
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      try file.read(into: &raw, at: at)
      guard unsafe isRight(buffer.span.bytes) else { throw differs(info, file, at) }
      at += count
    }
    if let sums = tensor.sums {
      for part in sums.parts { try next(part.count) { CRC32.of($0, after: 0) == part.sum } }
      return
    }
    try source.read(tensor.index) { part in
      for start in stride(from: 0, to: part.byteCount, by: streamPartSize) {
        let here = part.extracting(start..<min(start + streamPartSize, part.byteCount))
        try next(here.byteCount) { isSame(here, $0) }
      }
    }
  }

  private static func isSame(_ one: RawSpan, _ other: RawSpan) -> Bool {
    // SAFETY: memcmp reads as many bytes as both have.
    unsafe one.withUnsafeBytes { one in
      unsafe other.withUnsafeBytes { other in
        guard let first = one.baseAddress, let second = other.baseAddress else { return one.count == other.count }
        return unsafe one.count == other.count && memcmp(first, second, one.count) == 0
      }
    }
  }

  private static func differs(_ info: TensorInfo, _ file: InputFile, _ place: Int) -> CheckpointError {
    CheckpointError(
      .badChecksum, file: file.path, place: "byte \(place)",
      reason: "tensor \(displayName(info.name)) does not read as it was written",
      remedy: "the disk or the memory may be failing; do not trust what was written before either")
  }

  /// A tensor that was written.
  struct Tensor: Sendable {
    let index: Int
    let start: Int
    let sums: PartSums?
    let whenWritten: @Sendable () throws(ByteIOError) -> Void
  }

  /// Tensors on their way from the writer to the reader.
  ///
  /// SAFETY: every member is touched under `condition` only.
  private final class Queue: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [Tensor] = []
    private var isClosed = false
    private var isEnded = false
    private var failure: (any Error)?

    func add(_ tensor: Tensor) throws {
      try condition.withLock {
        if let failure { throw failure }
        waiting.append(tensor)
        condition.broadcast()
      }
    }

    /// The next tensor; nil where there will be none.
    func next() -> Tensor? {
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
