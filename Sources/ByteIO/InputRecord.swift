// Which files work is made from, by what they are and not by their names. Whatever is to be written or removed is held
// against them before the work begins; and whether one of them changed meanwhile is asked before the result gets its names.

import Synchronization

/// The files that work is made from.
public struct InputRecord: Sendable {
  /// A file as it was when it was opened.
  private struct Entry {
    let path: String
    let state: FileState
    /// Whether the work reads it; it may change meanwhile where it was only named.
    let isRead: Bool
  }

  /// By identity: a link, a hard link and another spelling of a path are the same file.
  private var entries: [FileIdentity: Entry] = [:]

  private static let log = Mutex(InputRecord())

  /// A record of nothing.
  public init() {}

  /// A record of some files.
  public init(_ paths: some Sequence<String>) { for path in paths { add(path) } }

  /// Everything that this process has opened for reading so far: before anything is written, that is every input.
  public static var opened: InputRecord { log.withLock { $0 } }

  /// Notes a file that was opened.
  static func note(_ path: String, _ state: FileState) { log.withLock { $0.add(path, state) } }

  /// Adds a file by its path; what is not there is no input.
  public mutating func add(_ path: String) { if let state = FileState(ofFileAt: path) { add(path, state) } }

  /// Adds what was named as an input, whether the work will read it or not: a file, or the files that lie in a folder.
  public mutating func add(named path: String) {
    let isFolder = Folder.kind(of: path) == .folder
    let paths = isFolder ? ((try? Folder.entries(of: path)) ?? []).map { Folder.join(path, $0.name) } : [path]
    for path in paths { if let state = FileState(ofFileAt: path) { add(path, state, isRead: false) } }
  }

  /// Adds a file as it was when it was opened.
  mutating func add(_ path: String, _ state: FileState, isRead: Bool = true) {
    // What a file was first is what it must still be at the end.
    if let entry = entries[state.identity], entry.isRead || !isRead { return }
    entries[state.identity] = Entry(path: path, state: state, isRead: isRead)
  }

  /// Adds all files of another record.
  public mutating func add(_ other: InputRecord) {
    entries.merge(other.entries) { mine, theirs in mine.isRead || !theirs.isRead ? mine : theirs }
  }

  /// The path by which the input was opened that something at a path is; links are followed. Nil where it is none.
  public func input(at path: String) -> String? {
    FileIdentity(ofFileAt: path).flatMap { entries[$0]?.path }
  }

  /// Refuses to write or remove what is an input.
  ///
  /// - Parameter paths: every path that would get another file, or none.
  /// - Throws: ``ByteIOError`` with code `.isInput`, which names the input.
  public func refuse(_ paths: some Sequence<String>) throws(ByteIOError) {
    for path in paths {
      guard let input = input(at: path) else { continue }
      throw ByteIOError(
        .isInput, file: path, reason: "the output would replace an input: \(displayName(input))",
        remedy: "give another name or folder; \(.replacing) does not allow this either")
    }
  }

  /// Asks whether every file that is read still is what it was when it was opened.
  ///
  /// - Parameter toleratesRemoval: whether a file may be gone. What is open can be read after that too, and is what it was.
  /// - Throws: ``ByteIOError`` with code `.changed`.
  public func checkUnchanged(toleratesRemoval: Bool) throws(ByteIOError) {
    for entry in entries.values.filter(\.isRead).sorted(by: { $0.path < $1.path }) {
      let now = FileState(ofFileAt: entry.path)
      if now == entry.state || now == nil && toleratesRemoval { continue }
      let reason =
        now == nil
        ? "it was removed while it was worked on"
        : "it was changed while it was worked on: what was made may be of both versions"
      throw ByteIOError(
        .changed, file: entry.path, reason: reason,
        remedy: "leave the inputs alone until the work is done, and begin again")
    }
  }
}
