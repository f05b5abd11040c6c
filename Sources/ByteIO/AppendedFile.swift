// A file that grows at its end, and keeps what was written whatever happens afterwards: results that cost hours, and what
// somebody typed.

import CSystemCalls

/// A file that is written at its end.
package final class AppendedFile {
  /// The path.
  package let path: String
  private let descriptor: Int32

  /// Opens a file, or makes it.
  ///
  /// - Parameters:
  ///   - path: no symbolic link, where it is locked.
  ///   - isPrivate: whether nobody else may read it; one that can be read by others is made private.
  ///   - isLocked: whether no other process may open it so meanwhile.
  /// - Returns: nil where another process has locked it.
  /// - Throws: ``ByteIOError``.
  package init?(_ path: String, isPrivate: Bool, isLocked: Bool) throws(ByteIOError) {
    let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND | O_NONBLOCK | (isLocked ? O_NOFOLLOW : 0)
    let descriptor = unsafe open(path, flags, isPrivate ? 0o600 : 0o666)
    guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: path, action: "open it") }
    self.path = path
    self.descriptor = descriptor
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw ByteIOError(.wrongKind, file: path, reason: "this is not a regular file")
    }
    if isPrivate, status.st_mode & 0o077 != 0, fchmod(descriptor, 0o600) != 0 {
      throw ByteIOError(errno: errno, file: path, action: "make it private")
    }
    // File systems without locks (some network shares) let everyone in.
    if isLocked, flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return nil }
  }

  deinit { close(descriptor) }

  /// What is in it.
  ///
  /// - Parameter limit: bytes that are too many.
  package func contents(limit: Int) throws(ByteIOError) -> [UInt8] {
    let file = try InputFile(path, isInput: false)
    guard file.size <= limit else {
      throw ByteIOError(.limit, file: path, reason: "\(byteCount(file.size)) are too much for a file of its kind")
    }
    return try file.bytes(count: file.size)
  }

  /// Writes at the end.
  package func append(_ bytes: [UInt8]) throws(ByteIOError) {
    var done = 0
    while done < bytes.count {
      // SAFETY: the call reads the rest of the array, no more.
      let count = unsafe bytes.withUnsafeBytes { all in
        retrying { unsafe write(descriptor, all.baseAddress.map { unsafe $0 + done }, all.count - done) }
      }
      guard count > 0 else { throw ByteIOError(errno: count == 0 ? ENOSPC : errno, file: path, action: "write to it") }
      done += count
    }
  }

  /// Leaves only the first bytes.
  package func truncate(to size: Int) throws(ByteIOError) {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw ByteIOError(errno: errno, file: path, action: "cut it") }
  }

  /// Takes its name away.
  package func remove() { unsafe unlink(path) }
}
