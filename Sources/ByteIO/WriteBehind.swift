// Writes a file on a thread of its own, behind the one that makes its bytes: reading, computing and writing of a stream of
// tensors take turns otherwise, and the disk waits for each of them. Bytes are copied into a few buffers, which bound the
// memory; a failure shows at the next write, or at the end.

import CSystemCalls
import Foundation

/// Bytes on their way into a file.
///
/// SAFETY: every member that changes is touched under `condition` only; a buffer belongs to one thread at a time.
final class WriteBehind: @unchecked Sendable {
  /// Bytes a buffer, and how many of them.
  private static let (bufferSize, buffers) = (1 << 20, 8)

  /// Bytes that lie in one piece in the file.
  private struct Piece {
    var bytes: [UInt8]
    let offset: Int
    var count = 0
    var isFull: Bool { count == bytes.count }
  }

  private let write: @Sendable (RawSpan, Int) throws(ByteIOError) -> Void
  private let condition = NSCondition()
  private var free: [[UInt8]] = []
  /// How many buffers were made.
  private var made = 0
  private var waiting: [Piece] = []
  /// What is being filled, by the one thread that makes the bytes.
  private var current: Piece?
  /// Pieces that were handed over, and those that are in the file.
  private var (taken, written) = (0, 0)
  private var (isClosed, isEnded) = (false, false)
  private var failure: ByteIOError?

  /// Begins.
  ///
  /// - Parameter write: puts bytes at an offset of the file.
  /// - Throws: ``ByteIOError`` where the system makes no thread.
  init(_ write: @escaping @Sendable (RawSpan, Int) throws(ByteIOError) -> Void) throws(ByteIOError) {
    self.write = write
    try startThread { [self] in run() }
  }

  /// Takes bytes for an offset; waits where all buffers are on their way. From one thread, as ``mark()`` is.
  ///
  /// - Throws: what an earlier write showed.
  func add(_ bytes: RawSpan, at offset: Int) throws(ByteIOError) {
    var done = 0
    while done < bytes.byteCount {
      if let current, current.offset + current.count != offset + done { pass() }
      var piece = if let piece = current.take() { piece } else { Piece(bytes: try freeBuffer(), offset: offset + done) }
      let part = bytes.extracting(droppingFirst: done).extracting(first: piece.bytes.count - piece.count)
      // SAFETY: a part is no longer than what is left of the buffer.
      unsafe piece.bytes.withUnsafeMutableBytes { target in
        unsafe part.withUnsafeBytes { unsafe target[piece.count...].copyBytes(from: $0) }
      }
      piece.count += part.byteCount
      done += part.byteCount
      current = piece
      if piece.isFull { pass() }
    }
  }

  /// A mark behind what was taken up to now, for ``wait(for:)``.
  func mark() -> Int {
    pass()
    return taken
  }

  /// Hands what is being filled to the thread.
  private func pass() {
    guard let piece = current.take() else { return }
    condition.withLock {
      waiting.append(piece)
      taken += 1
      condition.broadcast()
    }
  }

  /// Waits until what was taken before a mark is in the file; from any thread.
  ///
  /// - Throws: what a write showed.
  func wait(for mark: Int) throws(ByteIOError) {
    let failure: ByteIOError? = condition.withLock {
      while written < mark, !isEnded { condition.wait() }
      return written < mark ? self.failure ?? ByteIOError(.interrupted, reason: "the output was given up") : nil
    }
    if let failure { throw failure }
  }

  /// Ends the thread, and drops what is not in the file yet.
  func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
      while !isEnded { condition.wait() }
    }
  }

  private func freeBuffer() throws(ByteIOError) -> [UInt8] {
    let (buffer, failure): ([UInt8]?, ByteIOError?) = condition.withLock {
      while free.isEmpty, made == Self.buffers, !isEnded { condition.wait() }
      if let failure = self.failure { return (nil, failure) }
      if let buffer = free.popLast() { return (buffer, nil) }
      made += 1
      return (nil, nil)
    }
    if let failure { throw failure }
    return buffer ?? [UInt8](repeating: 0, count: Self.bufferSize)
  }

  private func run() {
    while let piece = next() {
      do throws(ByteIOError) {
        try unsafe write(piece.bytes.span.bytes.extracting(first: piece.count), piece.offset)
      } catch {
        return end(error)
      }
      condition.withLock {
        free.append(piece.bytes)
        written += 1
        condition.broadcast()
      }
    }
    end(nil)
  }

  private func next() -> Piece? {
    condition.withLock {
      while waiting.isEmpty, !isClosed { condition.wait() }
      return isClosed ? nil : waiting.removeFirst()
    }
  }

  private func end(_ error: ByteIOError?) {
    condition.withLock {
      failure = error
      isEnded = true
      condition.broadcast()
    }
  }
}
