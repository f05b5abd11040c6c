// Listing and making folders. Names are taken as UTF-8; one that is not is listed as repaired, and as unnameable.

import CSystemCalls

/// What a name in a folder, or a path, stands for. Symbolic links are followed.
public enum EntryKind: Sendable, Equatable {
  /// A regular file.
  case file
  /// A folder.
  case folder
  /// A device, a pipe, a socket, or a link to nothing.
  case other
  /// Whatever has a name that is not UTF-8, by which it cannot be opened here.
  case unnameable
}

/// One name in a folder.
public struct FolderEntry: Sendable, Equatable {
  /// The name, without the folder.
  public let name: String
  /// What it stands for.
  public let kind: EntryKind
  /// The size in bytes of a file; 0 otherwise.
  public let size: Int
}

/// What can be done with folders.
public enum Folder {
  /// What a path stands for, or nil where nothing is.
  public static func kind(of path: String) -> EntryKind? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      // A link to nothing is in the way all the same.
      return unsafe lstat(path, &status) == 0 ? .other : nil
    }
    return kind(mode: status.st_mode)
  }

  /// The entries of a folder, sorted by name; `.` and `..` are left out.
  ///
  /// - Throws: ``ByteIOError`` when the folder cannot be read.
  public static func entries(of path: String) throws(ByteIOError) -> [FolderEntry] {
    // SAFETY: `stream` is closed on every way out; each entry is copied before the next readdir.
    guard let stream = unsafe opendir(path) else {
      throw ByteIOError(errno: errno, file: path, action: "list the folder")
    }
    defer { unsafe closedir(stream) }
    var entries: [FolderEntry] = []
    while let entry = unsafe readdir(stream) {
      let bytes = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        let capacity = unsafe MemoryLayout.size(ofValue: entry.pointee.d_name)
        return unsafe pointer.withMemoryRebound(to: UInt8.self, capacity: capacity) { characters in
          unsafe Array(UnsafeBufferPointer(start: characters, count: strnlen(pointer, capacity)))
        }
      }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        // Its repaired form may be the name of another file.
        entries.append(FolderEntry(name: String(decoding: bytes, as: UTF8.self), kind: .unnameable, size: 0))
        continue
      }
      if name == "." || name == ".." { continue }
      var status = stat()
      let found = unsafe stat(join(path, name), &status) == 0
      let kind = found ? kind(mode: status.st_mode) : .other
      entries.append(FolderEntry(name: name, kind: kind, size: kind == .file ? Int(status.st_size) : 0))
    }
    // By bytes, not by locale: the same order everywhere.
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// What lies below a folder, at any depth: paths from it, sorted in each folder. Links to files are followed, and links
  /// to folders are not.
  ///
  /// - Returns: the regular files; and all else but the folders that were entered, by its path from there.
  /// - Throws: ``ByteIOError`` when a folder cannot be read.
  public static func tree(of path: String) throws(ByteIOError) -> (files: [String], others: [FolderEntry]) {
    var files: [String] = []
    var others: [FolderEntry] = []
    // A stack, the next one last: folders may be nested as deep as they like.
    var waiting = [""]
    while let folder = waiting.popLast() {
      var inner: [String] = []
      for entry in try entries(of: folder.isEmpty ? path : join(path, folder)) {
        let name = join(folder, entry.name)
        switch entry.kind {
        case .file: files.append(name)
        case .folder where !isLink(join(path, name)): inner.append(name)
        default: others.append(FolderEntry(name: name, kind: entry.kind, size: 0))
        }
      }
      waiting += inner.reversed()
    }
    return (files, others)
  }

  /// Makes a folder and those above it, where they are missing.
  public static func create(_ path: String) throws(ByteIOError) {
    if kind(of: path) == .folder { return }
    let parent = parent(of: path)
    if parent != path, kind(of: parent) == nil { try create(parent) }
    guard unsafe mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw ByteIOError(errno: errno, file: path, action: "make the folder")
    }
    guard kind(of: path) == .folder else {
      throw ByteIOError(.wrongKind, file: path, reason: "a file of this name is where a folder is wanted")
    }
  }

  /// Whether a path is a symbolic link, whatever it leads to.
  public static func isLink(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  /// Where a symbolic link leads to, as it says; nil for what is none.
  public static func linkTarget(of path: String) -> String? {
    let limit = 4096
    var name = [CChar](repeating: 0, count: limit)
    // SAFETY: the system writes at most as many bytes as the buffer has.
    let count = unsafe readlink(path, &name, limit)
    guard count > 0, count < limit else { return nil }
    return String(validating: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Makes new names in a folder survive a power cut too. Best effort: not every file system can flush a folder.
  static func flush(_ path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = belle_flush(descriptor)
    close(descriptor)
  }

  /// Whether files can be made in a folder; where it is missing, in the nearest one above it.
  public static func isWritable(_ path: String) -> Bool {
    unsafe access(nearestExisting(path), W_OK | X_OK) == 0
  }

  /// What is no folder, and is where a path to a folder leads through or to; nil where the folder is there or can be made.
  public static func obstacle(to path: String) -> String? {
    let existing = nearestExisting(path)
    return kind(of: existing) == .folder ? nil : existing
  }

  /// The bytes that an unprivileged user can still write below a path, or nil where the system does not say.
  public static func availableSpace(_ path: String) -> Int? {
    var status = statvfs()
    guard unsafe statvfs(nearestExisting(path), &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? Int.max : Int(clamping: bytes)
  }

  /// The folder, reached by a link on the way to a path below another, that lies outside of that other; nil where there is
  /// none. A last part that is a link itself is no matter: the Hugging Face cache keeps files so.
  ///
  /// - Parameters:
  ///   - path: parts below `folder`, without `..`.
  ///   - folder: what must not be left.
  /// - Returns: the part of `path` that leads out.
  public static func linkedFolder(on path: String, outOf folder: String) -> String? {
    var below = ""
    for part in path.split(separator: "/").dropLast() {
      below = join(below, String(part))
      var status = stat()
      guard unsafe lstat(join(folder, below), &status) == 0 else { return nil }
      guard status.st_mode & S_IFMT == S_IFLNK, let there = realPath(join(folder, below)), let here = realPath(folder)
      else { continue }
      let isBelow = there == here || here == "/" || there.utf8.starts(with: "\(here)/".utf8)
      if !isBelow { return below }
    }
    return nil
  }

  /// A path from the root, without links, as far as it leads to something.
  public static func absolute(_ path: String) -> String { realPath(path) ?? path }

  /// A path without links; nil where it leads to nothing.
  private static func realPath(_ path: String) -> String? {
    // SAFETY: the C library allocates the name, which is copied and freed.
    guard let name = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(name) }
    return unsafe String(cString: name)
  }

  /// `folder/name`.
  public static func join(_ folder: String, _ name: String) -> String {
    folder.isEmpty ? name : folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// The last part of a path.
  public static func name(of path: String) -> String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"))
    return parts.last.map { String(Substring($0)) } ?? path
  }

  /// The folder itself, where the path is one, or the one that the file lies in.
  public static func home(of path: String) -> String { kind(of: path) == .folder ? path : parent(of: path) }

  /// A path without its last part; `.` where it has only one.
  public static func parent(of path: String) -> String {
    var trimmed = Substring(path)
    while trimmed.utf8.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  private static func nearestExisting(_ path: String) -> String {
    var path = path
    while kind(of: path) == nil {
      let parent = parent(of: path)
      if parent == path { break }
      path = parent
    }
    return path
  }

  private static func kind(mode: mode_t) -> EntryKind {
    switch mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .folder
    default: .other
    }
  }
}
