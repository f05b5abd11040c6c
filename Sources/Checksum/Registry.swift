// The releases and originals that this program knows: the files of checksums/, which are compiled in, so that the binary
// knows them wherever it is installed.

import ByteIO
import Foundation

/// The known releases and originals.
public struct Registry: Sendable {
  /// The releases, in the order of `checksums/releases.json`.
  public let releases: [KnownRelease]
  /// The originals, in the order of `checksums/releases.json`.
  public let originals: [KnownOriginal]
  /// What was published as it is, as far as digests of it are known, in the order of `checksums/models.json`. It is read
  /// when it is first asked for: decrypting does not ask.
  public var models: [KnownModel] { loadModels() }
  private let loadModels: @Sendable () -> [KnownModel]

  /// What was compiled in. A test parses it; a mistake in it is ours.
  public static let builtIn: Registry = {
    do {
      return try Registry(files: ChecksumFolder.texts) { Registry.builtInModels }
    } catch {
      preconditionFailure("checksums/ does not parse: \(error)")
    }
  }()

  /// Builds a registry from the texts of a checksums folder.
  ///
  /// - Parameter files: path below the folder, and text.
  /// - Throws: ``ChecksumError`` for a list that does not parse, `DecodingError` for the JSON files.
  public init(files: [String: String]) throws {
    let models = try Self.models(in: files)
    try self.init(files: files) { models }
  }

  private init(files: [String: String], loadModels: @escaping @Sendable () -> [KnownModel]) throws {
    self.loadModels = loadModels
    let index = try JSONDecoder().decode(Index.self, from: Data((files["releases.json"] ?? "{}").utf8))
    let vectors = try JSONDecoder().decode(HeaderVectors.self, from: Data((files["header-vectors.json"] ?? "{}").utf8))
    // Several originals share a list.
    var lists: [String: [Manifest.Entry]] = [:]
    func list(_ name: String) throws -> [Manifest.Entry] {
      if let known = lists[name] { return known }
      let entries = try files[name].map { try Manifest(text: $0, file: name).entries } ?? []
      lists[name] = entries
      return entries
    }

    releases = try index.releases.map { release in
      var builder = FileBuilder()
      for (name, facts) in release.files { builder.add(name, facts) }
      for name in ["\(release.name).sha256", "\(release.name).md5"] {
        for entry in try list(name) { builder.addPlain(entry, isDerived: false) }
        for entry in try list("derived/" + name) { builder.addPlain(entry, isDerived: true) }
      }
      for name in ["\(release.name).enc.sha256", "\(release.name).enc.md5"] {
        for entry in try list(name) { builder.addEncrypted(entry, isDerived: false) }
        for entry in try list("derived/" + name) { builder.addEncrypted(entry, isDerived: true) }
      }
      let hasHeader = release.header ?? true
      return KnownRelease(
        name: release.name, key: release.key, keyEvidence: release.keyEvidence, hasHeader: hasHeader,
        note: release.note, page: release.page, files: builder.finish(headerSize: hasHeader ? 32 : 0))
    }

    originals = try index.originals.map { original in
      var builder = FileBuilder()
      for (name, facts) in original.files { builder.add(name, facts) }
      for name in ["\(original.list).sha256", "\(original.list).md5"] {
        for (list, isDerived) in [(try list(name), false), (try list("derived/" + name), true)] {
          builder.addPlain(list, below: original.folder, isDerived: isDerived)
          // The tokenizer lies beside the models' folders and is one for all.
          for entry in list where entry.path == "tokenizer.model" { builder.addPlain(entry, isDerived: isDerived) }
        }
      }
      let head = original.head.flatMap { vectors.keys[$0] }.map { Self.bytes(hex: $0.hex) } ?? []
      return KnownOriginal(
        name: original.name, files: builder.finish(headerSize: 0), head: head, headNote: original.headNote)
    }
  }

  /// The release or original of a name: in any case, with or without the owner (`BelleGroup/…`).
  ///
  /// - Throws: ``ChecksumError`` with code `.unknownRelease` and the names that come near.
  public func release(named name: String) throws(ChecksumError) -> KnownRelease {
    let wanted = ChecksumFolder.folded(name)
    if let release = releases.first(where: { ChecksumFolder.folded($0.name) == wanted }) { return release }
    throw unknown(name)
  }

  /// The original of a name, in any case, or nil.
  public func original(named name: String) -> KnownOriginal? {
    originals.first { $0.name.lowercased() == name.lowercased() }
  }

  /// The error for a name of which no digest is known.
  public func unknown(_ name: String) -> ChecksumError {
    if let repository = Catalogue.builtIn.repository(named: name) {
      return ChecksumError(
        .unknownRelease, reason: "no digest of \(repository.name)'s files is known",
        remedy: "give the publisher's list with \(.manifest)")
    }
    let all = releases.map(\.name) + originals.map(\.name) + models.map(\.name)
    let near = all.filter { ChecksumFolder.folded($0).contains(ChecksumFolder.folded(name)) }
    return ChecksumError(
      .unknownRelease, reason: "no known release or original is called \(name)",
      remedy: near.isEmpty ? "\(.releases) lists them" : "did you mean \(near.joined(separator: ", "))?")
  }

  private static func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8(ascii: "a") <= $0 ? $0 - UInt8(ascii: "a") + 10 : $0 - UInt8(ascii: "0") }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

// MARK: The files of checksums/

private struct Index: Decodable {
  struct Release: Decodable {
    let name: String
    let key: String
    let keyEvidence: String
    let header: Bool?
    let note: String?
    let page: String
    let files: [String: FileFacts]
  }
  struct Original: Decodable {
    let name: String
    let list: String
    let folder: String
    let head: String?
    let headNote: String?
    let files: [String: FileFacts]
  }
  let releases: [Release]
  let originals: [Original]
}

private struct HeaderVectors: Decodable {
  struct Key: Decodable { let hex: String }
  let keys: [String: Key]
}

/// What the lists of digests do not say of a file.
struct FileFacts: Decodable {
  var bytes: Int?
  var encBytes: Int?
  var aboutBytes: Int?
  var aboutEncBytes: Int?
}

/// Gathers what several lists say of the same files.
struct FileBuilder {
  private var files: [String: KnownFile] = [:]

  mutating func add(_ name: String, _ facts: FileFacts) {
    files[name, default: KnownFile(name: name)].plainSize = facts.bytes
    files[name]?.encryptedSize = facts.encBytes
    files[name]?.approximateSize = facts.aboutEncBytes ?? facts.aboutBytes
  }

  mutating func addPlain(_ entry: Manifest.Entry, isDerived: Bool) {
    for digest in entry.digests.values {
      files[entry.path, default: KnownFile(name: entry.path)].plain[digest.algorithm] = digest
      if isDerived { files[entry.path]?.derived.insert(digest) }
    }
  }

  /// Adds those of a list's files that lie in one folder.
  mutating func addPlain(_ entries: [Manifest.Entry], below folder: String, isDerived: Bool) {
    for entry in entries where entry.path.hasPrefix(folder + "/") {
      let name = String(entry.path.dropFirst(folder.count + 1))
      addPlain(Manifest.Entry(path: name, digests: entry.digests), isDerived: isDerived)
    }
  }

  /// Encrypted files are listed as `<name>.<64 hex>.enc`.
  mutating func addEncrypted(_ entry: Manifest.Entry, isDerived: Bool) {
    let name = String(entry.path.dropLast(4 + 65))
    for digest in entry.digests.values {
      files[name, default: KnownFile(name: name)].encrypted[digest.algorithm] = digest
      files[name]?.encryptedName = entry.path
      if isDerived { files[name]?.derived.insert(digest) }
    }
  }

  func finish(headerSize: Int) -> [KnownFile] {
    files.values.sorted { $0.name < $1.name }.map { file in
      var file = file
      if file.encryptedName == nil, headerSize > 0, let digest = file.plain[.sha256] {
        file.encryptedName = "\(file.name).\(digest.hex).enc"
      }
      if let size = file.encryptedSize { file.plainSize = size - headerSize }
      return file
    }
  }
}
