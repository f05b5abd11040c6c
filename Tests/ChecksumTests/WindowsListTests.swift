// Lists of Windows' programs, of other machines, and of other line ends (kind 11).

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

@Suite("Lists from Windows and from other machines (kind 11)") struct WindowsListTests {
  private static let md5 = "d41d8cd98f00b204e9800998ecf8427e"
  private static let sha = String(repeating: "0CBA", count: 16)

  /// A list, settled in a folder of some files.
  private func settled(_ text: String, file: String = "list", there: Set<String>) throws -> (Manifest, note: String?) {
    var list = try Manifest(text: text, file: file, keepsGoodLines: true)
    let note = try list.settle(file: file, isThere: there.contains)
    return (list, note)
  }

  @Test(
    "forms of PowerShell and certutil",
    arguments: [
      "\nAlgorithm       Hash                                     Path\n---------       ----                  ----\n"
        + "SHA256          \(sha)       C:\\Users\\me\\model\\a.bin\nSHA256          \(sha)       C:\\Users\\me\\model\\my model.bin\n\n",
      "\n\nAlgorithm : SHA256\nHash      : \(sha)\nPath      : C:\\Users\\me\\model\\a.bin\n\n"
        + "Algorithm : SHA256\nHash      : \(sha.prefix(40))\n            \(sha.dropFirst(40))\n"
        + "Path      : C:\\Users\\me\\mod\n            el\\my model.bin\n\n\n",
      "\"Algorithm\",\"Hash\",\"Path\"\n\"SHA256\",\"\(sha)\",\"C:\\Users\\me\\model\\a.bin\"\n"
        + "\"SHA256\",\"\(sha)\",\"C:\\Users\\me\\model\\my model.bin\"\n",
      "SHA256 hash of C:\\Users\\me\\model\\a.bin:\n\(sha.lowercased())\nCertUtil: -hashfile command completed successfully.\n"
        + "SHA256 hash of file C:\\Users\\me\\model\\my model.bin:\n" + String(repeating: "0c ba ", count: 16)
        + "\nCertUtil: -hashfile command completed successfully.\n",
      "SHA256 的 C:\\Users\\me\\model\\a.bin 哈希:\n\(sha.lowercased())\nCertUtil: -hashfile 命令成功完成。\n"
        + "SHA256 哈希(文件 C:\\Users\\me\\model\\my model.bin):\n\(sha.lowercased())\nCertUtil: -hashfile 命令成功完成。\n",
    ], ["\n", "\r\n", "\r"])
  func windows(text: String, end: String) throws {
    let text = text.replacingOccurrences(of: "\n", with: end)
    let (manifest, note) = try settled(text, there: ["a.bin", "my model.bin"])
    #expect(manifest.entries.map(\.path) == ["a.bin", "my model.bin"])
    #expect(manifest.entries.allSatisfy { $0.digests[.sha256]?.hex == Self.sha.lowercased() })
    #expect(manifest.problems.isEmpty)
    #expect(note?.contains("absolute") == true)
  }

  @Test("a path that PowerShell cut off is told, and digests that are not read are named")
  func unread() throws {
    let (list, _) = try settled(
      "SHA256          \(Self.sha)       C:\\Users\\me\\model\\very-lo...\n\(Self.md5)  b\n", there: ["b"])
    #expect(list.entries.map(\.path) == ["b"])
    #expect(list.problems.first?.reason.contains("PowerShell") == true)
    let (other, _) = try settled(
      "SHA1      \(String(repeating: "A", count: 40))   C:\\a\n\(Self.md5)  b\n", there: ["b"])
    #expect(other.problems.first?.reason.contains("40 hexadecimal digits") == true)
  }

  @Test(
    "absolute paths are those of the files whose paths end alike",
    arguments: [
      (["/home/x/model/a.bin", "/home/x/model/b.bin"], ["a.bin", "b.bin"], ["a.bin", "b.bin"]),
      (["/home/x/model/a.bin"], ["a.bin"], ["a.bin"]),
      (["/home/x/model/a.bin", "/home/x/model/sub/b.bin"], ["a.bin", "sub/b.bin"], ["a.bin", "sub/b.bin"]),
      (
        ["/home/x/model/a.bin", "/home/x/model/b.bin"], ["model/a.bin", "model/b.bin"], ["model/a.bin", "model/b.bin"]
      ),
      // One is missing, and so is the other.
      (["/home/x/model/a.bin", "/home/x/model/b.bin"], ["a.bin"], ["a.bin", "b.bin"]),
      (["/home/x/model/a.bin", "/home/x/model/b.bin"], [], ["a.bin", "b.bin"]),
      // Of two folders.
      (["/data/one/a.bin", "/home/x/two/b.bin"], ["a.bin", "b.bin"], ["a.bin", "b.bin"]),
      (["~/model/a.bin"], ["a.bin"], ["a.bin"]), (["D:/model/a.bin"], ["a.bin"], ["a.bin"]),
      (["\\\\server\\share\\a.bin"], ["a.bin"], ["a.bin"]),
    ] as [([String], Set<String>, [String])])
  func absolute(paths: [String], there: Set<String>, found: [String]) throws {
    let (list, note) = try settled(paths.map { "\(Self.md5)  \($0)\n" }.joined(), there: there)
    #expect(list.entries.map(\.path) == found)
    #expect(list.problems.isEmpty)
    #expect(note != nil)
  }

  @Test("where two ends of a path do, none is taken")
  func ambiguous() throws {
    let (list, note) = try settled("\(Self.md5)  /home/x/model/a.bin\n", there: ["a.bin", "model/a.bin"])
    #expect(list.entries.isEmpty && note == nil)
    #expect(list.problems.first?.reason.contains("model/a.bin or a.bin") == true)
    // Paths that lead out stay refused.
    let (other, _) = try settled("\(Self.md5)  /home/../a\n\(Self.md5)  b\n", there: ["a", "b"])
    #expect(other.entries.map(\.path) == ["b"])
    #expect(other.problems.map(\.code) == [.pathOutside])
  }

  @Test("line ends of CR alone, as old Macintoshes have them")
  func carriageReturns() throws {
    #expect(try Manifest(text: "\(Self.md5)  a\r\(Self.md5)  b\r").entries.map(\.path) == ["a", "b"])
  }

  @Test(
    "a digest alone is of the file that the list is named after",
    arguments: ["a.bin.sha256", "a.bin.md5", "A.BIN.SHA256SUM"])
  func alone(name: String) throws {
    let digest = name.lowercased().contains("md5") ? Self.md5 : Self.sha
    let list = try Manifest(text: digest + "\r\n", file: "/x/" + name)
    #expect(list.entries.map { $0.path.lowercased() } == ["a.bin"])
    #expect(throws: ChecksumError.self) { try Manifest(text: digest, file: "/x/list") }
  }

  @Test(
    "UTF-16 without a mark, whatever the names are written in",
    arguments: ["모델-가중치-파일-이름-열두글자.bin", "модель.bin", "a.bin"], [String.Encoding.utf16LittleEndian, .utf16BigEndian])
  func utf16(name: String, encoding: String.Encoding) throws {
    for text in ["\(Self.md5)  \(name)\r\n", "\(Self.md5) *\(name)"] {
      let bytes = [UInt8](try #require(text.data(using: encoding)))
      #expect(try Manifest(bytes: bytes, file: "list").entries.map(\.path) == [name])
    }
  }
}
