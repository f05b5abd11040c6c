// Writes a PyTorch zip checkpoint as it streams in: a state dict that torch.load(weights_only=True) takes. Members are
// stored, values begin at multiples of 64 bytes, zip64 fields stand only where a number needs them, and the time stamps
// are the format's first day, so that the same tensors give the same bytes.
// Source: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3; caffe2/serialize/inline_container.cc (members and padding).

import ByteIO
import CZlib

/// Writes one PyTorch file.
public struct TorchWriter: TensorSink {
  private struct Member {
    let name: [UInt8]
    let size: Int
    var crc: UInt32
    /// Where its local header and its bytes begin.
    var headerOffset = 0
    var dataOffset = 0
  }

  private static let alignment = 64
  private static let narrowLimit = 0xFFFF_FFFF

  /// Storages stand in the order of the tensors.
  public var order: [Int] { Array(0..<tensorCount) }
  /// The bytes of the whole file.
  public let byteCount: Int

  private let tensorCount: Int
  private let directoryOffset: Int
  private var members: [Member] = []
  private let fixed: [Int: [UInt8]]
  private let firstStorage: Int

  /// Lays a file out. There is no place for text beside the tensors: `metadata` is not written.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  public init(_ tensors: [TensorInfo], metadata: [String: String]) throws {
    // torch takes the file's name; a fixed one gives the same bytes under every name.
    let root = "archive"
    for info in tensors { try info.checkIsRead() }
    tensorCount = tensors.count
    // The pickle comes first, so that a reader of a stream knows what follows.
    let head = [("data.pkl", try PickleWriter.stateDict(tensors)), ("byteorder", Array("little".utf8))]
    let tail = [("version", Array("3\n".utf8))]
    firstStorage = head.count
    var fixed: [Int: [UInt8]] = [:]
    for (name, bytes) in head {
      fixed[members.count] = bytes
      members.append(Member(name: Array("\(root)/\(name)".utf8), size: bytes.count, crc: Self.crc(of: bytes)))
    }
    for (number, info) in tensors.enumerated() {
      members.append(Member(name: Array("\(root)/data/\(number)".utf8), size: info.byteCount, crc: 0))
    }
    for (name, bytes) in tail {
      fixed[members.count] = bytes
      members.append(Member(name: Array("\(root)/\(name)".utf8), size: bytes.count, crc: Self.crc(of: bytes)))
    }
    self.fixed = fixed
    var at = 0
    for index in members.indices {
      members[index].headerOffset = at
      // The padding is an extra field, which has 4 bytes at least.
      let end = at + 30 + members[index].name.count + Self.wideSizes(members[index]).count + 4
      members[index].dataOffset = (end + Self.alignment - 1) / Self.alignment * Self.alignment
      at = members[index].dataOffset + members[index].size
    }
    directoryOffset = at
    byteCount =
      at + members.reduce(0) { $0 + 46 + $1.name.count + Self.wideEntry($1).count }
      + Self.end(directoryOffset, members).count
  }

  /// Opens a file of this format.
  public static func open(_ file: any ByteSource) throws -> any TensorSource { try TorchFile(file) }

  /// Writes the pickle.
  public func begin(_ file: AtomicFileWriter) throws {
    for (index, bytes) in fixed {
      try file.write(localHeader(members[index]), at: members[index].headerOffset)
      try file.write(bytes, at: members[index].dataOffset)
    }
  }

  /// Takes a part of a tensor's values.
  public mutating func write(_ part: RawSpan, at offset: Int, of index: Int, _ file: AtomicFileWriter) throws {
    let member = firstStorage + index
    members[member].crc = Self.crc(of: part, after: members[member].crc)
    try file.write(part, at: members[member].dataOffset + offset)
  }

  /// Where a tensor's values begin.
  public func start(of index: Int) -> Int? { members[firstStorage + index].dataOffset }

  /// Writes the storages' headers, whose checksums are known only now, and the directory.
  public func finish(_ file: AtomicFileWriter) throws {
    for index in members.indices where fixed[index] == nil {
      try file.write(localHeader(members[index]), at: members[index].headerOffset)
    }
    var directory: [UInt8] = []
    for member in members {
      let wide = Self.wideEntry(member)
      directory += Self.little(0x0201_4B50, 4)
      directory += Self.little(wide.isEmpty ? 20 : 45, 2)
      directory += Self.common(member, isWide: !wide.isEmpty)
      directory += Self.little(member.name.count, 2) + Self.little(wide.count, 2)
      directory += Self.little(0, 2 + 2 + 2 + 4)
      directory += Self.narrow(member.headerOffset) + member.name + wide
    }
    directory += Self.end(directoryOffset, members)
    try file.write(directory, at: directoryOffset)
  }

  // MARK: Records

  private func localHeader(_ member: Member) -> [UInt8] {
    let wide = Self.wideSizes(member)
    let extra = member.dataOffset - member.headerOffset - 30 - member.name.count
    var header = Self.little(0x0403_4B50, 4) + Self.common(member, isWide: !wide.isEmpty)
    header += Self.little(member.name.count, 2) + Self.little(extra, 2) + member.name + wide
    // torch's own mark for padding.
    header += Array("FB".utf8) + Self.little(extra - wide.count - 4, 2)
    return header + [UInt8](repeating: 0, count: extra - wide.count - 4)
  }

  /// The fields that both headers have: version needed, flags (names are UTF-8), method, time, checksum, sizes.
  private static func common(_ member: Member, isWide: Bool) -> [UInt8] {
    var bytes = little(isWide ? 45 : 20, 2) + little(0x0800, 2) + little(0, 2)
    bytes += little(0, 2) + little(0x0021, 2) + little(Int(member.crc), 4)
    return bytes + narrow(member.size) + narrow(member.size)
  }

  /// The zip64 field of a local header; empty where the sizes fit.
  private static func wideSizes(_ member: Member) -> [UInt8] {
    guard member.size >= narrowLimit else { return [] }
    return little(1, 2) + little(16, 2) + little(member.size, 8) + little(member.size, 8)
  }

  /// The zip64 field of a directory entry; empty where everything fits.
  private static func wideEntry(_ member: Member) -> [UInt8] {
    var values: [UInt8] = []
    if member.size >= narrowLimit { values += little(member.size, 8) + little(member.size, 8) }
    if member.headerOffset >= narrowLimit { values += little(member.headerOffset, 8) }
    return values.isEmpty ? [] : little(1, 2) + little(values.count, 2) + values
  }

  /// The records after the directory.
  private static func end(_ directoryOffset: Int, _ members: [Member]) -> [UInt8] {
    let count = members.count
    let size = members.reduce(0) { $0 + 46 + $1.name.count + wideEntry($1).count }
    var bytes: [UInt8] = []
    if count >= 0xFFFF || size >= narrowLimit || directoryOffset >= narrowLimit {
      bytes += little(0x0606_4B50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4 + 4)
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

  private static func crc(of bytes: [UInt8]) -> UInt32 { unsafe crc(of: bytes.span.bytes, after: 0) }

  private static func crc(of part: RawSpan, after crc: UInt32) -> UInt32 {
    // SAFETY: zlib reads the span's bytes, no more.
    unsafe part.withUnsafeBytes {
      UInt32(
        truncatingIfNeeded: unsafe crc32_z(UInt(crc), $0.bindMemory(to: UInt8.self).baseAddress, z_size_t($0.count)))
    }
  }
}
