// A deflated member of a zip, inflated part by part as the parts are wanted. Source: RFC 1951; zlib.h.
// Refused: what does not inflate, and what inflates to another size than the member declares.

import ByteIO
import CZlib

/// A member as it is inflated, from its beginning on.
///
/// SAFETY: `stream` is allocated here, for zlib keeps its address; it is given back once, after zlib is done with it.
@safe final class Inflation {
  /// What of the member the last part holds.
  private(set) var range = 0..<0

  private let member: ZipMember
  private let file: any ByteSource
  private let stream: UnsafeMutablePointer<z_stream>
  private var status = Z_OK
  /// The bytes of the file that zlib is given next, and how many of them it has.
  private var input: [UInt8] = []
  private var taken = 0
  /// Where in the file what follows them is.
  private var at: Int
  private var part: [UInt8]

  /// Begins.
  ///
  /// - Parameter partSize: the most bytes of a part.
  /// - Throws: ``CheckpointError`` where the member declares more than its bytes can make.
  init(of member: ZipMember, in file: any ByteSource, partSize: Int = streamPartSize) throws(CheckpointError) {
    // Deflate makes at most 1032 bytes of one; a declared size beyond that is a lie.
    guard member.size / 1032 <= member.storedSize else { throw Self.failure(member, file) }
    (self.member, self.file, at) = (member, file, member.dataOffset)
    part = [UInt8](repeating: 0, count: min(partSize, max(1, member.size)))
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    guard unsafe inflateInit2_(stream, -15, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw Self.failure(member, file)
    }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// The member is not what it declares.
  var failure: CheckpointError { Self.failure(member, file) }

  private static func failure(_ member: ZipMember, _ file: any ByteSource) -> CheckpointError {
    member.failure(file, "does not inflate to the size that it declares")
  }

  /// Inflates the next part, or what there is.
  ///
  /// - Returns: false where there is none: the member ends here, and at its declared size.
  func advance() throws -> Bool {
    let start = range.upperBound
    var filled = 0
    while filled < part.count, status != Z_STREAM_END {
      let made = inflate(into: filled)
      filled += made
      guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR, start + filled <= member.size else {
        throw failure
      }
      if made == 0, status != Z_STREAM_END { try refill() }
    }
    range = start..<start + filled
    guard filled == 0 else { return true }
    guard start == member.size else { throw failure }
    return false
  }

  /// Hands over bytes of the last part.
  ///
  /// - Parameter range: of the member, within ``range``.
  func withBytes(of range: Range<Int>, _ body: (RawSpan) throws -> Void) rethrows {
    let start = self.range.lowerBound
    let part = part
    unsafe try body(part.span.bytes.extracting(range.lowerBound - start..<range.upperBound - start))
  }

  /// Lets zlib go on, which fills the part from an offset on.
  ///
  /// - Returns: how many bytes it made.
  private func inflate(into start: Int) -> Int {
    // SAFETY: zlib reads `input` and writes `part` within the counts given, during the closures only.
    unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe part.withUnsafeMutableBufferPointer { part in
        unsafe stream.pointee.next_in = input.baseAddress.map { unsafe $0 + taken }
        unsafe stream.pointee.avail_in = UInt32(input.count - taken)
        unsafe stream.pointee.next_out = part.baseAddress.map { unsafe $0 + start }
        unsafe stream.pointee.avail_out = UInt32(part.count - start)
        status = unsafe CZlib.inflate(stream, Z_NO_FLUSH)
        taken = unsafe input.count - Int(stream.pointee.avail_in)
        return unsafe part.count - start - Int(stream.pointee.avail_out)
      }
    }
  }

  /// Reads more of the file, where zlib has had all that was read.
  private func refill() throws {
    let end = member.dataOffset + member.storedSize
    guard taken == input.count, at < end else { throw failure }
    input = try file.bytes(at: at, count: min(256 << 10, end - at))
    taken = 0
    at += input.count
  }
}
