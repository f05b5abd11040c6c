// A file of text as UTF-8, whatever it was saved as: UTF-16 is converted and gzip decompressed; tables, documents, other
// compressors and other encodings are named and refused.

import ByteIO
import Checkpoint

/// The text in a file.
enum TextFile {
  /// The largest text, in bytes.
  static let sizeLimit = 1 << 30

  /// What a gzip file may become, in bytes, whatever its size. Beyond it a small file could fill the memory.
  private static let inflatedSize = 64 << 20

  /// What a file holds.
  struct Contents {
    /// Its bytes, which are UTF-8 without a byte order mark.
    let bytes: ArraySlice<UInt8>
    /// Whether that is not so of some lines, which are to be left out: the file is of records, and most are sound.
    let isDamaged: Bool
  }

  /// Reads a file.
  ///
  /// - Throws: ``CalibrationError`` for what is no text, ``ByteIOError``.
  static func contents(of path: String) throws -> Contents {
    guard Folder.kind(of: path) != nil else {
      throw ByteIOError(
        .notFound, file: path, reason: "there is no such file",
        remedy: "check the path; data sets are files here: download one as text, JSON or JSON Lines, and give its path")
    }
    if let download = DownloadName.unfinished(at: path) {
      throw CalibrationError(.malformed, file: path, reason: download.reason, remedy: download.remedy)
    }
    let file = try InputFile(path)
    let tooMuch = CalibrationError(
      .limit, file: path, reason: "\(byteCount(file.size)) of text are too much", remedy: "give a part of it")
    guard file.size <= sizeLimit else { throw tooMuch }
    guard file.size > 0 else {
      throw CalibrationError(.tooShort, file: path, reason: "the file is empty", remedy: "give a file with text in it")
    }
    let kind = try FileKind(of: file)
    try refuse(kind, path)
    if case .compressed("gzip", _) = kind {
      let bytes = try inflated(file)
      try refuse(FileKind(head: Array(bytes.prefix(FileKind.headSize)), size: bytes.count), path)
      return try text(bytes, path)
    }
    return try text(file.bytes(count: file.size), path)
  }

  /// Refuses what is no text by its first bytes; gzip is decompressed.
  private static func refuse(_ kind: FileKind, _ path: String) throws(CalibrationError) {
    switch kind {
    case .compressed("gzip", _): return
    case .zip:
      throw CalibrationError(
        .unknownForm, file: path, reason: "this is a zip archive", remedy: "unpack it first, and give a file of it")
    default:
      guard let complaint = kind.naming(isWeights: false) else { return }
      throw CalibrationError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
  }

  /// Some bytes as UTF-8.
  private static func text(_ bytes: [UInt8], _ path: String) throws(CalibrationError) -> Contents {
    let encoding = TextEncoding(of: bytes)
    if let complaint = encoding.complaint {
      // GB18030 is no damage: its lines in Chinese would be left out, and those in English stay.
      if encoding != .gb18030, isOfRecords(bytes, path), hasFewFaults(bytes) {
        return Contents(bytes: bytes[...], isDamaged: true)
      }
      throw CalibrationError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    guard let text = encoding.utf8(bytes) else {
      throw CalibrationError(
        .malformed, file: path, reason: "it begins as UTF-16 or UTF-32, and there are bytes in it that are not",
        remedy: "save the text again as UTF-8")
    }
    guard text.contains(0) else { return Contents(bytes: text, isDamaged: false) }
    if encoding == .utf8, isOfRecords(bytes, path), hasFewFaults(bytes) {
      return Contents(bytes: text, isDamaged: true)
    }
    throw CalibrationError(
      .malformed, file: path, reason: "there are zero bytes in it, which texts do not have",
      remedy: "give a file of text")
  }

  private static func isOfRecords(_ bytes: [UInt8], _ path: String) -> Bool {
    TextName.isJSON(path) || RecordForm(of: bytes[...], path) != .text
  }

  /// Whether at least half of the lines are sound.
  private static func hasFewFaults(_ bytes: [UInt8]) -> Bool {
    var (sound, faulty, at) = (0, 0, 0)
    while at < bytes.count {
      let end = bytes[at...].firstIndex(of: 0x0A) ?? bytes.count
      if end > at { if isSoundText(bytes[at..<end]) { sound += 1 } else { faulty += 1 } }
      at = end + 1
    }
    return faulty <= sound
  }

  private static func inflated(_ file: InputFile) throws -> [UInt8] {
    // Texts become some four times as large.
    switch try GzipFile.contents(of: file, limit: min(sizeLimit, max(inflatedSize, 6 * file.size))) {
    case .bytes(let bytes): return bytes
    case .tooLarge:
      throw CalibrationError(
        .limit, file: file.path, reason: "it becomes unusually large when it is decompressed",
        remedy: "decompress it first: gzip -d")
    case .broken(let at):
      throw CalibrationError(
        .malformed, file: file.path, place: "byte \(at)",
        reason: "it begins as a gzip file, and is damaged or cut off here",
        remedy: "download it again")
    }
  }

  /// What is to be said of a text; nil for most.
  static func note(on path: String) -> String? {
    guard TextName.isTable(path) else { return nil }
    return
      "\(displayName(path)) is read as plain text, with its separators and quotes: JSON Lines would be read by fields"
  }
}
