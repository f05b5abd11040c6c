// A tar archive as Python's tarfile writes it: POSIX headers, with extended ones for sizes and times.
// Refused: links, devices and sparse files, members of one name, two extended headers of one member, global names and
// sizes, wrong checksums, sizes beyond the file.
// Source: POSIX.1-2017, pax: "ustar Interchange Format" and "pax Header Block".

import ByteIO

/// The members of a tar archive.
struct TarArchive {
  /// Where each member's bytes are.
  let members: [String: Range<Int>]

  /// What the members of torch's own archive are called.
  static let membersOfTorch: Set<String> = ["sys_info", "storages", "tensors", "pickle"]

  /// The most members; torch's container has four, and archives of other things may be looked through.
  private static let memberLimit = 10_000
  /// The longest extended header, in bytes.
  private static let extendedLimit = 1 << 16

  /// Whether a file begins as a tar archive: as Python's tarfile, which torch tries on every file, has it, by the checksum
  /// of its first header. The word `ustar` is only there since POSIX; where it is, the checksum may be damaged.
  static func isTar(_ head: [UInt8]) -> Bool {
    guard head.count >= 512 else { return false }
    return hasChecksum(Array(head.prefix(512))) || head[257..<262].elementsEqual("ustar".utf8)
  }

  /// Reads the headers.
  init(_ file: any ByteSource) throws {
    var members: [String: Range<Int>] = [:]
    var count = 0
    // What an extended header says of the member after it.
    var extended: [String: String] = [:]
    var at = 0
    func failure(_ code: CheckpointErrorCode, _ reason: String) -> CheckpointError {
      CheckpointError(code, file: file.path, place: "byte \(at)", reason: reason)
    }
    while at < file.size {
      let header = try file.bytes(at: at, count: 512)
      guard header.count == 512 else { throw failure(.truncated, "the archive ends in the middle of a header") }
      // Two blocks of zeros end it.
      if header.allSatisfy({ $0 == 0 }) { break }
      guard Self.hasChecksum(header) else {
        throw failure(.badChecksum, "expected a member's header that has its checksum, found another sum")
      }
      count += 1
      guard count <= Self.memberLimit else { throw failure(.limit, "more than \(Self.memberLimit) members") }
      let kind = header[156]
      let isExtended = kind == UInt8(ascii: "x") || kind == UInt8(ascii: "g")
      // An extended size overrides the header's, but not that of the extended header itself.
      var size = Self.number(header[124..<136])
      if !isExtended, let text = extended["size"] { size = Int(text) }
      guard let size, size >= 0, size <= file.size - at - 512 else {
        throw failure(.truncated, "a member ends after the end of the file")
      }
      let body = at + 512..<at + 512 + size
      if isExtended {
        guard size <= Self.extendedLimit else { throw failure(.limit, "an extended header of \(size) bytes") }
        // Readers differ in which of two counts.
        guard extended.isEmpty else { throw failure(.malformed, "two extended headers of one member") }
        let records = try Self.records(file.bytes(at: body.lowerBound, count: size))
        guard let records else {
          throw failure(.malformed, "expected records of `<length> <key>=<value>` in an extended header, found others")
        }
        // tarfile reads on in the rest of the block.
        let rest = try file.bytes(at: body.upperBound, count: (512 - size % 512) % 512)
        guard rest.allSatisfy({ $0 == 0 }) else { throw failure(.malformed, "an extended header longer than it says") }
        let isGlobal = kind == UInt8(ascii: "g")
        if let key = records.keys.first(where: { Self.isRefused($0, isGlobal: isGlobal) }) {
          throw failure(
            .malformed, "the \(isGlobal ? "global" : "extended") header sets \(displayName(key)), which is not followed"
          )
        }
        if !isGlobal { extended = records }
      } else {
        guard let name = extended["path"].map(Self.withoutSlash) ?? Self.name(header) else {
          throw failure(.malformed, "expected a member's name in UTF-8, found other bytes")
        }
        // Folders hold nothing themselves; before POSIX they were files with a slash at the end.
        let isFolder =
          kind == UInt8(ascii: "5") || kind == 0 && header[0..<100].prefix { $0 != 0 }.last == UInt8(ascii: "/")
        guard size == 0 && isFolder || kind == UInt8(ascii: "0") || kind == 0 && !isFolder else {
          let flag = displayName(String(UnicodeScalar(kind)))
          throw failure(
            .malformed, "expected a regular file or a folder, found a member of type \(flag) and \(size) bytes")
        }
        guard isFolder || members.updateValue(body, forKey: name) == nil else {
          throw failure(.malformed, "two members are called \(displayName(name))")
        }
        extended = [:]
      }
      // Members are padded to whole blocks; the last one's padding may be missing.
      let blocks = (size + 511) / 512 * 512
      at = blocks > file.size - body.lowerBound ? file.size : body.lowerBound + blocks
    }
    self.members = members
  }

  /// Whether the sum of a header's bytes, its checksum's own counted as spaces, is what it says. Old writers took bytes
  /// as signed.
  private static func hasChecksum(_ header: [UInt8]) -> Bool {
    var sum = 0
    var signedSum = 0
    for (index, byte) in header.enumerated() {
      let byte = (148..<156).contains(index) ? 0x20 : byte
      sum += Int(byte)
      signedSum += Int(Int8(bitPattern: byte))
    }
    let stated = number(header[148..<156])
    return stated == sum || stated == signedSum
  }

  /// A number as tarfile's `nti` reads it: behind a first byte of 0x80 or 0xFF, which is its sign, in big-endian binary;
  /// otherwise in octal digits as Python's `int` takes them, between what Python's `str.strip` takes for blanks.
  private static func number(_ field: ArraySlice<UInt8>) -> Int? {
    if let first = field.first, first == 0x80 || first == 0xFF {
      var value = first == 0x80 ? 0 : -1
      for byte in field.dropFirst() {
        guard (Int.min >> 8...Int.max >> 8).contains(value) else { return nil }
        value = value << 8 | Int(byte)
      }
      return value
    }
    // Four more are blanks of texts than of bytes, in which pickles hold their digits: 0x1C to 0x1F.
    let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) || (0x1C...0x1F).contains(byte) }
    let text = field.prefix { $0 != 0 }.drop(while: isBlank)
    guard let end = text.lastIndex(where: { !isBlank($0) }) else { return 0 }
    let digits = text[...end]
    guard case .integer(let value)? = PickleText.integer(digits, radix: 8) else { return nil }
    return value
  }

  /// Whether a key of an extended header changes what is read, in a way that is not followed here: maps of sparse files, the
  /// code of names, and names and sizes of all members that follow.
  private static func isRefused(_ key: String, isGlobal: Bool) -> Bool {
    key.hasPrefix("GNU.sparse") || key == "hdrcharset" || isGlobal && (key == "path" || key == "size")
  }

  /// A member's name, which may be in two parts.
  private static func name(_ header: [UInt8]) -> String? {
    guard let name = text(header[0..<100]), let folder = text(header[345..<500]) else { return nil }
    return folder.isEmpty ? name : "\(folder)/\(name)"
  }

  private static func withoutSlash(_ path: String) -> String {
    String(decoding: path.utf8.reversed().drop { $0 == UInt8(ascii: "/") }.reversed(), as: UTF8.self)
  }

  private static func text(_ field: ArraySlice<UInt8>) -> String? {
    String(validating: field.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The records of an extended header: `<length> <key>=<value>\n`, the length being that of the whole record.
  private static func records(_ bytes: [UInt8]) -> [String: String]? {
    var result: [String: String] = [:]
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: 0x20),
        rest[rest.startIndex..<space].allSatisfy({ (0x30...0x39).contains($0) }),
        let length = Int(String(decoding: rest[rest.startIndex..<space], as: UTF8.self)), length > 0,
        length <= rest.count, rest.startIndex + length > space + 1, rest[rest.startIndex + length - 1] == 0x0A
      else { return nil }
      let record = rest[space + 1..<rest.startIndex + length - 1]
      guard let equals = record.firstIndex(of: UInt8(ascii: "=")),
        let key = String(validating: record[..<equals], as: UTF8.self),
        let value = String(validating: record[(equals + 1)...], as: UTF8.self)
      else { return nil }
      result[key] = value
      rest = rest.dropFirst(length)
    }
    return result
  }
}
