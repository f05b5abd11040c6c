// What Hugging Face's programs leave beside what they download, and what proves it without a network: in the cache, the
// name of each blob is the file's digest; below a downloaded folder, a note for each file holds its etag, which is that too.
// Large files have their SHA-256, small ones git's SHA-1.
// Source: huggingface_hub, docs/source/guides/manage-cache and _local_folder.py (three lines: commit, etag, time);
// modelscope, hub/file_download.py (its temporary folder).

import ByteIO
import Foundation

/// Folders that Hugging Face's programs filled.
public enum HubDownload {
  /// Digests of the files of a folder.
  ///
  /// - Parameter folder: one that was downloaded into; a snapshot of the cache; or a repository's folder in the
  ///   cache, with `blobs` and `snapshots`.
  /// - Returns: nil where there is none of their notes.
  /// - Throws: ``ByteIOError`` where a folder cannot be read.
  public static func manifest(of folder: String) throws -> Manifest? {
    var manifest = Manifest()
    let isFolder = { (name: String) in Folder.kind(of: Folder.join(folder, name)) == .folder }
    if isCache(folder) {
      try addBlobs(in: folder, below: "blobs", to: &manifest)
    } else if Folder.name(of: folder) == "blobs" {
      try addBlobs(in: folder, below: "", to: &manifest)
    }
    for notes in noteFolders where isFolder(notes) { try addNotes(in: folder, below: notes, to: &manifest) }
    try addLinks(in: folder, to: &manifest)
    return manifest.entries.isEmpty ? nil : manifest
  }

  /// Downloads that these programs began and did not finish: paths from the folder. A snapshot's blobs lie beside it.
  ///
  /// What was left of one that another attempt finished is not among them.
  public static func unfinished(in folder: String) throws -> [String] {
    let places =
      noteFolders.filter { Folder.kind(of: Folder.join(folder, $0)) == .folder }
      + [blobs(from: folder)].compactMap(\.self)
    return try places.flatMap { place in
      let files = try Folder.tree(of: place.isEmpty ? folder : Folder.join(folder, place)).files
      let unfinished = files.filter { $0.hasSuffix(ending) }
      guard !unfinished.isEmpty else { return [String]() }
      let finished = try Set(files).union(tags(of: files, in: Folder.join(folder, place)))
      let root = place.isEmpty ? folder : Folder.join(folder, place)
      let notes = notes(among: files)
      return unfinished.filter { path in
        // What was begun before the file came whole, of another revision.
        if let note = notes[String(path.prefix(path.count - Folder.name(of: path).count)) + Self.stem(of: path)],
          let whole = Folder.modificationTime(of: Folder.join(root, note)),
          let begun = Folder.modificationTime(of: Folder.join(root, path)), begun < whole
        {
          return false
        }
        // In the cache a blob has the same name; below a folder the tag stands behind the file's name or a hash of it, and
        // the note of a file that came whole has the tag.
        var stem = String(path.dropLast(ending.count))
        while true {
          if finished.contains(stem) || finished.contains(stem + ".metadata") { return false }
          let tag = Folder.name(of: stem)
          guard let dot = tag.lastIndex(of: ".") else { return true }
          if finished.contains(String(tag[tag.index(after: dot)...])) { return false }
          stem = String(stem.dropLast(tag.distance(from: dot, to: tag.endIndex)))
        }
      }.map { Folder.join(place, $0) }
    } + unfinishedByModelScope(in: folder)
  }

  /// ModelScope's program downloads into a folder below the one that is wanted, and moves each file when it came whole.
  private static func unfinishedByModelScope(in folder: String) throws -> [String] {
    guard Folder.kind(of: Folder.join(folder, modelScopeFolder)) == .folder else { return [] }
    return try Folder.tree(of: Folder.join(folder, modelScopeFolder)).files.filter { path in
      Folder.kind(of: Folder.join(folder, path)) == nil
    }.map { Folder.join(modelScopeFolder, $0) }
  }

  /// What a name begins with, up to its first dot.
  private static func stem(of path: String) -> String {
    String(Folder.name(of: path).prefix { $0 != "." })
  }

  /// The notes among some files, by the folder that they lie in with the hash by which an unfinished download of the same file
  /// is called: SHA-1 of the note's name, as base64 for addresses.
  private static func notes(among files: [String]) -> [String: String] {
    var found: [String: String] = [:]
    for path in files where path.hasSuffix(".metadata") {
      let name = Folder.name(of: path)
      guard let digest = DigestStream.sha1(of: Array(name.utf8)) else { continue }
      let hash = Data(digest).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      found[path.prefix(path.count - name.count) + hash] = path
    }
    return found
  }

  /// The digest of the file that an unfinished download is of, where its name tells: the tag before its ending.
  public static func digest(ofUnfinished path: String) -> Digest? {
    let parts = Folder.name(of: path).split(separator: ".")
    guard parts.last == "incomplete" else { return nil }
    return parts.dropLast().reversed().lazy.compactMap { digest(String($0)) }.first
  }

  /// The ending of a download that is not finished.
  private static let ending = ".incomplete"

  /// The tags of files that came whole, from the notes among some files.
  private static func tags(of files: [String], in folder: String) throws -> [String] {
    try files.filter { $0.hasSuffix(".metadata") }.compactMap { path in
      try note(Folder.join(folder, path)).map { $0.hex }
    }
  }

  /// From a folder to the blobs of the part of the cache that it is or lies in; nil where it is none.
  private static func blobs(from folder: String) -> String? {
    if Folder.name(of: folder) == "blobs" { return "" }
    if Folder.kind(of: Folder.join(folder, "blobs")) == .folder { return "blobs" }
    let parts = Folder.absolute(folder).split(separator: "/")
    guard let index = parts.lastIndex(of: "snapshots") else { return nil }
    let path = String(repeating: "../", count: parts.count - index) + "blobs"
    return Folder.kind(of: Folder.join(folder, path)) == .folder ? path : nil
  }

  // MARK: Places in the cache

  /// Whether a folder is one of a model in the cache: with `blobs` and `snapshots`.
  public static func isCache(_ folder: String) -> Bool {
    ["blobs", "snapshots"].allSatisfy { Folder.kind(of: Folder.join(folder, $0)) == .folder }
  }

  /// The name of the repository that a snapshot of the cache is of: `y` for one of `x/y`.
  ///
  /// - Parameter folder: an absolute path.
  /// - Returns: nil for any other folder.
  public static func repository(ofSnapshot folder: String) -> String? {
    let parts = folder.split(separator: "/")
    guard parts.count >= 3, parts[parts.count - 2] == "snapshots" else { return nil }
    let repository = parts[parts.count - 3]
    guard repository.hasPrefix("models--"), let name = repository.components(separatedBy: "--").last, !name.isEmpty
    else { return nil }
    return name
  }

  /// The folder of the one model that a folder of the cache stands for: of `snapshots` the only snapshot, of the cache
  /// itself the only model; any other folder stands for itself.
  ///
  /// - Throws: ``ChecksumError`` with code `.ambiguousRelease` where there are several.
  public static func place(of folder: String) throws -> String {
    let entries = try Folder.entries(of: folder).filter { $0.kind == .folder }.map(\.name)
    let isSnapshots = Folder.name(of: Folder.absolute(folder)) == "snapshots" && isCache(Folder.join(folder, ".."))
    let models =
      isSnapshots
      ? entries
      : entries.filter { name in
        ["models--", "datasets--", "spaces--"].contains(where: name.hasPrefix) && isCache(Folder.join(folder, name))
      }
    if models.isEmpty {
      let inner = Folder.join(folder, "hub")
      return try entries.contains("hub") && hasModels(inner) ? place(of: inner) : folder
    }
    guard models.count > 1 else { return Folder.join(folder, models[0]) }
    let shown = models.prefix(8).map { displayName(Folder.join(folder, $0)) }.joined(separator: ", ")
    throw ChecksumError(
      .ambiguousRelease, file: folder,
      reason: "in this folder of Hugging Face's cache are \(models.count) \(isSnapshots ? "snapshots" : "models")",
      remedy: "give one of them: \(shown)\(models.count > 8 ? ", …" : "")")
  }

  private static func hasModels(_ folder: String) throws -> Bool {
    try Folder.entries(of: folder).contains { $0.kind == .folder && isCache(Folder.join(folder, $0.name)) }
  }

  /// Whether a name is that of a folder or file which such programs, version control or a file manager keep for themselves.
  ///
  /// - Parameter folder: what it lies in: the cache keeps the names of branches in `refs`.
  public static func isBookkeeping(_ name: String, in folder: String) -> Bool {
    // Parts among the blobs that are not finished are told by themselves.
    bookkeeping.contains(name) || name == "refs" && isCache(folder)
      || name.hasSuffix(ending) && Folder.name(of: Folder.absolute(folder)) == "blobs"
  }

  /// Where the notes lie: today, and before huggingface_hub 0.25.
  private static let noteFolders = [".cache/huggingface/download", ".huggingface/download"]

  private static let bookkeeping: Set<String> = [
    ".git", ".gitattributes", ".gitignore", ".gitmodules", ".lfsconfig", ".svn", ".hg",
    ".cache", ".huggingface", ".locks", ".no_exist", ".hfd", ".msc", ".mdl", ".mv", modelScopeFolder,
    ".DS_Store", "Thumbs.db", "desktop.ini",
  ]

  private static let modelScopeFolder = "._____temp"

  /// The largest note, in bytes.
  private static let noteLimit = 4096

  private static func addBlobs(in folder: String, below name: String, to manifest: inout Manifest) throws {
    for entry in try Folder.entries(of: Folder.join(folder, name)) where entry.kind == .file {
      if let digest = digest(entry.name) { _ = manifest.insert(digest, for: Folder.join(name, entry.name)) }
    }
  }

  /// Links to blobs; also those that lead to nothing, for their files are missing.
  private static func addLinks(in folder: String, to manifest: inout Manifest) throws {
    // Only a snapshot has some; other folders need not be walked.
    guard
      Folder.parent(of: Folder.absolute(folder)).contains("/snapshots")
        || Folder.kind(of: folder + "/snapshots") == .folder
    else { return }
    let (files, others) = try Folder.tree(of: folder)
    for path in (files + others.map(\.name)).sorted() {
      guard let target = Folder.linkTarget(of: Folder.join(folder, path)), target.contains("blobs/"),
        let digest = digest(Folder.name(of: target))
      else { continue }
      _ = manifest.insert(digest, for: path)
    }
  }

  private static func addNotes(in folder: String, below notes: String, to manifest: inout Manifest) throws {
    let suffix = ".metadata"
    let root = Folder.join(folder, notes)
    for path in try Folder.tree(of: root).files where path.hasSuffix(suffix) {
      guard let digest = try note(Folder.join(root, path)) else { continue }
      _ = manifest.insert(digest, for: String(path.dropLast(suffix.count)))
    }
  }

  /// The digest that a note holds; nil for what is none.
  private static func note(_ path: String) throws -> Digest? {
    let note = try InputFile(path)
    guard note.size <= noteLimit else { return nil }
    let lines = String(decoding: try note.bytes(count: note.size), as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    return lines.count >= 2 ? digest(tag(lines[1])) : nil
  }

  /// An etag without what HTTP puts around it.
  private static func tag(_ line: Substring) -> String {
    var tag = line.drop { $0.isWhitespace }
    if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
    return String(tag.filter { $0 != "\"" && !$0.isWhitespace })
  }

  private static func digest(_ hex: String) -> Digest? { Digest(hex: hex, of: [.sha256, .gitBlob]) }
}
