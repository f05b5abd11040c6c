// Gives finished files their final names: the one place where that happens, for every verb and format. Unless it is to
// replace what is there, no step of it can: not a look first and a rename afterwards, between which others may come.

import CSystemCalls

/// Giving files their final names.
public enum FinalName {
  /// A way to take a name that is free, and to fail where it is not.
  enum Way: CaseIterable {
    /// A second name, and then the first one is removed.
    case link
    /// A rename that does not replace.
    case exclusiveRename
    /// An empty file that only one can make, and a rename over it: where the file system can do neither of the above.
    case placeholder
  }

  /// One file and the name that it shall have.
  public struct Change: Sendable {
    let path: String
    let target: String

    /// A file on the same file system as its new name.
    public init(_ path: String, to target: String) { (self.path, self.target) = (path, target) }
  }

  /// Gives a file its name.
  ///
  /// - Returns: 0, or `errno`; EEXIST where the name is taken and `replacing` is false.
  static func take(_ path: String, _ target: String, replacing: Bool, ways: [Way] = Way.allCases) -> Int32 {
    if replacing { return unsafe rename(path, target) == 0 ? 0 : errno }
    for way in ways {
      let error = take(path, target, way)
      guard [EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK].contains(error) else { return error }
    }
    return ENOTSUP
  }

  private static func take(_ path: String, _ target: String, _ way: Way) -> Int32 {
    switch way {
    case .link:
      guard unsafe link(path, target) == 0 else { return errno }
      unsafe unlink(path)
      return 0
    case .exclusiveRename: return unsafe belle_rename_exclusive(path, target)
    case .placeholder:
      let descriptor = unsafe open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { return errno }
      close(descriptor)
      guard unsafe rename(path, target) == 0 else {
        let error = errno
        unsafe unlink(target)
        return error
      }
      return 0
    }
  }

  /// Gives several files their names, in order: all of them, or none.
  ///
  /// Where a name is taken by a file of the very same bytes nothing is to be done: another run was faster, or an earlier one
  /// was stopped between two names.
  /// - Parameter replacing: whether other files of these names are replaced; folders never are.
  /// - Throws: ``ByteIOError`` with code `.exists` for a name that is taken. Then no file has its new name.
  public static func take(_ changes: [Change], replacing: Bool) throws(ByteIOError) {
    var waiting: [Change] = []
    for change in changes {
      guard let kind = Folder.kind(of: change.target) else {
        waiting.append(change)
        continue
      }
      if kind == .folder || !replacing {
        guard kind == .file, haveSameBytes(change.path, change.target) else { throw exists(change.target, kind) }
        continue
      }
      waiting.append(change)
    }
    let pending = waiting
    // Under the lock an interrupt comes before the first name or after the last.
    let failure = try TemporaryFiles.whileNamesMayBeTaken { () -> (change: Change, error: Int32)? in
      var taken: [(change: Change, file: FileIdentity?)] = []
      for change in pending {
        let file = FileIdentity(ofFileAt: change.path)
        let error = take(change.path, change.target, replacing: replacing)
        guard error != 0 else {
          taken.append((change, file))
          continue
        }
        if !replacing {
          for (earlier, file) in taken.reversed() where FileIdentity(ofFileAt: earlier.target) == file {
            unsafe rename(earlier.target, earlier.path)
          }
        }
        return (change, error)
      }
      return nil
    }
    if let (change, error) = failure {
      guard error != EEXIST else { throw exists(change.target, Folder.kind(of: change.target)) }
      throw ByteIOError(errno: error, file: change.target, action: "give the file its name")
    }
    for folder in Set(changes.map { Folder.parent(of: $0.target) }) { Folder.flush(folder) }
  }

  private static func exists(_ path: String, _ kind: EntryKind?) -> ByteIOError {
    ByteIOError(
      .exists, file: path,
      reason: kind == .folder ? "a folder has the output's name" : "it appeared while the work was done",
      remedy: "move it away, and give the same command again")
  }

  private static func haveSameBytes(_ one: String, _ other: String) -> Bool {
    guard let one = try? InputFile(one), let other = try? InputFile(other), one.size == other.size else { return false }
    if one.identity == other.identity { return true }
    let step = 1 << 20
    for offset in stride(from: 0, to: one.size, by: step) {
      guard let mine = try? one.bytes(at: offset, count: step), let theirs = try? other.bytes(at: offset, count: step),
        mine == theirs
      else { return false }
    }
    return true
  }
}
