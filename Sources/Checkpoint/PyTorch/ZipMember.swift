// A member of a zip archive, as the archive's directory describes it.

import ByteIO

/// One file in a zip archive.
struct ZipMember: Sendable {
  let name: String
  let isDeflated: Bool
  let crc: UInt32
  /// Bytes in the archive.
  let storedSize: Int
  /// Bytes when it is inflated.
  let size: Int
  /// Where its bytes begin in the file.
  let dataOffset: Int

  /// What to do about an archive that contradicts itself.
  static let damaged: Remedy = "the file may be damaged: download it again, or ask its publisher for safetensors"
  /// What to do about one that different readers take for different things.
  static let misleading: Remedy =
    "readers differ in what they take it for: do not load it; ask its publisher for safetensors"

  /// Its bytes are not what the directory says.
  func failure(_ file: any ByteSource, _ reason: String) -> CheckpointError {
    CheckpointError(
      .malformed, file: file.path, place: "byte \(dataOffset)", reason: "the member \(displayName(name)) \(reason)",
      remedy: Self.damaged)
  }
}
