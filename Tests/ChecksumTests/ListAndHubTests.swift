// Lists as other systems write them, and what Hugging Face's programs note of their downloads.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

@Suite("Lists of other makes") struct ForeignListTests {
  private static let md5 = "d41d8cd98f00b204e9800998ecf8427e"

  @Test(
    "UTF-16, as PowerShell writes it, in either order and without a mark",
    arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian], ["\u{FEFF}", ""])
  func utf16(encoding: String.Encoding, mark: String) throws {
    let folder = try TemporaryFolder()
    let text = "\(mark)\(Self.md5)  config.json\r\n\(Self.md5) *dir/模型.bin\r\n"
    let path = try folder.write("list", [UInt8](try #require(text.data(using: encoding))))
    #expect(try Manifest(contentsOf: path).entries.map(\.path) == ["config.json", "dir/模型.bin"])
  }

  @Test("lines that end with NUL, as `md5sum -z` writes them, with any name")
  func zero() throws {
    let text = "\(Self.md5)  a\nb\0\(Self.md5)  c\\d\0"
    #expect(try Manifest(text: text).entries.map(\.path) == ["a\nb", "c\\d"])
  }

  @Test(
    "Windows' backslashes are slashes, but for names that are escaped",
    arguments: [
      ("\(md5)  dir\\a.bin", "dir/a.bin"), ("\(md5) *.\\dir\\a.bin", "dir/a.bin"),
      ("MD5 (dir\\a.bin) = \(md5)", "dir/a.bin"),
      ("\\\(md5)  dir\\\\a.bin", "dir\\a.bin"),
    ])
  func backslashes(line: String, path: String) throws {
    #expect(try Manifest(text: line).entries.map(\.path) == [path])
  }

  @Test(
    "paths out of the folder stay refused in that form, too",
    arguments: ["..\\a", "C:\\a", "\\\\server\\a", "a\\..\\..\\b"])
  func outside(path: String) {
    let error = #expect(throws: ChecksumError.self) { try Manifest(text: "\(Self.md5)  good\n\(Self.md5)  \(path)") }
    #expect(error?.code == .pathOutside)
  }

  @Test(
    "of a list with one bad line the others are kept, and the line is told",
    arguments: ["\(md5)0  a", "0cc175b9c0f1b6a831c399e26977266  a", "\(md5)00000000  a", "hello", "\(md5)  ../a"])
  func oneBadLine(line: String) throws {
    let text = "\(Self.md5)  one\n\(line)\n\(Self.md5)  two\n"
    let list = try Manifest(text: text, file: "list", keepsGoodLines: true)
    #expect(list.entries.map(\.path) == ["one", "two"])
    #expect(list.problems.map(\.place) == ["line 2"])
    #expect(throws: ChecksumError.self) { try Manifest(text: text) }
    // What is mostly something else is no list.
    #expect(throws: ChecksumError.self) {
      try Manifest(text: "\(Self.md5)  one\n\(line)\n\(line)\n", keepsGoodLines: true)
    }
  }
}

@Suite("Hugging Face's downloads") struct HubDownloadTests {
  static func sha256(_ text: String) throws -> String { try DigestStream.digest(.sha256, of: Array(text.utf8)).hex }
  static func git(_ text: String) throws -> String { try DigestStream.digest(.gitBlob, of: Array(text.utf8)).hex }

  @Test("git's digest is git's: `git hash-object` of hello and of nothing")
  func gitDigest() throws {
    #expect(try Self.git("hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a")
    #expect(try Self.git("") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
  }

  @Test("a snapshot's files have the digests that their blobs are named by; one without its blob is listed, too")
  func snapshot() throws {
    let folder = try TemporaryFolder()
    let root = folder.file("models--o--n")
    try folder.write("models--o--n/blobs/\(Self.sha256("w"))", "w")
    try folder.write("models--o--n/blobs/\(Self.git("c"))", "c")
    try folder.write("models--o--n/snapshots/abc/sub/x", "x")
    let links = [
      ("model.safetensors", "../../blobs/\(try Self.sha256("w"))"), ("config.json", "../../blobs/\(try Self.git("c"))"),
      ("gone.bin", "../../blobs/\(try Self.sha256("gone"))"), ("sub/y", "../../../blobs/\(try Self.git("c"))"),
    ]
    for (name, target) in links {
      try FileManager.default.createSymbolicLink(atPath: "\(root)/snapshots/abc/\(name)", withDestinationPath: target)
    }
    let list = try #require(try HubDownload.manifest(of: root + "/snapshots/abc"))
    #expect(list.entries.map(\.path).sorted() == ["config.json", "gone.bin", "model.safetensors", "sub/y"])
    #expect(list.digests(for: "config.json")[.gitBlob]?.hex == (try Self.git("c")))
    let whole = try #require(try HubDownload.manifest(of: root))
    #expect(whole.entries.count == 6)
    try folder.write("models--o--n/blobs/\(Self.sha256("gone")).incomplete", "go")
    #expect(try HubDownload.unfinished(in: root).count == 1)
    try folder.write("models--o--n/blobs/\(Self.sha256("gone"))", "gone")
    #expect(try HubDownload.unfinished(in: root).isEmpty)
  }

  @Test(
    "the notes below a downloaded folder have the files' digests", arguments: [".cache/huggingface", ".huggingface"])
  func notes(place: String) throws {
    let folder = try TemporaryFolder()
    let note = { (tag: String) in "\(String(repeating: "a", count: 40))\n\(tag)\n1700000000.0\n" }
    try folder.write("\(place)/download/model.safetensors.metadata", note(Self.sha256("w")))
    try folder.write("\(place)/download/sub/config.json.metadata", note("\"\(try Self.git("c"))\""))
    try folder.write("\(place)/download/odd.metadata", note("\"12-34\""))
    try folder.write("\(place)/download/short.metadata", "x")
    let list = try #require(try HubDownload.manifest(of: folder.path))
    #expect(list.entries.map(\.path).sorted() == ["model.safetensors", "sub/config.json"])
    #expect(try HubDownload.manifest(of: TemporaryFolder().path) == nil)
  }
}

@Suite("Sizes that are known") struct KnownSizeTests {
  @Test("a size is wrong by a byte where it is known exactly, and far below where a page rounded it")
  func faults() {
    #expect(KnownSize.exactly(100).fault(of: 100, in: "x") == nil)
    #expect(KnownSize.exactly(100).fault(of: 99, in: "x")?.isShort == true)
    #expect(KnownSize.exactly(100).fault(of: 101, in: "x")?.isShort == false)
    #expect(KnownSize.about(1_000_000).fault(of: 985_000, in: "x") == nil)
    #expect(KnownSize.about(1_000_000).fault(of: 900_000, in: "x")?.isShort == true)
  }
}
