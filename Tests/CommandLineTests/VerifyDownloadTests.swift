// verify on downloads as they are, with the notes of the programs that made them; and what of them is given to other verbs.

import Checksum
import Foundation
import TestSupport
import Testing

private func sha(_ text: String) throws -> String { try DigestStream.digest(.sha256, of: Array(text.utf8)).hex }

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

  @Test("a list comes from standard input, too, and one that is about other names is told")
  func standardInput() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "a")
    let piped = try belleTools(shell: "cd \(folder.path)/m && sha256sum a | \"$0\" verify . --manifest -")
    #expect(piped.status == 0)
    #expect(piped.output == "a: OK\n")
    let plain = try belleTools(
      "verify", project("Examples/tiny-belle/enc"), "--manifest", project("Examples/tiny-belle/tiny-belle.md5"))
    #expect(plain.status == 2)
    #expect(plain.errors.contains("a list of decrypted files"))
    let deep = try folder.write("l", "\(sha("a"))  m/a\n")
    #expect(try belleTools("verify", folder.file("m"), "--manifest", deep).errors.contains("begin with m/"))
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
