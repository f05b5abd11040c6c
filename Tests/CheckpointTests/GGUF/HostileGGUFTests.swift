import ByteIO
import TestSupport
import Testing

@testable import Checkpoint

/// A GGUF file that breaks one rule.
struct HostileGGUF: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let code: CheckpointErrorCode
  let place: String
  let bytes: [UInt8]

  init(_ what: String, _ code: CheckpointErrorCode, at byte: Int, _ change: (inout GGUFBytes) -> Void) {
    var file = GGUFBytes()
    change(&file)
    (testDescription, self.code, place, bytes) = (what, code, "byte \(byte)", file.bytes)
  }

  /// Arrays in arrays, an empty one innermost.
  private static func nested(_ depth: Int) -> [UInt8] {
    (0..<depth).flatMap { _ in GGUFBytes.word(UInt32(9)) + GGUFBytes.word(UInt64(1)) }
      + GGUFBytes.word(UInt32(0)) + GGUFBytes.word(UInt64(0))
  }

  private static let huge = GGUFBytes.word(UInt64.max)

  // The head has 24 bytes; an entry of the one-letter name "w" has its dimension count at 33, a dimension at 37, its
  // type at 45 and its offset at 49.
  static let all: [HostileGGUF] = [
    HostileGGUF("another magic", .unknownFormat, at: 0) { $0.magic = Array("GGUX".utf8) },
    HostileGGUF("version 1", .unknownFormat, at: 4) { $0.version = 1 },
    HostileGGUF("a version to come", .unknownFormat, at: 4) { $0.version = 4 },
    HostileGGUF("the other byte order", .unknownFormat, at: 4) { $0.version = UInt32(3).byteSwapped },
    HostileGGUF("more tensors than bytes", .truncated, at: 8) { $0.tensorCount = 1 << 40 },
    HostileGGUF("a tensor count beyond a word", .limit, at: 8) { $0.tensorCount = .max },
    HostileGGUF("more values than bytes", .truncated, at: 16) { $0.valueCount = 1 << 40 },
    HostileGGUF("a value count beyond a word", .limit, at: 16) { $0.valueCount = .max },
    HostileGGUF("a name longer than the file", .truncated, at: 24) {
      ($0.valueCount, $0.entries, $0.alignment) = (1, [], 8)
      $0.data = GGUFBytes.word(UInt64(1) << 50) + [UInt8](repeating: 0, count: 16)
    },
    HostileGGUF("a name beyond the limit", .limit, at: 24) {
      $0.values = [([UInt8](repeating: 97, count: 65536), GGUFBytes.word(UInt32(0)) + [1])]
    },
    HostileGGUF("a name that is not UTF-8", .malformed, at: 32) { $0.values = [([0xFF], [0, 0, 0, 0, 1])] },
    HostileGGUF("a value's type that there is not", .malformed, at: 33) { $0.set("a", 13, [0]) },
    HostileGGUF("a truth value of 2", .malformed, at: 37) { $0.set("a", 7, [2]) },
    HostileGGUF("a name twice", .malformed, at: 38) {
      $0.set("a", 0, [1])
      $0.set("a", 0, [1])
    },
    HostileGGUF("a string longer than the file", .truncated, at: 37) {
      $0.set("a", 8, GGUFBytes.word(UInt64(1) << 60))
    },
    HostileGGUF("a string's length beyond a word", .limit, at: 37) { $0.set("a", 8, huge) },
    HostileGGUF("a string that is not UTF-8", .malformed, at: 45) {
      $0.set("a", 8, GGUFBytes.word(UInt64(1)) + [0x80])
    },
    HostileGGUF("an array longer than the file", .truncated, at: 37) {
      $0.set("a", 9, GGUFBytes.word(UInt32(0)) + GGUFBytes.word(UInt64(1) << 50))
    },
    HostileGGUF("an array's length beyond a word", .limit, at: 41) { $0.set("a", 9, GGUFBytes.word(UInt32(0)) + huge) },
    HostileGGUF("an array of strings that would not fit", .truncated, at: 37) {
      $0.set("a", 9, GGUFBytes.word(UInt32(8)) + GGUFBytes.word(UInt64(100)))
    },
    HostileGGUF("an array of a type that there is not", .malformed, at: 37) {
      $0.set("a", 9, GGUFBytes.word(UInt32(99)) + GGUFBytes.word(UInt64(0)))
    },
    HostileGGUF("arrays too deep in arrays", .limit, at: 37 + 12 * 8) { $0.set("a", 9, nested(8)) },
    HostileGGUF("thousands of arrays in each other", .limit, at: 37 + 12 * 8) { $0.set("a", 9, nested(5000)) },
    HostileGGUF("an alignment of 0", .malformed, at: 53) { $0.set("general.alignment", 4, [0, 0, 0, 0]) },
    HostileGGUF("an alignment that is no power of two", .malformed, at: 53) {
      $0.set("general.alignment", 4, [24, 0, 0, 0])
    },
    HostileGGUF("an alignment below 8", .malformed, at: 53) { $0.set("general.alignment", 4, [4, 0, 0, 0]) },
    HostileGGUF("an alignment of another type", .malformed, at: 53) { $0.set("general.alignment", 0, [32]) },
    HostileGGUF("a huge alignment", .malformed, at: 53) { $0.set("general.alignment", 4, [0, 0, 0, 128]) },
    HostileGGUF("a tensor's name beyond 64 bytes", .limit, at: 24) {
      $0.entries[0].name = [UInt8](repeating: 97, count: 65)
    },
    HostileGGUF("a tensor's name that is not UTF-8", .malformed, at: 32) { $0.entries[0].name = [0xC0] },
    HostileGGUF("a tensor's name twice", .malformed, at: 57) {
      $0.entries = [GGUFBytes.Entry(), GGUFBytes.Entry(offset: 128)]
      $0.data = [UInt8](repeating: 0, count: 256)
    },
    HostileGGUF("five dimensions", .malformed, at: 33) { $0.entries[0].dimensions = [1, 1, 1, 1, 32] },
    HostileGGUF("a dimension beyond a word", .limit, at: 37) { $0.entries[0].dimensions = [.max] },
    HostileGGUF("dimensions whose product overflows", .malformed, at: 33) {
      $0.entries[0].dimensions = [1 << 40, 1 << 40]
    },
    HostileGGUF("bytes that overflow", .malformed, at: 33) { $0.entries[0].dimensions = [1 << 62] },
    HostileGGUF("rows that are no whole blocks", .malformed, at: 33) {
      $0.entries[0].type = 2
      $0.entries[0].dimensions = [16, 2]
    },
    HostileGGUF("a type that is not known", .unsupportedType, at: 45) { $0.entries[0].type = 4 },
    HostileGGUF("an offset that is not aligned", .malformed, at: 49) {
      $0.entries[0].offset = 8
      $0.data = [UInt8](repeating: 0, count: 160)
    },
    HostileGGUF("an offset beyond the file", .truncated, at: 49) { $0.entries[0].offset = 1 << 40 },
    HostileGGUF("an offset that overflows", .truncated, at: 49) { $0.entries[0].offset = UInt64(Int.max - 31) },
    HostileGGUF("an offset beyond a word", .limit, at: 49) { $0.entries[0].offset = .max - 31 },
    HostileGGUF("values that are cut off", .truncated, at: 49) { $0.data.removeLast() },
    HostileGGUF("a gap before the first tensor", .malformed, at: 49) {
      $0.entries[0].offset = 32
      $0.data = [UInt8](repeating: 0, count: 160)
    },
    HostileGGUF("tensors that overlap", .malformed, at: 82) {
      $0.entries = [GGUFBytes.Entry(), GGUFBytes.Entry(name: [98], offset: 64)]
      $0.data = [UInt8](repeating: 0, count: 192)
    },
    HostileGGUF("bytes of no tensor at the end", .malformed, at: 192) { $0.data += [UInt8](repeating: 0, count: 32) },
  ]
}

@Suite("Hostile GGUF files") struct HostileGGUFTests {
  private struct Bytes: ByteSource {
    let path = "hostile.gguf"
    let bytes: [UInt8]
    var size: Int { bytes.count }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
      for place in 0..<buffer.byteCount {
        buffer.storeBytes(of: bytes[offset + place], toByteOffset: place, as: UInt8.self)
      }
    }
  }

  @Test("the file without a fault is read")
  func control() throws {
    let file = try GGUFFile(Bytes(bytes: GGUFBytes().bytes))
    #expect(file.tensors.map(\.name) == ["w"])
    #expect(try file.allBytes(0) == [UInt8](repeating: 7, count: 128))
    // Nothing but a head; and padding that is missing at the very end, which some writers leave out.
    var bare = GGUFBytes()
    (bare.entries, bare.data) = ([], [])
    #expect(try GGUFFile(Bytes(bytes: bare.bytes)).tensors.isEmpty)
    var short = GGUFBytes()
    short.entries[0].dimensions = [25]
    short.data = [UInt8](repeating: 7, count: 100)
    #expect(try GGUFFile(Bytes(bytes: short.bytes)).allBytes(0).count == 100)
    var second = GGUFBytes()
    second.version = 2
    #expect(try GGUFFile(Bytes(bytes: second.bytes)).version == 2)
  }

  @Test("each broken rule is refused, by its kind and at its byte", arguments: HostileGGUF.all)
  func refused(file: HostileGGUF) {
    #expect { try GGUFFile(Bytes(bytes: file.bytes)) } throws: { error in
      guard let error = error as? CheckpointError else { return false }
      if error.code != file.code || error.place != file.place {
        Issue.record("\(error.code) at \(error.place ?? "-"): \(error.reason)")
      }
      return true
    }
  }

  @Test("a file cut anywhere is refused")
  func cut() throws {
    var file = GGUFBytes()
    file.set("general.name", 8, GGUFBytes.text("name"))
    file.set("list", 9, GGUFBytes.word(UInt32(8)) + GGUFBytes.word(UInt64(1)) + GGUFBytes.text("x"))
    let bytes = file.bytes
    for length in 4..<bytes.count {
      #expect(throws: CheckpointError.self, "\(length) bytes") {
        try GGUFFile(Bytes(bytes: Array(bytes[..<length])))
      }
    }
  }

  @Test("a file with any byte changed is read or refused, never more", arguments: 0..<4)
  func changed(seed: UInt64) throws {
    var file = GGUFBytes()
    file.set("general.alignment", 4, [32, 0, 0, 0])
    file.set("list", 9, GGUFBytes.word(UInt32(8)) + GGUFBytes.word(UInt64(1)) + GGUFBytes.text("x"))
    let bytes = file.bytes
    var random = SplitMix64(seed: seed)
    for place in bytes.indices {
      var changed = bytes
      changed[place] = UInt8(truncatingIfNeeded: random.next())
      do {
        let source = try GGUFFile(Bytes(bytes: changed))
        for index in source.tensors.indices { _ = try source.allBytes(index) }
      } catch is CheckpointError {}
    }
  }
}
