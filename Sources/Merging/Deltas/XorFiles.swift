// Models that were published as the XOR with a base model's files, file by file, by OpenAssistant and Pygmalion: each
// byte with the byte of the file of the same name, and zeros where that has ended; the payload as it is, or as a gzip
// stream; added_tokens.json as it is. There is no digest in them, so what comes out is held against what its name says
// that it is, and against the checksums that torch's files have in them; of others values that are no numbers are told.
// Source: xor_codec.py beside OpenAssistant/oasst-sft-6-llama-30b-xor; BaseDifference tells such a folder.
// Refused: a payload without a file of its name in the base, for nothing of it could be read.

import ByteIO
import Checkpoint
import Checksum
import Model

/// The XOR of two folders, file by file.
struct XorFiles: Sendable {
  /// One file.
  struct Item: Sendable {
    let name: String
    let other: InputFile
    /// nil where the payload is taken as it is.
    let base: InputFile?
    let isCompressed: Bool
  }

  let items: [Item]
  /// Files that are no part of a model.
  let ignored: [String]
  /// The bytes that are read.
  let byteCount: Int
  /// Whether payloads are made of a tuned model.
  let isReversed: Bool

  /// What was never coded.
  private static let plain: Set<String> = ["added_tokens.json"]
  /// What a result may have beyond twice its base.
  private static let surplus = 64 << 20
  private static let strangers: Set<String> = ["README.md", ".gitattributes", "xor_codec.py", "LICENSE", ".gitignore"]

  /// Pairs the files of two folders.
  ///
  /// - Parameter isReversed: whether payloads are made of a tuned model: nothing of that is compressed.
  /// - Throws: ``MergeError`` or `ByteIOError`.
  init(_ other: String, onto base: String, isReversed: Bool) throws {
    for folder in [other, base] where Folder.kind(of: folder) != .folder {
      throw MergeError(
        .scheme, file: folder, reason: "the XOR of files is one of folders, and this is none",
        remedy: "give the folder that the file is in")
    }
    var items: [Item] = []
    var ignored: [String] = []
    for entry in try Folder.entries(of: other) where entry.kind == .file {
      if Self.strangers.contains(entry.name) || entry.name.hasPrefix(".") {
        ignored.append(entry.name)
        continue
      }
      let file = try InputFile(Folder.join(other, entry.name))
      let path = Folder.join(base, entry.name)
      if Self.plain.contains(entry.name) {
        items.append(Item(name: entry.name, other: file, base: nil, isCompressed: false))
        continue
      }
      guard Folder.kind(of: path) == .file else {
        throw MergeError(
          .mismatch, file: path, reason: "it is the key of \(displayName(file.path)), and it is missing",
          remedy: "give the base model in exactly the form that the card names: with files of the same names")
      }
      let isCompressed = !isReversed && Self.isCompressed(file)
      items.append(Item(name: entry.name, other: file, base: try InputFile(path), isCompressed: isCompressed))
    }
    guard items.contains(where: { $0.base != nil }) else {
      throw MergeError(.scheme, file: other, reason: "there is no file in it that a base has too")
    }
    (self.items, self.ignored, self.isReversed) = (items, ignored, isReversed)
    byteCount = items.reduce(0) { $0 + $1.other.size }
  }

  private static func isCompressed(_ file: InputFile) -> Bool {
    (try? file.bytes(count: 3).starts(with: [0x1F, 0x8B, 8])) ?? false
  }

  // MARK: - Telling

  /// Whether a folder's files are such payloads: none that could be read as it is, and one of them readable with the
  /// base's.
  static func isDelta(_ delta: String, onto base: String) -> Bool {
    guard Folder.kind(of: delta) == .folder, Folder.kind(of: base) == .folder,
      let entries = try? Folder.entries(of: delta)
    else { return false }
    for entry in entries where entry.kind == .file && !plain.contains(entry.name) {
      let isWeights = Container(fileName: entry.name) != nil
      guard isWeights || entry.name.hasSuffix(".json"),
        let file = try? InputFile(Folder.join(delta, entry.name), isInput: false), let head = head(of: file),
        let key = try? InputFile(Folder.join(base, entry.name), isInput: false), let keyHead = try? key.bytes(count: 64)
      else { continue }
      if isPlain(head, entry.name) { return false }
      if isPlain(xored(head, keyHead), entry.name) { return true }
    }
    return false
  }

  /// The first bytes of a payload, decompressed.
  private static func head(of file: InputFile) -> [UInt8]? {
    guard isCompressed(file) else { return try? file.bytes(count: 64) }
    var head: [UInt8] = []
    _ = try? GzipFile.read(file) { part in
      head += part.prefix(64)
      return false
    }
    return head
  }

  /// Whether a file may begin so.
  private static func isPlain(_ head: [UInt8], _ name: String) -> Bool {
    if name.hasSuffix(".json") {
      let first = head.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
      return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }
    if name.hasSuffix(".safetensors") { return head.count > 8 && head[8] == UInt8(ascii: "{") }
    return head.starts(with: [0x50, 0x4B]) || head.first == 0x80
  }

  private static func xored(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    zip(bytes, key).map { $0 ^ $1 } + bytes.dropFirst(key.count)
  }

  // MARK: - Writing

  /// Writes one file.
  ///
  /// - Throws: ``MergeError`` for a gzip stream that is broken; `ByteIOError`.
  func write(_ item: Item, in folder: String, progress: ProgressHandler) throws {
    let writer = try AtomicFileWriter(in: folder)
    var at = 0
    // A tuned model may have more than its base, but not many times as much: of a few bytes gzip makes any number.
    let limit = item.base.map { 2 * $0.size + Self.surplus } ?? .max
    func take(_ part: ArraySlice<UInt8>) throws(ByteIOError) {
      var bytes = Array(part)
      if let base = item.base, at < base.size {
        let key = try base.bytes(at: at, count: bytes.count)
        for place in key.indices { bytes[place] ^= key[place] }
      }
      try writer.write(bytes, at: at)
      at += bytes.count
    }
    progress(.started(file: item.name, bytes: item.other.size))
    if item.isCompressed {
      let end = try GzipFile.read(item.other) { part throws(ByteIOError) in
        try take(part)
        return at <= limit
      }
      guard at <= limit else {
        throw MergeError(
          .mismatch, file: item.other.path,
          reason: "its gzip stream has more than \(limit) bytes, far more than the base",
          remedy: "download the file again, and give the base that the card names")
      }
      if let place = end.fault {
        throw MergeError(
          .mismatch, file: item.other.path, place: "byte \(place)", reason: "the gzip stream is broken, or ends here",
          remedy: "download the file again")
      }
      progress(.advanced(file: item.name, bytes: item.other.size))
    } else {
      var done = 0
      while done < item.other.size {
        let part = try item.other.bytes(at: done, count: 1 << 20)
        try take(part[...])
        done += part.count
        progress(.advanced(file: item.name, bytes: part.count))
      }
    }
    progress(.finished(file: item.name))
    _ = try writer.commit(as: item.name, size: at, replacing: false)
  }

  /// Holds a finished file against what its name says that it is.
  ///
  /// - Returns: what is to be told: a file without checksums may hold anything.
  /// - Throws: ``MergeError`` with code `.result`.
  static func check(_ name: String, in folder: String) throws -> String? {
    let path = Folder.join(folder, name)
    let fault: String?
    var doubt: String?
    if name.hasSuffix(".json") {
      let file = try InputFile(path, isInput: false)
      if file.size > MergedFiles.sizeLimit {
        fault = "it has \(file.size) bytes, more than are read of a JSON file"
      } else {
        let isRead = (try? boundedJSONObject(file.bytes(count: file.size))) != nil
        fault = isRead ? nil : "it is no JSON"
      }
    } else if ModelFileName.isModel(name) {
      do {
        // torch's files have a CRC-32 of every tensor's values.
        let source = try Checkpoint.open(file: path)
        try source.verifyChecksums()
        if Container(fileName: name) == .safetensors { doubt = try Self.doubt(source) }
        fault = nil
      } catch let error as any ToolError {
        fault = error.reason
      }
    } else {
      fault = nil
    }
    guard let fault else { return doubt.map { "\(displayName(name)): \($0)" } }
    throw MergeError(
      .result, file: name, reason: "what came out is not what its name says: \(fault)",
      remedy: "the base may not be the one that it was made with: every byte counts, so it must have been converted by "
        + "the very versions that the card names; or the payload is damaged, and is to be downloaded again")
  }

  /// What makes one doubt tensors that have no checksums: weights are finite numbers.
  private static func doubt(_ source: any TensorSource) throws -> String? {
    var broken: [String] = []
    for (index, info) in source.tensors.enumerated() {
      let (nans, infinities) = try TensorStatistics.nonFinite(of: source, index)
      if nans + infinities > 0 { broken.append(info.name) }
    }
    guard let first = broken.first else { return nil }
    return "\(broken.count == 1 ? "1 tensor has" : "\(broken.count) tensors have") values that are no finite numbers, "
      + "\(displayName(first)): the base may not be the one that it was made with, to the last byte"
  }
}
