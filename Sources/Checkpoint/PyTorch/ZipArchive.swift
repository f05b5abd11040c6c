// Reads the directory and the members of a zip archive, as far as checkpoints use it: stored and deflated members, zip64.
// Refused: encryption, other methods, members that overlap, lie outside or have one name, archives in several parts,
// local headers that disagree with the directory. Source: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3.

import ByteIO

/// A zip archive's directory.
struct ZipArchive: Sendable {
  /// More members than this are no checkpoint.
  static let memberLimit = 4_000_000

  let file: any ByteSource
  let members: [String: ZipMember]
  /// The names in the directory's order.
  let names: [String]

  init(_ file: any ByteSource) throws {
    self.file = file
    let directory = try Self.findDirectory(file)
    let bytes = try file.bytes(at: directory.offset, count: directory.size)
    var members: [String: ZipMember] = [:]
    var names: [String] = []
    var spans: [Range<Int>] = []
    var at = 0
    for _ in 0..<directory.count {
      let place = directory.offset + at
      guard at + 46 <= bytes.count, bytes.u32(at: at) == 0x0201_4B50 else {
        throw Self.failure(file, place, "expected an entry of the zip directory, found other bytes")
      }
      let flags = bytes.u16(at: at + 8)
      let method = bytes.u16(at: at + 10)
      let nameLength = bytes.u16(at: at + 28)
      let extraLength = bytes.u16(at: at + 30)
      let end = at + 46 + nameLength + extraLength + bytes.u16(at: at + 32)
      guard end <= bytes.count else {
        throw Self.failure(file, place, "expected an entry of the zip directory, found the end of the directory")
      }
      guard let name = String(validating: bytes[at + 46..<at + 46 + nameLength], as: UTF8.self) else {
        throw Self.failure(file, place, "expected a member's name in UTF-8, found other bytes")
      }
      let shown = displayName(name)
      guard flags & 1 == 0 else {
        throw Self.failure(
          file, place, "the member \(shown) is encrypted",
          remedy: "unpack it with its password, and pack it again without one")
      }
      guard method == 0 || method == 8 else {
        throw Self.failure(
          file, place, "the member \(shown) is compressed by method \(method), neither stored nor deflated",
          remedy: "unpack it, and pack it again stored: zip -0 -r")
      }
      var fields = [bytes.u32(at: at + 24), bytes.u32(at: at + 20), bytes.u32(at: at + 42)]
      try Self.widen(&fields, bytes, at + 46 + nameLength..<at + 46 + nameLength + extraLength) {
        Self.failure(file, place, "the member \(shown) has a broken zip64 field")
      }
      let (size, storedSize, headerOffset) = (fields[0], fields[1], fields[2])
      let local = headerOffset <= file.size - 30 ? try file.bytes(at: headerOffset, count: 30) : []
      guard local.count == 30, local.u32(at: 0) == 0x0403_4B50, local.u16(at: 8) == method else {
        throw Self.failure(file, place, "the member \(shown) has no local header where the directory says")
      }
      let dataOffset = headerOffset + 30 + local.u16(at: 26) + local.u16(at: 28)
      guard dataOffset <= directory.offset, storedSize <= directory.offset - dataOffset else {
        throw Self.failure(file, place, "the member \(shown) lies outside the archive")
      }
      guard
        try file.bytes(at: headerOffset + 30, count: local.u16(at: 26)) == Array(bytes[at + 46..<at + 46 + nameLength])
      else {
        throw Self.failure(file, headerOffset, "the member \(shown) has another name in its local header")
      }
      guard method == 8 || size == storedSize else {
        throw Self.failure(file, place, "the stored member \(shown): expected \(size) bytes, found \(storedSize)")
      }
      let member = ZipMember(
        name: name, isDeflated: method == 8, crc: UInt32(bytes.u32(at: at + 16)), storedSize: storedSize, size: size,
        dataOffset: dataOffset)
      guard members.updateValue(member, forKey: name) == nil else {
        throw Self.failure(file, place, "two members are called \(shown)", remedy: ZipMember.misleading)
      }
      names.append(name)
      spans.append(headerOffset..<dataOffset + storedSize)
      at = end
    }
    // Python's zipfile reads as far as the directory's size says, others as many members as its count.
    guard at == bytes.count else {
      throw Self.failure(
        file, directory.offset + at, "the zip directory goes on behind the \(directory.count) members that it counts")
    }
    spans.sort { $0.lowerBound < $1.lowerBound }
    for (one, other) in zip(spans, spans.dropFirst()) where other.lowerBound < one.upperBound {
      throw Self.failure(file, other.lowerBound, "two members of the zip overlap", remedy: ZipMember.misleading)
    }
    self.members = members
    self.names = names
  }

  /// How many members of a folder have each name, case aside.
  func spellings(below folder: String) -> [String: Int] {
    var counts: [String: Int] = [:]
    for name in names where name.lowercased().hasPrefix(folder.lowercased()) {
      counts[name.lowercased(), default: 0] += 1
    }
    return counts
  }

  // MARK: The directory

  static func failure(
    _ file: any ByteSource, _ offset: Int, _ reason: String, remedy: Remedy = ZipMember.damaged
  ) -> CheckpointError {
    CheckpointError(.malformed, file: file.path, place: "byte \(offset)", reason: reason, remedy: remedy)
  }

  /// The last end record in the last bytes of a file.
  private static func end(in tail: [UInt8]) -> Int? {
    guard tail.count >= 22 else { return nil }
    return stride(from: tail.count - 22, through: 0, by: -1).first {
      tail[$0] == 0x50 && tail.u32(at: $0) == 0x0605_4B50
    }
  }

  /// More archives than this in the end of one file are made to mislead.
  private static let startLimit = 16
  /// How far from the end of a file an end record is looked for, in bytes: Python's zipfile looks at one byte more than a
  /// comment can have, and torch's miniz at one part of 4 KiB more.
  private static let tailLimit = 22 + 65536 + 4096

  /// Where archives begin that a file may be read as, however it begins itself: the offsets in them count from there. Readers
  /// take an end record wherever it stands in the last bytes (``tailLimit``), whatever follows it.
  static func starts(in file: any ByteSource) throws -> [Int] {
    let tailSize = min(file.size, tailLimit)
    let tailStart = file.size - tailSize
    let tail = try file.bytes(at: tailStart, count: tailSize)
    var starts: [Int] = []
    for end in stride(from: tail.count - 22, through: 0, by: -1)
    where tail[end] == 0x50 && tail.u32(at: end) == 0x0605_4B50 {
      guard let start = try start(of: file, tail, end: end, at: tailStart + end), !starts.contains(start) else {
        continue
      }
      starts.append(start)
      guard starts.count <= startLimit else {
        throw failure(file, tailStart + end, "more than \(startLimit) zip archives end here")
      }
    }
    return starts
  }

  /// Where the archive of an end record begins; nil where its directory is not there.
  private static func start(of file: any ByteSource, _ tail: [UInt8], end: Int, at endAt: Int) throws -> Int? {
    var (limit, size, offset) = (endAt, tail.u32(at: end + 12), tail.u32(at: end + 16))
    if limit >= 76, case let record = try file.bytes(at: limit - 76, count: 76), record.u32(at: 56) == 0x0706_4B50,
      record.u32(at: 0) == 0x0606_4B50, let wideSize = record.u64(at: 40), let wideOffset = record.u64(at: 48)
    {
      (limit, size, offset) = (limit - 76, wideSize, wideOffset)
    }
    guard size >= 46, size <= limit, case let first = try file.bytes(at: limit - size, count: 4), first.count == 4,
      first.u32(at: 0) == 0x0201_4B50
    else { return nil }
    // Python's zipfile takes the directory for right before its end, and moves all offsets with it, also to the front.
    guard offset <= limit - size else {
      throw failure(file, endAt, "the offsets of the zip count from before the file begins")
    }
    return limit - size - offset
  }

  /// Finds the directory by the record at the archive's end.
  private static func findDirectory(_ file: any ByteSource) throws -> (offset: Int, size: Int, count: Int) {
    let tailSize = min(file.size, 22 + 65535)
    let tailStart = file.size - tailSize
    let tail = try file.bytes(at: tailStart, count: tailSize)
    let truncated = CheckpointError(
      .truncated, file: file.path, place: "byte \(file.size)",
      reason: "the zip's directory, which stands at its end, is missing",
      remedy: "the download may be incomplete; download it again")
    guard let end = Self.end(in: tail) else { throw truncated }
    let endAt = tailStart + end
    // Readers differ in which end record they take where there are several, and so in which members they see.
    guard end + 22 + tail.u16(at: end + 20) == tail.count else {
      throw failure(file, endAt, "the end record of the zip is not at the end of the file")
    }
    guard tail.u16(at: end + 4) == 0 || tail.u16(at: end + 4) == 0xFFFF else {
      throw failure(
        file, endAt, "the archive has several parts",
        remedy: "join them: zip -s 0 <last part> -O <whole.zip>")
    }
    var count = tail.u16(at: end + 10)
    var size = tail.u32(at: end + 12)
    var offset = tail.u32(at: end + 16)
    var limit = endAt
    // Zip64: a locator right before, which points to a larger record. Python's zipfile looks for that right before the
    // locator, wherever it points, and where it is not there takes what the 32-bit record says.
    if endAt >= 20, case let locator = try file.bytes(at: endAt - 20, count: 20), locator.u32(at: 0) == 0x0706_4B50 {
      guard let at = locator.u64(at: 8), at == endAt - 20 - 56, case let record = try file.bytes(at: at, count: 56),
        record.count == 56, record.u32(at: 0) == 0x0606_4B50, let wideCount = record.u64(at: 32),
        let wideSize = record.u64(at: 40), let wideOffset = record.u64(at: 48)
      else { throw failure(file, endAt - 20, "the zip64 end record is not right before its locator") }
      let agrees = { (narrow: Int, wide: Int, all: Int) in narrow == all || narrow == wide }
      guard agrees(count, wideCount, 0xFFFF), agrees(size, wideSize, 0xFFFF_FFFF),
        agrees(offset, wideOffset, 0xFFFF_FFFF)
      else { throw failure(file, endAt, "the two end records of the zip tell of two directories") }
      (count, size, offset, limit) = (wideCount, wideSize, wideOffset, at)
    } else if count == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
      throw failure(file, endAt, "the zip64 directory is missing")
    }
    guard offset <= limit, size == limit - offset else {
      throw failure(file, endAt, "the zip directory is not where its end record says")
    }
    guard count <= memberLimit, count <= size / 46 else {
      throw failure(file, endAt, "the zip directory cannot hold \(count) members")
    }
    return (offset, size, count)
  }

  /// Takes sizes and offsets that do not fit 32 bits from the extra field.
  private static func widen(
    _ fields: inout [Int], _ bytes: [UInt8], _ range: Range<Int>, _ failure: () -> CheckpointError
  ) throws {
    guard fields.contains(0xFFFF_FFFF) else { return }
    var at = range.lowerBound
    var isWide = false
    while at + 4 <= range.upperBound {
      let end = at + 4 + bytes.u16(at: at + 2)
      guard end <= range.upperBound else { throw failure() }
      if bytes.u16(at: at) == 1 {
        // Of two, Python's zipfile may take both.
        guard !isWide else { throw failure() }
        isWide = true
        var value = at + 4
        for index in fields.indices where fields[index] == 0xFFFF_FFFF {
          guard value + 8 <= end, let wide = bytes.u64(at: value) else { throw failure() }
          fields[index] = wide
          value += 8
        }
      }
      at = end
    }
    guard isWide else { throw failure() }
  }
}
