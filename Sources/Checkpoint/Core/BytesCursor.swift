// Values in memory.

/// Bytes, or a range of them.
public final class BytesCursor: TensorCursor {
  private let bytes: [UInt8]
  private let start: Int
  /// The bytes of all values.
  public let byteCount: Int

  /// Values in memory.
  ///
  /// - Parameter range: which of the bytes; all where nil.
  public init(_ bytes: [UInt8], _ range: Range<Int>? = nil) {
    self.bytes = bytes
    (start, byteCount) = (range?.lowerBound ?? 0, range?.count ?? bytes.count)
  }

  /// Hands over the whole range.
  public func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    let bytes = bytes
    unsafe try body(bytes.span.bytes.extracting(start + range.lowerBound..<start + range.upperBound))
  }
}
