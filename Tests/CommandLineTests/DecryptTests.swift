import Checksum
import Foundation
import TestSupport
import Testing

@Suite("decrypt") struct DecryptTests {
  @Test("a folder comes out byte for byte, with a line a file, and a second run skips it")
  func folder() throws {
    let release = try Release()
    let run = try release.decrypt()
    #expect(run.status == 0)
    #expect(try release.outputs() == release.plain.keys.sorted())
    for (name, bytes) in release.plain { #expect(try readBytes(release.out + "/" + name) == bytes, "\(name)") }
    #expect(run.output.split(separator: "\n").count == 4)
    #expect(run.output.split(separator: "\n").allSatisfy { $0.hasPrefix("verified  ") })

    let again = try release.decrypt()
    #expect(again.status == 0)
    #expect(again.output.split(separator: "\n").allSatisfy { $0.hasPrefix("skipped ") })
  }

  @Test("one file, and files beside it that are no .enc files are left alone and named")
  func oneFileAndOthers() throws {
    let release = try Release()
    try release.folder.write("enc/README.md", "# model card")
    try release.folder.write("enc/.gitattributes", "*.enc lfs")
    try release.folder.write("enc/.git/HEAD", "ref")
    let all = try release.decrypt()
    #expect(all.status == 0)
    #expect(all.errors.contains(".git/, .gitattributes, README.md"))
    #expect(try release.outputs() == release.plain.keys.sorted())

    let one = try belleTools("decrypt", release.encrypted("config.json"), release.key, release.folder.file("one"))
    #expect(one.status == 0)
    #expect(try release.folder.namesWithoutList(in: "one") == ["config.json"])
  }

  @Test("--json gives the fields that scripts read, and a summary last")
  func json() throws {
    let release = try Release()
    let list = try release.folder.write("list.md5", release.list())
    let objects = try release.decrypt("--json", "--manifest", list).objects()
    #expect(objects.count == 5)
    for object in objects.dropLast() {
      #expect(object["type"] as? String == "file")
      #expect(object["status"] as? String == "verified")
      #expect(object["error"] is NSNull)
      let name = URL(filePath: object["output"] as? String ?? "").lastPathComponent
      let bytes = try #require(release.plain[name])
      #expect(object["bytes"] as? Int == bytes.count)
      #expect(object["sha256"] as? String == (try DigestStream.digest(.sha256, of: bytes).hex))
      #expect(object["md5"] as? String == (try DigestStream.digest(.md5, of: bytes).hex))
    }
    #expect(objects.last?["type"] as? String == "summary")
    #expect(objects.last?["verified"] as? Int == 4)
    let skipped = try release.decrypt("--json").objects()
    #expect(skipped.dropLast().allSatisfy { $0["status"] as? String == "skipped" && $0["md5"] is NSNull })
  }

  @Test("a dry run writes nothing, and says what it would do or why not")
  func dryRun() throws {
    let release = try Release()
    let run = try release.decrypt("--dry-run")
    #expect(run.status == 0)
    #expect(run.output.split(separator: "\n").allSatisfy { $0.hasPrefix("planned ") })
    #expect(try release.outputs() == nil)
    try flip(release.encrypted("config.json"), at: 3)
    let bad = try release.decrypt("--dry-run", "--json")
    #expect(bad.status == 1)
    #expect(try bad.objects().dropLast().count { $0["status"] as? String == "failed" } == 1)
    #expect(try release.outputs() == nil)
  }

  @Test("in a pipe there is no progress, and --quiet says nothing of files that are right")
  func quiet() throws {
    let release = try Release()
    let run = try release.decrypt("--quiet")
    #expect(run.errors.isEmpty)
    #expect(run.output.isEmpty)
    let told = try release.decrypt("--force")
    #expect(told.output.split(separator: "\n").count == 4 && !told.errors.contains("%"))
    #expect(!told.output.contains("\u{1B}") && !told.errors.contains("\u{1B}"))
  }

  @Test("in a terminal the progress shows files, rate and time left, and is gone at the end")
  func terminal() throws {
    let release = try Release(large: 40 << 20)
    // script gives the program a terminal; its output holds what the terminal was told.
    let run = try release.decrypt(
      "--threads", "1", shell: "TERM=xterm script -qec \"'$0' $(printf \"'%s' \" \"$@\")\" /dev/null")
    #expect(run.status == 0)
    #expect(run.output.contains("% "))
    #expect(run.output.contains("pytorch_model.bin"))
    #expect(run.output.contains("\u{1B}[2K"))
  }

  // MARK: Keys

  static let heads = ["Llama-2 7B", "LLaMA-1 13B"]

  @Test("another original as key is named and refused at once, before anything is written", arguments: heads)
  func otherOriginal(name: String) throws {
    // The key begins as LLaMA-1 7B; a small file of 157 to 473 bytes proves it.
    let release = try Release(head: KeyHeads.head("LLaMA-1 7B"))
    try release.addSparse("pytorch_model-00002-of-00002.bin", size: 2 << 30)
    let key = try release.folder.write("wrong.pth", KeyHeads.head(name) + SplitMix64.bytes(seed: 9, count: 11 << 20))
    let run = try release.decrypt(key: key)
    #expect(run.status == 1)
    #expect(run.errors.contains("this is \(name)"))
    #expect(run.errors.contains("wants LLaMA-1 7B"))
    #expect(run.errors.contains("hint: give Meta's original: LLaMA-1 7B's consolidated.00.pth, 13476939516 bytes"))
    #expect(try release.outputs() == nil)
  }

  @Test("a key of no known kind fails with the small files, and the large ones are not begun", arguments: 0..<2)
  func unknownKey(kind: Int) throws {
    let release = try Release()
    try release.addSparse("pytorch_model-00002-of-00002.bin", size: 2 << 30)
    let key =
      kind == 0
      ? try release.folder.write("wrong", SplitMix64.bytes(seed: 77, count: 11 << 20))
      : try release.folder.write("wrong.txt", "this is a text file\n")
    let run = try release.decrypt("--json", key: key)
    #expect(run.status == 1)
    #expect(run.errors.contains("the key is wrong or the file is damaged"))
    let objects = try run.objects()
    for object in objects.dropLast() where (object["input"] as? String)?.contains("pytorch_model") == true {
      #expect((object["error"] as? String)?.contains("not decrypted, because") == true)
    }
    // An empty file needs no key.
    #expect(try release.outputs() == ["empty.txt"])
  }

  @Test(
    "what cannot be a key is refused with what it is",
    arguments: [
      ("", "the file is empty"), ("version https://git-lfs.github.com/spec/v1\nsize 13476939516\n", "Git LFS pointer"),
      ("<!DOCTYPE html><html>", "web page"),
    ])
  func unusableKey(text: String, reason: String) throws {
    let release = try Release(large: 0)
    let run = try release.decrypt(key: release.folder.write("wrong", text))
    #expect(run.status == 1)
    #expect(run.errors.hasPrefix("error: "))
    #expect(run.errors.contains(reason))
    #expect(try release.outputs() == nil)
  }

  @Test("a folder as key, a missing key, and swapped arguments")
  func keyPaths() throws {
    let release = try Release(large: 0)
    let llama = release.folder.file("llama")
    try release.folder.write("llama/notes.txt", "x")
    let folder = try release.decrypt(key: llama)
    #expect(folder.status == 1)
    #expect(folder.errors.contains("there is no consolidated.00.pth in it, and no model"))
    #expect(folder.errors.contains("hint: give the original consolidated.00.pth of the base model"))
    let missing = try release.decrypt(key: release.folder.file("none"))
    #expect(missing.status == 1)
    #expect(missing.errors.contains("No such file"))
    let swapped = try belleTools("decrypt", release.key, release.enc, release.out)
    #expect(swapped.status == 1)
    #expect(swapped.errors.contains("swapped"))
    let swappedFile = try belleTools("decrypt", release.key, release.encrypted("config.json"), release.out)
    #expect(swappedFile.errors.contains("swapped"))
    #expect(try release.outputs() == nil)
  }

  @Test("a large checkpoint whose pickle the key garbles stops before it is written")
  func garbledPickle() throws {
    // A real key and release; another model's checkpoint as key agrees in its first bytes only.
    let folder = try TemporaryFolder()
    let base = project("Examples/tiny-belle/llama/consolidated.00.pth")
    let enc = try #require(
      try FileManager.default.contentsOfDirectory(atPath: project("Examples/tiny-belle/enc"))
        .first { $0.hasPrefix("pytorch_model-00001") })
    var wrong = try readBytes(base)
    for index in 156..<wrong.count { wrong[index] ^= 0x55 }
    let run = try belleTools(
      "decrypt", project("Examples/tiny-belle/enc/" + enc), folder.write("wrong.pth", wrong), folder.file("out"))
    #expect(run.status == 1)
    #expect(run.errors.contains("its data.pkl is garbled"))
    #expect(try folder.names(in: "out") == [])
  }

  @Test("--check-key refuses a key that is no known original")
  func checkKey() throws {
    let release = try Release(large: 0)
    let run = try release.decrypt("--check-key")
    #expect(run.status == 1)
    #expect(run.errors.contains("its digest is that of no known original"))
    #expect(try release.outputs() == nil)
  }

  // MARK: Damage

  @Test("a flipped byte anywhere is found, and its file does not appear", arguments: [0, 31, 32, 33, 200, 5031])
  func flippedByte(offset: Int) throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("tokenizer.model")
    try flip(path, at: offset)
    let run = try release.decrypt("--keep-going")
    #expect(run.status == 1)
    #expect(run.errors.contains(offset < 32 ? "byte 0: the digest in the header" : "its SHA-256 is"))
    #expect(try release.outputs() == ["config.json", "empty.txt"])
    // config.json proves less of the key than this file needs.
    if offset >= 32 { #expect(run.errors.contains("this file is damaged, or the key is beyond its first")) }
  }

  @Test("a flipped byte in a large file is found at the end, with nothing left")
  func flippedLarge() throws {
    let release = try Release()
    try flip(release.encrypted("pytorch_model.bin"), at: 2_000_000)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("this file is damaged"))
    #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
  }

  @Test("truncated and overlong files are refused", arguments: [-1, -4000, -5020, -5032, 1, 100])
  func lengths(change: Int) throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("tokenizer.model")
    let bytes = try readBytes(path)
    try Data(change < 0 ? Array(bytes.dropLast(-change)) : bytes + [UInt8](repeating: 7, count: change))
      .write(to: URL(filePath: path))
    let run = try release.decrypt("--keep-going")
    #expect(run.status == 1)
    #expect(try release.outputs() == ["config.json", "empty.txt"])
  }

  @Test("a real release's truncated file says how many bytes are missing")
  func missingBytes() throws {
    let folder = try TemporaryFolder()
    let key = try folder.write("key", KeyHeads.head("LLaMA-1 7B"))
    let release = try Registry.builtIn.release(named: "BELLE-LLaMA-7B-2M-enc")
    let config = try #require(release.file("config.json"))
    let shard = try #require(release.file("pytorch_model-00001-of-00002.bin"))
    for file in [config, shard] {
      try folder.write("enc/" + (file.encryptedName ?? ""), (file.plain[.sha256]?.bytes ?? []) + [1, 2, 3])
    }
    let run = try belleTools("decrypt", folder.file("enc"), key, folder.file("out"))
    #expect(run.status == 1)
    #expect(run.errors.contains("35 bytes: 583 of the 618 that it has in BELLE-LLaMA-7B-2M-enc are missing"))
    #expect(
      run.errors.contains("35 bytes: about 9.98 GB of the 9.98 GB that it has in BELLE-LLaMA-7B-2M-enc are missing"))
    #expect(run.errors.contains("download it again from https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-2M-enc"))
  }

  @Test(
    "what was not downloaded is told from what is damaged",
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9981000000\n", "a file of 9981000000 bytes"),
      ("<html><body>Sign in</body></html>", "web page"), ("", "the file is empty"),
      ("short", "fewer than the header's 32"),
    ])
  func notDownloaded(text: String, reason: String) throws {
    let release = try Release(large: 0)
    try release.folder.write("enc/a.bin.\(String(repeating: "c", count: 64)).enc", text)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains(reason))
  }

  @Test("names that are none are refused, and a name with a line feed is one line of output")
  func names() throws {
    let hex = String(repeating: "0", count: 64)
    for name in ["..\(hex).enc", "...\(hex).enc", "a.xyz.enc", "a.\(hex.dropLast()).enc"] {
      let release = try Release(large: 0)
      try release.folder.write("enc/" + name, [UInt8](repeating: 0, count: 40))
      let run = try release.decrypt()
      #expect(run.status == 1, "\(name)")
      #expect(run.errors.contains(name.hasPrefix("..") ? "name of the plain file would be" : "64 hexadecimal digits"))
      // A name that lost something is no reason to leave the others; one that would be a path is.
      let others = name.hasPrefix("..") ? [] : release.plain.keys.sorted()
      #expect(try release.outputs() ?? [] == others, "\(name)")
    }
    let release = try Release(large: 0)
    let bytes = Array("{}".utf8)
    let digest = try DigestStream.digest(.sha256, of: bytes)
    let key = try readBytes(release.key)
    try release.folder.write("enc/a\nb.\(digest.hex).enc", digest.bytes + zip(bytes, key).map { $0 ^ $1 })
    let run = try release.decrypt()
    #expect(run.status == 0)
    #expect(run.output.contains("verified  a\\nb  2 B"))
    #expect(try readBytes(release.out + "/a\nb") == bytes)
  }

  @Test("header and name must agree")
  func headerMismatch() throws {
    let release = try Release(large: 0)
    let path = try release.encrypted("config.json")
    let renamed = release.enc + "/config.json.\(String(repeating: "1", count: 64)).enc"
    try FileManager.default.moveItem(atPath: path, toPath: renamed)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("the digest in the header is not the one in the name"))
  }

  @Test("the variant without header needs a list, and is held against it")
  func headerless() throws {
    let folder = try TemporaryFolder()
    let key = SplitMix64.bytes(seed: 1, count: 1000)
    let keyPath = try folder.write("key", key)
    let plain = Array("{\"model\": 1}".utf8)
    try folder.write("enc/a.json.\(Digest.hexOfNothing).enc", zip(plain, key).map { $0 ^ $1 })
    let bare = try belleTools("decrypt", folder.file("enc"), keyPath, folder.file("out"))
    #expect(bare.status == 1)
    #expect(bare.errors.contains("--manifest"))
    let list = try folder.write("list", Manifest.line(DigestStream.digest(.md5, of: plain), path: "a.json"))
    #expect(try belleTools("decrypt", folder.file("enc"), keyPath, folder.file("out"), "--manifest", list).status == 0)
    #expect(try readBytes(folder.file("out/a.json")) == plain)
    let wrong = try folder.write("wrong", Manifest.line(DigestStream.digest(.md5, of: [1]), path: "a.json"))
    let other = try belleTools("decrypt", folder.file("enc"), keyPath, folder.file("out2"), "--manifest", wrong)
    #expect(other.status == 1)
    #expect(try folder.names(in: "out2") == [])
  }

  @Test("a manifest that contradicts, or is of the .enc files, is said to be so")
  func manifests() throws {
    let release = try Release(large: 0)
    let wrong = try release.folder.write("wrong", String(repeating: "0", count: 32) + "  config.json\n")
    let run = try release.decrypt("--manifest", wrong)
    #expect(run.status == 1)
    #expect(run.errors.contains("its MD5 is"))
    let encList = try release.folder.write(
      "enc.md5", String(repeating: "0", count: 32) + "  config.json.\(String(repeating: "0", count: 64)).enc\n")
    #expect(try release.decrypt("--manifest", encList).errors.contains("not what they decrypt to"))
  }

  @Test("the decrypted folder given as input is told from an empty one")
  func wrongInput() throws {
    let release = try Release(large: 0)
    _ = try release.decrypt()
    let again = try belleTools("decrypt", release.out, release.key, release.folder.file("again"))
    #expect(again.status == 1)
    #expect(again.errors.contains("decrypting is done already"))
    try FileManager.default.createDirectory(atPath: release.folder.file("nothing"), withIntermediateDirectories: true)
    let nothing = try belleTools("decrypt", release.folder.file("nothing"), release.key, release.out)
    #expect(nothing.status == 1)
    #expect(nothing.errors.contains("there is no .enc file"))
    #expect(try belleTools("decrypt", release.folder.file("none"), release.key, release.out).status == 1)
  }

  // MARK: Outputs
}
