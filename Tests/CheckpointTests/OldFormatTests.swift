import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Files of `Tests/Fixtures/torch-old`: the tar container, numpy arrays, bare pickles, storages that nobody uses.
enum OldFixtures {
  static let good = decodeJSON([String: GoodFile].self, project("Tests/Fixtures/torch-old/manifest.json"))
  static func path(_ name: String) -> String { project("Tests/Fixtures/torch-old/" + name) }
}

@Suite("Old and bare PyTorch files") struct OldFormatTests {
  @Test("every file holds what torch and numpy read in it", arguments: OldFixtures.good.keys.sorted())
  func manifest(name: String) throws {
    let source = try Checkpoint.open(OldFixtures.path(name))
    #expect(try Fixtures.contents(source) == OldFixtures.good[name]?.tensors)
    let survey = try PickleSurvey(InputFile(OldFixtures.path(name)))
    #expect(survey.isSafe, "\(survey.problems.first?.description ?? "\(survey.globals.filter { !$0.isAllowed })")")
    #expect(!survey.globals.isEmpty)
  }

  @Test("formats have names")
  func formats() throws {
    #expect(try Checkpoint.open(OldFixtures.path("tar.pt")).format == "torch-tar")
    #expect(try Checkpoint.open(OldFixtures.path("raw-protocol2.pkl")).format == "pickle")
    #expect(try Checkpoint.open(OldFixtures.path("unused-storages-legacy.pt")).format == "torch-legacy")
  }

  @Test("numpy's numbers are settings", arguments: ["numpy.pt", "numpy-protocol4.pt", "numpy2.pkl"])
  func scalars(name: String) throws {
    let source = try Checkpoint.open(OldFixtures.path(name))
    let metadata = Dictionary(source.metadata.map { ($0.name, $0.value) }) { one, _ in one }
    #expect(
      metadata == ["loss": "0.125", "step": "-7", "ratio": "1.5", "small": "0.0999755859375", "ok": "True"])
  }

  @Test("a mutated file is read or refused, never a trap", arguments: OldFixtures.good.keys.sorted())
  func mutations(name: String) throws {
    let folder = try TemporaryFolder()
    let original = try readBytes(OldFixtures.path(name))
    let path = folder.file("m.pt")
    for seed in 0..<2000 as Range<UInt64> {
      var random = SplitMix64(seed: seed)
      var bytes = original
      if seed % 4 == 0 {
        bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
      } else {
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      try Data(bytes).write(to: URL(filePath: path))
      do { try Fixtures.readAll(path) } catch is any ToolError {}
    }
  }
}

@Suite("Pickles that are refused") struct PickleRefusalTests {
  /// A pickle from opcodes that are text, which most are.
  private func run(_ parts: [[UInt8]], trace: PickleTrace? = nil) throws -> PickleMachine.Result {
    try PickleMachine.run(parts.flatMap { $0 }, file: "test.pkl", trace: trace)
  }

  private func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
  private func text(_ value: String) -> [UInt8] { [0x8C, UInt8(value.utf8.count)] + Array(value.utf8) }

  private func type(_ name: String, _ order: String = "<", fields: [UInt8] = [0x4E]) -> [[UInt8]] {
    [
      global("numpy", "dtype"), text(name), [0x89, 0x88, 0x87, 0x52], [0x28, 0x4B, 3], text(order), [0x4E, 0x4E],
      fields, [0x4B, 0, 0x4B, 0, 0x4B, 0, 0x74, 0x62],
    ]
  }

  private func array(_ type: [[UInt8]], _ shape: [UInt8], _ values: [UInt8]) -> [[UInt8]] {
    [
      [0x80, 2], global("numpy.core.multiarray", "_reconstruct"), global("numpy", "ndarray"), [0x4B, 0, 0x85],
      [0x43, 1, 0x62], [0x87, 0x52, 0x28, 0x4B, 1], shape,
    ] + type + [[0x89], values, [0x74, 0x62, 0x2E]]
  }

  private let four: [UInt8] = [0x43, 4, 0, 0, 0x80, 0x3F]

  @Test("an array of one float is read")
  func control() throws {
    let result = try run(array(type("f4"), [0x4B, 1, 0x85], four))
    #expect(result.graph.tensors.map(\.shape) == [[1]])
    #expect(result.graph.tensors[0].storage.values == [0, 0, 0x80, 0x3F])
  }

  @Test("big-endian values are turned round")
  func bigEndian() throws {
    let result = try run(array(type("f4", ">"), [0x4B, 1, 0x85], four))
    #expect(result.graph.tensors[0].storage.values == [0x3F, 0x80, 0, 0])
  }

  // These sizes and flags are zeros, which numpy writes of none of these types; it writes no fields for a number.
  @Test(
    "a type with a state that numpy does not write is refused: numpy believes it",
    arguments: [
      ("O8", "|", [0x4E] as [UInt8]), ("U3", "<", [0x4E]), ("V8", "|", [0x4E]), ("f4", "<", [0x7D]),
      ("f16", "<", [0x4E]),
    ])
  func types(name: String, order: String, fields: [UInt8]) throws {
    let error = try #require(throws: CheckpointError.self) {
      try run(array(type(name, order, fields: fields), [0x4B, 1, 0x85], four))
    }
    #expect(error.code == .unsafeGlobal)
    #expect(error.place != nil)
  }

  @Test(
    "an array whose values are not as many as its shape says is refused",
    arguments: [[0x4B, 2, 0x85], [0x29, 0x85], [0x4E], [0x4A, 0xFF, 0xFF, 0xFF, 0xFF, 0x85], [0x4B, 0, 0x85]]
      as [[UInt8]])
  func shapes(shape: [UInt8]) throws {
    let error = try #require(throws: CheckpointError.self) { try run(array(type("f4"), shape, four)) }
    #expect(error.code == .badTensor)
  }

  @Test("a list of values, as arrays of objects have it, is refused")
  func list() throws {
    #expect(throws: CheckpointError.self) { try run(array(type("f4"), [0x4B, 1, 0x85], [0x5D])) }
  }

  @Test("a pickled storage may not hold another one, and what it names is surveyed")
  func nested() throws {
    // An inner legacy file whose object is what a bare pickle says.
    func legacy(_ object: [UInt8]) -> [UInt8] {
      [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        + [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E] + [0x80, 2, 0x7D, 0x2E] + object + [0x80, 2, 0x5D, 0x2E]
    }
    func outer(_ inner: [UInt8]) -> [[UInt8]] {
      let count = (0..<4).map { UInt8(truncatingIfNeeded: inner.count >> (8 * $0)) }
      return [
        [0x80, 3], global("torch.storage", "_load_from_bytes"), [0x42], count, inner, [0x85, 0x52, 0x2E],
      ]
    }
    let bad = outer(legacy([0x80, 2] + global("os", "system") + [0x2E]))
    let error = try #require(throws: CheckpointError.self) { try run(bad) }
    #expect(error.code == .unsafeGlobal)
    let names = PickleTrace()
    _ = try run(bad, trace: names)
    #expect(names.names.all.contains { $0.module == "os" && !$0.isAllowed })
    let twice = outer(legacy(outer(legacy([0x80, 2, 0x4E, 0x2E])).flatMap { $0 }))
    #expect(throws: CheckpointError.self) { try run(twice) }
    #expect(throws: CheckpointError.self) { try run(twice, trace: PickleTrace()) }
    // Not a legacy file at all: torch would load it all the same.
    #expect(throws: CheckpointError.self) { try run(outer([0x80, 2, 0x4E, 0x2E]), trace: PickleTrace()) }
  }

  @Test("copying the same bytes again and again is refused", arguments: [false, true])
  func copies(isSurvey: Bool) throws {
    // A text of 64 KiB in the memo, and two thousand times its bytes.
    let letters = [UInt8](repeating: 0x61, count: 1 << 16)
    let start: [UInt8] = [0x80, 2, 0x5D] + [0x58, 0, 0, 1, 0] + letters + [0x71, 1, 0x30]
    let encode = global("_codecs", "encode")
    let step = encode + [0x68, 1] + text("latin1") + [0x86, 0x52, 0x30]
    let bytes = start + (0..<2000).flatMap { _ in step } + [0x2E]
    let error = try #require(throws: CheckpointError.self) { try run([bytes], trace: isSurvey ? PickleTrace() : nil) }
    #expect(error.code == .limit)
  }

  @Test(
    "strings of protocol 0 are what Python reads",
    arguments: [
      ("S'a\\'b\\x41\\101\\n\\q'\n.", "a'bAA\n\\q"), ("V\\u6587\\u5b57 x\n.", "文字 x"), ("V\u{e9}\n.", "\u{c3}\u{a9}"),
      ("V\\U0001f600\n.", "😀"),
    ])
  func strings(pickle: String, expected: String) throws {
    let result = try run([Array(pickle.utf8)])
    #expect(result.graph.string(result.root) == expected)
  }

  @Test("escapes that are none are refused", arguments: ["S'\\x4'\n.", "V\\u12\n.", "V\\U00110000\n.", "S'a\n."])
  func badStrings(pickle: String) { #expect(throws: CheckpointError.self) { try run([Array(pickle.utf8)]) } }
}

@Suite("TarArchive") struct TarArchiveTests {
  private func change(_ name: String, _ edit: (inout [UInt8]) -> Void) throws -> CheckpointError {
    let folder = try TemporaryFolder()
    var bytes = try readBytes(OldFixtures.path(name))
    edit(&bytes)
    let path = try folder.write("a.pt", bytes)
    let error = try #require(throws: (any Error).self) { try Fixtures.readAll(path) }
    return try #require(error as? CheckpointError)
  }

  /// Makes a header's checksum right again.
  private func seal(_ bytes: inout [UInt8], _ at: Int) {
    bytes.replaceSubrange(at + 148..<at + 156, with: [UInt8](repeating: 0x20, count: 8))
    let sum = bytes[at..<at + 512].reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    bytes.replaceSubrange(at + 148..<at + 148 + digits.utf8.count, with: digits.utf8)
    bytes[at + 148 + digits.utf8.count] = 0
  }

  @Test("a damaged header is told by its checksum")
  func checksum() throws { #expect(try change("tar-protocol0.pt") { $0[0] ^= 1 }.code == .badChecksum) }

  @Test("links and devices are refused", arguments: "12345".utf8)
  func kinds(kind: UInt8) throws {
    let error = try change("tar-protocol0.pt") {
      $0[156] = kind
      seal(&$0, 0)
    }
    #expect(
      error.reason.hasPrefix("expected a regular file or a folder, found a member of type \(UnicodeScalar(kind)) "))
  }

  @Test("a size beyond the file is refused, in octal and in binary", arguments: [false, true])
  func sizes(isBinary: Bool) throws {
    let error = try change("tar-protocol0.pt") {
      let size = isBinary ? [0x80, 0, 0, 0, 0x7F] + [UInt8](repeating: 0xFF, count: 7) : Array("77777777777\0".utf8)
      $0.replaceSubrange(124..<136, with: size)
      seal(&$0, 0)
    }
    #expect(error.code == .truncated)
  }

  @Test("a missing member is named, and two of one name are refused")
  func members() throws {
    let missing = try change("tar-protocol0.pt") {
      $0[0] = UInt8(ascii: "x")
      seal(&$0, 0)
    }
    #expect(missing.reason.contains("no member sys_info"))
    let twice = try change("tar-protocol0.pt") {
      // The second member's name becomes that of the first.
      $0.replaceSubrange(1024..<1032, with: $0[0..<8])
      seal(&$0, 1024)
    }
    #expect(twice.reason.contains("two members"))
  }

  @Test("an extended header's size counts")
  func extendedSize() throws {
    let folder = try TemporaryFolder()
    var bytes = try readBytes(OldFixtures.path("tar-protocol0.pt"))
    let size = Int(String(decoding: bytes[124..<135], as: UTF8.self), radix: 8) ?? 0
    // The length counts its own digits, which are two here.
    let record = " size=\(size)\n"
    let block = Array("\(record.utf8.count + 2)\(record)".utf8)
    let digits = Array(String(block.count, radix: 8).utf8)
    var header = Array(bytes[0..<512])
    header[156] = UInt8(ascii: "x")
    header.replaceSubrange(124..<136, with: digits + [UInt8](repeating: 0, count: 12 - digits.count))
    seal(&header, 0)
    // The member's own header says nothing that could be.
    bytes.replaceSubrange(124..<136, with: Array("77777777777\0".utf8))
    seal(&bytes, 0)
    let path = try folder.write(
      "a.pt", header + block + [UInt8](repeating: 0, count: 512 - block.count) + bytes)
    #expect(try Fixtures.contents(Checkpoint.open(path)) == OldFixtures.good["tar-protocol0.pt"]?.tensors)
  }
}
