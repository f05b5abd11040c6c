// The zip container of a PyTorch file, laid out before any value is read: which members there are, where each begins, and
// the records around them. Members are stored, and values begin at multiples of 64 bytes.
// Sources: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3; caffe2/serialize/inline_container.cc (members and padding);
// miniz_zip.c (which records are as wide as 64 bits).

/// A PyTorch file, laid out.
struct TorchArchive: Sendable {
  /// A member.
  struct Member: Sendable {
    let name: [UInt8]
    let size: Int
    /// Its bytes, where it is no tensor's values.
    let bytes: [UInt8]?
    /// The tensor whose values it is.
    let tensor: Int?
    /// Where its local header, its bytes, and what stands behind them begin.
    fileprivate(set) var headerOffset = 0
    fileprivate(set) var dataOffset = 0
    var footerOffset: Int { dataOffset + size }

    fileprivate init(_ name: String, _ bytes: [UInt8]) {
      (self.name, size, self.bytes, tensor) = (Array(name.utf8), bytes.count, bytes, nil)
    }

    fileprivate init(_ name: String, tensor: Int, size: Int) {
      (self.name, self.size, bytes, self.tensor) = (Array(name.utf8), size, nil, tensor)
    }
  }

  private static let alignment = 64
  private static let narrowLimit = 0xFFFF_FFFF

  /// How it is laid out.
  let layout: TorchLayout
  /// The members, in the order of the file.
  let members: [Member]
  /// The member of each tensor.
  let places: [Int]
  /// Where the directory begins.
  let directoryOffset: Int
  /// The bytes of the whole file.
  let byteCount: Int

  /// Lays a file out.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  init(_ tensors: [TensorInfo], layout: TorchLayout) throws {
    for info in tensors { try info.checkIsRead() }
    self.layout = layout
    let (root, count) = (layout.root, tensors.count)
    // The pickle comes first, so that a reader of a stream knows what follows.
    var members = [Member("\(root)/data.pkl", try PickleWriter.stateDict(tensors, layout.pickle))]
    members += layout.head.map { Member("\(root)/\($0.name)", $0.bytes) }
    var numbers = Array(0..<count)
    if layout.sortsNumbersAsText { numbers.sort { "\($0)".utf8.lexicographicallyPrecedes("\($1)".utf8) } }
    var places = [Int](repeating: 0, count: count)
    for number in numbers {
      places[number] = members.count
      members.append(Member("\(root)/data/\(number)", tensor: number, size: tensors[number].byteCount))
    }
    members.append(Member("\(root)/version", Array("3\n".utf8)))
    var at = 0
    for index in members.indices {
      members[index].headerOffset = at
      // The padding is an extra field, which has 4 bytes at least.
      let end = at + 30 + members[index].name.count + Self.wideLocal(members[index], layout).count + 4
      members[index].dataOffset = (end + Self.alignment - 1) / Self.alignment * Self.alignment
      at = members[index].footerOffset + Self.footerSize(members[index], layout)
    }
    (self.members, self.places, directoryOffset) = (members, places, at)
    byteCount = at + Self.directorySize(members) + Self.end(at, members, layout).count
  }

  // MARK: Records

  /// What stands before a member's bytes.
  ///
  /// - Parameter crc: its CRC-32; not looked at where it stands behind them.
  func header(_ index: Int, crc: UInt32) -> [UInt8] {
    let member = members[index]
    let wide = Self.wideLocal(member, layout)
    let extra = member.dataOffset - member.headerOffset - 30 - member.name.count
    var header = Self.little(0x0403_4B50, 4)
    if layout.hasDescriptors {
      header += Self.little(layout.versions.narrow, 2) + Self.little(layout.flags, 2) + Self.little(0, 2 + 2)
      header += Self.little(layout.day, 2) + Self.little(0, 4 + 4 + 4)
    } else {
      header += common(member, crc, isWide: !wide.isEmpty)
    }
    header += Self.little(member.name.count, 2) + Self.little(extra, 2) + member.name + wide
    // torch's own mark for padding.
    header += Array("FB".utf8) + Self.little(extra - wide.count - 4, 2)
    return header + [UInt8](repeating: layout.filler, count: extra - wide.count - 4)
  }

  /// What stands behind a member's bytes.
  func footer(_ index: Int, crc: UInt32) -> [UInt8] {
    guard layout.hasDescriptors else { return [] }
    let sizeBytes = (Self.footerSize(members[index], layout) - 8) / 2
    let size = Self.little(members[index].size, sizeBytes)
    return Self.little(0x0807_4B50, 4) + Self.little(Int(crc), 4) + size + size
  }

  /// What stands behind all members.
  ///
  /// - Parameter crcs: the CRC-32 of each.
  func directory(_ crcs: [UInt32]) -> [UInt8] {
    var directory: [UInt8] = []
    for (member, crc) in zip(members, crcs) {
      let wide = Self.wideEntry(member)
      directory += Self.little(0x0201_4B50, 4)
      directory += Self.little(wide.isEmpty ? layout.versions.narrow : layout.versions.wide, 2)
      directory += common(member, crc, isWide: !wide.isEmpty)
      directory += Self.little(member.name.count, 2) + Self.little(wide.count, 2)
      directory += Self.little(0, 2 + 2 + 2 + 4)
      directory += Self.narrow(member.headerOffset) + member.name + wide
    }
    return directory + Self.end(directoryOffset, members, layout)
  }

  /// The fields that a header and a directory's entry have: version needed, flags, method, time, day, checksum, sizes.
  private func common(_ member: Member, _ crc: UInt32, isWide: Bool) -> [UInt8] {
    let version = isWide ? layout.versions.wide : layout.versions.narrow
    var bytes = Self.little(version, 2) + Self.little(layout.flags, 2) + Self.little(0, 2)
    bytes += Self.little(0, 2) + Self.little(layout.day, 2) + Self.little(Int(crc), 4)
    return bytes + Self.narrow(member.size) + Self.narrow(member.size)
  }

  /// The zip64 field of a local header; empty where none is needed.
  private static func wideLocal(_ member: Member, _ layout: TorchLayout) -> [UInt8] {
    var values: [UInt8] = []
    if member.size >= narrowLimit {
      // Whoever writes sizes behind the bytes did not know yet how many there will be when compressed.
      values += little(member.size, 8) + little(layout.hasDescriptors ? 0 : member.size, 8)
    }
    if layout.hasDescriptors, member.headerOffset >= narrowLimit { values += little(member.headerOffset, 8) }
    return values.isEmpty ? [] : little(1, 2) + little(values.count, 2) + values
  }

  /// Mark, checksum and two sizes, which are wide where the header has a zip64 field.
  private static func footerSize(_ member: Member, _ layout: TorchLayout) -> Int {
    layout.hasDescriptors ? wideLocal(member, layout).isEmpty ? 16 : 24 : 0
  }

  /// The zip64 field of a directory entry; empty where everything fits.
  private static func wideEntry(_ member: Member) -> [UInt8] {
    var values: [UInt8] = []
    if member.size >= narrowLimit { values += little(member.size, 8) + little(member.size, 8) }
    if member.headerOffset >= narrowLimit { values += little(member.headerOffset, 8) }
    return values.isEmpty ? [] : little(1, 2) + little(values.count, 2) + values
  }

  private static func directorySize(_ members: [Member]) -> Int {
    members.reduce(0) { $0 + 46 + $1.name.count + wideEntry($1).count }
  }

  /// The records after the directory.
  private static func end(_ directoryOffset: Int, _ members: [Member], _ layout: TorchLayout) -> [UInt8] {
    let (count, size) = (members.count, directorySize(members))
    var bytes: [UInt8] = []
    if layout.alwaysEndsWide || count >= 0xFFFF || size >= narrowLimit || directoryOffset >= narrowLimit {
      bytes += little(0x0606_4B50, 4) + little(44, 8) + little(layout.maker, 2) + little(45, 2) + little(0, 4 + 4)
      bytes += little(count, 8) + little(count, 8) + little(size, 8) + little(directoryOffset, 8)
      bytes += little(0x0706_4B50, 4) + little(0, 4) + little(directoryOffset + size, 8) + little(1, 4)
    }
    let shortCount = little(min(count, 0xFFFF), 2)
    bytes += little(0x0605_4B50, 4) + little(0, 2 + 2) + shortCount + shortCount
    return bytes + narrow(size) + narrow(directoryOffset) + little(0, 2)
  }

  private static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: value >> (8 * $0)) : 0 }
  }

  private static func narrow(_ value: Int) -> [UInt8] { little(min(value, narrowLimit), 4) }
}
