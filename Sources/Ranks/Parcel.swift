// Memory that goes from one process to another.

import Synchronization

/// Bytes on their way, in memory of their own.
@safe public final class Parcel: @unchecked Sendable {
  /// The memory, aligned to 64 bytes.
  let memory: UnsafeMutableRawBufferPointer
  /// What the library calls its transfers that are not done.
  let requests = Mutex<[UInt]>([])

  /// Memory for bytes that are to come.
  public init(byteCount: Int) {
    precondition(byteCount >= 0)
    unsafe memory = .allocate(byteCount: byteCount, alignment: 64)
  }

  /// A copy of bytes.
  public convenience init(_ bytes: [UInt8]) {
    self.init(byteCount: bytes.count)
    fill(with: bytes)
  }

  /// An integer.
  convenience init(_ integer: Int) {
    self.init((0..<8).map { UInt8(truncatingIfNeeded: Int64(integer) >> (8 * $0)) })
  }

  deinit { unsafe memory.deallocate() }

  /// How many bytes.
  public var byteCount: Int { unsafe memory.count }

  /// Copies bytes, as many as there are.
  public func fill(with bytes: [UInt8]) {
    precondition(bytes.count == byteCount)
    unsafe memory.copyBytes(from: bytes)
  }

  /// A copy of the bytes.
  public var bytes: [UInt8] { unsafe Array(memory) }

  /// The first eight bytes as an integer.
  var integer: Int {
    precondition(byteCount >= 8)
    return Int(Int64(littleEndian: unsafe memory.load(as: Int64.self)))
  }

  /// Shows the memory, in which floats may be.
  public func withMemory<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
    try unsafe body(memory)
  }
}
