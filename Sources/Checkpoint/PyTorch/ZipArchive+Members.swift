// The bytes of a zip's members, stored or deflated, as a stream: what a member inflates to may be a thousand times what
// the file holds, and is never held as a whole unless the caller says how much it takes. Source: RFC 1951; zlib.h.

import ByteIO
import CZlib

extension ZipArchive {
  /// Streams a member's bytes, inflated, as far as its declared size; the member may be left before its end.
  ///
  /// - Parameters:
  ///   - partSize: the most bytes that are inflated at once.
  ///   - body: called with the bytes in order; answers whether to go on.
  /// - Throws: ``CheckpointError`` where it does not inflate, or to another size.
  func stream(_ member: Member, partSize: Int = streamPartSize, _ body: (RawSpan) throws -> Bool) throws {
    if member.isDeflated { return try inflate(member, partSize: partSize, body) }
    struct Enough: Error {}
    do {
      try file.stream(member.dataOffset..<member.dataOffset + member.size) { if try !body($0) { throw Enough() } }
    } catch is Enough {}
  }

  /// How large a deflated member may be that is held in memory, in bytes: what the file, and not only the member, paid for.
  /// A pickle deflates to a tenth or so, and beside it lie the values.
  var inflationLimit: Int {
    let (limit, overflow) = file.size.multipliedReportingOverflow(by: 4)
    return overflow ? Int.max : max(16 << 20, limit)
  }

  /// Bytes of a member, inflated, and not checked; those before them are inflated, too.
  func bytes(of member: Member, at start: Int, count: Int) throws -> [UInt8] {
    let wanted = min(start, member.size)..<min(start + count, member.size)
    guard member.isDeflated else {
      return try file.bytes(at: member.dataOffset + wanted.lowerBound, count: wanted.count)
    }
    var result: [UInt8] = []
    result.reserveCapacity(wanted.count)
    var at = 0
    try stream(member, partSize: max(1, min(streamPartSize, wanted.upperBound))) { part in
      let here = wanted.clamped(to: at..<at + part.byteCount)
      unsafe part.extracting(here.lowerBound - at..<here.upperBound - at).withUnsafeBytes {
        unsafe result.append(contentsOf: $0)
      }
      at += part.byteCount
      return at < wanted.upperBound
    }
    return result
  }

  /// The bytes of a member, inflated and checked.
  ///
  /// - Parameter limit: the largest size that is accepted, in bytes.
  func bytes(of member: Member, limit: Int) throws -> [UInt8] {
    let limit = member.isDeflated ? min(limit, inflationLimit) : limit
    guard member.size <= limit else {
      throw CheckpointError(
        .limit, file: file.path, place: "byte \(member.dataOffset)",
        reason: "the member \(displayName(member.name)) has \(member.size) bytes; at most \(limit) are accepted here")
    }
    var result: [UInt8] = []
    result.reserveCapacity(member.size)
    try stream(member) { part in
      unsafe part.withUnsafeBytes { unsafe result.append(contentsOf: $0) }
      return true
    }
    guard unsafe Self.crc(of: result.span.bytes, after: 0) == member.crc else {
      throw CheckpointError(
        .badChecksum, file: file.path, place: "byte \(member.dataOffset)",
        reason: "the member \(displayName(member.name)) does not have the CRC-32 that the directory says",
        remedy: "the file is damaged; download it again")
    }
    return result
  }

  /// Whether the bytes of a member have its CRC-32.
  func isIntact(_ member: Member) throws -> Bool {
    var crc: UInt32 = 0
    try stream(member) { part in
      crc = Self.crc(of: part, after: crc)
      return true
    }
    return crc == member.crc
  }

  /// The CRC-32 of some bytes and those before them.
  static func crc(of part: RawSpan, after crc: UInt32) -> UInt32 {
    // SAFETY: zlib reads the span's bytes, no more.
    unsafe part.withUnsafeBytes {
      UInt32(
        truncatingIfNeeded: unsafe crc32_z(UInt(crc), $0.bindMemory(to: UInt8.self).baseAddress, z_size_t($0.count)))
    }
  }

  private func inflate(_ member: Member, partSize: Int, _ body: (RawSpan) throws -> Bool) throws {
    let broken = Self.failure(
      file, member.dataOffset, "the member \(displayName(member.name)) does not inflate to the size that it declares")
    // Deflate makes at most 1032 bytes of one; a declared size beyond that is a lie.
    guard member.size / 1032 <= member.storedSize else { throw broken }
    var stream = unsafe z_stream()
    guard unsafe inflateInit2_(&stream, -15, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw broken
    }
    defer { unsafe inflateEnd(&stream) }
    var part = [UInt8](repeating: 0, count: min(partSize, max(1, member.size)))
    var filled = 0
    var total = 0
    var at = member.dataOffset
    let end = at + member.storedSize
    var status = Z_OK
    while status != Z_STREAM_END {
      guard at < end else { throw broken }
      var input = try file.bytes(at: at, count: min(256 << 10, end - at))
      at += input.count
      let available = input.count
      // SAFETY: zlib reads `input` and writes `part` within the counts given, during the closures only.
      let goesOn = try unsafe input.withUnsafeMutableBufferPointer { input in
        unsafe stream.next_in = input.baseAddress
        unsafe stream.avail_in = UInt32(available)
        repeat {
          let start = filled
          filled += unsafe part.withUnsafeMutableBufferPointer { part in
            unsafe stream.next_out = part.baseAddress.map { unsafe $0 + start }
            unsafe stream.avail_out = UInt32(part.count - start)
            status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
            return unsafe part.count - start - Int(stream.avail_out)
          }
          total += filled - start
          guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR, total <= member.size else {
            throw broken
          }
          // What is handed on is whole elements: full parts, and the last one.
          if filled == part.count || status == Z_STREAM_END {
            if filled > 0, unsafe try !body(part.span.bytes.extracting(first: filled)) { return false }
            filled = 0
          }
        } while unsafe (stream.avail_in > 0 || stream.avail_out == 0) && status == Z_OK
        return true
      }
      if !goesOn { return }
    }
    guard total == member.size else { throw broken }
  }
}
