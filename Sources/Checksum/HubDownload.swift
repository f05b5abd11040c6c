// What Hugging Face's programs leave beside what they download, and what proves it without a network: in the cache, the
// name of each blob is the file's digest; below a downloaded folder, a note for each file holds its etag, which is that too.
// Large files have their SHA-256, small ones git's SHA-1.
// Source: huggingface_hub, docs/source/guides/manage-cache and _local_folder.py (three lines: commit, etag, time).

import ByteIO

/// Folders that Hugging Face's programs filled.
public enum HubDownload {
  /// Digests of the files of a folder.
  ///
  /// - Parameter folder: one that was downloaded with `--local-dir`; a snapshot of the cache; or a repository's folder in the
  ///   cache, with `blobs` and `snapshots`.
  /// - Returns: nil where there is none of their notes.
  /// - Throws: ``ByteIOError`` where a folder cannot be read.
  public static func manifest(of folder: String) throws -> Manifest? {
    var manifest = Manifest()
    let isFolder = { (name: String) in Folder.kind(of: Folder.join(folder, name)) == .folder }
    if isFolder("blobs"), isFolder("snapshots") {
      try addBlobs(in: folder, below: "blobs", to: &manifest)
    } else if Folder.name(of: folder) == "blobs" {
      try addBlobs(in: folder, below: "", to: &manifest)
    }
    for notes in noteFolders where isFolder(notes) { try addNotes(in: folder, below: notes, to: &manifest) }
    try addLinks(in: folder, to: &manifest)
    return manifest.entries.isEmpty ? nil : manifest
  }

  /// Downloads that these programs began and did not finish: paths from the folder.
  ///
  /// What was left of one that another attempt finished is not among them.
  public static func unfinished(in folder: String) throws -> [String] {
    let places = (["blobs"] + noteFolders + (Folder.name(of: folder) == "blobs" ? [""] : [])).filter { place in
      Folder.kind(of: place.isEmpty ? folder : Folder.join(folder, place)) == .folder
    }
    return try places.flatMap { place in
      let files = try Folder.tree(of: Folder.join(folder, place)).files
      let finished = Set(files)
      return files.filter { path in
        guard path.hasSuffix(".incomplete") else { return false }
        let stem = String(path.dropLast(".incomplete".count))
        // In the cache a blob has the same name; below a folder the tag stands behind the file's name or a hash of it.
        if finished.contains(stem) { return false }
        guard let name = DownloadName(path)?.original, name != stem else { return true }
        return !finished.contains(name + ".metadata")
      }.map { Folder.join(place, $0) }
    }
  }

  /// Whether a name is that of a folder or file which such programs, version control or a file manager keep for themselves.
  public static func isBookkeeping(_ name: String) -> Bool { bookkeeping.contains(name) }

  /// Where the notes lie: today, and before huggingface_hub 0.25.
  private static let noteFolders = [".cache/huggingface/download", ".huggingface/download"]

  private static let bookkeeping: Set<String> = [
    ".git", ".gitattributes", ".gitignore", ".gitmodules", ".lfsconfig", ".svn", ".hg",
    ".cache", ".huggingface", ".locks", ".no_exist", ".hfd", ".msc", ".mdl", ".mv", "._____temp",
    ".DS_Store", "Thumbs.db", "desktop.ini",
  ]

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
      let note = try InputFile(Folder.join(root, path))
      guard note.size <= noteLimit else { continue }
      let lines = String(decoding: try note.bytes(count: note.size), as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
      guard lines.count >= 2, let digest = digest(tag(lines[1])) else { continue }
      _ = manifest.insert(digest, for: String(path.dropLast(suffix.count)))
    }
  }

  /// An etag without what HTTP puts around it.
  private static func tag(_ line: Substring) -> String {
    var tag = line.drop { $0.isWhitespace }
    if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
    return String(tag.filter { $0 != "\"" && !$0.isWhitespace })
  }

  private static func digest(_ hex: String) -> Digest? { Digest(hex: hex, of: [.sha256, .gitBlob]) }
}
