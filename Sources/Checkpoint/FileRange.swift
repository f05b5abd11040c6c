// Streaming a range of bytes in parts that suit the caches.

import ByteIO

/// The bytes that are read at once; a multiple of every element's size.
package let streamPartSize = 1 << 20

extension ByteSource {
  /// Streams a range, which must lie in the file, in parts of whole units.
  ///
  /// - Parameter unit: bytes that are not to be torn apart; elements never are.
  func stream(_ range: Range<Int>, unit: Int = 1, _ body: (RawSpan) throws -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: min(streamPartSize / unit * unit, range.count))
    var at = range.lowerBound
    while at < range.upperBound {
      if range.upperBound - at < buffer.count { buffer.removeLast(buffer.count - (range.upperBound - at)) }
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      try read(into: &raw, at: at)
      unsafe try body(buffer.span.bytes)
      at += buffer.count
    }
  }
}

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
