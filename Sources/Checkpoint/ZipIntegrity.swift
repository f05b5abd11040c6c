// Whether a zip file is whole, by its directory and the CRC-32 of its members alone: no pickle is read. What a file is that
// serves as a key is no matter.

import ByteIO

/// What a zip file says of itself.
package enum ZipIntegrity {
  /// Whether a file begins or ends as a zip does.
  package static func looksLikeZip(_ file: InputFile) -> Bool {
    if let head = try? file.bytes(count: 4), head == [0x50, 0x4B, 3, 4] { return true }
    // An end record without a comment, as PyTorch writes it.
    guard file.size > 22, let end = try? file.bytes(at: file.size - 22, count: 22) else { return false }
    return end.starts(with: [0x50, 0x4B, 5, 6]) && end.suffix(2).allSatisfy { $0 == 0 }
  }

  /// Holds the members that begin before a byte against their CRC-32, in the order in which they lie in the file.
  ///
  /// - Throws: ``CheckpointError`` where the directory is broken or missing, or a member is not what it says.
  package static func check(_ file: InputFile, upTo end: Int) throws {
    let archive = try ZipArchive(file)
    for member in archive.members.values.sorted(by: { $0.dataOffset < $1.dataOffset }) where member.dataOffset < end {
      guard try !archive.isIntact(member) else { continue }
      throw CheckpointError(
        .badChecksum, file: file.path, place: "bytes \(member.dataOffset) to \(member.dataOffset + member.storedSize)",
        reason: "the member \(displayName(member.name)) does not have the CRC-32 that the directory says")
    }
  }
}
