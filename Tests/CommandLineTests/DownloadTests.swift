// Downloads as they come: unfinished, renamed, incomplete, with a damaged key.

import Checksum
import Foundation
import TestSupport
import Testing

private func move(_ path: String, to other: String) throws {
  try FileManager.default.moveItem(atPath: path, toPath: other)
}

@Suite("Downloads that are not finished or were renamed") struct UnfinishedDownloadTests {
  /// They were "left alone, no .enc files", with exit status 0.
  @Test(
    "an encrypted file under a downloader's name fails, and the others come out",
    arguments: [
      ".part", ".partial", ".crdownload", ".incomplete", ".download", ".opdownload", ".td", ".!qB", ".downloading",
      ".tmp",
      "?download=true", "%3Fdownload=true", ".txt", ".zip", "ENC", ".1", " (1)",
    ])
  func endings(ending: String) throws {
    let release = try Release()
    let path = try release.encrypted("pytorch_model.bin")
    try move(path, to: ending == "ENC" ? path.dropLast(4) + ".ENC" : path + ending)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains(ending == "ENC" ? "another case" : ending), "\(run.errors)")
    #expect(run.output.contains("failed    pytorch_model.bin"))
    #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
    #expect(try release.decrypt("--dry-run").status == 1)
  }

  @Test(
    "what is left of a download that was finished, lists and signatures are no failure",
    arguments: [".part", ".1", ".sha256", ".asc", ".metadata"])
  func leftovers(ending: String) throws {
    let release = try Release(large: 0)
    let name = URL(filePath: try release.encrypted("config.json")).lastPathComponent
    try release.folder.write("enc/" + name + ending, "x")
    let run = try release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains(ending))
  }

  @Test("a note of aria2, and an unfinished file of Hugging Face's program, are unfinished downloads")
  func notes() throws {
    let release = try Release()
    let path = try release.encrypted("pytorch_model.bin")
    try release.folder.write("enc/" + URL(filePath: path).lastPathComponent + ".aria2", "x")
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains(".aria2 lies beside it"))

    let other = try Release(large: 0)
    let name = "pytorch_model.bin.\(String(repeating: "ab", count: 32)).enc"
    try other.folder.write(
      "enc/.cache/huggingface/download/\(name).\(String(repeating: "0c", count: 32)).incomplete", "x")
    let hub = try other.decrypt()
    #expect(hub.status == 1)
    #expect(hub.errors.contains(".incomplete"))
    #expect(try other.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
  }

  @Test(
    "a name that lost its digits is taken from what is left, the list or the registry; the header proves the contents",
    arguments: [
      "config.json.enc", "config.json (1).enc", "config.json.DIGITS.enc", "config.json.HEX (1).enc", "download.enc",
      "config.json.HEX.enc.enc",
    ])
  func renamed(name: String) throws {
    let release = try Release()
    let path = try release.encrypted("config.json")
    let hex = String(URL(filePath: path).lastPathComponent.dropFirst("config.json.".count).dropLast(4))
    let renamed = name.replacingOccurrences(of: "DIGITS", with: hex.prefix(20)).replacingOccurrences(
      of: "HEX", with: hex)
    try move(path, to: release.enc + "/" + renamed)
    // Only the list knows what a file called download is.
    let plain = try #require(release.plain["config.json"])
    let list = try release.folder.write(
      "l", Manifest.line(DigestStream.digest(.sha256, of: plain), path: "config.json"))
    let run = try name == "download.enc" ? release.decrypt("--manifest", list) : release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("taken for config.json") || name.contains("HEX"))
    #expect(try release.outputs() == release.plain.keys.sorted())
    #expect(try readBytes(release.out + "/config.json") == plain)
  }

  @Test(
    "one whose name cannot be told fails alone",
    arguments: ["download.enc", "a.xyz.enc", "config.json.0123456789ab.enc"])
  func unknownName(name: String) throws {
    let release = try Release()
    try move(release.encrypted("config.json"), to: release.enc + "/" + name)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("64 hexadecimal digits"))
    #expect(try release.outputs() == ["empty.txt", "pytorch_model.bin", "tokenizer.model"])
  }

  @Test("one file that is given by itself is judged by its name, too", arguments: [".part", "?download=true", ".ENC"])
  func single(ending: String) throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("config.json")
    let other = ending == ".ENC" ? path.dropLast(4) + ending : path + ending
    try move(path, to: other)
    let run = try belleTools("decrypt", other, release.key, release.out)
    #expect(run.status == 1)
    #expect(run.errors.contains("rename it to") || run.errors.contains("not finished"), "\(run.errors)")
  }

  @Test("encrypt refuses what was not downloaded, and leaves .ENC files alone")
  func encrypting() throws {
    let release = try Release(large: 0)
    for (name, text) in [
      ("m.bin.part", "x"), ("m.bin.crdownload", "x"), ("m.bin", "version https://git-lfs.github.com/spec/v1\nsize 3\n"),
    ] {
      let folder = try TemporaryFolder()
      try folder.write("plain/config.json", "{}")
      try folder.write("plain/" + name, text)
      let run = try belleTools("encrypt", folder.file("plain"), release.key, folder.file("e"))
      #expect(run.status == 1, "\(name)")
      #expect(run.errors.contains("hint: "))
    }
    let folder = try TemporaryFolder()
    try folder.write("plain/a.txt", "a")
    try folder.write("plain/b.\(String(repeating: "0", count: 64)).ENC", "b")
    #expect(try belleTools("encrypt", folder.file("plain"), release.key, folder.file("e")).status == 0)
    #expect(try folder.names(in: "e").count == 1)
  }
}

@Suite("What a list or an index names and is not there") struct AbsentFileTests {
  private func tiny(without name: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: project("Examples/tiny-belle/enc"), toPath: folder.file("enc"))
    for file in try folder.names(in: "enc") where file.hasPrefix(name) {
      try FileManager.default.removeItem(atPath: folder.file("enc/" + file))
    }
    return folder
  }

  private let key = project("Examples/tiny-belle/llama/consolidated.00.pth")

  @Test(
    "decrypt exits with 2 and names it",
    arguments: [["--manifest", project("Examples/tiny-belle/tiny-belle.md5")], [], ["--format", "safetensors"]])
  func decrypting(options: [String]) throws {
    let folder = try tiny(without: "pytorch_model-00002")
    let run = try Running(["decrypt", folder.file("enc"), key, folder.file("out")] + options).finish()
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.output.contains("missing   pytorch_model-00002-of-00002.bin"))
    let json = try Running(["decrypt", folder.file("enc"), key, folder.file("o2"), "--json"] + options).finish()
      .objects()
    #expect(json.last?["absent"] as? [String] == ["pytorch_model-00002-of-00002.bin"])
    #expect(json.contains { $0["status"] as? String == "missing" })
  }

  @Test("a file that lies in the output already is not absent")
  func there() throws {
    let folder = try tiny(without: "pytorch_model-00002")
    #expect(try belleTools("decrypt", project("Examples/tiny-belle/enc"), key, folder.file("out")).status == 0)
    #expect(try belleTools("decrypt", folder.file("enc"), key, folder.file("out")).status == 0)
  }
}

@Suite("A damaged key is told from a damaged file") struct DamagedKeyTests {
  private let source = project("Examples/tiny-belle/llama/consolidated.00.pth")
  private let enc = project("Examples/tiny-belle/enc")

  @Test("a flipped byte far into the key is the key's, by its own checksums", arguments: [300_000, 5_000_000])
  func flipped(offset: Int) throws {
    let folder = try TemporaryFolder()
    var bytes = try readBytes(source)
    bytes[offset] ^= 1
    let run = try belleTools("decrypt", enc, folder.write("key.pth", bytes), folder.file("o"), "--keep-going")
    #expect(run.status == 1)
    #expect(!run.errors.contains("key is right"))
    #expect(run.errors.contains("or the key is beyond its first"))
    #expect(run.errors.contains("the key is damaged"), "\(run.errors)")
  }

  @Test("a key that was cut off is told so")
  func truncated() throws {
    let folder = try TemporaryFolder()
    let bytes = try readBytes(source)
    let run = try belleTools(
      "decrypt", enc, folder.write("key.pth", bytes.prefix(2_000_000)), folder.file("o"), "--keep-going")
    #expect(run.status == 1)
    #expect(!run.errors.contains("key is right"))
    #expect(run.errors.contains("the key is damaged"), "\(run.errors)")
  }

  @Test("a damaged file is not blamed on a sound key")
  func file() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: enc, toPath: folder.file("enc"))
    let name = try #require(try folder.names(in: "enc").first { $0.hasPrefix("pytorch_model-00002") })
    try flip(folder.file("enc/" + name), at: 5_000_000)
    let run = try belleTools("decrypt", folder.file("enc"), source, folder.file("o"))
    #expect(run.status == 1)
    #expect(!run.errors.contains("the key is damaged"))
    #expect(run.errors.contains("this file is damaged") || run.errors.contains("the files are damaged"))
  }

  @Test("a key whose download is not finished is refused by its name", arguments: [".part", ".crdownload", ".aria2"])
  func unfinished(ending: String) throws {
    let release = try Release(large: 0)
    if ending == ".aria2" {
      try release.folder.write("key.pth.aria2", "x")
    } else {
      try move(release.key, to: release.key + ending)
    }
    let run = try release.decrypt(key: ending == ".aria2" ? release.key : release.key + ending)
    #expect(run.status == 1)
    #expect(run.errors.contains("not finished"))
    #expect(try release.outputs() == nil)
  }

  @Test("the key is claimed to be no more than its first bytes say")
  func claim() throws {
    let release = try Release(head: KeyHeads.head("LLaMA-1 13B"), large: 0)
    let run = try release.decrypt()
    #expect(run.status == 0)
    #expect(
      run.errors.contains("its first 141 bytes are those of LLaMA-1 13B, or the first shard of LLaMA-1 30B or 65B"))
  }
}
