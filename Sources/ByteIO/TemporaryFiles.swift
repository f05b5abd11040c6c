// The temporary files of this process, so that an interrupt leaves none behind; and those of earlier processes that were
// killed, so that the next run tidies up after them.
//
// A temporary is `.belle-tools-<process>-<random>.partial` in the output's folder: a file, or a folder of finished files
// that get their names together. Its maker holds an flock on it, which the system drops when the process ends, however it
// ends: an unlocked temporary has no owner.

import Synchronization

/// The temporary files of this process.
public enum TemporaryFiles {
  private struct State: Sendable {
    var paths: Set<String> = []
    var folders: Set<String> = []
    var isClosed = false
  }

  private static let state = Mutex(State())
  private static let prefix = ".belle-tools-"
  private static let suffix = ".partial"

  /// Whether a name is one that ``create(in:isFolder:)`` makes: a process's number, then digits of base 36. A user's file
  /// whose name only looks like it is no temporary.
  public static func isTemporary(_ name: String) -> Bool {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return false }
    let parts = name.dropFirst(prefix.count).dropLast(suffix.count).split(
      separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, Int32(parts[0]) ?? 0 > 0, !parts[1].isEmpty else { return false }
    return parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
  }

  /// Removes every temporary of this process, and makes each later attempt to write one or to finish one fail.
  /// What an interrupt calls before the process ends.
  public static func removeAllAndRefuseMore() {
    state.withLock { state in
      for path in state.paths { unsafe unlink(path) }
      for path in state.folders { removeFolder(path) }
      (state.paths, state.folders) = ([], [])
      state.isClosed = true
    }
  }

  /// Removes what killed runs left in a folder.
  ///
  /// - Returns: how many were removed.
  @discardableResult
  public static func removeAbandoned(in folder: String) -> Int {
    guard let entries = try? Folder.entries(of: folder) else { return 0 }
    var removed = 0
    for entry in entries where isTemporary(entry.name) && entry.kind != .other {
      let path = Folder.join(folder, entry.name)
      let access = entry.kind == .folder ? O_RDONLY | O_DIRECTORY : O_RDWR
      let descriptor = unsafe open(path, access | O_CLOEXEC | O_NOFOLLOW)
      guard descriptor >= 0 else { continue }
      // A running process, this one included, holds the lock of each of its temporaries.
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0,
        entry.kind == .folder ? removeFolder(path) : unsafe unlink(path) == 0
      {
        removed += 1
      }
      close(descriptor)
    }
    return removed
  }

  /// Removes a temporary folder and the files in it; there are no folders in it.
  @discardableResult
  private static func removeFolder(_ path: String) -> Bool {
    for entry in (try? Folder.entries(of: path)) ?? [] { unsafe unlink(Folder.join(path, entry.name)) }
    return unsafe rmdir(path) == 0
  }

  /// Makes and locks a new temporary in a folder.
  ///
  /// - Parameter isFolder: whether it is a folder itself.
  static func create(in folder: String, isFolder: Bool = false) throws(ByteIOError) -> (
    path: String, descriptor: Int32
  ) {
    while true {
      let random = String(UInt64.random(in: .min ... .max), radix: 36)
      let path = Folder.join(folder, "\(prefix)\(getpid())-\(random)\(suffix)")
      // Under the lock, so that an interrupt sees either no file or a registered one.
      let opened: (descriptor: Int32, error: Int32)? = state.withLock { state in
        if state.isClosed { return nil }
        if isFolder {
          guard unsafe mkdir(path, 0o777) == 0 else { return (-1, errno) }
          state.folders.insert(path)
          return (unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), errno)
        }
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        if descriptor >= 0 { state.paths.insert(path) }
        return (descriptor, errno)
      }
      guard let opened else { throw interrupted(path) }
      if opened.descriptor < 0 {
        if opened.error == EEXIST { continue }
        remove(path)
        throw ByteIOError(errno: opened.error, file: folder, action: "make a file in this folder")
      }
      // A tidying run may have taken the file for an abandoned one before it was locked: then it has no name left.
      flock(opened.descriptor, LOCK_EX)
      var status = stat()
      if unsafe fstat(opened.descriptor, &status) == 0, status.st_nlink > 0 { return (path, opened.descriptor) }
      close(opened.descriptor)
      forget(path)
    }
  }

  /// Runs the last step of a file (giving it its name) unless the process is being stopped.
  static func finish<Result: Sendable>(
    _ path: String, _ body: () -> Result, succeeded: (Result) -> Bool
  ) throws(ByteIOError) -> Result {
    let result: Result? = state.withLock { state in
      if state.isClosed { return nil }
      let result = body()
      if succeeded(result) { state.paths.remove(path) }
      return result
    }
    guard let result else { throw interrupted(path) }
    return result
  }

  /// Runs the step that gives several files their names unless the process is being stopped, which waits for its end.
  static func whileNamesMayBeTaken<Result: Sendable>(_ body: () -> Result) throws(ByteIOError) -> Result {
    let result: Result? = state.withLock { $0.isClosed ? nil : body() }
    guard let result else { throw interrupted(nil) }
    return result
  }

  /// Removes one temporary.
  static func remove(_ path: String) {
    state.withLock { state in
      if state.paths.remove(path) != nil { unsafe unlink(path) }
      if state.folders.remove(path) != nil { removeFolder(path) }
    }
  }

  private static func forget(_ path: String) {
    state.withLock { state in
      state.paths.remove(path)
      state.folders.remove(path)
    }
  }

  private static func interrupted(_ path: String?) -> ByteIOError {
    ByteIOError(.interrupted, file: path, reason: "interrupted; nothing half-written was left behind")
  }
}
