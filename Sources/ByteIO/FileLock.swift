// One process at a time: a lock on a file, which the system drops when the process ends, however it ends.

/// A lock that is held as long as this object lives.
public final class FileLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock of a file, which is made where it is missing.
  ///
  /// - Returns: nil where another process holds it.
  /// - Throws: ``ByteIOError`` where the file cannot be made, or is a symbolic link.
  public init?(_ path: String) throws(ByteIOError) {
    while true {
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: path, action: "make the lock") }
      // File systems without locks (some network shares) let everyone in.
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        close(descriptor)
        return nil
      }
      // Who held it until now may have removed it: others would make and lock a new file of this name.
      var status = stat()
      if unsafe fstat(descriptor, &status) == 0, FileState(status).identity == FileIdentity(ofFileAt: path) {
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
  }

  deinit { close(descriptor) }
}
