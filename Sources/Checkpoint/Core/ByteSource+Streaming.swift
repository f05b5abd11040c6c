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
