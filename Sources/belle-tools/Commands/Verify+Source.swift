// What verify holds files against: lists that are given or lie there, known releases, what downloads noted.

import ByteIO
import Checkpoint
import Checksum
import Foundation

extension Verify {
  /// What files are held against.
  struct Source {
    var list: Manifest
    /// What to call it.
    let name: String
    /// Whose files they should be.
    var owner = unknownOwner
    /// The lists' own names.
    var lists: Set<String> = []
    /// Names that belong to the release but whose digests are not known.
    var unlisted: Set<String> = []
    var sizes: [String: KnownSize] = [:]
    /// Whether names alone say whose the files are, so that they may be another's.
    var isByName = false
    /// Whether it is nothing but what this program left.
    var isOwn: Bool { lists == [WrittenList.name] }

    /// The owner of files that only a list tells of.
    static let unknownOwner = "the list"

    /// The same with digests from elsewhere for what it has none for.
    func completed(from other: Manifest, named name: String) -> Self {
      var result = Source(
        list: list, name: self.name + " and " + name, owner: owner, lists: lists, unlisted: unlisted, sizes: sizes)
      result.list.complete(from: other)
      return result
    }
  }

  /// The lists that lie beside one file, and have it; nil where there are none.
  func lying(in folder: String, beside name: String) throws -> Source? {
    let found: FoundLists
    do { found = try FoundLists(in: folder, Folder.entries(of: folder), naming: name) } catch let error as ChecksumError
      where error.code != .contradiction
    {
      // A list of other files that cannot be read is no reason to say nothing of this one.
      common.note("a list beside it is not used: \(error.description)")
      return nil
    }
    guard !found.list.digests(for: name).isEmpty else { return nil }
    return source(found)
  }

  private func source(_ found: FoundLists) -> Source {
    for note in found.notes { common.note(note) }
    return Source(
      list: found.list, name: found.names.map(displayName).joined(separator: ", "), lists: Set(found.all))
  }

  func source(for folder: String, _ file: String?) throws -> Source {
    if let digest {
      var list = try Manifest(digest: digest)
      guard let file else {
        throw ChecksumError(
          .notAList, file: folder, reason: "one digest is of one file, and this is a folder",
          remedy: "give the file itself")
      }
      _ = try list.settle(file: nil, of: file) { _ in true }
      return Source(list: list, name: "the digest that was given")
    }
    if !manifest.isEmpty { return try read(manifest, for: folder, file) }
    let registry = Registry.builtIn
    let entries = try Folder.entries(of: folder)
    let noted = try HubDownload.manifest(of: folder)
    let hub = "the digests that Hugging Face's programs noted"
    if release == nil, file != nil, let noted { return Source(list: noted, name: hub) }
    let (found, fitting): ([Registry.Recognized], [String])
    if let release {
      let isEncrypted = entries.contains { $0.name.hasSuffix(EncryptedName.suffix) }
      (found, fitting) = ([try registry.contents(of: release, encrypted: isEncrypted)], [])
    } else {
      (found, fitting) = try common.showingProgress(total: entries.reduce(0) { $0 + $1.size }) {
        // What a download has noted tells more than the digests of weights that are read for it.
        try noted == nil ? registry.recognize(entries, in: folder, progress: $0) : Self.recognize(entries, registry)
      }
    }
    if found.count == 1 {
      let known = found[0]
      var source = Source(
        list: known.manifest, name: "the known digests of \(known.name)", owner: known.name, sizes: known.sizes)
      if let noted { source = source.completed(from: noted, named: hub) }
      guard !source.list.entries.isEmpty else {
        throw ChecksumError(
          .unknownRelease, file: folder, reason: "no digest of \(known.name)'s files in this form is known",
          remedy: "give the publisher's list with --manifest")
      }
      source.unlisted = known.names.subtracting(source.list.entries.map(\.path))
      // A name that holds a digest is no other file's.
      source.isByName = release == nil && !source.list.entries.contains { (try? EncryptedName($0.path)) != nil }
      return source
    }
    let lists = try FoundLists(in: folder, entries, naming: file)
    if !lists.names.isEmpty {
      let source = source(lists)
      return noted.map { source.completed(from: $0, named: hub) } ?? source
    }
    if let noted { return Source(list: noted, name: hub) }
    if let difference = BaseDifference.found(in: folder) { throw difference }
    // What is not finished is told whatever the files are.
    if file == nil, try !HubDownload.unfinished(in: folder).isEmpty || Self.isUnfinished(entries.map(\.name)) {
      return Source(list: Manifest(), name: "the names of the files alone, for no digest of them is known")
    }
    if found.count > 1 {
      throw ChecksumError(
        .ambiguousRelease, file: folder,
        reason: "the file names fit several releases: \(found.map(\.name).joined(separator: ", "))",
        remedy: "name one with --release, or give a list with --manifest")
    }
    let hint = "give the publisher's list with --manifest; `belle-tools releases` lists what is known"
    throw ChecksumError(
      .unknownRelease, file: folder,
      reason: fitting.isEmpty
        ? "the files in this folder fit no known release"
        : "by their digests these files are of no known release; only their names are those of "
          + fitting.joined(separator: ", "),
      remedy: Remedy(
        fitting.isEmpty ? hint : "where it should be one of these, name it with --release; otherwise " + hint))
  }

  /// What a folder of encrypted files is, by their names alone.
  private static func recognize(
    _ entries: [FolderEntry], _ registry: Registry
  ) throws -> (found: [Registry.Recognized], fitting: [String]) {
    let names = entries.map(\.name).filter { $0.hasSuffix(EncryptedName.suffix) }
    return (try registry.releases(ofEncrypted: names).map { try registry.contents(of: $0.name, encrypted: true) }, [])
  }

  /// Whether names among some tell that the download of a file is not finished.
  private static func isUnfinished(_ names: [String]) -> Bool {
    names.contains { name in
      guard let download = DownloadName(name), download.isSurelyUnfinished else { return false }
      return download.fault == .control || !names.contains(download.original)
    }
  }

  /// What Hugging Face's programs noted of one file; nil where they did not.
  func noted(_ name: String, in folder: String) throws -> Manifest? {
    let list = try HubDownload.manifest(of: folder)?.restricted(to: name)
    return list?.entries.isEmpty == false ? list : nil
  }

  private func read(_ paths: [String], for folder: String, _ file: String?) throws -> Source {
    var all = Manifest()
    for path in paths {
      var list = try self.list(path)
      let note = try list.settle(file: path, of: file) { Folder.kind(of: Folder.join(folder, $0)) == .file }
      if let note { common.note("\(displayName(path)): \(note)") }
      try all.merge(list, named: path)
    }
    return Source(
      list: all, name: paths.map(displayName).joined(separator: ", "), lists: Set(paths.map { Folder.name(of: $0) }))
  }

  private func list(_ path: String) throws -> Manifest {
    if path == "-" { return try Self.standardInput() }
    guard Folder.kind(of: path) == .folder else {
      if Folder.kind(of: path) == nil, (try? Manifest(digest: path)) != nil {
        throw ByteIOError(
          .notFound, file: path, reason: "there is no list of this name; it is a digest",
          remedy: "give the file that it is of, and the digest with --digest")
      }
      return try Manifest(contentsOf: path, keepsGoodLines: true)
    }
    let (list, others) = try Manifest.pointers(in: path)
    if others > 0 {
      common.note(
        "\(displayName(path)): \(others) of its files are no Git LFS pointers, and nothing is held against them")
    }
    return list
  }

  /// A list from a pipe.
  private static func standardInput() throws -> Manifest {
    let bytes = try FileHandle.standardInput.read(upToCount: Manifest.sizeLimit + 1) ?? Data()
    guard bytes.count <= Manifest.sizeLimit else {
      throw ChecksumError(
        .notAList, file: "standard input",
        reason: "more than \(Manifest.sizeLimit) bytes are too many for a checksum list")
    }
    return try Manifest(bytes: [UInt8](bytes), file: "standard input", keepsGoodLines: true)
  }
}
