// An encrypted file read as its plain file, at any position: the key stream is known everywhere. Nothing proves what is
// read until the whole file's digest is.

import ByteIO

/// The plain bytes of an encrypted file.
struct DecryptedFile: ByteSource {
  /// The encrypted file's path.
  var path: String { file.path }
  /// The plain file's size in bytes.
  let size: Int

  private let file: InputFile
  private let headerSize: Int
  private let key: KeyFile

  init(_ item: DecryptItem, key: KeyFile) throws(ByteIOError) {
    file = try InputFile(item.input)
    headerSize = item.headerSize
    size = item.plainSize
    self.key = key
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    try file.read(into: &buffer, at: headerSize + offset)
    try KeyStream(key).apply(to: &buffer, at: offset)
  }
}
