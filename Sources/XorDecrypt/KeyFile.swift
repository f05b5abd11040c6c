// A key file, open, and the XOR with its stream.

import ByteIO
import CBelleKernels
import Checksum

/// The file that a release was encrypted with.
package final class KeyFile: Sendable {
  /// Its bytes.
  package let file: any ByteSource
  /// The files that these come from: the key itself, or those of a model that it is made of.
  package let files: [InputFile]
  /// Whether the bytes are made of a model: nothing but a digest says then that its values are the original's.
  package let isMade: Bool
  /// Where its bytes go.
  package let layout: KeyStreamLayout

  /// A tail shorter than a window would be read in tiny pieces; it is kept here, repeated, so that a window can begin at
  /// any phase. Empty for longer tails and for none.
  private let repeatedTail: [UInt8]

  /// Opens a key; of a folder, the file in it that has a key's name.
  ///
  /// - Throws: ``ByteIOError``; ``XorDecryptError`` with code `.unusableKey` for a folder without a key, an empty file, a Git
  ///   LFS pointer or a web page.
  package convenience init(_ given: String) throws {
    var path = given
    if Folder.kind(of: given) == .folder {
      path = Folder.join(given, KnownOriginal.keyFileName)
      guard Folder.kind(of: path) == .file else {
        throw XorDecryptError(
          .unusableKey, file: given,
          reason: "this folder is no key: there is no \(KnownOriginal.keyFileName) in it, and no model",
          remedy: "give the original \(KnownOriginal.keyFileName) of the base model, or a conversion's folder")
      }
    }
    let file = try InputFile(path)
    if let complaint = try FileKind(of: file).complaint {
      throw XorDecryptError(.unusableKey, file: path, reason: "as a key: \(complaint.reason)", remedy: complaint.remedy)
    }
    if let download = DownloadName.unfinished(at: path) {
      throw XorDecryptError(
        .unusableKey, file: path, reason: "the key's download is not finished, as \(displayName(download.name)) says",
        remedy: "let the download finish, or download it again")
    }
    try self.init(file, files: [file], isMade: false)
  }

  /// A key whose bytes are made as they are read.
  ///
  /// - Parameter files: what they are made of.
  /// - Throws: ``ByteIOError`` where they cannot be read.
  package convenience init(making bytes: any ByteSource, from files: [InputFile]) throws {
    try self.init(bytes, files: files, isMade: true)
  }

  private init(_ file: any ByteSource, files: [InputFile], isMade: Bool) throws {
    (self.file, self.files, self.isMade) = (file, files, isMade)
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
