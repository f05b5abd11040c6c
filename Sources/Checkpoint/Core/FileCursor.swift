// Values as they lie in a file.

import ByteIO

/// A range of a file.
///
/// Memory: a mebibyte at most, of what was asked for last.
final class FileCursor: TensorCursor {
  private let file: any ByteSource
  private let start: Int
  let byteCount: Int
  /// The bytes that are read at once, at most.
  private let partSize: Int
  private var buffer: [UInt8] = []

  /// - Parameters:
  ///   - range: must lie in the file.
  ///   - unit: bytes that are not to be torn apart; elements never are.
  init(_ file: any ByteSource, _ range: Range<Int>, unit: Int = 1) {
    (self.file, start, byteCount) = (file, range.lowerBound, range.count)
    partSize = streamPartSize / unit * unit
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    let count = min(range.count, partSize)
    // Taken out, so that nothing else has it while it is filled.
    var buffer: [UInt8] = []
    swap(&buffer, &self.buffer)
    defer { self.buffer = buffer }
    if buffer.count < count {
      buffer = [UInt8](repeating: 0, count: count)
    } else {
      buffer.removeLast(buffer.count - count)
    }
    var span = buffer.mutableSpan
    var raw = unsafe span.mutableBytes
    try file.read(into: &raw, at: start + range.lowerBound)
    unsafe try body(buffer.span.bytes)
  }
}
