// Memory for weights: aligned, in large pages where there are some, written once while a model is loaded, and only read
// afterwards; or what the system has of their file.

import ByteIO

/// A block of bytes: of memory that is aligned to 64, or of a mapped file.
@safe final class WeightMemory: @unchecked Sendable {
  /// How many bytes there are.
  let count: Int
  // SAFETY: written by the initializer's caller, in parts that do not overlap, before anyone else has the object.
  private let base: UnsafeMutableRawPointer
  /// The file, and what of it, where the bytes are its own; nobody writes them.
  private let mapped: (file: FileMapping, range: Range<Int>)?

  /// Memory full of zeros.
  convenience init(count: Int) {
    self.init(uninitialized: count)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(64, count))
  }

  /// Memory for bytes that the caller writes, every one, before they are read.
  init(uninitialized count: Int) {
    (self.count, mapped) = (count, nil)
    unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(64, count), alignment: 64)
    unsafe adviseLargePages(UnsafeMutableRawBufferPointer(start: base, count: count))
  }

  /// A part of a mapped file, not empty.
  init(_ file: FileMapping, _ range: Range<Int>) {
    (count, mapped) = (range.count, (file, range))
    guard let start = unsafe file[range].baseAddress else { preconditionFailure("a part has bytes") }
    unsafe base = UnsafeMutableRawPointer(mutating: start)
  }

  deinit { if mapped == nil { unsafe base.deallocate() } }

  /// Whether the bytes are a file's own.
  var isMapped: Bool { mapped != nil }

  /// Tells the system that a file's own bytes are looked at no more.
  func release() { if let mapped { mapped.file.release(mapped.range) } }

  /// A part of it.
  subscript(range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    precondition(mapped == nil && range.lowerBound >= 0 && range.upperBound <= count)
    // SAFETY: checked above; whoever asks keeps the object for as long as the pointer is used.
    return unsafe UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// The first byte.
  var pointer: UnsafeMutableRawPointer { unsafe base }
}
