// Bytes that do not fit into memory, for as long as the process lives: a file without a name. Whatever ends the process,
// the system takes the space back.

import CSystemCalls

/// A file without a name, written and read at positions.
///
/// Calls for ranges that do not overlap may come from several threads.
public final class ScratchFile: Sendable {
  private let folder: String
  private let descriptor: Int32

  /// Makes a file and sets its space aside, where the file system can.
  ///
  /// - Parameters:
  ///   - folder: on the disk that is meant.
  ///   - size: in bytes.
  /// - Throws: ``ByteIOError`` with code `.noSpace` where the disk is too full.
  public init(in folder: String, size: Int) throws(ByteIOError) {
    let made = try TemporaryFiles.create(in: folder)
    TemporaryFiles.remove(made.path)
    self.folder = folder
    descriptor = made.descriptor
    let number = size > 0 ? belle_reserve(descriptor, Int64(size)) : 0
    guard number == 0 || number == ENOTSUP else {
      throw ByteIOError(errno: number, file: folder, action: "set \(byteCount(size)) aside for hidden states")
    }
  }

  deinit { close(descriptor) }

  /// Writes bytes at a position.
  public func write(_ bytes: RawSpan, at offset: Int) throws(ByteIOError) {
    var done = 0
    while done < bytes.byteCount {
      // SAFETY: the call reads the rest of the span, no more.
      let count = unsafe bytes.extracting(droppingFirst: done).withUnsafeBytes { rest in
        retrying { unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
      }
      guard count > 0 else {
        throw ByteIOError(errno: count == 0 ? ENOSPC : errno, file: folder, action: "write a scratch file")
      }
      done += count
    }
  }

  /// Fills a buffer from a position.
  public func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    let wanted = buffer.byteCount
    var done = 0
    while done < wanted {
      // SAFETY: the call writes the rest of the span, no more.
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
        return retrying { unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
      }
      guard count > 0 else {
        throw ByteIOError(errno: count == 0 ? EIO : errno, file: folder, action: "read a scratch file")
      }
      done += count
    }
  }
}
