// The lists that a publisher puts beside a release, and the part of a model card that has them.

import ByteIO

/// Lists of files, and the texts that they become.
package struct PublishedLists {
  /// The digests of the files that lie in the folder, by their paths there.
  package var files: [String: [DigestAlgorithm: Digest]] = [:]
  /// The digests of what encrypted files become, by the plain names.
  package var decrypted: [String: [DigestAlgorithm: Digest]] = [:]

  /// The names of the files of a folder's lists; those of the decrypted files have names of their own.
  private static let names: [DigestAlgorithm: (files: String, decrypted: String)] = [
    .md5: ("MD5SUMS", "decrypted.md5"), .sha256: ("SHA256SUMS", "decrypted.sha256"),
  ]
  /// The name of the text for a model card.
  private static let card = "checksums.md"

  /// Lists of nothing.
  package init() {}

  /// Lists of files whose digests are not known yet, all zeros in their place: as long as those will be.
  ///
  /// - Parameters:
  ///   - names: the paths of the files in the folder.
  ///   - decrypted: the plain names of encrypted files.
  package init(placeholdersFor names: [String], decrypted plain: [String] = []) {
    var zeros: [DigestAlgorithm: Digest] = [:]
    for algorithm in DigestAlgorithm.published {
      zeros[algorithm] = Digest(algorithm, bytes: Array(repeating: 0, count: algorithm.byteCount))
    }
    for name in names { files[name] = zeros }
    for name in plain { decrypted[name] = zeros }
  }

  /// Whether a name is one of these lists', or that of the list that decryption leaves: of no use in another list.
  package static func isOwn(_ name: String) -> Bool {
    name == card || name == WrittenList.name || names.values.contains { name == $0.files || name == $0.decrypted }
  }

  /// The texts by the names of their files.
  package var texts: [(name: String, text: String)] {
    var texts: [(name: String, text: String)] = []
    for algorithm in DigestAlgorithm.published {
      guard let names = Self.names[algorithm] else { continue }
      texts.append((names.files, Self.lines(files, algorithm)))
      if !decrypted.isEmpty { texts.append((names.decrypted, Self.lines(decrypted, algorithm))) }
    }
    texts.append((Self.card, markdown))
    return texts
  }

  private static func lines(_ files: [String: [DigestAlgorithm: Digest]], _ algorithm: DigestAlgorithm) -> String {
    Manifest.lines(files.compactMapValues { $0[algorithm] })
  }

  /// The part of a model card: what people copy, as it is, into a file for sha256sum or md5sum.
  private var markdown: String {
    var text = "## Checksums\n"
    let parts = [("Files of this repository", files), ("Decrypted files", decrypted)]
    for (title, files) in parts where !files.isEmpty {
      for algorithm in DigestAlgorithm.published.reversed() {
        let lines = Self.lines(files, algorithm)
        // A fence is longer than any in it.
        let fence = String(repeating: "`", count: max(3, 1 + Self.longestRun(of: "`", in: lines)))
        let heading = decrypted.isEmpty ? algorithm.title : "\(title), \(algorithm.title)"
        text += "\n\(heading):\n\n\(fence)text\n\(lines)\(fence)\n"
      }
    }
    return text
  }

  private static func longestRun(of sign: Character, in text: String) -> Int {
    var (longest, run) = (0, 0)
    for letter in text {
      run = letter == sign ? run + 1 : 0
      longest = max(longest, run)
    }
    return longest
  }

  /// What would be written, where the lists are of placeholders: their sizes are those of the lists themselves.
  ///
  /// - Parameters: those of ``write(in:replacing:inputs:)``.
  /// - Throws: ``ByteIOError`` for what ``write(in:replacing:inputs:)`` will refuse whatever the digests are: a file of
  ///   another size, a folder of a list's name, a name that is an input's, and a folder that cannot be written to.
  package func planned(in folder: String, replacing: Bool, inputs: InputRecord) throws -> OutputPlan {
    var (files, replaced): ([OutputPlan.File], [String]) = ([], [])
    for (name, text) in texts {
      let (path, size) = (Folder.join(folder, name), text.utf8.count)
      files.append(OutputPlan.File(path, bytes: size))
      guard Folder.kind(of: path) != nil else { continue }
      guard try InputFile(path, isInput: false).size != size else { continue }
      guard replacing else { throw Self.differs(path) }
      replaced.append(path)
    }
    try inputs.refuse(files.map(\.path))
    guard Folder.isWritable(folder) else {
      throw ByteIOError(.notPermitted, file: folder, reason: "lists cannot be written into this folder")
    }
    return OutputPlan(files, in: folder, replaced: replaced)
  }

  private static func differs(_ path: String) -> ByteIOError {
    ByteIOError(
      .exists, file: path, reason: "it is there already, and says something else of the files",
      remedy: "move it away, or give \(.replacing) to replace it")
  }

  /// Writes the lists; those that say the same already stay.
  ///
  /// - Parameters:
  ///   - folder: where they go.
  ///   - replacing: whether other files of these names are replaced.
  ///   - inputs: what must not be replaced.
  /// - Returns: their paths.
  /// - Throws: ``ByteIOError`` with code `.exists` for a file that says something else; none is written then.
  package func write(in folder: String, replacing: Bool, inputs: InputRecord) throws -> [String] {
    var new: [(name: String, bytes: [UInt8])] = []
    for (name, text) in texts {
      let (path, bytes) = (Folder.join(folder, name), Array(text.utf8))
      if Folder.kind(of: path) != nil {
        let file = try InputFile(path)
        if file.size == bytes.count, try file.bytes(count: bytes.count) == bytes { continue }
        guard replacing else { throw Self.differs(path) }
      }
      new.append((name, bytes))
    }
    try inputs.refuse(new.map { Folder.join(folder, $0.name) })
    let writers = try new.map { file in
      let writer = try AtomicFileWriter(in: folder)
      try writer.write(file.bytes, at: 0)
      return (writer, file.name, file.bytes.count)
    }
    try AtomicFileWriter.commit(writers, replacing: replacing)
    return texts.map { Folder.join(folder, $0.name) }
  }
}
