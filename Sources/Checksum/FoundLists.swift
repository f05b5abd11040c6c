// Lists that lie in the folder of the files that they are about, found by themselves.

import ByteIO

/// What the lists in a folder say of its files.
public struct FoundLists {
  /// What the files should have.
  public private(set) var list = Manifest()
  /// The lists' names.
  public private(set) var names: [String] = []
  /// Names of all lists that were looked at, also of those that are about other files.
  public private(set) var all: [String] = []
  /// What is to be told: of lists that could not be read, or are about other files.
  public private(set) var notes: [String] = []

  /// Reads the lists: those that are named as such, and pointers beside their files; where there are none, the list that this
  /// program left, and then the folder's card.
  ///
  /// A list of files of which none is there is not used where another has some; of decrypted files, for example, beside the
  /// encrypted ones.
  ///
  /// - Parameters:
  ///   - folder: where they lie.
  ///   - entries: what is in it.
  ///   - file: the one file that is asked for; nil for all.
  /// - Throws: ``ChecksumError`` for a list that is surely one and cannot be read, and for two that contradict each other;
  ///   ``ByteIOError``.
  public init(in folder: String, _ entries: [FolderEntry], naming file: String? = nil) throws {
    let files = entries.filter { $0.kind == .file }.map(\.name)
    let isThere = { (path: String) in
      (file == nil || path == file) && Folder.kind(of: Folder.join(folder, path)) == .file
    }
    var read: [(name: String, list: Manifest)] = []
    for name in files where Manifest.isListName(name) && name != WrittenList.name && name != file {
      if let list = try take(name, in: folder, isThere) { read.append((name, list)) }
    }
    let pointers = try Manifest.pointers(beside: entries, in: folder)
    if !pointers.list.entries.isEmpty {
      read.append((pointers.lists.joined(separator: ", "), pointers.list))
      all += pointers.lists
    }
    let here = read.filter { $0.list.entries.contains { isThere($0.path) } }
    if here.isEmpty {
      for name in [WrittenList.name] + files.filter({ $0.lowercased() == "readme.md" }) where files.contains(name) {
        guard let list = try take(name, in: folder, isThere), list.entries.contains(where: { isThere($0.path) })
        else { continue }
        // A card has numbers in it that are no digests, and sentences that only people understand.
        let problems = list.problems
        if Manifest.isCardName(name), let first = problems.first {
          notes.append("\(displayName(name)): not read: \(first.place ?? ""): \(first.reason)")
        }
        try add(name, Manifest.isCardName(name) ? list.withoutProblems : list)
        return
      }
    }
    for (name, other) in here.isEmpty && file == nil ? read : here { try add(name, other) }
    if !here.isEmpty, file == nil {
      for (name, other) in read where !here.contains(where: { $0.name == name }) {
        let example = other.entries.first.map { " (\(displayName($0.path)), …)" } ?? ""
        notes.append("\(displayName(name)) is a list of files that are not here\(example)")
      }
    }
  }

  private mutating func add(_ name: String, _ other: Manifest) throws(ChecksumError) {
    try list.merge(other, named: name)
    names.append(name)
  }

  private mutating func take(_ name: String, in folder: String, _ isThere: (String) -> Bool) throws -> Manifest? {
    let path = Folder.join(folder, name)
    all.append(name)
    do {
      var list = try Manifest(contentsOf: path, keepsGoodLines: true)
      if let note = try list.settle(file: path, isThere: isThere) { notes.append("\(displayName(name)): \(note)") }
      return list
    } catch let error as ChecksumError where !Manifest.isSureListName(name) && error.code != .contradiction {
      all.removeLast()
      if error.code != .notAList { notes.append("\(displayName(name)) is no list: \(error.reason)") }
      return nil
    }
  }
}

extension Manifest {
  /// The same without what could not be read.
  fileprivate var withoutProblems: Manifest {
    var result = self
    // What contradicts itself is no number that only looks like a digest.
    result.problems = problems.filter { $0.code == .contradiction || $0.code == .pathOutside }
    return result
  }
}
