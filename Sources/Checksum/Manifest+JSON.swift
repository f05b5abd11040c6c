// Digests in JSON: what Hugging Face's and ModelScope's interfaces answer of a repository's files, PowerShell's
// ConvertTo-Json, maps of names to digests, and this program's own lines.
// Sources: huggingface_hub, HfApi.list_repo_tree and model_info(files_metadata=True) (`path` or `rfilename`; `lfs` has the
// SHA-256 and the size, `oid` or `blobId` the SHA-1 that git names a small file by, and of a large one that of its pointer);
// modelscope, HubApi.get_model_files (`Path`, `Sha256`, `Size`); Microsoft, Get-FileHash.

import ByteIO

/// A JSON value of which names and digests are asked.
private enum JSONNode {
  case object([(name: String, value: JSONNode)])
  case array([JSONNode])
  case string(String)
  case integer(Int)
  case other

  /// Reads the next value.
  init(_ json: inout JSONReader) throws {
    switch json.peek() {
    case UInt8(ascii: "{"):
      var members: [(name: String, value: JSONNode)] = []
      try json.object { json, name in members.append((name, try JSONNode(&json))) }
      self = .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONNode] = []
      try json.array { json in elements.append(try JSONNode(&json)) }
      self = .array(elements)
    default:
      switch try json.scalar() {
      case .string(let text): self = .string(text)
      case .integer(let number): self = .integer(number)
      default: self = .other
      }
    }
  }

  var isContainer: Bool {
    switch self {
    case .object, .array: true
    default: false
    }
  }
}

/// The members of an object, by their names in small letters.
private struct JSONRecord {
  let members: [(name: String, value: JSONNode)]

  /// Names of files, the surest first: Hugging Face's, then those that others use.
  private static let names = ["path", "rfilename", "filename", "file_name", "file_path", "file", "name"]
  /// What holds a digest whose digits say which it is. Those of git's are `oid` and `blobid`.
  private static let digests = ["digest", "hash", "checksum", "oid", "blobid", "blob_id"]
  private static let nested = ["lfs", "digests", "hashes", "checksums", "hash", "digest", "checksum"]

  private func text(_ name: String) -> String? {
    for member in members where member.name.lowercased() == name {
      if case .string(let text) = member.value { return text }
    }
    return nil
  }

  private func object(_ name: String) -> JSONRecord? {
    for member in members where member.name.lowercased() == name {
      if case .object(let members) = member.value { return JSONRecord(members: members) }
    }
    return nil
  }

  private func integer(_ name: String) -> Int? {
    for member in members where member.name.lowercased() == name {
      if case .integer(let number) = member.value, number >= 0 { return number }
    }
    return nil
  }

  /// Whether it is no file: a folder, or what stands at the end of lines.
  var isNoFile: Bool { text("type").map { ["directory", "tree", "folder", "summary"].contains($0) } ?? false }

  /// The file's name; of a path and names that are its last part the path.
  ///
  /// - Returns: the names between which nothing decides, in `others`.
  var name: (name: String?, others: [String]) {
    let found = Self.names.compactMap(text)
    guard let first = found.first else { return (nil, []) }
    if text("path") != nil || text("rfilename") != nil { return (first, []) }
    let longest = found.max { $0.utf8.count < $1.utf8.count } ?? first
    let others = found.filter { $0 != longest && !longest.hasSuffix("/" + $0) }
    return (longest, others.isEmpty ? [] : [longest] + others)
  }

  var size: Int? { object("lfs")?.size ?? integer("size") ?? integer("bytes") }

  /// The digests of the file itself: where it is a large one of git's, not those of its pointer.
  ///
  /// - Throws: a sentence on a digest that has not the digits of its algorithm.
  func digests() throws(BadDigest) -> [Digest] {
    if let lfs = object("lfs") { return try lfs.own() }
    var all = try own()
    for name in Self.nested { if let inner = object(name) { all += try inner.own() } }
    return all
  }

  struct BadDigest: Error {
    let reason: String
  }

  private func own() throws(BadDigest) -> [Digest] {
    var found: [Digest] = []
    for member in members {
      guard case .string(let text) = member.value else { continue }
      let name = member.name.lowercased()
      if let algorithm = Manifest.algorithm(named: name) {
        guard let digest = Manifest.digest(labelled: text), digest.algorithm == algorithm else {
          throw BadDigest(reason: "its \(algorithm.title) is no such digest: \(displayName(String(text.prefix(80))))")
        }
        found.append(digest)
      } else if Self.digests.contains(name) {
        // Of another algorithm than those that are read.
        guard let digest = Manifest.digest(labelled: text) else { continue }
        if let stated = self.text("algorithm") {
          guard digest.algorithm == Manifest.algorithm(named: stated) else { continue }
        } else if digest.algorithm == .gitBlob, !["oid", "blobid", "blob_id"].contains(name) {
          // SHA-1 of a file is not what git makes.
          continue
        }
        found.append(digest)
      }
    }
    return found
  }
}

extension Manifest {
  /// Whether a text begins as JSON does.
  static func isJSON(_ text: [UInt8]) -> Bool {
    let bytes = text.starts(with: [0xEF, 0xBB, 0xBF]) ? text.dropFirst(3) : text[...]
    let first = bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
    return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
  }

  /// Reads one JSON value, or several, as JSON Lines are.
  ///
  /// - Throws: ``ChecksumError`` for what is not JSON, and where there is no digest in it.
  init(json text: [UInt8], file: String?, keepsGoodLines: Bool) throws(ChecksumError) {
    var values: [JSONNode] = []
    do {
      var json = try JSONReader(text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text)
      while json.peek() != nil { values.append(try JSONNode(&json)) }
    } catch {
      let failure = error as? JSONReader.Failure
      throw ChecksumError(
        .malformedLine, file: file, place: failure.map { "byte \($0.offset)" },
        reason: "it begins as JSON, and is none: \(failure?.reason ?? "\(error)")", remedy: "fetch it again")
    }
    self.init()
    var walk = JSONWalk(file: file, keepsGoodLines: keepsGoodLines)
    for value in values { try walk.take(value, into: &self) }
    if !walk.nameless.isEmpty, entries.isEmpty, absolutes.isEmpty, keepsGoodLines {
      nameless = Nameless(text: walk.nameless.map(\.hex).joined(separator: " "), file: nil)
      if nameless != nil { return }
    }
    if let first = problems.first, walk.badCount > entries.count + absolutes.count { throw first }
    guard !entries.isEmpty || !absolutes.isEmpty else {
      throw ChecksumError(
        .notAList, file: file, reason: "this JSON has no digests of files",
        remedy: "wanted is a map of names to digests, or objects with `path` and `sha256`, `md5` or `lfs`; "
          + "Hugging Face answers such at /api/models/<name>/tree/main?recursive=true")
    }
  }
}

/// The way through a JSON value.
private struct JSONWalk {
  let file: String?
  let keepsGoodLines: Bool
  var badCount = 0
  /// Digests in an object that names no file.
  var nameless: [Digest] = []
  private var count = 0

  init(file: String?, keepsGoodLines: Bool) { (self.file, self.keepsGoodLines) = (file, keepsGoodLines) }

  /// What holds files, and is no file's name.
  private static let containers = [
    "siblings", "files", "data", "tree", "entries", "digests", "checksums", "hashes", "sha256", "md5",
  ]

  mutating func take(_ node: JSONNode, into list: inout Manifest) throws(ChecksumError) {
    switch node {
    case .array(let elements): for element in elements { try take(element, into: &list) }
    case .object(let members): try take(members, into: &list)
    case .string, .integer, .other: break
    }
  }

  private mutating func take(
    _ members: [(name: String, value: JSONNode)], into list: inout Manifest
  ) throws(ChecksumError) {
    let record = JSONRecord(members: members)
    if record.isNoFile { return }
    let containers = members.filter { $0.value.isContainer && Self.containers.contains($0.name.lowercased()) }
    let (name, others) = record.name
    if let name, try hasDigests(record) || containers.isEmpty {
      return try add(record, name, others, into: &list)
    }
    guard containers.isEmpty else {
      for member in containers { try take(member.value, into: &list) }
      return
    }
    if name == nil, let digests = try? record.digests(), !digests.isEmpty,
      members.allSatisfy({ !$0.value.isContainer && Manifest.algorithm(named: $0.name) != nil || $0.name == "size" })
    {
      nameless += digests
      return
    }
    for (name, value) in members {
      switch value {
      case .string(let text):
        let place = nextPlace(name)
        guard let digest = Manifest.digest(labelled: text) else {
          try note(.malformedLine, place, "no digest: \(displayName(String(text.prefix(80))))", &list)
          continue
        }
        // Forty digits without a word of git are SHA-1 of the file.
        guard digest.algorithm != .gitBlob else {
          try note(.unsupportedAlgorithm, place, "a digest of 40 hexadecimal digits is neither MD5 nor SHA-256", &list)
          continue
        }
        try add(digest, name, place, size: nil, into: &list)
      case .object(let members): try add(JSONRecord(members: members), name, [], into: &list)
      // What is told besides: a version, a date.
      case .array, .integer, .other: break
      }
    }
  }

  private func hasDigests(_ record: JSONRecord) throws(ChecksumError) -> Bool {
    do { return try !record.digests().isEmpty } catch { return true }
  }

  private mutating func nextPlace(_ name: String) -> String {
    count += 1
    return "entry \(count) (\(displayName(String(name.prefix(80)))))"
  }

  private mutating func add(
    _ record: JSONRecord, _ name: String, _ others: [String], into list: inout Manifest
  ) throws(ChecksumError) {
    let place = nextPlace(name)
    guard others.isEmpty else {
      return try note(
        .malformedLine, place, "it has several names: \(others.map(displayName).joined(separator: ", "))", &list)
    }
    let digests: [Digest]
    do { digests = try record.digests() } catch { return try note(.malformedLine, place, error.reason, &list) }
    guard !digests.isEmpty else {
      return try note(.unsupportedAlgorithm, place, "it has no MD5 and no SHA-256, nor git's SHA-1", &list)
    }
    for digest in digests { try add(digest, name, place, size: record.size, into: &list) }
  }

  private mutating func add(
    _ digest: Digest, _ name: String, _ place: String, size: Int?, into list: inout Manifest
  ) throws(ChecksumError) {
    do {
      // Only Windows has drives, and no name of Hugging Face's has a backslash.
      try list.add(
        digest, for: name, at: place, file, isWindows: name.utf8.contains(UInt8(ascii: "\\")),
        keepsAbsolute: keepsGoodLines, size: size)
    } catch {
      badCount += 1
      try list.note(error, keepsGoodLines)
    }
  }

  private mutating func note(
    _ code: ChecksumErrorCode, _ place: String, _ reason: String, _ list: inout Manifest
  ) throws(ChecksumError) {
    badCount += 1
    try list.note(ChecksumError(code, file: file, place: place, reason: reason), keepsGoodLines)
  }
}
