// Memory for integers that several threads write.

/// Bytes that several threads write, each its own part.
@safe final class Bytes: @unchecked Sendable {
  let count: Int
  private let base: UnsafeMutablePointer<UInt8>

  init(_ count: Int) {
    self.count = count
    unsafe base = .allocate(capacity: max(1, count))
    // SAFETY: the allocation has `count` bytes.
    unsafe base.initialize(repeating: 0, count: count)
  }

  deinit { unsafe base.deallocate() }

  /// A pointer to a byte; what is done with it must stay within `count`.
  func pointer(_ index: Int) -> UnsafeMutablePointer<UInt8> {
    precondition(index >= 0 && index <= count)
    // SAFETY: checked above.
    return unsafe base + index
  }
}
