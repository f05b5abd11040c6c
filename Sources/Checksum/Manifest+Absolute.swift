// Lists whose paths are absolute: those of the machine that made the list. Which file of a folder each is of is told by how
// the paths end, and only where nothing else fits as well.

import ByteIO

/// A file that a list names by an absolute path.
struct AbsoluteEntry: Sendable, Equatable {
  /// The parts of the path, from the root on.
  let parts: [String]
  let digest: Digest
  /// Where in the list it stands.
  let place: String

  /// The path from a part on.
  func tail(from index: Int) -> String { parts[index...].joined(separator: "/") }
}

extension Manifest {
  /// How many of the folders that all paths have in common may be a part of them here.
  private static let depthLimit = 8

  /// Takes the files that the list names by absolute paths for files of a folder: those whose paths end alike.
  ///
  /// All paths begin in one folder, which may be any that is common to them: that one is taken by which the most files are
  /// there. Where two do as well, the files are ``problems``.
  /// - Parameters:
  ///   - file: the list's name, for errors.
  ///   - isThere: whether there is a file at a path from the folder.
  /// - Returns: what is to be told of it; nil where no path is absolute.
  mutating func settleAbsolutes(file: String?, isThere: (String) -> Bool) -> String? {
    guard let first = absolutes.first else { return nil }
    let entries = absolutes
    absolutes = []
    func problem(_ entry: AbsoluteEntry, _ reason: String, _ remedy: Remedy) {
      problems.append(
        ChecksumError(.pathOutside, file: file, place: entry.place, reason: reason, remedy: remedy))
    }
    let remedy: Remedy = "make the list with paths relative to that folder"
    var common = first.parts.count - 1
    for entry in entries {
      common = min(common, entry.parts.count - 1, zip(entry.parts, first.parts).prefix { $0 == $1 }.count)
    }
    // The longest ends first.
    let counts = (max(0, common - Self.depthLimit)...common).map { start in
      (start: start, files: entries.count { isThere($0.tail(from: start)) })
    }
    let most = counts.map(\.files).max() ?? 0
    let starts = counts.filter { $0.files == most }.map(\.start)
    if most > 0, starts.count > 1 {
      for entry in entries {
        let tails = starts.map { displayName(entry.tail(from: $0)) }.joined(separator: " or ")
        problem(entry, "the path \(displayName(entry.tail(from: 0))) may be that of \(tails) here", remedy)
      }
      return nil
    }
    // Where nothing is there the files are missing, under their paths from the folder that all lie in.
    let start = most > 0 ? starts[0] : common
    var isByName = false
    for entry in entries {
      var path = entry.tail(from: start)
      // Files of several folders that lie in one here.
      let name = entry.parts[entry.parts.count - 1]
      if !isThere(path), isThere(name), entries.count(where: { $0.parts.last == name }) == 1 {
        (path, isByName) = (name, true)
      }
      guard !path.hasSuffix("..."), !path.hasSuffix("…") else {
        problem(
          entry, "PowerShell cut the path off: \(displayName(path))", "make the list with Get-FileHash … | Format-List")
        continue
      }
      guard insert(entry.digest, for: path) else {
        problem(
          entry, "a second, different \(entry.digest.algorithm.title) for \(displayName(path))",
          "one of the two lines is wrong; compare with the publisher's page")
        continue
      }
    }
    let root = "/" + first.parts[..<start].joined(separator: "/")
    return
      "its paths are absolute: files are looked for by \(isByName ? "their names" : "what comes behind \(displayName(root))")"
  }
}
