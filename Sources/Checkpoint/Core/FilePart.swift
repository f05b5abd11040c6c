// The end of a file as bytes of their own: an archive that stands behind something else.

import ByteIO

/// The bytes of a source from a position on.
struct FilePart: ByteSource {
  private let file: any ByteSource
  private let start: Int

  /// - Parameter start: the first byte; in the file.
  init(_ file: any ByteSource, from start: Int) {
    self.file = file
    self.start = min(max(0, start), file.size)
  }

  var path: String { file.path }
  var size: Int { file.size - start }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    try file.read(into: &buffer, at: start + offset)
  }
}
