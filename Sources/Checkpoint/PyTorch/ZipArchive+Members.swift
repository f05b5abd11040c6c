// The bytes of a zip's members, stored or deflated: what a member inflates to may be a thousand times what the file holds,
// and is never held as a whole unless the caller says how much it takes.

import ByteIO

extension ZipArchive {
  /// Streams all bytes of a member, inflated.
  ///
  /// - Throws: ``CheckpointError`` where it does not inflate, or to another size.
  private func stream(_ member: ZipMember, _ body: (RawSpan) throws -> Void) throws {
    guard member.isDeflated else { return try cursor(of: member, 0..<member.size).read(0..<member.size, body) }
    let inflation = try Inflation(of: member, in: file)
    while try inflation.advance() { try inflation.withBytes(of: inflation.range, body) }
  }

  /// Some bytes of a member, inflated, and not checked.
  ///
  /// - Parameter range: which; it lies in the member.
  func cursor(of member: ZipMember, _ range: Range<Int>) throws -> any TensorCursor {
    guard member.isDeflated else {
      return FileCursor(file, member.dataOffset + range.lowerBound..<member.dataOffset + range.upperBound)
    }
    var inflation = try Inflation(of: member, in: file)
    return PartCursor(byteCount: range.count, partSize: streamPartSize) { [file] part, bytes in
      var at = range.lowerBound + part.lowerBound
      let end = range.lowerBound + part.upperBound
      if at < inflation.range.lowerBound { inflation = try Inflation(of: member, in: file) }
      while at < end {
        let here = (at..<end).clamped(to: inflation.range)
        if here.isEmpty {
          guard try inflation.advance() else { throw inflation.failure }
        } else {
          inflation.withBytes(of: here) { bytes.replace(from: part.count - (end - at), with: $0) }
          at = here.upperBound
        }
      }
    }
  }

  /// How large a deflated member may be that is held in memory, in bytes: what the file, and not only the member, paid for.
  /// A pickle deflates to a tenth or so, and beside it lie the values.
  var inflationLimit: Int {
    let (limit, overflow) = file.size.multipliedReportingOverflow(by: 4)
    return overflow ? Int.max : max(16 << 20, limit)
  }

  /// Bytes of a member, inflated, and not checked; those before them are inflated, too.
  func bytes(of member: ZipMember, at start: Int, count: Int) throws -> [UInt8] {
    let wanted = min(start, member.size)..<min(start + count, member.size)
    guard member.isDeflated else {
      return try file.bytes(at: member.dataOffset + wanted.lowerBound, count: wanted.count)
    }
    var result: [UInt8] = []
    result.reserveCapacity(wanted.count)
    // No more than is asked for: of a million members only the first bytes may be.
    let inflation = try Inflation(of: member, in: file, partSize: max(1, min(streamPartSize, wanted.upperBound)))
    while result.count < wanted.count {
      guard try inflation.advance() else { throw inflation.failure }
      inflation.withBytes(of: wanted.clamped(to: inflation.range)) { part in
        unsafe part.withUnsafeBytes { unsafe result.append(contentsOf: $0) }
      }
    }
    return result
  }

  /// The bytes of a member, inflated and checked.
  ///
  /// - Parameter limit: the largest size that is accepted, in bytes.
  func bytes(of member: ZipMember, limit: Int) throws -> [UInt8] {
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
    }
    guard CRC32.of(result) == member.crc else {
      throw CheckpointError(
        .badChecksum, file: file.path, place: "byte \(member.dataOffset)",
        reason: "the member \(displayName(member.name)) does not have the CRC-32 that the directory says",
        remedy: "the file is damaged; download it again")
    }
    return result
  }

  /// Whether the bytes of a member have its CRC-32.
  func isIntact(_ member: ZipMember) throws -> Bool {
    var crc: UInt32 = 0
    try stream(member) { crc = CRC32.of($0, after: crc) }
    return crc == member.crc
  }
}
