// A key file, open, and the XOR with its stream.

import ByteIO
import CBelleKernels

/// The file that a release was encrypted with.
package final class KeyFile: Sendable {
  /// The file.
  package let file: InputFile
  /// Where its bytes go.
  package let layout: KeyStreamLayout

  /// A tail shorter than a window would be read in tiny pieces; it is kept here, repeated, so that a window can begin at
  /// any phase. Empty for longer tails and for none.
  private let repeatedTail: [UInt8]

  /// Opens a key.
  ///
  /// - Throws: ``ByteIOError``; ``XorDecryptError`` with code `.unusableKey` for a folder, an empty file, a Git LFS
  ///   pointer or a web page.
  package init(_ path: String) throws {
    if Folder.kind(of: path) == .folder {
      let inside = Folder.join(path, "consolidated.00.pth")
      throw XorDecryptError(
        .unusableKey, file: path, reason: "the key must be a file; this is a folder",
        remedy: Folder.kind(of: inside) == .file
          ? "give \(displayName(inside))" : "give the original consolidated.00.pth of the base model")
    }
    file = try InputFile(path)
    if let complaint = try FileKind(of: file).complaint {
      throw XorDecryptError(.unusableKey, file: path, reason: "as a key: \(complaint.reason)", remedy: complaint.remedy)
    }
    if let download = DownloadName.unfinished(at: path) {
      throw XorDecryptError(
        .unusableKey, file: path, reason: "the key's download is not finished, as \(displayName(download.name)) says",
        remedy: "let the download finish, or download it again")
    }
    layout = KeyStreamLayout(keySize: file.size)
    var repeatedTail: [UInt8] = []
    if layout.tailSize > 0, layout.tailSize < KeyStream.windowSize {
      let tail = try file.bytes(at: layout.tailStart, count: layout.tailSize)
      while repeatedTail.count < KeyStream.windowSize + tail.count { repeatedTail += tail }
    }
    self.repeatedTail = repeatedTail
  }

  /// The window of the repeated tail for a position of the plain file, where there is one.
  fileprivate func tailWindow(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
    guard !repeatedTail.isEmpty else { return nil }
    let keyOffset = layout.run(at: offset).keyOffset
    guard keyOffset >= layout.tailStart else { return nil }
    let blockEnd = KeyStreamLayout.blockSize - offset % KeyStreamLayout.blockSize
    let phase = keyOffset - layout.tailStart
    return repeatedTail[phase..<phase + min(count, blockEnd, KeyStream.windowSize)]
  }
}

/// XORs chunks with the stream of a key. One for each thread.
@safe package final class KeyStream {
  /// The key bytes that are read at once. They and the data they meet stay in the second level cache.
  static let windowSize = 128 << 10

  private let key: KeyFile
  private let window: UnsafeMutableRawBufferPointer

  /// A stream of a key.
  package init(_ key: KeyFile) {
    self.key = key
    unsafe window = .allocate(byteCount: Self.windowSize, alignment: 64)
  }

  deinit { unsafe window.deallocate() }

  /// XORs a part of a plain or encrypted file (without its header) with the key.
  ///
  /// - Parameters:
  ///   - data: changed in place.
  ///   - offset: where in the plain file it begins.
  /// - Throws: ``ByteIOError`` where the key cannot be read.
  package func apply(to data: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    var done = 0
    let count = data.byteCount
    while done < count {
      let position = offset + done
      let wanted = min(count - done, Self.windowSize)
      if let tail = key.tailWindow(at: position, count: wanted) {
        unsafe tail.withUnsafeBytes { unsafe xor(&data, done, $0) }
        done += tail.count
      } else {
        let run = key.layout.run(at: position)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: window[..<min(wanted, run.count)])
        var span = unsafe part.mutableBytes
        try key.file.read(into: &span, at: run.keyOffset)
        unsafe xor(&data, done, UnsafeRawBufferPointer(part))
        done += part.count
      }
    }
  }

  private func xor(_ data: inout MutableRawSpan, _ start: Int, _ key: UnsafeRawBufferPointer) {
    // SAFETY: the slice checks that the key's length fits into the data from `start` on; the kernel touches no more.
    unsafe data.withUnsafeMutableBytes { bytes in
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + key.count])
      guard let data = part.baseAddress, let key = key.baseAddress else { return }
      unsafe belle_xor(
        belle_best_variant(), data.assumingMemoryBound(to: UInt8.self), key.assumingMemoryBound(to: UInt8.self),
        part.count)
    }
  }
}
