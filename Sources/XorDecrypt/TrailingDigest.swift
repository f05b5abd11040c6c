// The digest of a file while it is written, in whatever order that happens: what lies in one piece from its beginning on is
// read again behind the writer, on a thread of its own, out of the system's memory. So little is left to be read when the
// last byte is written, where there is a processor to spare.

import ByteIO
import Checksum
import Foundation

/// SHA-256 of a file that is being written.
///
/// SAFETY: `ends`, `reach`, `digest` and the flags are touched under `condition` only; file and stream are the thread's.
final class TrailingDigest: @unchecked Sendable {
  /// What is read at once, in bytes: all the memory that it takes.
  private static let partSize = 1 << 20

  private let file: InputFile
  private let stream: DigestStream
  private let size: Int
  private let condition = NSCondition()
  /// Where pieces end that are written and have a gap before them, by their beginnings.
  private var ends: [Int: Int] = [:]
  /// How far the file is written without a gap.
  private var reach = 0
  private var (isOver, isEnded) = (false, false)
  private var digest: Digest?

  /// Begins; nil where there is no thread for it: then somebody reads the file afterwards.
  ///
  /// - Parameter size: how many bytes the file will have.
  init?(of writer: AtomicFileWriter, size: Int) {
    guard let file = try? writer.reader(), let stream = try? DigestStream(.sha256) else { return nil }
    (self.file, self.stream, self.size) = (file, stream, size)
    guard (try? startThread { [self] in run() }) != nil else { return nil }
  }

  /// Takes note of a piece that is written; from any thread, each place once.
  func wrote(_ count: Int, at offset: Int) {
    guard count > 0 else { return }
    condition.withLock {
      ends[offset] = offset + count
      while let end = ends.removeValue(forKey: reach) { reach = end }
      condition.broadcast()
    }
  }

  /// The digest, once no more is written; nil where the file has not become whole or cannot be read.
  func finish() -> Digest? {
    condition.withLock {
      isOver = true
      condition.broadcast()
      while !isEnded { condition.wait() }
      return digest
    }
  }

  /// Ends the work without a digest, and without waiting.
  func giveUp() {
    condition.withLock {
      (isOver, reach, ends) = (true, 0, [:])
      condition.broadcast()
    }
  }

  private func run() {
    var buffer = [UInt8](repeating: 0, count: Self.partSize)
    var done = 0
    while let count = next(after: done) {
      if buffer.count != count { buffer = [UInt8](repeating: 0, count: count) }
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      guard (try? file.read(into: &raw, at: done)) != nil else { break }
      stream.update(buffer)
      done += count
    }
    let isWhole = done == size
    condition.withLock {
      digest = isWhole ? stream.finish() : nil
      isEnded = true
      condition.broadcast()
    }
  }

  /// How many bytes can be read now; nil at the end.
  private func next(after done: Int) -> Int? {
    condition.withLock {
      while !isOver, reach < min(size, done + Self.partSize) { condition.wait() }
      return reach > done && done < size ? min(Self.partSize, reach - done) : nil
    }
  }
}
