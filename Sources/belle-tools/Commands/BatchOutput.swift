// Where the results of many prompts go: printed as they come, or into a file. That has its name when all are there; until
// then they are in another beside it, a line each behind one that says what was asked and how, so that a run that was
// stopped is gone on with.

import ByteIO

/// The results of a batch on their way.
final class BatchOutput {
  /// What the unfinished file is called: the output's name and this.
  static let ending = ".unfinished"
  /// Bytes of results that are read back.
  private static let limit = 4 << 30

  /// How many results are there from an earlier run.
  private(set) var done = 0
  /// The file; nil for standard output.
  let path: String?
  private let file: AppendedFile?
  private let replacing: Bool
  private var head = 0

  /// Begins, or goes on.
  ///
  /// - Parameters:
  ///   - path: the file; nil for standard output.
  ///   - question: what is asked and how, on one line: results of something else are not gone on with.
  ///   - count: how many results there will be.
  ///   - replacing: whether a file of that name is replaced.
  ///   - resuming: whether results of an earlier run are kept.
  ///   - isDry: whether nothing is to be written: what is there is only looked at.
  init(_ path: String?, question: String, count: Int, replacing: Bool, resuming: Bool, isDry: Bool) throws {
    (self.path, self.replacing) = (path, replacing)
    guard let path else {
      file = nil
      return
    }
    let unfinished = path + Self.ending
    try InputRecord.opened.refuse([path, unfinished])
    if let kind = Folder.kind(of: path), kind != .file || !replacing {
      throw ByteIOError(
        .exists, file: path, reason: kind == .folder ? "a folder has the output's name" : "the output is there already",
        remedy: kind == .folder ? "give another name" : "give another name, or \(.replacing)")
    }
    try Self.check(Folder.parent(of: path), of: path)
    if isDry, Folder.kind(of: unfinished) == nil {
      file = nil
      return
    }
    guard let file = try AppendedFile(unfinished, isPrivate: false, isLocked: true) else {
      throw ByteIOError(
        .exists, file: unfinished, reason: "another process is writing it", remedy: "wait for it, or give another name")
    }
    self.file = file
    let (known, first) = (try file.contents(limit: Self.limit), Array((question + "\n").utf8))
    head = first.count
    if !resuming || first.starts(with: known) && known.count < first.count {
      guard !isDry else { return }
      try file.truncate(to: 0)
      try file.append(first)
    } else if known.starts(with: first) {
      // A line that was cut off is generated again.
      let whole = (known.lastIndex(of: 0x0A) ?? 0) + 1
      if !isDry { try file.truncate(to: whole) }
      done = min(count, known[first.count..<whole].count { $0 == 0x0A })
    } else {
      throw ByteIOError(
        .exists, file: unfinished,
        reason: "it is of an interrupted run with other questions, options or another model",
        remedy: "give the same ones to go on with it, throw it away with \(.beginningAgain), or give another output")
    }
  }

  /// Whether results can be kept in a folder; it is not made.
  private static func check(_ folder: String, of path: String) throws {
    guard Folder.kind(of: folder) == .folder else {
      throw ByteIOError(
        .notFound, file: path, reason: "there is no folder \(displayName(folder)) to write it into",
        remedy: "make the folder, or give another name")
    }
    guard Folder.isWritable(folder) else {
      throw ByteIOError(
        .notPermitted, file: path, reason: "cannot write there",
        remedy: "give a name in a folder that you may write to")
    }
  }

  /// Takes the next result.
  ///
  /// - Returns: false where nobody wants more.
  func add(_ line: String) throws -> Bool {
    guard let file else { return Console.shared.text(line + "\n") }
    try file.append(Array((line + "\n").utf8))
    return true
  }

  /// Gives the file its name: all results are there.
  func finish() throws {
    guard let file, let path else { return }
    let results = try file.contents(limit: Self.limit).dropFirst(head)
    let writer = try AtomicFileWriter(in: Folder.parent(of: path))
    try writer.write(Array(results), at: 0)
    guard try writer.commit(as: Folder.name(of: path), size: results.count, replacing: replacing) == .created else {
      throw ByteIOError(
        .exists, file: path, reason: "it appeared while the work was done",
        remedy: "move it away, and give the same command again")
    }
    file.remove()
  }
}
