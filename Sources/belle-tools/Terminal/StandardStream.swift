// Standard output and standard error, written to directly: nothing is held back, and a failure is known at once.

import ByteIO

/// A stream that a process is born with.
enum StandardStream {
  case output, error

  /// Writes a text whole.
  ///
  /// - Returns: the system's number for why it failed; nil where it did not.
  @discardableResult
  func write(_ text: String) -> Int32? {
    let descriptor = self == .output ? STDOUT_FILENO : STDERR_FILENO
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      // SAFETY: the call reads the rest of the array, no more.
      let count = unsafe bytes[done...].withUnsafeBytes { unsafe platformWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return errno }
      done += count
    }
    return nil
  }
}

/// The C library's write, under a name that no method hides.
private func platformWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
