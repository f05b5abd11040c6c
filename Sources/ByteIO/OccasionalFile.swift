// A file that is not kept open. Where there are thousands, of which a few are read at a time, open ones would reach the
// limit that the system sets (ulimit -n).

/// A regular file that is opened anew for each read. Never for writing.
public struct OccasionalFile: ByteSource {
  /// The path.
  public let path: String
  private let state: FileState

  /// Its size in bytes when it was first opened.
  public var size: Int { state.size }

  /// Looks at a file.
  ///
  /// - Throws: ``ByteIOError`` when it is missing, not readable or no regular file.
  public init(_ path: String) throws(ByteIOError) {
    self.path = path
    state = try InputFile(path).state
  }

  /// Fills a buffer from a position.
  ///
  /// - Throws: ``ByteIOError`` with code `.changed` when it is no longer the file that it was.
  public func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    let file = try InputFile(path)
    guard file.state == state else {
      throw ByteIOError(
        .changed, file: path, reason: "it was changed while it was worked on", remedy: "begin again, and leave it alone"
      )
    }
    try file.read(into: &buffer, at: offset)
  }
}
