// The values of several tensors, one after the other.

/// Cursors joined into one.
final class JoinedCursor: TensorCursor {
  private let cursors: [any TensorCursor]
  let byteCount: Int

  /// - Parameter cursors: in their order.
  init(_ cursors: [any TensorCursor]) {
    self.cursors = cursors
    byteCount = cursors.reduce(0) { $0 + $1.byteCount }
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    var start = 0
    for cursor in cursors {
      let here = range.clamped(to: start..<start + cursor.byteCount)
      if !here.isEmpty {
        return try cursor.withPart(of: here.lowerBound - start..<here.upperBound - start, body)
      }
      start += cursor.byteCount
    }
  }
}
