// Memory for outputs that is as ready as on a machine of its own.
//
// A virtual machine may give pages that fall free back to its host (free page reporting), and gets every one of them back
// through a fault in the host: 10 µs for 4 KiB where it was measured, against 0.3 µs for copying it. What is timed then is
// the host. The ballast holds pages in use, and frees as many as an output takes a moment before it is written.

import ByteIO
import Foundation

/// A file in memory without a name; what it holds is lent to what is timed.
final class Ballast {
  private let folder: String
  private let descriptor: Int32
  private var size = 0

  /// Holds nothing yet.
  init(in folder: String) throws {
    self.folder = folder
    let path = Folder.join(folder, "belle-bench-ballast-\(getpid())")
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: path, action: "make it") }
    unsafe unlink(path)
  }

  deinit { close(descriptor) }

  /// Frees memory, does the work and takes the memory again; the work must free what it took.
  ///
  /// - Parameter bytes: how much the work will take. Where the ballast holds less it grows first, as slowly as the
  ///   machine finds memory.
  func lend<Result>(_ bytes: Int, to work: () throws -> Result) throws -> Result {
    if size < bytes {
      let start = size
      size = bytes
      try fill(from: start)
    }
    let rest = size - bytes
    guard ftruncate(descriptor, off_t(rest)) == 0 else {
      throw ByteIOError(errno: errno, file: folder, action: "free memory for an output")
    }
    let result = try work()
    try fill(from: rest)
    return result
  }

  private func fill(from start: Int) throws {
    let chunk = [UInt8](repeating: 3, count: 1 << 20)
    var at = start
    while at < size {
      let count = unsafe chunk.withUnsafeBytes {
        // SAFETY: at most the chunk's bytes are read.
        unsafe pwrite(descriptor, $0.baseAddress, min(chunk.count, size - at), off_t(at))
      }
      guard count > 0 else { throw ByteIOError(errno: errno, file: folder, action: "take memory for outputs") }
      at += count
    }
  }
}
