// Bytes that can be read at any position: a file, or one that is decrypted as it is read. Formats read through this, and
// so do not know which it is.

/// Bytes with a name and a size, read by position. Safe to read from several threads at once.
public protocol ByteSource: Sendable {
  /// What messages call it: the path.
  var path: String { get }
  /// How many bytes there are.
  var size: Int { get }

  /// Fills a buffer from a position.
  ///
  /// - Throws: ``ByteIOError`` with code `.shrank` when the bytes end before the buffer is full.
  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError)
}

extension ByteSource {
  /// The bytes of a range, cut at the end.
  ///
  /// - Parameters:
  ///   - offset: the first byte.
  ///   - count: how many; the caller caps it.
  public func bytes(at offset: Int = 0, count: Int) throws(ByteIOError) -> [UInt8] {
    let length = max(0, min(count, size - offset))
    var bytes = [UInt8](repeating: 0, count: length)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    try read(into: &raw, at: offset)
    return bytes
  }
}
