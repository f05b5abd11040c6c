// Reads a head from front to back, through a window: nobody knows how long a head is before it is read. What is taken is
// held against what is left of the file before anything is allocated for it.

import ByteIO

/// A place in a file, moving forward.
struct ByteCursor {
  private static let windowSize = 256 << 10

  private let file: any ByteSource
  private var window: [UInt8] = []
  private var windowStart = 0
  /// The byte that comes next.
  private(set) var at = 0

  init(_ file: any ByteSource) { self.file = file }

  /// The bytes that are left.
  var left: Int { file.size - at }

  func failure(_ code: CheckpointErrorCode, at offset: Int, _ reason: String) -> CheckpointError {
    CheckpointError(
      code, file: file.path, place: "byte \(offset)", reason: reason,
      remedy: code == .truncated ? "the download may be incomplete; download it again" : nil)
  }

  /// The next bytes, as they lie in the window.
  mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws -> ArraySlice<UInt8> {
    guard count <= left else {
      throw failure(.truncated, at: at, "\(what()) has \(count) bytes, and \(left) are left in the file")
    }
    if at < windowStart || at + count > windowStart + window.count {
      window = try file.bytes(at: at, count: max(count, Self.windowSize))
      windowStart = at
    }
    defer { at += count }
    return window[at - windowStart..<at - windowStart + count]
  }

  /// A little-endian number.
  mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type, _ what: @autoclosure () -> String) throws
    -> Number
  {
    var value: UInt64 = 0
    for byte in try take(Number.bitWidth / 8, what()).reversed() { value = value << 8 | UInt64(byte) }
    return Number(truncatingIfNeeded: value)
  }

  /// Passes over bytes, which must be there.
  mutating func skip(_ count: Int) {
    precondition(count >= 0 && count <= left)
    at += count
  }
}
