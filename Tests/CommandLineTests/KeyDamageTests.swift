// A key that is damaged or cut off, where little was decrypted with it: what its bytes prove, and no more (kind 11).

import Foundation
import TestSupport
import Testing

@Suite("Damaged keys and little to hold them against (kind 11)") struct KeyDamageTests {
  private let source = project("Examples/tiny-belle/llama/consolidated.00.pth")
  private let enc = project("Examples/tiny-belle/enc")

  private func encrypted(_ prefix: String) throws -> String {
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: enc).first { $0.hasPrefix(prefix) })
    return enc + "/" + name
  }

  /// "The key is wrong" was all that was said.
  @Test("an early fault of the key is the key's, by its own checksums", arguments: [0, 2, 200, 700])
  func early(offset: Int) throws {
    let folder = try TemporaryFolder()
    var bytes = try readBytes(source)
    bytes[offset] ^= 0x20
    let key = try folder.write("key.pth", bytes)
    for options in [["--keep-going"], []] {
      let run = try Running(["decrypt", enc, key, folder.file("o")] + options).finish()
      #expect(run.status == 1)
      #expect(run.errors.contains("the key is damaged"), "\(offset): \(run.errors)")
    }
    #expect(try belleTools("decrypt", enc, key, folder.file("p"), "--dry-run").status == 1)
  }

  @Test(
    "with one file alone, too", arguments: ["pytorch_model-00001", "config.json", "tokenizer.model"], [200, 2_000_000])
  func oneFile(name: String, offset: Int) throws {
    let folder = try TemporaryFolder()
    var bytes = try readBytes(source)
    bytes[min(offset, bytes.count - 1)] ^= 1
    let key = try folder.write("key.pth", bytes)
    let path = try encrypted(name)
    let isMet = offset < (try readBytes(path).count) - 32
    let run = try belleTools("decrypt", path, key, folder.file("o"))
    #expect(run.status == (isMet ? 1 : 0), "\(run.errors)")
    #expect(run.errors.contains("the key is damaged") == isMet, "\(run.errors)")
  }

  @Test("a key that was cut off is told so, with one file, in a dry run and without")
  func cut() throws {
    let folder = try TemporaryFolder()
    let key = try folder.write("key.pth", try readBytes(source).prefix(300_000))
    for options in [[], ["--dry-run"]] {
      let run = try Running(["decrypt", encrypted("pytorch_model-00001"), key, folder.file("o")] + options).finish()
      #expect(run.status == 1, "\(options) \(run.errors)")
      #expect(run.errors.contains("the key is damaged"), "\(run.errors)")
    }
  }

  @Test("a damaged file is not blamed on a sound key, which may all the same be another one")
  func file() throws {
    let folder = try TemporaryFolder()
    let path = try encrypted("config.json")
    let copy = try folder.write(URL(filePath: path).lastPathComponent, try readBytes(path))
    try flip(copy, at: 100)
    let run = try belleTools("decrypt", copy, source, folder.file("o"))
    #expect(run.status == 1)
    #expect(!run.errors.contains("the key is damaged"))
    #expect(run.errors.contains("checksums agree as far as these files need it"), "\(run.errors)")
  }

  /// The release need not be known: the key begins as one whose size is.
  @Test("a known key that ends before a file does is refused at once", arguments: [[], ["--dry-run"]])
  func knownSize(options: [String]) throws {
    let release = try Release(head: KeyHeads.head("LLaMA-1 7B"), large: 12 << 20)
    let run = try Running(["decrypt", release.enc, release.key, release.out] + options).finish()
    #expect(run.status == 1)
    #expect(run.errors.contains("bytes are missing"), "\(run.errors)")
    // Where all files are shorter, it does.
    let short = try Release(head: KeyHeads.head("LLaMA-1 7B"))
    let other = try Running(["decrypt", short.enc, short.key, short.out] + options).finish()
    #expect(other.status == 0)
    #expect(other.errors.contains("short enough"))
  }

  @Test("a key that is all but a known one says so, and not what of the two it is", arguments: [100, 300])
  func nearMiss(offset: Int) throws {
    let release = try Release(head: KeyHeads.head("LLaMA-1 7B"))
    var bytes = try readBytes(release.key)
    bytes[offset] ^= 1
    let run = try release.decrypt(key: release.folder.write("near.pth", bytes))
    #expect(run.status == 1)
    #expect(run.errors.contains("but not byte \(offset)"), "\(run.errors)")
    #expect(run.errors.contains("damaged there, or another model"))
  }

  @Test("a dry run holds small files against their digests")
  func smallFiles() throws {
    let release = try Release()
    try flip(release.encrypted("tokenizer.model"), at: 4000)
    let run = try release.decrypt("--dry-run")
    #expect(run.status == 1)
    #expect(run.output.contains("failed    tokenizer.model") && run.output.contains("planned   config.json"))
    #expect(try release.outputs() == nil)
  }

  /// It was planned, with exit status 0.
  @Test("a dry run finds a file that was cut off, by what its format says of its length", arguments: [1, 100_000])
  func cutFile(missing: Int) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: enc, toPath: folder.file("enc"))
    let name = try #require(try folder.names(in: "enc").first { $0.hasPrefix("pytorch_model-00002") })
    try folder.write("enc/" + name, try readBytes(enc + "/" + name).dropLast(missing))
    let run = try belleTools("decrypt", folder.file("enc"), source, folder.file("o"), "--dry-run")
    #expect(run.status == 1, "\(run.errors)")
    #expect(run.output.contains("failed    pytorch_model-00002"), "\(run.output)")
    #expect(try belleTools("decrypt", enc, source, folder.file("o"), "--dry-run").status == 0)
  }
}
