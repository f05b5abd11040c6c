// What a list says only together with the folder that it is held against: absolute paths, digests without a name, and which
// part of a text that tells of several sets of files.

import ByteIO

extension Manifest {
  /// Holds what the list leaves open against the files that are there.
  ///
  /// - Parameters:
  ///   - file: the list's name, for errors.
  ///   - single: the one file that is held against the list; nil for a folder.
  ///   - isThere: whether there is a file at a path from the folder.
  /// - Returns: what is to be told of it; nil where nothing is.
  /// - Throws: ``ChecksumError`` where a digest is of no file that anything tells.
  public mutating func settle(
    file: String?, of single: String? = nil, isThere: (String) -> Bool
  ) throws(ChecksumError) -> String? {
    let notes = [
      try settleNameless(file: file, of: single, isThere: isThere),
      settleAbsolutes(file: file, isThere: isThere),
      settleSections(file: file, isThere: isThere),
    ].compactMap(\.self)
    return notes.isEmpty ? nil : notes.joined(separator: "; ")
  }

  /// Takes the parts of a text together that are about files which are there; all of them, where none is.
  ///
  /// What two of them say otherwise of a file is a problem, and neither counts: they are of two sets of files.
  private mutating func settleSections(file: String?, isThere: (String) -> Bool) -> String? {
    guard !sections.isEmpty else { return nil }
    var parts = sections
    sections = []
    for index in parts.indices { _ = parts[index].settleAbsolutes(file: file, isThere: isThere) }
    let here = parts.filter { $0.entries.contains { isThere($0.path) } }
    let chosen = here.isEmpty ? parts : here
    var contradicted: Set<String> = []
    for part in chosen {
      problems += part.problems
      sizes.merge(part.sizes) { one, _ in one }
      for entry in part.entries {
        for digest in entry.digests.values where !insert(digest, for: entry.path) { contradicted.insert(entry.path) }
      }
    }
    for path in contradicted.sorted() {
      remove(path)
      problems.append(
        ChecksumError(
          .contradiction, file: file,
          reason: "\(displayName(path)) has two different digests of one kind in it: it tells of several sets of files",
          remedy: "make a list of the digests that are of these files, and give that"))
    }
    let left = parts.count - chosen.count
    guard left > 0, let name = parts.first(where: { !$0.entries.contains { isThere($0.path) } })?.entries.first?.path
    else { return nil }
    return "\(left) of the \(parts.count) lists in it \(left == 1 ? "is" : "are") left out, of files that are not here "
      + "(\(displayName(name)), …)"
  }
}
