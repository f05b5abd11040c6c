// Digests that stand alone: in a file, on the command line, in a Git LFS pointer. They do not say which file they are of:
// the name of what they lie in does, or whoever holds one file against them.
// Source: git-lfs/docs/spec.md.

import ByteIO

extension Manifest {
  /// Digests of one file that is not named.
  struct Nameless: Sendable, Equatable {
    /// At most one of a kind.
    var digests: [Digest]
    /// The file's size in bytes, where it is known.
    var size: Int?
    /// The file's name, where the name of the list is made of it; of a pointer its own.
    var listName: String?
    /// Whether it is a pointer, which has the name of its file or one made of it.
    var isPointer = false

    /// What a text holds that has digests and the names of algorithms alone; nil for another text.
    ///
    /// - Parameter file: the text's name, which is perhaps made of the file's.
    init?(text: String, file: String?) {
      guard text.utf8.count <= 512 else { return nil }
      var digests: [Digest] = []
      for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "\u{FEFF}" || $0 == "\0" || $0 == "=" }) {
        if Manifest.algorithm(named: word.hasSuffix(":") ? word.dropLast() : word) != nil { continue }
        guard let digest = Manifest.digest(labelled: String(word)), digest.algorithm != .gitBlob,
          !digests.contains(where: { $0.algorithm == digest.algorithm })
        else { return nil }
        digests.append(digest)
      }
      guard !digests.isEmpty else { return nil }
      self.digests = digests
      guard let list = file.map({ Folder.name(of: $0) }),
        let ending = Self.endings.first(where: { list.lowercased().hasSuffix($0) && list.utf8.count > $0.utf8.count })
      else { return }
      listName = String(list.dropLast(ending.count))
    }

    /// What a pointer says.
    ///
    /// - Throws: ``ChecksumError`` for one without a digest.
    init(pointer kind: FileKind, file: String) throws(ChecksumError) {
      guard case .gitLFSPointer(let hex?, let size?) = kind, let digest = Digest(hex: hex, of: [.sha256]), size >= 0
      else {
        throw ChecksumError(
          .malformedLine, file: file, reason: "a Git LFS pointer without `oid sha256:<64 digits>` and `size <bytes>`",
          remedy: "take it from the repository again")
      }
      (digests, self.size, listName, isPointer) = ([digest], size, Folder.name(of: file), true)
    }

    private static let endings = [".md5", ".md5sum", ".md5.txt", ".sha256", ".sha256sum", ".sha256.txt"]
  }

  /// A list of one digest, as it is given without a list: 32 or 64 hexadecimal digits, perhaps behind `sha256:` or `md5:`.
  ///
  /// - Throws: ``ChecksumError`` with code `.unsupportedAlgorithm` for anything else.
  public init(digest text: String) throws(ChecksumError) {
    guard let nameless = Nameless(text: text, file: nil), nameless.digests.count == 1 else {
      throw ChecksumError(
        .unsupportedAlgorithm, file: displayName(String(text.prefix(140))),
        reason: "this is neither an MD5 (32 hexadecimal digits) nor a SHA-256 (64)",
        remedy: "copy all of the digest from its publisher's page")
    }
    self.init()
    self.nameless = nameless
  }

  /// A list of the Git LFS pointers in a folder: what `GIT_LFS_SKIP_SMUDGE=1 git clone` leaves of a repository.
  ///
  /// - Returns: and the number of the other files, of which it says nothing.
  /// - Throws: ``ByteIOError``; ``ChecksumError`` where there is no pointer.
  public static func pointers(in folder: String) throws -> (list: Manifest, others: Int) {
    var (list, others) = (Manifest(), 0)
    for path in try Folder.tree(of: folder).files where !path.hasPrefix(".git/") {
      guard let pointer = try pointer(at: Folder.join(folder, path)) else {
        others += 1
        continue
      }
      list.insert(pointer, for: path)
    }
    guard !list.entries.isEmpty else {
      throw ChecksumError(
        .notAList, file: folder, reason: "there is no Git LFS pointer in this folder",
        remedy: "give a list of digests, or the folder of a repository that was cloned without its large files")
    }
    return (list, others)
  }

  /// A list of the pointers that lie beside their files, under the files' names and an ending: `model.bin.pointer`.
  ///
  /// - Parameter names: the files of the folder.
  static func pointers(beside names: [FolderEntry], in folder: String) throws -> (list: Manifest, lists: [String]) {
    let there = Set(names.map(\.name))
    var (list, lists) = (Manifest(), [String]())
    for entry in names where entry.kind == .file && (1...FileKind.headSize).contains(entry.size) {
      guard let dot = entry.name.lastIndex(of: "."), there.contains(String(entry.name[..<dot])),
        let pointer = try pointer(at: Folder.join(folder, entry.name))
      else { continue }
      list.insert(pointer, for: String(entry.name[..<dot]))
      lists.append(entry.name)
    }
    return (list, lists)
  }

  private static func pointer(at path: String) throws -> Nameless? {
    let file = try InputFile(path)
    guard file.size <= FileKind.headSize else { return nil }
    let kind = try FileKind(of: file)
    guard case .gitLFSPointer = kind else { return nil }
    return try Nameless(pointer: kind, file: path)
  }

  private mutating func insert(_ nameless: Nameless, for path: String) {
    for digest in nameless.digests { _ = insert(digest, for: path) }
    if let size = nameless.size { sizes[path] = size }
  }

  /// Says which file the digests of no file are of.
  ///
  /// - Parameters:
  ///   - file: the list's name.
  ///   - single: the one file that is held against the list; nil for a folder.
  ///   - isThere: whether there is a file at a path from the folder.
  /// - Returns: what is to be told of it.
  /// - Throws: ``ChecksumError`` where nothing says it.
  mutating func settleNameless(
    file: String?, of single: String?, isThere: (String) -> Bool
  ) throws(ChecksumError) -> String? {
    guard let nameless else { return nil }
    self.nameless = nil
    if let single {
      insert(nameless, for: single)
      guard let name = nameless.listName, name != single, !name.hasPrefix(single + ".") else { return nil }
      return "it is taken for what \(displayName(single)) should be"
    }
    guard nameless.isPointer, let name = nameless.listName else {
      throw ChecksumError(
        .notAList, file: file, reason: "a digest alone does not say which file of a folder it is of",
        remedy: "give that file in place of the folder")
    }
    let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    insert(nameless, for: !isThere(name) && isThere(stem) ? stem : name)
    return nil
  }

  // MARK: Words

  /// The algorithm that a word names: `MD5`, `SHA-256`, `sha256sum`; nil for another word, `SHA-1` among them.
  static func algorithm(named word: some StringProtocol) -> DigestAlgorithm? {
    guard word.utf8.count <= 16 else { return nil }
    switch word.lowercased().filter({ $0 != "-" && $0 != "_" && $0 != " " }) {
    case "md5", "md5sum", "md5校验码", "md5值": return .md5
    case "sha256", "sha256sum", "sha2256": return .sha256
    default: return nil
    }
  }

  /// A digest with its algorithm before it or without: `sha256:…`, `md5:…`, `…`. Forty digits are git's.
  ///
  /// - Returns: nil for what is none, or has the digits of another algorithm.
  static func digest(labelled text: String) -> Digest? {
    guard let colon = text.firstIndex(of: ":") else { return Digest(hex: text, of: DigestAlgorithm.allCases) }
    guard let algorithm = algorithm(named: text[..<colon]) else { return nil }
    return Digest(hex: text[text.index(after: colon)...], of: [algorithm])
  }
}
