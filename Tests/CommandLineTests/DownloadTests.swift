// Downloads as they come: unfinished, renamed, incomplete, with a damaged key; folders of Hugging Face's programs; what is
// given to the wrong verb.

import Checksum
import Foundation
import TestSupport
import Testing

private func sha(_ text: String) throws -> String { try DigestStream.digest(.sha256, of: Array(text.utf8)).hex }

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

  @Test("the key is claimed to be no more than its first bytes say")
  func claim() throws {
    let release = try Release(head: KeyHeads.head("LLaMA-1 13B"), large: 0)
    let run = try release.decrypt()
    #expect(run.status == 0)
    #expect(
      run.errors.contains("its first 141 bytes are those of LLaMA-1 13B, or the first shard of LLaMA-1 30B or 65B"))
  }
}

@Suite("verify on downloads as they are") struct VerifyDownloadTests {
  /// An empty map and usual names were taken for BELLE-LLaMA-13B-2M-enc.
  @Test("another model with usual names and everybody's small files is not condemned", arguments: 2...3)
  func anotherModel(shards: Int) throws {
    let folder = try TemporaryFolder()
    try folder.write("special_tokens_map.json", "{}")
    let names = (1...shards).map { "pytorch_model-0000\($0)-of-0000\(shards).bin" }
    for name in [
      "config.json", "generation_config.json", "pytorch_model.bin.index.json", "tokenizer.model",
      "tokenizer_config.json",
    ] + names { try folder.write(name, name) }
    let run = try belleTools("verify", folder.path)
    #expect(run.status == 1)
    #expect(!run.output.contains("FAILED") && !run.output.contains("MISSING"))
    #expect(run.errors.contains("hint: "))
  }

  @Test("the cache's blobs and the notes of a downloaded folder are verified without a network")
  func hub() throws {
    let folder = try TemporaryFolder()
    let root = folder.file("models--o--n")
    try folder.write("models--o--n/blobs/\(sha("w"))", "w")
    try folder.write("models--o--n/snapshots/abc/.keep", "")
    try FileManager.default.createSymbolicLink(
      atPath: "\(root)/snapshots/abc/model.safetensors", withDestinationPath: "../../blobs/\(try sha("w"))")
    for path in [root, root + "/snapshots/abc", root + "/blobs", root + "/snapshots/abc/model.safetensors"] {
      let run = try belleTools("verify", path)
      #expect(run.status == 0, "\(path) \(run.errors)")
      #expect(run.output.contains(": OK"))
    }
    try folder.write("models--o--n/blobs/\(sha("w"))", "v")
    for path in [root, root + "/snapshots/abc", root + "/snapshots/abc/model.safetensors"] {
      let run = try belleTools("verify", path)
      #expect(run.status == 2 && run.output.contains("FAILED"), "\(path)")
    }
    try FileManager.default.removeItem(atPath: root + "/blobs/" + sha("w"))
    #expect(try belleTools("verify", root + "/snapshots/abc").output.contains("model.safetensors: MISSING"))

    try folder.write("m/model.safetensors", "w")
    let note = "\(String(repeating: "a", count: 40))\n\(try sha("w"))\n1.0\n"
    try folder.write("m/.cache/huggingface/download/model.safetensors.metadata", note)
    #expect(try belleTools("verify", folder.file("m"), "--strict").status == 0)
    try folder.write("m/model.safetensors", "v")
    #expect(try belleTools("verify", folder.file("m")).status == 2)
    try folder.write("m/model.safetensors", "w")
    try folder.write("m/.cache/huggingface/download/abc.\(String(repeating: "0c", count: 32)).incomplete", "x")
    #expect(try belleTools("verify", folder.file("m")).output.contains("UNFINISHED"))
  }

  @Test("what version control and downloaders keep is not extra, and nothing else is spared")
  func strict() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/config.json", "a")
    for name in [".git/HEAD", ".cache/huggingface/x", ".gitattributes", ".gitignore", ".huggingface/x", ".DS_Store"] {
      try folder.write("m/" + name, "x")
    }
    let list = try folder.write("l", "\(sha("a"))  config.json\n")
    #expect(try belleTools("verify", folder.file("m"), "--manifest", list, "--strict").status == 0)
    try folder.write("m/.hidden", "x")
    #expect(try belleTools("verify", folder.file("m"), "--manifest", list, "--strict").status == 2)
  }

  @Test(
    "a file that is missing is told with what lies there in its place",
    arguments: [
      ("config.json.part", "not finished"), ("config.json.crdownload", "not finished"), ("Config.json", "another case"),
      ("config.json?download=true", "query"), ("config (1).json", "second copy"),
      ("config.json.txt", "ending too many"),
    ])
  func missing(name: String, reason: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("m/" + name, "a")
    try folder.write("m/b", "b")
    let list = try folder.write("l", "\(sha("a"))  config.json\n\(sha("b"))  b\n")
    let run = try belleTools("verify", folder.file("m"), "--manifest", list)
    #expect(run.status == 2)
    #expect(run.output.contains("config.json: MISSING"))
    #expect(run.errors.contains(reason), "\(run.errors)")
  }

  @Test("an unfinished download that no list names is no extra file")
  func unlisted() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "a")
    try folder.write("m/b.bin.part", "b")
    let list = try folder.write("l", "\(sha("a"))  a\n")
    let run = try belleTools("verify", folder.file("m"), "--manifest", list)
    #expect(run.status == 2)
    #expect(run.output.contains("b.bin.part: UNFINISHED"))
  }

  @Test("a truncated encrypted file is told so; a known size is enough, and the file is not read")
  func truncated() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: project("Examples/tiny-belle/enc"), toPath: folder.file("enc"))
    let name = try #require(try folder.names(in: "enc").first { $0.hasPrefix("pytorch_model-00002") })
    let bytes = try readBytes(folder.file("enc/" + name))
    try folder.write("enc/" + name, bytes.dropLast(1000))
    let list = project("Examples/tiny-belle/tiny-belle.enc.md5")
    #expect(try belleTools("verify", folder.file("enc"), "--manifest", list).errors.contains("truncated"))
    try folder.write("enc/" + name, [UInt8](repeating: 1, count: 500))
    #expect(
      try belleTools("verify", folder.file("enc"), "--manifest", list).errors.contains("not the digest in its name"))

    let release = try Registry.builtIn.release(named: "BELLE-LLaMA-7B-2M-enc")
    for file in release.files { try folder.write("known/" + (file.encryptedName ?? ""), [1, 2, 3]) }
    let run = try belleTools("verify", folder.file("known"))
    #expect(run.status == 2)
    #expect(run.errors.contains("3 bytes: 615 of the 618 that it has in BELLE-LLaMA-7B-2M-enc are missing"))
    #expect(run.errors.contains("about 9.98 GB of the 9.98 GB"))
  }

  @Test("one bad line of a list is told, the others are checked, and the status is 2")
  func badLine() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "a")
    try folder.write("m/b", "b")
    let list = try folder.write("l", "\(sha("a"))  a\n\(sha("b").dropLast())  c\n\(sha("b"))  b\n")
    let run = try belleTools("verify", folder.file("m"), "--manifest", list)
    #expect(run.status == 2)
    #expect(run.output == "a: OK\nb: OK\n")
    #expect(run.errors.contains("line 2"))
  }
}

@Suite("What is given to the wrong verb") struct WrongVerbTests {
  @Test(
    "encrypted files are named as what they are, in a folder, alone, and beside a plain index",
    arguments: ["inspect", "doctor", "convert", "quantize"])
  func encrypted(verb: String) throws {
    let folder = try TemporaryFolder()
    let enc = project("Examples/tiny-belle/enc")
    let file = try #require(
      try FileManager.default.contentsOfDirectory(atPath: enc).first { $0.hasPrefix("pytorch_model-00001") })
    // Lawyer LLaMA's way: only the shards are encrypted.
    try folder.write("mixed/config.json", "{}")
    try folder.write(
      "mixed/pytorch_model.bin.index.json", #"{"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}"#)
    try folder.write("mixed/" + file, "x")
    for path in [enc, enc + "/" + file, folder.file("mixed")] {
      let output = verb == "convert" || verb == "quantize" ? [folder.file("out")] : []
      let run = try Running([verb, path] + output).finish()
      #expect(run.status != 0, "\(path)")
      #expect((run.errors + run.output).contains("belle-tools decrypt"), "\(path): \(run.errors) \(run.output)")
    }
  }

  @Test(
    "an unfinished download is named in place of the file that is missing",
    arguments: ["model.safetensors.part", "pytorch_model.bin.crdownload", "model.safetensors?download=true"])
  func unfinished(name: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("m/config.json", "{}")
    try folder.write("m/" + name, "x")
    let run = try belleTools("inspect", folder.file("m"))
    #expect(run.status == 1)
    #expect(run.errors.contains(name))
  }

  @Test(
    "other programs' files are named by their first bytes",
    arguments: [
      ([0x9A, 0x93, 0x9A, 0x9D, 0xDB, 0x84, 0x76, 0xE6], "belle-model.bin", "ChatBELLE"),
      (Array("tjgg".utf8) + [3, 0, 0, 0], "ggml-model-q4_0.bin", "ggjt"), (Array("lmgg".utf8), "model.bin", "ggml"),
      (Array("PAR1".utf8), "model.safetensors", "Parquet"),
      ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "pytorch_model.bin", "gzip"),
      ([0x28, 0xB5, 0x2F, 0xFD], "model.bin", "zstd"),
      ([UInt8](repeating: 0, count: 16), "pytorch_model.bin", "xor_codec"),
    ] as [([UInt8], String, String)])
  func foreign(head: [UInt8], name: String, title: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, head + [UInt8](repeating: 5, count: 2000))
    let run = try belleTools("inspect", path)
    #expect(run.status == 1)
    #expect(run.errors.contains(title), "\(run.errors)")
    if title == "xor_codec" {
      let other = try folder.write("key", "PK\u{3}\u{4}xxxxxxxxxxxxxxxxxxxx")
      #expect(try belleTools("decrypt", folder.path, other, folder.file("o")).errors.contains("xor_codec"))
    }
  }
}
