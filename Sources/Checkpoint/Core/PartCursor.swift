// Values that are made as they are asked for: converted, gathered, inflated, unpacked.

/// Values made in parts of one size, from any part on. The part that was made last is kept.
package final class PartCursor: TensorCursor {
  package let byteCount: Int
  private let partSize: Int
  private let make: (_ part: Range<Int>, _ bytes: inout [UInt8]) throws -> Void
  /// What `bytes` hold of the values.
  private var kept = 0..<0
  private var bytes: [UInt8] = []

  /// - Parameters:
  ///   - byteCount: the bytes of all values.
  ///   - partSize: more than 0: whole elements, or blocks.
  ///   - make: fills the bytes, as many as the range that it gets: a whole part, or what there is of the last one.
  package init(
    byteCount: Int, partSize: Int, _ make: @escaping (_ part: Range<Int>, _ bytes: inout [UInt8]) throws -> Void
  ) {
    precondition(partSize > 0)
    (self.byteCount, self.partSize, self.make) = (byteCount, partSize, make)
  }

  package func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    if !kept.contains(range.lowerBound) {
      let start = range.lowerBound / partSize * partSize
      let part = start..<start + min(partSize, byteCount - start)
      // Nothing is kept where making it fails.
      kept = 0..<0
      if bytes.count != part.count { bytes = [UInt8](repeating: 0, count: part.count) }
      try make(part, &bytes)
      kept = part
    }
    let here = range.clamped(to: kept)
    let bytes = bytes
    unsafe try body(
      bytes.span.bytes.extracting(here.lowerBound - kept.lowerBound..<here.upperBound - kept.lowerBound))
  }
}

extension [UInt8] {
  /// Overwrites bytes from an offset on.
  package mutating func replace(from offset: Int, with part: RawSpan) {
    precondition(offset >= 0 && part.byteCount <= count - offset)
    // SAFETY: the part fits, as was just checked.
    unsafe withUnsafeMutableBytes { target in
      unsafe part.withUnsafeBytes { unsafe target[offset..<offset + $0.count].copyBytes(from: $0) }
    }
  }
}
