// Pulling a tensor's values: from any place, as many as are wanted, when they are wanted. Two tensors are read side by
// side so, rows are read where they lie, and who has seen enough stops asking.

import ByteIO

/// The bytes that are read at once; a multiple of every element's size.
package let streamPartSize = 1 << 20

/// A place to read a tensor's values from: contiguous, row-major, little-endian. For one thread.
public protocol TensorCursor: AnyObject {
  /// The bytes of all values.
  var byteCount: Int { get }

  /// Hands over values from the beginning of a range on: all of them or the first, as many as are had at once.
  ///
  /// - Parameters:
  ///   - range: in bytes, not empty: whole elements, or whole blocks, of the tensor.
  ///   - body: called once, with whole elements or blocks, at least one.
  /// - Complexity: that of the values handed over, where ranges follow one another. What is deflated is inflated up to
  ///   the range, again from its beginning where the range lies before the last one.
  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws
}

extension TensorCursor {
  /// Streams the values of a range, in parts, in order.
  ///
  /// - Parameter range: in bytes: whole elements, or whole blocks.
  public func read(_ range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    var at = range.lowerBound
    while at < range.upperBound {
      var count = 0
      try withPart(of: at..<range.upperBound) { part in
        count = part.byteCount
        try body(part)
      }
      precondition(count > 0, "a cursor hands over something")
      at += count
    }
  }

  /// Hands over the values of a range as one part: as the cursor has them, or gathered where it has them in several.
  ///
  /// - Parameter range: in bytes, not empty: whole elements, or whole blocks.
  package func withAll(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    var gathered: [UInt8] = []
    try read(range) { part in
      if part.byteCount == range.count { return try body(part) }
      if gathered.isEmpty { gathered.reserveCapacity(range.count) }
      unsafe part.withUnsafeBytes { unsafe gathered.append(contentsOf: $0) }
    }
    if !gathered.isEmpty { unsafe try body(gathered.span.bytes) }
  }
}
