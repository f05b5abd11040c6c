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

  /// Reads a file.
  ///
  /// - Returns: its bytes, which are UTF-8 without a byte order mark.
  /// - Throws: ``CalibrationError`` for what is no text, ``ByteIOError``.
  static func contents(of path: String) throws -> ArraySlice<UInt8> {
    guard Folder.kind(of: path) != nil else {
      throw ByteIOError(
        .notFound, file: path, reason: "there is no such file",
        remedy: "check the path; data sets are files here: download one as text, JSON or JSON Lines, and give its path")
    }
    let file = try InputFile(path)
    let tooMuch = CalibrationError(
      .limit, file: path, reason: "\(byteCount(file.size)) of text are too much", remedy: "give a part of it")
    guard file.size <= sizeLimit else { throw tooMuch }
    guard file.size > 0 else {
      throw CalibrationError(.tooShort, file: path, reason: "the file is empty", remedy: "give a file with text in it")
    }
    let kind = try FileKind(of: file)
    let bytes: [UInt8]
    switch kind {
    case .compressed("gzip", _): bytes = try inflated(file)
    case .zip:
      throw CalibrationError(
        .unknownForm, file: path, reason: "this is a zip archive", remedy: "unpack it first, and give a file of it")
    default:
      if let complaint = kind.naming(isWeights: false) {
        throw CalibrationError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
      }
      bytes = try file.bytes(count: file.size)
    }
    let encoding = TextEncoding(of: bytes)
    if let complaint = encoding.complaint {
      throw CalibrationError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    guard let text = encoding.utf8(bytes) else {
      throw CalibrationError(
        .malformed, file: path, reason: "it begins as UTF-16 or UTF-32, and there are bytes in it that are not",
        remedy: "save the text again as UTF-8")
    }
    guard !text.contains(0) else {
      throw CalibrationError(
        .malformed, file: path, reason: "there are zero bytes in it, which texts do not have",
        remedy: "give a file of text")
    }
    return text
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

  /// Whether a file's name says that it holds JSON or JSON Lines.
  static func isJSON(_ path: String) -> Bool { plainName(path).hasSuffix(".json") || isJSONLines(path) }

  /// Whether a file's name says that it holds JSON Lines.
  static func isJSONLines(_ path: String) -> Bool { [".jsonl", ".ndjson"].contains(where: plainName(path).hasSuffix) }

  /// A name in lower case, without gzip's ending.
  private static func plainName(_ path: String) -> String {
    let name = path.lowercased()
    return name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
  }

  /// What is to be said of a text; nil for most.
  static func note(on path: String) -> String? {
    guard [".csv", ".tsv"].contains(where: plainName(path).hasSuffix) else { return nil }
    return
      "\(displayName(path)) is read as plain text, with its separators and quotes: JSON Lines would be read by fields"
  }
}
