// What this machine can do at best, measured in the same run as what it is compared with.

import ByteIO
import Checksum
import Foundation

enum Ceilings {
  /// Seconds that a piece of work takes.
  static func time(_ work: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try work()
    let components = (ContinuousClock.now - start).components
    return Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }

  /// How often is measured what can only be disturbed.
  static let runs = 5

  /// The best of ``runs``, as ``Cost/best(_:)`` is of what is compared with it.
  static func best(_ rate: () throws -> Double) rethrows -> Double {
    try (0..<runs).map { _ in try rate() }.max() ?? .nan
  }

  /// Bytes a second of OpenSSL's digest on one core, over memory that stays in the caches.
  static func digestRate(_ algorithm: DigestAlgorithm, bytes: Int) throws -> Double {
    let chunk = [UInt8](repeating: 0x5A, count: 1 << 20)
    let rounds = max(1, bytes / chunk.count)
    let stream = try DigestStream(algorithm)
    let seconds = time {
      for _ in 0..<rounds { stream.update(chunk) }
      _ = stream.finish()
    }
    return Double(rounds * chunk.count) / seconds
  }

  /// Bytes a second of a copy in memory, far larger than the caches.
  static func memoryCopyRate() -> Double {
    let size = 256 << 20
    let source = [UInt8](repeating: 1, count: size)
    var target = [UInt8](repeating: 2, count: size)
    let seconds = time {
      // SAFETY: both arrays have `size` bytes.
      unsafe target.withUnsafeMutableBytes { target in
        unsafe source.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
      }
    }
    precondition(target[size - 1] == 1)
    return Double(size) / seconds
  }

  /// Bytes a second of a file's copy by reading and writing a mebibyte at a time, flushed where `isFlushed`.
  static func fileCopyRate(_ path: String, to target: String, flushed isFlushed: Bool) throws -> Double {
    let file = try InputFile(path)
    unsafe unlink(target)
    defer { unsafe unlink(target) }
    let seconds = try time {
      let descriptor = unsafe open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
      guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: target, action: "make it") }
      defer { close(descriptor) }
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      var at = 0
      while at < file.size {
        let count = min(buffer.count, file.size - at)
        var span = buffer.mutableSpan
        var raw = unsafe span.mutableBytes
        if count == raw.byteCount {
          try file.read(into: &raw, at: at)
        } else {
          buffer = try file.bytes(at: at, count: count)
        }
        let written = unsafe buffer.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        guard written == count else { throw ByteIOError(errno: errno, file: target, action: "write it") }
        at += count
      }
      if isFlushed { fsync(descriptor) }
    }
    return Double(file.size) / seconds
  }
}
