// A file that appears under its name only when it is complete: a temporary beside it, fsync, its name (FinalName), fsync of
// the folder. Thrown away unless it is committed. Never overwrites unless it is asked to.

import CSystemCalls

/// Writes one output file.
///
/// Not thread-safe, but may be handed from one thread to another.
public final class AtomicFileWriter {
  /// What became of the file.
  public enum Outcome: Sendable, Equatable {
    /// It has its name now.
    case created
    /// Something had that name already and was left as it is; the temporary is gone.
    case alreadyThere
  }

  private let folder: String
  private let path: String
  private var descriptor: Int32
  private var length = 0
  private let destination: Destination
  private var behind: WriteBehind?
  private var isSetAside = false

  /// Makes a temporary file in a folder, which must exist.
  public init(in folder: String) throws(ByteIOError) {
    self.folder = folder
    (path, descriptor) = try TemporaryFiles.create(in: folder)
    destination = Destination(descriptor, in: folder)
  }

  deinit { discard() }

  /// Sets disk space aside, where the file system can: a full disk shows now and not at the end.
  ///
  /// - Parameter size: the size in bytes that the file will have.
  public func reserve(_ size: Int) throws(ByteIOError) {
    let number = belle_reserve(descriptor, Int64(size))
    guard number == 0 || number == ENOTSUP else {
      throw ByteIOError(errno: number, file: folder, action: "set \(size) bytes aside for an output file")
    }
    guard number == 0 else { return }
    length = max(length, size)
    isSetAside = true
  }

  /// Writes on a thread of its own from now on, behind the one that makes the bytes; a failure shows at a later write,
  /// or at the end. Where the system makes no thread, writing stays as it is, and where it set nothing aside: that is a
  /// file system in memory, and handing bytes over would be a copy more.
  public func writeBehind() {
    guard behind == nil, isSetAside else { return }
    behind = try? WriteBehind { [destination] bytes, offset throws(ByteIOError) in
      try destination.write(bytes, at: offset)
    }
  }

  /// Writes bytes at a position.
  public func write(_ bytes: RawSpan, at offset: Int) throws(ByteIOError) {
    if let behind { try behind.add(bytes, at: offset) } else { try destination.write(bytes, at: offset) }
    length = max(length, offset + bytes.byteCount)
  }

  /// Writes an array at a position.
  public func write(_ bytes: [UInt8], at offset: Int) throws(ByteIOError) {
    unsafe try write(bytes.span.bytes, at: offset)
  }

  /// The file as it is being written, for reading back what is written already. Its size is that of this moment.
  public func reader() throws(ByteIOError) -> InputFile {
    try whenWritten()()
    return try InputFile(path)
  }

  /// What waits, on any thread, until all that was written up to now can be read.
  public func whenWritten() -> @Sendable () throws(ByteIOError) -> Void {
    guard let behind else { return {} }
    let mark = behind.mark()
    return { () throws(ByteIOError) in try behind.wait(for: mark) }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Parameters:
  ///   - name: the name in the folder.
  ///   - size: the size in bytes that it must have; what was set aside beyond it is given back.
  ///   - replacing: whether a file that has the name already is replaced.
  /// - Returns: `.alreadyThere` where the name is taken and `replacing` is false.
  public func commit(as name: String, size: Int, replacing: Bool) throws(ByteIOError) -> Outcome {
    let target = Folder.join(folder, name)
    try flush(as: target, size: size)

    let error: Int32 = try TemporaryFiles.finish(path) {
      FinalName.take(path, target, replacing: replacing)
    } succeeded: {
      $0 == 0
    }

    if error == EEXIST, !replacing {
      discard()
      return .alreadyThere
    }
    guard error == 0 else { throw ByteIOError(errno: error, file: target, action: "give the file its name") }
    close(descriptor)
    descriptor = -1
    Folder.flush(folder)
    return .created
  }

  /// Makes several files durable, and gives them their names: all of them, or none.
  ///
  /// - Parameters:
  ///   - files: with the name and the size in bytes of each; what was set aside beyond it is given back.
  ///   - replacing: whether files that have the names already are replaced.
  /// - Throws: ``ByteIOError`` with code `.exists` for a name that is taken by other bytes. Then no file has its new name.
  public static func commit(
    _ files: [(writer: AtomicFileWriter, name: String, size: Int)], replacing: Bool
  ) throws(ByteIOError) {
    var changes: [FinalName.Change] = []
    for (writer, name, size) in files {
      let target = Folder.join(writer.folder, name)
      try writer.flush(as: target, size: size)
      changes.append(FinalName.Change(writer.path, to: target))
    }
    try FinalName.take(changes, replacing: replacing)
    for file in files { file.writer.discard() }
  }

  /// Makes the bytes durable, under the temporary name.
  private func flush(as target: String, size: Int) throws(ByteIOError) {
    precondition(descriptor >= 0, "committed or discarded before")
    try whenWritten()()
    endWriting()
    if length != size, ftruncate(descriptor, off_t(size)) != 0 {
      throw ByteIOError(errno: errno, file: target, action: "set its size")
    }
    let flushed = belle_flush(descriptor)
    guard flushed == 0 else { throw ByteIOError(errno: flushed, file: target, action: "flush it to the disk") }
  }

  /// Throws the file away, unless it was committed.
  public func discard() {
    guard descriptor >= 0 else { return }
    endWriting()
    TemporaryFiles.remove(path)
    close(descriptor)
    descriptor = -1
  }

  private func endWriting() {
    behind?.close()
    behind = nil
  }

  /// Where bytes go.
  ///
  /// SAFETY: one thread writes at a time: the maker's, or the one behind it.
  private final class Destination: @unchecked Sendable {
    private let descriptor: Int32
    private let folder: String
    private var writtenBack = 0

    /// How far writing may run ahead of the disk before the kernel is asked to begin. Large enough for long runs on a
    /// disk, small enough that the final fsync has little left to do.
    private static let writebackStep = 16 << 20

    init(_ descriptor: Int32, in folder: String) { (self.descriptor, self.folder) = (descriptor, folder) }

    func write(_ bytes: RawSpan, at offset: Int) throws(ByteIOError) {
      var done = 0
      while done < bytes.byteCount {
        // SAFETY: the call reads the rest of the span, no more.
        let count = unsafe bytes.extracting(droppingFirst: done).withUnsafeBytes { rest in
          retrying { unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
        }
        guard count > 0 else {
          throw ByteIOError(
            errno: count == 0 ? ENOSPC : errno, file: folder, action: "write an output file at byte \(offset + done)")
        }
        done += count
      }
      if offset + done - writtenBack >= Self.writebackStep {
        belle_start_writeback(descriptor, Int64(writtenBack), Int64(offset + done - writtenBack))
        writtenBack = offset + done
      }
    }
  }
}
