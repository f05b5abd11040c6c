// A file in memory without a copy of it: what the system keeps of the file is what is looked at. While it is mapped others
// may cut or change the file; whoever has computed with it asks afterwards whether that happened.

import CSystemCalls

/// The bytes of an open file, mapped.
///
/// Looking where the file has become shorter gives zeros and ends nothing; ``check()`` tells. On Linux and macOS the pages
/// are the system's own, which other programs that read the file share.
@safe package final class FileMapping: @unchecked Sendable {
  /// The file.
  package let file: InputFile
  /// How many bytes there are.
  package let count: Int
  // SAFETY: only read, and given back when nobody has the object any more.
  private let mapping: belle_mapping

  /// Maps a whole file; nil where the system, or the file's own, does not do that: it can still be read.
  package init?(_ file: InputFile) {
    guard file.size > 0, let made = unsafe file.map() else { return nil }
    (self.file, count) = (file, file.size)
    unsafe mapping = made
  }

  deinit { unsafe belle_unmap_file([mapping]) }

  /// A part of it, for as long as whoever asks keeps the object.
  package subscript(range: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    // SAFETY: the range lies in the mapping, which was just checked.
    return unsafe UnsafeRawBufferPointer(start: mapping.start + range.lowerBound, count: range.count)
  }

  /// Brings a part into memory, where it is not yet: best effort, ``check()`` tells what became of it.
  package func fetch(_ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    unsafe belle_fetch_mapped([mapping], Int64(range.lowerBound), Int64(range.count))
  }

  /// Tells the system that a part is looked at no more: it stays the system's, and is not counted as this process's. Whoever
  /// looks there all the same still finds it.
  package func release(_ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    unsafe belle_release_mapped([mapping], Int64(range.lowerBound), Int64(range.count))
  }

  /// Asks whether all that was looked at so far is what the file had when it was opened.
  ///
  /// - Throws: ``ByteIOError`` with code `.shrank` where it was cut, `.changed` where it was written to, or that of the
  ///   system where its pages cannot be read.
  package func check() throws(ByteIOError) {
    try file.checkUnchanged()
    guard unsafe belle_has_lost_pages([mapping]) == 0 else {
      throw ByteIOError(errno: EIO, file: file.path, action: "read what is mapped of it")
    }
  }
}
