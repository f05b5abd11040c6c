// Memory for weights: aligned, in large pages where there are some, written once while a model is loaded, and only read
// afterwards.

import ByteIO

/// A block of bytes, aligned to 64.
@safe final class WeightMemory: @unchecked Sendable {
  /// How many bytes there are.
  let count: Int
  // SAFETY: written by the initializer's caller, in parts that do not overlap, before anyone else has the object.
  private let base: UnsafeMutableRawPointer

  /// Memory full of zeros.
  init(count: Int) {
    self.count = count
    unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(64, count), alignment: 64)
    unsafe adviseLargePages(UnsafeMutableRawBufferPointer(start: base, count: count))
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(64, count))
  }

  deinit { unsafe base.deallocate() }

  /// A part of it.
  subscript(range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    // SAFETY: checked above; whoever asks keeps the object for as long as the pointer is used.
    return unsafe UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// The first byte.
  var pointer: UnsafeMutableRawPointer { unsafe base }
}
