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

  /// Gives several files their names, in order, and removes files that must make way: all of it, or nothing.
  ///
  /// Where a name is taken by a file of the very same bytes nothing is to be done: another run was faster, or an earlier one
  /// was stopped between two names. What is replaced or removed is kept until the end, and given back where anything fails.
  /// - Parameters:
  ///   - removed: paths, on the same file system, of files that are removed.
  ///   - replacing: whether other files of these names are replaced; folders never are.
  ///   - fault: asked when all files have their names; where it answers an error, that is thrown and everything given back.
  ///     It must not make or remove temporaries.
  /// - Throws: ``ByteIOError`` with code `.exists` for a name that is taken. Then everything is as it was.
  public static func take(
    _ changes: [Change], removing removed: [String] = [], replacing: Bool, fault: () -> ByteIOError? = { nil }
  ) throws(ByteIOError) {
    var pending: [Change] = []
    var isReplacing = false
    for change in changes {
      if let kind = Folder.kind(of: change.target) {
        if kind == .folder || !replacing {
          guard kind == .file, haveSameBytes(change.path, change.target) else { throw exists(change.target, kind) }
          continue
        }
        isReplacing = true
      }
      pending.append(change)
    }
    let folders = Set((changes.map(\.target) + removed).map(Folder.parent))
    var aside: StagingFolder?
    if let folder = folders.first, !removed.isEmpty || isReplacing { aside = try StagingFolder(in: folder) }
    // What is kept aside must not be thrown away before the end.
    defer { withExtendedLifetime(aside) {} }
    var exchange = NameExchange(aside: aside?.path, replacing: replacing)
    // Under the lock an interrupt comes before the first name or after the last.
    let failure = try TemporaryFiles.whileNamesMayBeTaken { () -> ByteIOError? in
      let failure = exchange.run(pending, removing: removed) ?? fault()
      return failure.map { exchange.undo(because: $0) }
    }
    if let failure { throw failure }
    for folder in folders { Folder.flush(folder) }
  }

  static func exists(_ path: String, _ kind: EntryKind?) -> ByteIOError {
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
