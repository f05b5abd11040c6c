// Pickles and archives from their parts, for tests.

import ByteIO
import FuzzedParsers

@testable import Checkpoint

/// Makes pickles by hand.
enum PickleBytes {
  /// A pickle of protocol 2 that names `module.name`, and calls it with one text.
  static func call(_ module: String = "posix", _ name: String = "system", _ argument: String = "true") -> [UInt8] {
    [0x80, 2] + global(module, name) + text(argument) + [0x85, 0x52, 0x2E]
  }

  static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  /// BINUNICODE.
  static func text(_ value: String) -> [UInt8] { [0x58] + length(value.utf8.count) + Array(value.utf8) }

  /// BINBYTES.
  static func bytes(_ value: [UInt8]) -> [UInt8] { [0x42] + length(value.count) + value }

  static func length(_ count: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }

  /// A zip of stored members, as torch writes it.
  static func zip(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)] }
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in members {
      let crc = CRC32.of(bytes)
      let fields =
        word(0) + word(0) + word(0) + word(0) + length(Int(crc)) + length(bytes.count) + length(bytes.count)
        + word(name.utf8.count) + word(0)
      directory +=
        [0x50, 0x4B, 1, 2] + word(0) + word(0) + fields + word(0) + word(0) + word(0) + length(0) + length(file.count)
        + Array(name.utf8)
      file += [0x50, 0x4B, 3, 4] + word(0) + fields + Array(name.utf8) + bytes
    }
    let count = word(members.count)
    return file + directory + [0x50, 0x4B, 5, 6] + word(0) + word(0) + count + count + length(directory.count)
      + length(file.count) + word(0)
  }

  /// A tar of plain files.
  ///
  /// - Parameter magic: what follows the link's name: nothing in V7's.
  static func tar(_ members: [(name: [UInt8], bytes: [UInt8])], magic: [UInt8] = Array("ustar\u{0}00".utf8)) -> [UInt8]
  {
    var file: [UInt8] = []
    for (name, bytes) in members { file += tarMember(name, bytes, magic: magic) }
    return file + [UInt8](repeating: 0, count: 1024)
  }

  /// A header and what follows it.
  ///
  /// - Parameter size: what the header says of it, where that is not so.
  static func tarMember(
    _ name: [UInt8], _ bytes: [UInt8], kind: Unicode.Scalar = "0", size: Int? = nil,
    magic: [UInt8] = Array("ustar\u{0}00".utf8)
  ) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 512)
    header.replaceSubrange(0..<name.count, with: name)
    header.replaceSubrange(100..<107, with: Array("0000644".utf8))
    let size = String(size ?? bytes.count, radix: 8)
    header.replaceSubrange(124..<135, with: Array((String(repeating: "0", count: 11 - size.count) + size).utf8))
    header[156] = UInt8(ascii: kind)
    header.replaceSubrange(257..<257 + magic.count, with: magic)
    for index in 148..<156 { header[index] = 0x20 }
    let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
    header.replaceSubrange(
      148..<155, with: Array((String(repeating: "0", count: 6 - sum.count) + sum + "\u{0}").utf8))
    return header + bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
  }

  /// An extended header of the members that follow.
  static func pax(_ records: [(String, String)], kind: Unicode.Scalar = "x") -> [UInt8] {
    var text: [UInt8] = []
    for (key, value) in records {
      let rest = " \(key)=\(value)\n"
      var count = rest.utf8.count + 1
      while "\(count)".utf8.count + rest.utf8.count != count { count += 1 }
      text += Array("\(count)\(rest)".utf8)
    }
    return tarMember(Array("pax".utf8), text, kind: kind)
  }

  /// A .npy file of a header and what follows it.
  static func npy(_ header: String, _ values: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let count = length(header.utf8.count)
    return NpyHeader.magic + [version, 0] + (version == 1 ? Array(count.prefix(2)) : count) + Array(header.utf8)
      + values
  }

  static func survey(_ bytes: [UInt8], _ name: String = "a.pt") throws -> PickleSurvey {
    try PickleSurvey(MemoryBytes(bytes, name))
  }
}
