// A regular file opened for reading at positions of one's choice. Refuses folders, devices and pipes: their size is
// unknown, and every format here needs it.

import CSystemCalls

/// A regular file, open for reading. Never for writing.
public final class InputFile: ByteSource {
  /// The path it was opened by.
  public let path: String
  /// Its size in bytes when it was opened.
  public var size: Int { state.size }
  /// Which file it is.
  public var identity: FileIdentity { state.identity }
  /// When it was last written, in nanoseconds since 1970.
  public var modificationTime: Int64 { state.modificationTime }

  /// What it was when it was opened.
  let state: FileState
  private let descriptor: Int32

  /// Opens a file.
  ///
  /// - Parameter path: the file; symbolic links are followed.
  /// - Throws: ``ByteIOError`` when it is missing, not readable or no regular file.
  public convenience init(_ path: String) throws(ByteIOError) { try self.init(path, isInput: true) }

  /// Opens a file to see what it is.
  ///
  /// - Parameter isInput: whether the work is made from it: see ``InputRecord``.
  /// - Throws: ``ByteIOError`` when it is missing, not readable or no regular file.
  package init(_ path: String, isInput: Bool) throws(ByteIOError) {
    // O_NONBLOCK: a named pipe is refused below instead of waiting here for a writer. It has no effect on files.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw ByteIOError(errno: errno, file: path, action: "open it") }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let number = errno
      close(descriptor)
      throw ByteIOError(errno: number, file: path, action: "ask for its size")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw ByteIOError(
        .wrongKind, file: path, reason: isFolder ? "this is a folder, not a file" : "this is not a regular file",
        remedy: isFolder ? "give a file in it" : nil)
    }
    self.path = path
    self.descriptor = descriptor
    state = FileState(status)
    if isInput { InputRecord.note(path, state) }
  }

  deinit { close(descriptor) }

  /// Drops what the system keeps of it in memory, so that what reads it next waits for the disk: for benchmarks.
  package func forget() { belle_forget(descriptor) }

  /// Tells the system that the file will be read from beginning to end.
  public func adviseSequential() { belle_advise_sequential(descriptor) }

  /// Fills a buffer from a position.
  ///
  /// - Throws: ``ByteIOError`` with code `.shrank` when the file ends before the buffer is full.
  public func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    let wanted = buffer.byteCount
    var done = 0
    while done < wanted {
      // SAFETY: the call writes the rest of the span, no more.
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
        return retrying { unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
      }
      guard count >= 0 else {
        throw ByteIOError(errno: errno, file: path, action: "read at byte \(offset + done)")
      }
      guard count > 0 else {
        throw ended(at: offset + done)
      }
      done += count
    }
  }
}

extension InputFile {
  private func ended(at end: Int) -> ByteIOError {
    ByteIOError(
      .shrank, file: path, place: "byte \(end)",
      reason: "the file ended here, though it had \(size) bytes when it was opened",
      remedy: "another program is writing to it; wait until that is done and try again")
  }

  /// Maps all of it.
  ///
  /// - Returns: nil where the system does not do that.
  func map() -> belle_mapping? {
    var mapping = unsafe belle_mapping()
    return unsafe belle_map_file(descriptor, Int64(size), &mapping) == 0 ? mapping : nil
  }

  /// Asks whether it still is what it was when it was opened, as far as the system tells without reading it.
  ///
  /// - Throws: ``ByteIOError`` with code `.shrank` or `.changed`.
  package func checkUnchanged() throws(ByteIOError) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw ByteIOError(errno: errno, file: path, action: "ask for its size")
    }
    let now = FileState(status)
    if now == state { return }
    guard now.size >= size else { throw ended(at: now.size) }
    throw ByteIOError(
      .changed, file: path, reason: "it was changed while it was worked on",
      remedy: "leave the inputs alone until the work is done, and begin again")
  }
}

extension InputRecord {
  /// Adds a file that is open.
  public mutating func add(_ file: InputFile) { add(file.path, file.state) }
}
