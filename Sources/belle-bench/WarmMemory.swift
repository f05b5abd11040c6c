// Memory for outputs that is as ready as on a machine of its own.
//
// A virtual machine may give pages that fall free back to its host (free page reporting), and gets every one of them back
// through a fault in the host: 10 µs for 4 KiB where it was measured, against 0.3 µs for copying it. What is timed then is
// the host. So pages are held in use until a moment before an output is written. They are freed in short runs, all but
// every sixteenth page: the kernel serves single pages from the shortest runs that it has, and longer ones (32 pages on
// that machine) would be gone within two seconds.

import ByteIO
import CSystemCalls
import Foundation

/// A file in memory without a name; what it holds is lent to what is timed.
final class WarmMemory {
  private let folder: String
  private let descriptor: Int32
  private var size = 0

  private static let page = Int(getpagesize())
  /// One page that is always kept, and a run that is lent.
  private static let piece = 16 * page
  private static let chunk = [UInt8](repeating: 3, count: 16 * piece)

  /// Holds nothing yet.
  init(in folder: String) throws {
    self.folder = folder
    let path = Folder.join(folder, "belle-bench-warm-\(getpid())")
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: path, action: "make it") }
    unsafe unlink(path)
  }

  deinit { close(descriptor) }

  /// Frees memory, does the work and takes the memory again; the work must free what it took.
  ///
  /// - Parameter bytes: how much the work will take. Where less is held, that is mended first, as slowly as the machine
  ///   finds memory.
  func lend<Result>(_ bytes: Int, to work: () throws -> Result) throws -> Result {
    // A tenth more: for what the work allocates beside its outputs.
    let lent = (bytes + bytes / 10) / (Self.piece - Self.page) * Self.piece
    try fill(from: size, to: lent)
    size = max(size, lent)
    for at in stride(from: 0, to: lent, by: Self.piece) {
      let code = belle_punch_hole(descriptor, Int64(at + Self.page), Int64(Self.piece - Self.page))
      if code == ENOTSUP || code == EOPNOTSUPP {
        // Nothing can be lent here, so nothing is kept from the work.
        size = 0
        ftruncate(descriptor, 0)
        return try work()
      }
      guard code == 0 else { throw ByteIOError(errno: code, file: folder, action: "free memory for an output") }
    }
    let result = try work()
    try fill(from: 0, to: lent)
    return result
  }

  private func fill(from start: Int, to end: Int) throws {
    for at in stride(from: start, to: end, by: Self.chunk.count) {
      let count = unsafe Self.chunk.withUnsafeBytes {
        // SAFETY: at most the chunk's bytes are read.
        unsafe pwrite(descriptor, $0.baseAddress, min($0.count, end - at), off_t(at))
      }
      guard count > 0 else { throw ByteIOError(errno: errno, file: folder, action: "take memory for outputs") }
    }
  }
}
