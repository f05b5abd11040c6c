// An encrypted file read as its plain file, at any position: the key stream is known everywhere. Nothing proves what is
// read until the whole file's digest is.
//
// Read in windows: what was read is still in the second level cache when it meets its key.

import ByteIO

/// The plain bytes of an encrypted file.
struct DecryptedFile: ByteSource {
  /// The encrypted file's path.
  var path: String { file.path }
  /// The plain file's size in bytes.
  let size: Int

  let file: InputFile
  private let headerSize: Int
  private let key: KeyFile

  init(_ item: DecryptItem, key: KeyFile) throws(ByteIOError) {
    file = try InputFile(item.input)
    headerSize = item.headerSize
    size = item.plainSize
    self.key = key
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    try read(into: &buffer, at: offset, with: KeyStream(key))
  }

  /// Fills a buffer with plain bytes, with a key stream that one thread keeps.
  func read(into buffer: inout MutableRawSpan, at offset: Int, with keyStream: KeyStream) throws(ByteIOError) {
    let count = buffer.byteCount
    for start in stride(from: 0, to: count, by: KeyStream.windowSize) {
      var window = buffer._mutatingExtracting(start..<min(count, start + KeyStream.windowSize))
      try file.read(into: &window, at: headerSize + offset + start)
      try keyStream.apply(to: &window, at: offset + start)
    }
  }
}
