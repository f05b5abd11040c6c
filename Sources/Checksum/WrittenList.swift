// The list that this program leaves beside what it decrypted: lines of sha256sum, of the files that it wrote or found right.

import ByteIO

/// A list of this program's own in a folder.
package enum WrittenList {
  /// Its name, which nothing else has.
  package static let name = "belle-tools.sha256"

  /// Writes the list: of what it held before those files stay that are still there and are not said anew.
  ///
  /// - Parameters:
  ///   - digests: of the files that were written, by their paths in the folder.
  ///   - inputs: what must not be replaced.
  /// - Returns: whether the file was written; false where it says the same already.
  /// - Throws: ``ByteIOError`` where it cannot be written, or is an input; ``ChecksumError`` where what lies there is no list.
  package static func update(_ digests: [String: Digest], in folder: String, inputs: InputRecord) throws -> Bool {
    let path = Folder.join(folder, name)
    var all = digests
    var before: [UInt8] = []
    if Folder.kind(of: path) != nil {
      let file = try InputFile(path)
      guard file.size <= Manifest.sizeLimit else {
        throw ChecksumError(.notAList, file: path, reason: "\(file.size) bytes are no list of this program's")
      }
      before = try file.bytes(count: file.size)
      if !before.isEmpty {
        for entry in try Manifest(bytes: before, file: path).entries {
          guard all[entry.path] == nil, Folder.kind(of: Folder.join(folder, entry.path)) == .file else { continue }
          all[entry.path] = entry.digests[.sha256]
        }
      }
    }
    let bytes = Array(Manifest.lines(all).utf8)
    if bytes == before { return false }
    try inputs.refuse([path])
    let writer = try AtomicFileWriter(in: folder)
    try writer.write(bytes, at: 0)
    _ = try writer.commit(as: name, size: bytes.count, replacing: true)
    return true
  }
}

extension Manifest {
  /// The lines of sha256sum or md5sum, in the order of the names.
  package static func lines(_ digests: [String: Digest]) -> String {
    digests.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      .map { line($0.value, path: $0.key) + "\n" }.joined()
  }
}
