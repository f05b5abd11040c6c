// Checksums of values on their way into a file: what is read back is held against them.

import ByteIO

/// The CRC-32 of each part of a tensor's values: 64 bits for some hundred kilobytes.
struct PartSums: Sendable {
  /// The parts in their order.
  private(set) var parts: [(count: Int, sum: UInt32)] = []

  /// Takes the next part in pieces of a bounded size.
  mutating func add(_ part: RawSpan) {
    for start in stride(from: 0, to: part.byteCount, by: streamPartSize) {
      let piece = part.extracting(start..<min(start + streamPartSize, part.byteCount))
      parts.append((piece.byteCount, CRC32.of(piece, after: 0)))
    }
  }
}
