// Encrypted files under other names, and twice: what proves which they are (kind 11).

import Checksum
import Foundation
import TestSupport
import Testing

private func move(_ path: String, to other: String) throws {
  try FileManager.default.moveItem(atPath: path, toPath: other)
}

private func copy(_ path: String, to other: String) throws {
  try FileManager.default.copyItem(atPath: path, toPath: other)
}

@Suite("Encrypted files under other names (kind 11)") struct RenamedTests {
  /// It was "left alone, no .enc files", with exit status 0.
  @Test("a name without its ending is taken where the header proves it, and fails where it does not")
  func withoutEnding() throws {
    let release = try Release()
    let path = try release.encrypted("config.json")
    try move(path, to: String(path.dropLast(4)))
    let run = try release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("taken for config.json"))
    #expect(try release.outputs() == release.plain.keys.sorted())
    try FileManager.default.removeItem(atPath: release.out)
    try flip(String(path.dropLast(4)), at: 3)
    let damaged = try release.decrypt()
    #expect(damaged.status == 1)
    #expect(damaged.errors.contains("without the ending .enc"), "\(damaged.errors)")
    // Its name alone is no reason to leave the others.
    #expect(try release.outputs() == ["empty.txt", "pytorch_model.bin", "tokenizer.model"])
    let alone = try belleTools("decrypt", String(path.dropLast(4)), release.key, release.folder.file("one"))
    #expect(alone.status == 1)
  }

  @Test(
    "a file of any name is known by the digest in its header, where the list has it",
    arguments: ["data", "weights.bin", "a.txt"])
  func anyName(name: String) throws {
    let release = try Release()
    try move(release.encrypted("pytorch_model.bin"), to: release.enc + "/" + name)
    let plain = try #require(release.plain["pytorch_model.bin"])
    let list = try release.folder.write(
      "l", Manifest.line(DigestStream.digest(.sha256, of: plain), path: "pytorch_model.bin"))
    let run = try release.decrypt("--manifest", list)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try readBytes(release.out + "/pytorch_model.bin") == plain)
    // What is something else stays.
    try release.folder.write("enc/README.md", "# A model of random numbers, with a long text about it\n")
    #expect(try release.decrypt("--manifest", list).errors.contains("left alone, no .enc files: README.md"))
  }

  @Test("a download of Hugging Face's program that is not finished fails, whatever file it is of")
  func hub() throws {
    let release = try Release(large: 0)
    let tag = String(repeating: "0c", count: 32)
    try release.folder.write("enc/.cache/huggingface/download/lJk_x9=.\(tag).incomplete", "x")
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains(".incomplete") && run.errors.contains("not finished"), "\(run.errors)")
    #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
    // ModelScope's program has another place.
    let other = try Release(large: 0)
    try other.folder.write("enc/._____temp/pytorch_model.bin.\(String(repeating: "ab", count: 32)).enc", "x")
    let scope = try other.decrypt()
    #expect(scope.status == 1)
    #expect(scope.output.contains("failed    pytorch_model.bin"), "\(scope.output)")
    // The tag of a known release's file says which.
    let known = try Registry.builtIn.release(named: "BELLE-LLaMA-7B-2M-enc")
    let shard = try #require(known.file("pytorch_model-00001-of-00002.bin"))
    let digest = try #require(shard.encrypted[.sha256])
    try release.folder.write("enc/.cache/huggingface/download/lJk_x9=.\(digest.hex).incomplete", "x")
    #expect(try release.decrypt().errors.contains("of pytorch_model-00001-of-00002.bin"))
  }

  @Test("a plain name in another case is called as the list has it, and fails where nothing proves it")
  func otherCase() throws {
    for name in ["Config.json", "CONFIG.JSON"] {
      let release = try Release(large: 0)
      let path = try release.encrypted("config.json")
      try move(path, to: path.replacingOccurrences(of: "config.json", with: name))
      let run = try release.decrypt()
      #expect(run.status == 1)
      #expect(run.errors.contains("programs look for config.json"), "\(run.errors)")
      #expect(run.errors.contains("rename it to config.json."))
      #expect(try release.outputs() == ["empty.txt", "tokenizer.model"])
      for list in [try release.folder.write("md5", release.list())] {
        let listed = try release.decrypt("--manifest", list)
        #expect(listed.status == 0, "\(listed.errors)")
        #expect(listed.errors.contains("in another case"))
        #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
      }
    }
  }
}

@Suite("One encrypted file twice (kind 11)") struct CopyTests {
  /// They were "two versions of the release".
  @Test(
    "of two copies one is used, and a note says so",
    arguments: [
      ["NAME (1).enc"], ["config.json.enc"], ["config.json (1).enc"], ["config.json.enc", "config.json (1).enc"],
      ["NAME"], ["UPPER"],
    ])
  func copies(names: [String]) throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("config.json")
    let whole = String(URL(filePath: path).lastPathComponent.dropLast(4))
    for name in names {
      let upper = "config.json." + whole.dropFirst("config.json.".count).uppercased() + ".enc"
      let other = name == "UPPER" ? upper : name.replacingOccurrences(of: "NAME", with: whole)
      try copy(path, to: release.enc + "/" + other)
    }
    let run = try release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("copy of"), "\(run.errors)")
    #expect(!run.errors.contains("two versions"))
    #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
    #expect(run.output.split(separator: "\n").count == 3)
    #expect(try release.decrypt("--dry-run").status == 0)
  }

  @Test("two copies without a right name are one file, too")
  func bothRenamed() throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("config.json")
    try copy(path, to: release.enc + "/config.json (1).enc")
    try move(path, to: release.enc + "/config.json.enc")
    let run = try release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("copy of config.json"))
  }

  @Test("a shorter copy was cut off: the longer one is used; of a damaged one the other is named")
  func cutCopy() throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("tokenizer.model")
    let whole = try readBytes(path)
    try release.folder.write("enc/tokenizer.model.enc", whole)
    try release.folder.write("enc/" + URL(filePath: path).lastPathComponent, whole.dropLast(1000))
    let run = try release.decrypt()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("and shorter"))
    try FileManager.default.removeItem(atPath: release.out)
    try release.folder.write("enc/" + URL(filePath: path).lastPathComponent, whole)
    try flip(path, at: 2000)
    let damaged = try release.decrypt()
    #expect(damaged.status == 1)
    #expect(damaged.errors.contains("another copy of it lies here: tokenizer.model.enc"), "\(damaged.errors)")
  }

  @Test("two versions are two versions")
  func versions() throws {
    let release = try Release(large: 0)
    let plain = Array("{\"hidden_size\": 128}".utf8)
    var bytes = plain
    let key = try readBytes(release.key)
    for index in bytes.indices { bytes[index] ^= key[index] }
    let digest = try DigestStream.digest(.sha256, of: plain)
    try release.folder.write("enc/config.json.\(digest.hex).enc", digest.bytes + bytes)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("two versions"))
  }
}
