@testable import Checkpoint

/// A GGUF file put together by hand, so that any rule can be broken.
struct GGUFBytes {
  /// A tensor's entry.
  struct Entry {
    var name: [UInt8] = Array("w".utf8)
    var dimensions: [UInt64] = [32]
    var type: UInt32 = 0
    var offset: UInt64 = 0
  }

  var magic = Array("GGUF".utf8)
  var version: UInt32 = 3
  /// Counts that differ from what is there, where not nil.
  var tensorCount: UInt64?
  var valueCount: UInt64?
  /// Name and bytes of each value, its type included.
  var values: [(key: [UInt8], bytes: [UInt8])] = []
  var entries: [Entry] = [Entry()]
  var alignment = 32
  var data = [UInt8](repeating: 7, count: 128)

  static func word(_ number: some FixedWidthInteger) -> [UInt8] {
    (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: UInt64(truncatingIfNeeded: number) >> (8 * $0)) }
  }

  static func text(_ text: String) -> [UInt8] { word(UInt64(text.utf8.count)) + text.utf8 }

  /// Adds a value of a type.
  mutating func set(_ key: String, _ type: UInt32, _ bytes: [UInt8]) {
    values.append((Array(key.utf8), Self.word(type) + bytes))
  }

  var bytes: [UInt8] {
    var bytes = magic + Self.word(version)
    bytes += Self.word(tensorCount ?? UInt64(entries.count)) + Self.word(valueCount ?? UInt64(values.count))
    for (key, value) in values { bytes += Self.word(UInt64(key.count)) + key + value }
    for entry in entries {
      bytes += Self.word(UInt64(entry.name.count)) + entry.name + Self.word(UInt32(entry.dimensions.count))
      bytes += entry.dimensions.flatMap(Self.word) + Self.word(entry.type) + Self.word(entry.offset)
    }
    if !data.isEmpty { bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment) }
    return bytes + data
  }
}
