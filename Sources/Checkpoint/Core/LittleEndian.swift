// Little-endian numbers in the heads of files.

/// Little-endian loads from bytes whose bounds the caller has checked.
extension Array<UInt8> {
  func u16(at offset: Int) -> Int { Int(self[offset]) | Int(self[offset + 1]) << 8 }
  func u32(at offset: Int) -> Int { u16(at: offset) | u16(at: offset + 2) << 16 }
  /// Nil where the value does not fit a signed word: no honest size or offset is so large.
  func u64(at offset: Int) -> Int? {
    let value = UInt64(u32(at: offset)) | UInt64(u32(at: offset + 4)) << 32
    return Int(exactly: value)
  }
}
