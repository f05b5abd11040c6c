// Lists in the forms that sites, programs and model cards have: JSON, Markdown, Git LFS pointers, a digest alone.

import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

private let md5 = "d41d8cd98f00b204e9800998ecf8427e"
private let sha = String(repeating: "0cba", count: 16)
private let sha1 = String(repeating: "ab", count: 20)

/// A list, settled in a folder of some files.
private func settled(
  _ text: String, file: String, of single: String? = nil, there: Set<String> = []
) throws -> (list: Manifest, note: String?) {
  var list = try Manifest(bytes: Array(text.utf8), file: file, keepsGoodLines: true)
  let note = try list.settle(file: file, of: single, isThere: there.contains)
  return (list, note)
}

@Suite("Lists in JSON") struct JSONListTests {
  /// What Hugging Face answers at /api/models/…/tree/main: the `oid` of a large file is that of its pointer.
  @Test("Hugging Face's tree: a large file has the SHA-256 of lfs and not the oid of its pointer; folders are none")
  func tree() throws {
    let text = """
      [{"type":"directory","oid":"\(sha1)","size":0,"path":"onnx"},
       {"type":"file","oid":"\(sha1)","size":571,"path":"config.json"},
       {"type":"file","oid":"\(sha1)","size":3500296424,"lfs":{"oid":"\(sha)","size":3500296424,"pointerSize":135},
        "xetHash":"\(sha)","path":"onnx/model-00001-of-00002.safetensors"}]
      """
    let list = try settled(text, file: "tree.json").list
    #expect(list.entries.map(\.path) == ["config.json", "onnx/model-00001-of-00002.safetensors"])
    #expect(list.digests(for: "config.json").map(\.value.hex) == [sha1])
    #expect(list.digests(for: "onnx/model-00001-of-00002.safetensors") == [.sha256: try #require(Digest(hex: sha))])
    #expect(list.sizes == ["config.json": 571, "onnx/model-00001-of-00002.safetensors": 3_500_296_424])
  }

  @Test(
    "other shapes name the same file and digest",
    arguments: [
      #"{"a.bin":"\#(sha)"}"#, #"{"a.bin":"sha256:\#(sha)"}"#, #"{"a.bin":{"sha256":"\#(sha)","size":3}}"#,
      #"{"sha256":{"a.bin":"\#(sha)"}}"#, #"{"version":"1","files":{"a.bin":"\#(sha)"}}"#,
      #"{"files":[{"filename":"a.bin","hash":"\#(sha)"}]}"#, #"{"a.bin":{"hashes":{"sha256":"\#(sha)"}}}"#,
      #"{"siblings":[{"rfilename":"a.bin","blobId":"\#(sha1)","lfs":{"sha256":"\#(sha)","size":3,"pointerSize":1}}]}"#,
      #"{"Code":200,"Data":{"Files":[{"Name":"a.bin","Path":"a.bin","Sha256":"\#(sha)","Size":3,"Type":"blob"}]}}"#,
      #"[{"Algorithm":"SHA256","Hash":"\#(sha.uppercased())","Path":"a.bin"}]"#,
      #"{"bytes":3,"error":null,"md5":null,"path":"a.bin","sha256":"\#(sha)","type":"file"}"# + "\n"
        + #"{"bytes":3,"failed":0,"files":1,"lists":[],"type":"summary"}"#,
      "\u{FEFF}\n{\"a.bin\": \"\(sha)\"}",
    ])
  func shapes(text: String) throws {
    let list = try settled(text, file: "x.json").list
    #expect(list.entries.map(\.path) == ["a.bin"] && list.problems.isEmpty, "\(list)")
    #expect(list.digests(for: "a.bin") == [.sha256: try #require(Digest(hex: sha))])
  }

  @Test(
    "what is not understood is refused by name",
    arguments: [
      (#"{"a.bin":"\#(sha)","../b":"\#(sha)","c":"\#(sha)"}"#, ChecksumErrorCode.pathOutside),
      (#"{"a.bin":"\#(sha)","b":"\#(sha1)","c":"\#(sha)"}"#, .unsupportedAlgorithm),
      (#"{"a.bin":"\#(sha)","b":"hello","c":"\#(sha)"}"#, .malformedLine),
      (
        #"[{"path":"a.bin","sha256":"\#(sha)"},{"path":"b","sha256":"\#(md5)"},{"path":"c","md5":"\#(md5)"}]"#,
        .malformedLine
      ),
      (#"[{"path":"a.bin","sha256":"\#(sha)"},{"path":"b"},{"path":"c","md5":"\#(md5)"}]"#, .unsupportedAlgorithm),
      (
        #"[{"path":"a.bin","sha256":"\#(sha)"},{"file":"b","name":"x","md5":"\#(md5)"},{"path":"c","md5":"\#(md5)"}]"#,
        .malformedLine
      ),
    ])
  func refused(text: String, code: ChecksumErrorCode) throws {
    let list = try settled(text, file: "x.json").list
    #expect(list.entries.map(\.path) == ["a.bin", "c"] && list.problems.map(\.code) == [code], "\(list)")
    #expect(list.problems[0].place?.hasPrefix("entry 2 (") == true)
  }

  @Test(
    "no list, no JSON, contradictions and names that occur twice are errors",
    arguments: [
      "{}", "[]", #"{"a.bin":1}"#, #"{"siblings":[{"rfilename":"a.bin"}]}"#, "{\"a.bin\":\"\(sha)\"",
      #"{"a.bin":"\#(sha)","a.bin":"\#(sha)"}"#,
      #"[{"path":"a","md5":"\#(md5)"},{"path":"a","md5":"\#(md5.replacing("d", with: "e"))"}]"#,
      String(repeating: "[", count: 100_000), #"{"a.bin":"\#(sha)"} x"#,
    ])
  func errors(text: String) {
    #expect(throws: ChecksumError.self) { try Manifest(bytes: Array(text.utf8), file: "x.json", keepsGoodLines: true) }
  }
}

@Suite("Lists in model cards") struct CardTests {
  @Test(
    "a table, a block of code and a sentence say the same",
    arguments: [
      "| File | SHA256 |\n|---|---|\n| a.bin | \(sha) |\n",
      "| 文件 | 大小 | SHA-256 |\n|:--|--:|---|\n| `a.bin` | 13.5 GB | `\(sha)` |",
      "|Model|Source|Checksum (SHA256)|\n|-|-|-|\n|a.bin|https://example.org/x/a.bin|`\(sha)`|",
      "Model | Link\n--- | ---\n[a.bin](https://example.org/resolve/main/a.bin?download=true) | \(sha)\n",
      "|模型|a.bin|\n|---|---|\n|SHA256|\(sha)|\n", "# Card\n\n```\n$ sha256sum *\n\(sha)  a.bin\n```\n",
      "```text\n\(sha) *./a.bin\n```", "~~~\nSHA256 (a.bin) = \(sha)\n~~~\n", "- `a.bin`: sha256 `\(sha)`\n",
      "* a.bin — SHA-256: \(sha)\n", "The SHA256 of **a.bin** is \(sha).md\n".replacing(".md", with: ""),
    ])
  func forms(text: String) throws {
    let list = try settled("---\nlicense: gpl-3.0\n---\n# Model\nText 7B.\n\n" + text, file: "README.md").list
    #expect(list.entries.map(\.path) == ["a.bin"] && list.problems.isEmpty, "\(list)")
    #expect(list.digests(for: "a.bin") == [.sha256: try #require(Digest(hex: sha))])
  }

  @Test("a column a file, and two digests of one file")
  func columns() throws {
    let other = md5.replacing("d", with: "e")
    let text =
      "|模型|weights.pth|weights_2.pth|\n|---|---|---|\n|MD5|\(md5)|\(other)|\n\n"
      + "| file | MD5 | SHA-256 |\n|---|---|---|\n| a\\|b.bin | \(md5) | \(sha) |\n"
    let list = try settled(text, file: "README.md").list
    #expect(list.entries.map(\.path) == ["weights.pth", "weights_2.pth", "a|b.bin"])
    #expect(list.digests(for: "a|b.bin").count == 2)
  }

  @Test("of several sets of files the one that is there counts; where two contradict each other neither does")
  func sections() throws {
    let other = md5.replacing("d", with: "e")
    let text = "## 7B\n```\n\(md5)  a.bin\n```\n## Encrypted\n```\n\(other)  a.bin.enc\n\(md5)  b.enc\n```\n"
    let (list, note) = try settled(text, file: "README.md", there: ["a.bin"])
    #expect(list.entries.map(\.path) == ["a.bin"] && note?.contains("a.bin.enc") == true)
    #expect(try settled(text, file: "README.md").list.entries.count == 3)
    let two = "## 7B\n```\n\(md5)  a.bin\n\(md5)  c.json\n```\n## 13B\n```\n\(other)  a.bin\n```\n"
    let both = try settled(two, file: "README.md", there: ["a.bin", "c.json"]).list
    #expect(both.entries.map(\.path) == ["c.json"] && both.problems.map(\.code) == [.contradiction])
  }

  @Test(
    "a digest that is called one, and of no file that its line tells, is a problem",
    arguments: [
      "MD5: \(md5)\n", "MD5 of a.bin or b.bin: \(md5)\n", "| file | MD5 |\n|---|---|\n| a.bin | \(sha) |\n",
      "| A | B | MD5 |\n|---|---|---|\n| a.bin | b.bin | \(md5) |\n", "a.bin MD5: \(sha)\n",
    ])
  func strays(text: String) throws {
    let list = try settled("```\n\(md5)  x.bin\n```\n" + text, file: "README.md").list
    #expect(list.entries.map(\.path) == ["x.bin"] && list.problems.map(\.code) == [.malformedLine], "\(list)")
  }

  @Test(
    "numbers of as many digits are no digests; a card without any is no list",
    arguments: ["see https://wandb.ai/x/runs/\(md5)/a.bin", "commit \(sha1) of a.bin", "dataset \(md5)", "# a.bin"])
  func others(text: String) {
    #expect(throws: ChecksumError.self) { try Manifest(bytes: Array(text.utf8), file: "README.md") }
  }

  @Test("paths out of the folder are refused by name", arguments: ["../a.bin", "x/../../a.bin"])
  func outside(path: String) throws {
    let list = try settled("| file | MD5 |\n|---|---|\n| `\(path)` | \(md5) |\n| b.bin | \(md5) |", file: "c.md").list
    #expect(list.entries.map(\.path) == ["b.bin"] && list.problems.map(\.code) == [.pathOutside])
  }
}

@Suite("Digests alone, and pointers") struct NamelessTests {
  private static let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\(sha)\nsize 12345\n"

  @Test(
    "a digest alone is of the one file that is held against it",
    arguments: [sha, "sha256:\(sha)", "SHA256: \(sha)\n", "{\"sha256\":\"\(sha)\"}"])
  func alone(text: String) throws {
    #expect(try settled(text, file: "digest.txt", of: "a.bin").list.digests(for: "a.bin").count == 1)
    let error = #expect(throws: ChecksumError.self) { try settled(text, file: "digest.txt", there: ["a.bin"]) }
    #expect(error?.code == .notAList && error?.reason.contains("does not say which file") == true)
  }

  @Test("both digests of one file, with their names")
  func both() throws {
    #expect(try settled("MD5: \(md5)\nSHA256: \(sha)\n", file: "x", of: "a").list.digests(for: "a").count == 2)
  }

  @Test(
    "a digest on the command line has 32 or 64 digits",
    arguments: [sha1, String(sha.dropLast()), "", "a.bin", "md5:\(sha)", md5 + sha])
  func badDigest(text: String) {
    #expect(throws: ChecksumError.self) { try Manifest(digest: text) }
  }

  @Test("a pointer has the digest and the size of the file that is called as it is, or without its ending")
  func pointers() throws {
    for (file, there, name) in [
      ("p/model.bin", "model.bin", "model.bin"), ("model.bin.pointer", "model.bin", "model.bin"),
      ("p/model.bin", "other", "model.bin"),
    ] {
      let list = try settled(Self.pointer, file: file, there: [there]).list
      #expect(list.entries.map(\.path) == [name] && list.sizes == [name: 12345])
    }
    #expect(try settled(Self.pointer, file: "x", of: "model.bin").note?.contains("taken for what model.bin") == true)
  }

  @Test(
    "a pointer without a digest is refused",
    arguments: ["version https://git-lfs.github.com/spec/v1\nsize 3\n", pointer.replacing("0cba", with: "xyz!")])
  func badPointer(text: String) {
    #expect(throws: ChecksumError.self) { try Manifest(bytes: Array(text.utf8), file: "model.bin") }
  }

  @Test("a folder of pointers is a list; other files in it are counted")
  func folder() throws {
    let folder = try TemporaryFolder()
    try folder.write("model.bin", Self.pointer)
    try folder.write("sub/x.bin", Self.pointer)
    try folder.write("config.json", "{}")
    let (list, others) = try Manifest.pointers(in: folder.path)
    #expect(list.entries.map(\.path) == ["model.bin", "sub/x.bin"] && others == 1)
    #expect(throws: ByteIOError.self) { try Manifest.pointers(in: folder.file("none")) }
  }
}

@Suite("Lists that this program writes") struct WrittenListTests {
  @Test("what is written is read back, with any name, by us; the card too")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    var lists = PublishedLists()
    let names = ["a.bin", "b c.txt", "back\\slash", "two\nlines", "x```y", "a|b", "名字.json"]
    for name in names {
      lists.files[name] = [
        .md5: try DigestStream.digest(.md5, of: Array(name.utf8)),
        .sha256: try DigestStream.digest(.sha256, of: Array(name.utf8)),
      ]
    }
    lists.decrypted = ["plain.bin": lists.files["a.bin"] ?? [:]]
    let paths = try lists.write(in: folder.path, replacing: false, inputs: InputRecord())
    #expect(
      paths.map { Folder.name(of: $0) } == [
        "MD5SUMS", "decrypted.md5", "SHA256SUMS", "decrypted.sha256", "checksums.md",
      ])
    for path in paths {
      var list = try Manifest(contentsOf: path, keepsGoodLines: true)
      _ = try list.settle(file: path) { names.contains($0) }
      let isDecrypted = Folder.name(of: path).hasPrefix("decrypted")
      #expect(list.entries.count == (isDecrypted ? 1 : names.count) && list.problems.isEmpty, "\(path) \(list)")
    }
    // The same again changes nothing; something else is not replaced.
    #expect(try lists.write(in: folder.path, replacing: false, inputs: InputRecord()) == paths)
    lists.files["new"] = lists.files["a.bin"]
    #expect(throws: ByteIOError.self) { try lists.write(in: folder.path, replacing: false, inputs: InputRecord()) }
    _ = try lists.write(in: folder.path, replacing: true, inputs: InputRecord())
  }

  @Test("the list beside decrypted files keeps what is still there, and forgets what is gone")
  func update() throws {
    let folder = try TemporaryFolder()
    let digest = try #require(Digest(hex: sha))
    for name in ["a", "b"] { try folder.write(name, name) }
    #expect(try WrittenList.update(["a": digest], in: folder.path, inputs: InputRecord()))
    #expect(try !WrittenList.update(["a": digest], in: folder.path, inputs: InputRecord()))
    #expect(try WrittenList.update(["b": digest], in: folder.path, inputs: InputRecord()))
    let text = "\(sha)  a\n\(sha)  b\n"
    #expect(try readBytes(folder.file(WrittenList.name)) == Array(text.utf8))
    try FileManager.default.removeItem(atPath: folder.file("a"))
    #expect(try WrittenList.update(["b": digest], in: folder.path, inputs: InputRecord()))
    #expect(try readBytes(folder.file(WrittenList.name)) == Array("\(sha)  b\n".utf8))
    try folder.write(WrittenList.name, "my own notes\n")
    #expect(throws: ChecksumError.self) {
      try WrittenList.update(["b": digest], in: folder.path, inputs: InputRecord())
    }
    #expect(try readBytes(folder.file(WrittenList.name)) == Array("my own notes\n".utf8))
  }
}
