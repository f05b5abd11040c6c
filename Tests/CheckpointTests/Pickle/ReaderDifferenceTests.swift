// Files that a loader reads otherwise than a survey did: Python's tarfile and zipfile, numpy and joblib. Each was seen to
// run code in the loader that it names, and was called harmless.

import ByteIO
import FuzzedParsers
import Testing

@testable import Checkpoint

private typealias P = PickleBytes
private let bad = P.call()
private let good: [UInt8] = [0x80, 2, 0x7D, 0x2E]
private let version: (String, [UInt8]) = ("archive/version", Array("3\n".utf8))
private let numbers = P.npy(
  "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", [UInt8](repeating: 1, count: 32))

private func objects(_ pickle: [UInt8]) -> [UInt8] {
  P.npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle)
}

@Suite("Numbers in tars are read as Python's tarfile reads them") struct TarNumberTests {
  /// A first member without the word `ustar` and with a checksum of one's own, and a hostile one behind it.
  private static func tar(_ name: [UInt8], link: [UInt8] = [], _ checksum: (_ sum: Int, _ signed: Int) -> [UInt8])
    -> [UInt8]
  {
    var header = P.tarMember(name, [], magic: [])
    header.replaceSubrange(157..<157 + link.count, with: link)
    for index in 148..<156 { header[index] = 0x20 }
    let sum = header.reduce(0) { $0 + Int($1) }
    let signed = header.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
    header.replaceSubrange(148..<156, with: checksum(sum, signed))
    return header + P.tar([(Array("pickle".utf8), bad)])
  }

  private static func octal(_ value: Int, _ width: Int) -> String {
    let digits = String(value, radix: 8)
    return String(repeating: "0", count: width - digits.count) + digits
  }

  private static let kinds: [(name: String, bytes: [UInt8])] = [
    ("a blank of texts before it", tar([0xFE]) { sum, _ in Array("\u{1C}\(octal(sum, 6))\u{0}".utf8) }),
    ("a blank of texts behind it", tar([0xFE]) { sum, _ in Array("\(octal(sum, 6))\u{1F}\u{0}".utf8) }),
    ("a prefix and an underscore", tar([0xFE]) { sum, _ in Array("0o_\(octal(sum, 4))\u{0}".utf8) }),
    (
      "a negative number in base 256",
      tar([0xFE] + [UInt8](repeating: 0x80, count: 98), link: [UInt8](repeating: 0x80, count: 100)) { _, signed in
        [0xFF] + (0..<7).reversed().map { UInt8(truncatingIfNeeded: signed >> (8 * $0)) }
      }
    ),
  ]

  @Test("also in the checksum, which makes a file a tar", arguments: kinds.map(\.name))
  func checksums(name: String) throws {
    let file = try #require(Self.kinds.first { $0.name == name })
    #expect(TarArchive.isTar(file.bytes))
    #expect(try !P.survey(file.bytes).isSafe)
  }

  @Test("and an extended header goes on to the end of its block")
  func padding() throws {
    var header = P.pax([("comment", "x")])
    let record = Array("17 path=storages\n".utf8)
    let end = 512 + "13 comment=x\n".utf8.count
    header.replaceSubrange(end..<end + record.count, with: record)
    let file = header + P.tar([(Array("notes".utf8), Array("notes".utf8))])
    #expect(try !P.survey(file).isSafe)
    #expect(try P.survey(P.pax([("comment", "x")]) + P.tar([(Array("notes".utf8), Array("notes".utf8))])).isSafe)
  }
}

@Suite("Of a zip every reader sees the same members") struct ZipReaderTests {
  private static func word(_ value: Int) -> [UInt8] { Array(P.length(value).prefix(2)) }
  private static func wide(_ value: Int) -> [UInt8] { P.length(value) + P.length(value >> 32) }

  /// A local header with its bytes; and the entry of the directory that tells of it.
  private static func member(
    _ name: String, _ bytes: [UInt8], at offset: Int, comment: [UInt8] = [], extra: [UInt8] = []
  )
    -> (local: [UInt8], entry: [UInt8])
  {
    let file = P.zip([(name, bytes)])
    let localSize = 30 + name.utf8.count + bytes.count
    var entry = Array(file[localSize..<file.count - 22])
    entry.replaceSubrange(30..<34, with: word(extra.count) + word(comment.count))
    entry.replaceSubrange(42..<46, with: P.length(offset))
    return (Array(file[..<localSize]), entry + extra + comment)
  }

  private static func end(_ count: Int, _ size: Int, _ offset: Int) -> [UInt8] {
    [0x50, 0x4B, 5, 6] + word(0) + word(0) + word(count) + word(count) + P.length(size) + P.length(offset) + word(0)
  }

  private static func wideEnd(_ count: Int, _ size: Int, _ offset: Int) -> [UInt8] {
    [0x50, 0x4B, 6, 6] + wide(44) + word(45) + word(45) + P.length(0) + P.length(0) + wide(count) + wide(count)
      + wide(size) + wide(offset)
  }

  private static func locator(_ offset: Int) -> [UInt8] {
    [0x50, 0x4B, 6, 7] + P.length(0) + wide(offset) + P.length(1)
  }

  @Test("as many as its directory has, whatever it counts")
  func count() throws {
    var file = P.zip([("good.npy", numbers), ("a.npy", objects(bad))])
    file.replaceSubrange(file.count - 14..<file.count - 10, with: Self.word(1) + Self.word(1))
    #expect(try !P.survey(file, "a.npz").isSafe)
  }

  @Test("by the zip64 record before the locator and no other")
  func wideRecords() throws {
    let seen = Self.member("good.npy", numbers, at: 0)
    let body = seen.local + Self.member("a.npy", objects(bad), at: 0).local
    // The locator points to a first record; where zipfile looks is none, and it takes the 32-bit one.
    let record = Self.wideEnd(1, seen.entry.count, body.count)
    let start = body + seen.entry + record
    let hidden = Self.member(
      "a.npy", objects(bad), at: seen.local.count,
      comment: [UInt8](repeating: 0x78, count: 56) + Self.locator(body.count + seen.entry.count))
    #expect(
      try !P.survey(start + hidden.entry + Self.end(1, hidden.entry.count, start.count), "a.npz").isSafe)
  }

  @Test("whatever the 32-bit record says beside it", arguments: [false, true])
  func narrowRecord(isSame: Bool) throws {
    let seen = Self.member("good.npy", numbers, at: 0)
    let body = seen.local + Self.member("a.npy", objects(bad), at: 0).local
    let size = seen.entry.count
    let hidden = Self.member("a.npy", objects(bad), at: seen.local.count)
    let start = body + hidden.entry
    let wide = start + seen.entry + Self.wideEnd(1, size, start.count) + Self.locator(start.count + size)
    let file = wide + (isSame ? Self.end(1, size, start.count) : Self.end(1, hidden.entry.count, body.count))
    #expect(try P.survey(file, "a.npz").isSafe == isSame)
    #expect(try P.survey(wide + Self.end(0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), "a.npz").isSafe)
  }

  @Test("also where its offsets count from before the file begins")
  func front() throws {
    let prefix = [UInt8](repeating: 0x78, count: 64)
    let hidden = Self.member("data.pkl", bad, at: prefix.count + 100_000)
    let body = prefix + hidden.local
    #expect(try !P.survey(body + hidden.entry + Self.end(1, hidden.entry.count, body.count + 100_000)).isSafe)
    let right = Self.member("data.pkl", [0x80, 2, 0x4E, 0x2E], at: prefix.count)
    let file = prefix + right.local + right.entry
    #expect(try P.survey(file + Self.end(1, right.entry.count, (prefix + right.local).count)).isSafe)
  }

  @Test("also of one that ends long before the file does", arguments: [65536, 65536 + 4000])
  func tails(count: Int) throws {
    let file = [UInt8](repeating: 0x78, count: 64) + P.zip([("archive/data.pkl", bad), version])
    #expect(try !P.survey(file + [UInt8](repeating: 0x78, count: count)).isSafe)
  }
}

@Suite("numpy and pickle read one thing behind the other") struct NumpyRowTests {
  private static let rows: [(name: String, bytes: [UInt8])] = [
    ("numbers, then objects", numbers + objects(bad)), ("numbers, then a pickle", numbers + bad),
    ("numbers twice, then objects", numbers + numbers + objects(bad)),
    ("objects, then objects", objects(good) + objects(bad)), ("a pickle, then objects", good + objects(bad)),
    ("a pickle, numbers, then a pickle", good + numbers + bad),
    (
      "more numbers than can be counted",
      P.npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", bad)
    ),
  ]

  @Test("and each is looked at", arguments: rows.map(\.name))
  func told(name: String) throws {
    let file = try #require(Self.rows.first { $0.name == name })
    #expect(try !P.survey(file.bytes, "a.npy").isSafe)
    #expect(try !P.survey(P.zip([("a.npy", file.bytes)]), "a.npz").isSafe)
  }

  @Test("and numbers in any number are not accused")
  func honest() throws {
    #expect(try P.survey((0..<1500).flatMap { _ in numbers } + good, "a.npy").isSafe)
    let texts = P.npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", Array(bad.prefix(24)))
    #expect(try P.survey(texts + texts, "a.npy").isSafe)
  }

  @Test("and a storage of a zip that is an array of objects is one to numpy", arguments: [false, true])
  func storages(isObjects: Bool) throws {
    let values = isObjects ? objects(bad) : numbers
    let id = P.text("storage") + P.global("torch", "ByteStorage") + P.text("0") + P.text("cpu")
    let pickle = [0x80, 2, 0x28] + id + [0x4B, UInt8(values.count)] + Array("tQ.".utf8)
    let file = P.zip([("archive/data.pkl", pickle), ("archive/data/0", values), version])
    #expect(try P.survey(file, "a.npz").isSafe != isObjects)
  }
}

@Suite("joblib's first form of compression") struct ZFileTests {
  private static let zlib: [UInt8] = [0x78, 0xDA, 0x4B, 0x04, 0, 0, 0x62, 0, 0x62]

  @Test(
    "by any hexadecimal number that Python takes",
    arguments: ["0x1", "1", " 0x1", "+1", "0X1", "0_1", "0x_1", "\t1", "00000000000000000a1"])
  func numbers(text: String) throws {
    let length = text + String(repeating: " ", count: 19 - text.utf8.count)
    #expect(try !P.survey(Array("ZF\(length)".utf8) + Self.zlib, "a.joblib").isSafe)
  }

  @Test("and no text that begins so", arguments: ["ZF is the name of a company, which makes gears\n", "ZF\n", "ZF1\n"])
  func texts(text: String) throws {
    #expect(Compression.name(of: Array(text.utf8)) == nil)
  }
}

@Suite("torch reads one checkpoint behind the other") struct CheckpointRowTests {
  /// torch's old container of one storage.
  private static func legacy(_ values: [UInt8]) -> [UInt8] {
    let magic: [UInt8] = [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    let id = P.text("storage") + P.global("torch", "ByteStorage") + P.text("0") + P.text("cpu")
    let object = [0x80, 2, 0x28] + id + [0x4B, UInt8(values.count), 0x4E] + Array("tQ.".utf8)
    let keys = [0x80, 2, 0x5D] + P.text("0") + [0x61, 0x2E]
    return magic + [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E] + good + object + keys + P.length(values.count) + P.length(0)
      + values
  }

  @Test("also behind the values of its old container")
  func told() throws {
    let one = Self.legacy(bad)
    #expect(try P.survey(one).isSafe)
    #expect(try P.survey(one + one + one).isSafe)
    #expect(try !P.survey(one + bad).isSafe)
    #expect(try !P.survey(one + one + bad).isSafe)
    #expect(try !P.survey(one + objects(bad)).isSafe)
  }
}
