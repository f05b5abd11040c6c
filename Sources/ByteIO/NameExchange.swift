// The step in which several files get their names and others lose theirs. What had a name before is kept aside until all of
// it is done, so that a failure in the middle can give everything back.

/// One step that gives and takes names. Not thread-safe.
struct NameExchange {
  /// A file that had a name before, and where it is kept.
  private struct Kept {
    let path: String
    let place: String
  }

  /// A folder on the same file system; nil where nothing is replaced or removed.
  private let aside: String?
  private let replacing: Bool
  private var kept: [Kept] = []
  private var taken: [(change: FinalName.Change, file: FileIdentity?)] = []

  init(aside: String?, replacing: Bool) { (self.aside, self.replacing) = (aside, replacing) }

  /// Removes files, and then gives others their names.
  ///
  /// - Returns: what failed; then ``undo(because:)`` is to be called.
  mutating func run(_ changes: [FinalName.Change], removing removed: [String]) -> ByteIOError? {
    for path in removed {
      let error = keep(path, isReplaced: false)
      guard error == 0 else { return ByteIOError(errno: error, file: path, action: "remove a file of another model") }
    }
    for change in changes {
      var error: Int32 = 0
      if aside != nil, Folder.kind(of: change.target) != nil { error = keep(change.target, isReplaced: true) }
      let file = FileIdentity(ofFileAt: change.path)
      if error == 0 { error = FinalName.take(change.path, change.target, replacing: replacing) }
      guard error == 0 else {
        return error == EEXIST
          ? FinalName.exists(change.target, Folder.kind(of: change.target))
          : ByteIOError(errno: error, file: change.target, action: "give the file its name")
      }
      taken.append((change, file))
    }
    return nil
  }

  /// Keeps a file aside.
  ///
  /// - Parameter isReplaced: whether its name is taken next. Then the file keeps it until that moment where the file system
  ///   has links: a kill leaves the old file or the new one.
  private mutating func keep(_ path: String, isReplaced: Bool) -> Int32 {
    guard let aside else { return EINVAL }
    let place = Folder.join(aside, "\(kept.count)")
    var hasSecondName = false
    if isReplaced, !Folder.isLink(path) { hasSecondName = unsafe link(path, place) == 0 }
    if !hasSecondName, unsafe rename(path, place) != 0 {
      let error = errno
      return error == ENOENT && Folder.kind(of: path) == nil ? 0 : error
    }
    kept.append(Kept(path: path, place: place))
    return 0
  }

  /// Gives everything back.
  ///
  /// - Returns: the error, with what could not be given back because others have taken its name at that moment.
  func undo(because error: ByteIOError) -> ByteIOError {
    for (change, file) in taken.reversed() where FileIdentity(ofFileAt: change.target) == file {
      unsafe rename(change.target, change.path)
    }
    var lost: [String] = []
    for file in kept.reversed() {
      if let there = FileIdentity(ofFileAt: file.path), there == FileIdentity(ofFileAt: file.place) {
        unsafe unlink(file.place)
      } else if FinalName.take(
        file.place, file.path, replacing: false, ways: [.exclusiveRename, .link, .placeholder]) != 0
      {
        lost.append(file.path)
      }
    }
    guard !lost.isEmpty, let aside else { return error }
    // Under another name nothing tidies it up.
    let place = Folder.join(
      Folder.parent(of: aside), "belle-tools-kept-\(getpid())-\(UInt32.random(in: .min ... .max))")
    unsafe rename(aside, place)
    return ByteIOError(
      error.code, file: error.file, place: error.place,
      reason: error.reason + "; \(lost.map(displayName).joined(separator: ", ")) could not be given back",
      remedy: "what was there before is in \(displayName(place))")
  }
}
