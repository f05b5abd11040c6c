import ByteIO
import Checksum
import Foundation
import TestSupport
import Testing

@testable import XorDecrypt

@Suite("KeyStreamLayout") struct KeyStreamLayoutTests {
  /// The rule as the reference program has it: it walks both files in blocks.
  private func reference(_ offset: Int, keySize: Int) -> Int {
    let block = KeyStreamLayout.blockSize
    var keyPosition = 0
    for _ in 0..<(offset / block) {
      keyPosition = min(keyPosition + block, keySize)
      if keyPosition == keySize { keyPosition = 0 }
    }
    let chunk = min(block, keySize - keyPosition)
    return keyPosition + offset % block % chunk
  }

  @Test(
    "agrees with a walk in blocks",
    arguments: [1, 31, 5_242_881, 10_485_760, 10_485_761, 13_631_493, 20_971_520, 26_214_523])
  func agrees(keySize: Int) {
    let layout = KeyStreamLayout(keySize: keySize)
    var random = SplitMix64(seed: UInt64(keySize))
    for _ in 0..<2000 {
      let offset = Int.random(in: 0..<100_000_000, using: &random)
      let run = layout.run(at: offset)
      #expect(run.keyOffset == reference(offset, keySize: keySize))
      #expect(run.count >= 1)
      let last = offset + run.count - 1
      #expect(reference(last, keySize: keySize) == run.keyOffset + run.count - 1)
    }
  }

  @Test("the example of the format notes: 13 MiB of key against 33 MiB of data")
  func example() {
    let layout = KeyStreamLayout(keySize: 13 << 20)
    #expect(layout.run(at: 10 << 20).keyOffset == 10 << 20)
    #expect(layout.run(at: 13 << 20).keyOffset == 10 << 20)
    #expect(layout.run(at: 19 << 20).keyOffset == 10 << 20)
    #expect(layout.run(at: 20 << 20).keyOffset == 0)
    #expect(layout.run(at: 30 << 20).keyOffset == 10 << 20)
  }

  @Test("the real key: where the 27 GB file of BELLE-LLaMA-7B-0.6M leaves key[i % size]")
  func realKey() {
    let layout = KeyStreamLayout(keySize: 13_476_939_516)
    #expect(layout.tailSize == 2_737_916)
    #expect(layout.run(at: 13_476_939_515).keyOffset == 13_476_939_515)
    #expect(layout.run(at: 13_476_939_516).keyOffset == 13_474_201_600)
    #expect(layout.run(at: 13_484_687_360).keyOffset == 0)
  }
}

@Suite("EncryptedName") struct EncryptedNameTests {
  static let hex = String(repeating: "0a", count: 32)

  @Test(
    "a name is taken apart and put together", arguments: ["config.json", "a", "a.b.c", "模型", ".hidden", "a\nb", "..."])
  func parts(name: String) throws {
    let parsed = try EncryptedName("\(name).\(Self.hex).enc")
    #expect(parsed.plainName == name)
    #expect(parsed.digest.hex == Self.hex)
    #expect(parsed.fileName == "\(name).\(Self.hex).enc")
  }

  @Test(
    "names that are none are refused",
    arguments: [
      "", ".enc", "config.json", "a.enc", "a.\(hex)", "a.\(hex.dropLast()).enc", "a.\(hex)0.enc",
      "a.g\(hex.dropFirst()).enc",
      "\(hex).enc", ".\(hex).enc", "..\(hex).enc", "...\(hex).enc", "a\(hex).enc",
      ".belle-tools-1-a.partial.\(hex).enc",
    ])
  func refused(name: String) {
    let error = #expect(throws: ChecksumError.self) { try EncryptedName(name) }
    #expect(error?.code == .badName)
  }
}

@Suite("Golden files of the reference program", .serialized) struct GoldenTests {
  struct Golden: Decodable {
    struct Case: Decodable, CustomTestStringConvertible, Sendable {
      let key_seed: UInt64
      let key_bytes: Int
      let data_seed: UInt64
      let data_bytes: Int
      let enc_name: String
      let enc_sha256: String
      let enc_md5: String
      let plain_sha256: String
      let plain_md5: String
      var testDescription: String { "key \(key_bytes), data \(data_bytes)" }
    }
    let first16_of_seed_1: String
    let cases: [Case]
  }

  static let golden = decodeJSON(Golden.self, project("Tests/Fixtures/enc/golden.json"))

  @Test("the generator is the one of the golden file")
  func generator() {
    let hex = SplitMix64.bytes(seed: 1, count: 16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
      .joined()
    #expect(hex == Self.golden.first16_of_seed_1)
    #expect(Self.golden.cases.count == 12)
  }

  @Test("encrypting writes the reference's bytes, and decrypting gives the plain file back", arguments: golden.cases)
  func bothDirections(golden: Golden.Case) throws {
    let folder = try TemporaryFolder()
    let key = try folder.write("key", SplitMix64.bytes(seed: golden.key_seed, count: golden.key_bytes))
    let plain = try folder.write("plain.bin", SplitMix64.bytes(seed: golden.data_seed, count: golden.data_bytes))

    let encryptor = try ReleaseEncryptor(input: plain, key: key, outputFolder: folder.file("enc"))
    var results: [FileResult] = []
    try encryptor.run(progress: { _ in }) { results.append($0) }
    #expect(results.first?.error == nil)
    #expect(try folder.names(in: "enc") == [golden.enc_name])
    let encrypted = try InputFile(folder.file("enc/" + golden.enc_name))
    let digests = try FileDigest.compute([.md5, .sha256], of: encrypted)
    #expect(digests[.sha256]?.hex == golden.enc_sha256)
    #expect(digests[.md5]?.hex == golden.enc_md5)

    var options = DecryptOptions(jobs: 2)
    options.manifest = try Manifest(text: "\(golden.plain_md5)  plain.bin")
    let plan = try DecryptPlan(input: folder.file("enc"), key: key, outputFolder: folder.file("out"), options: options)
    results = []
    try ReleaseDecryptor(plan).run(progress: { _ in }) { results.append($0) }
    #expect(results.first?.error == nil)
    #expect(results.first?.digests[.sha256]?.hex == golden.plain_sha256)
    #expect(results.first?.digests[.md5]?.hex == golden.plain_md5)
    #expect(try readBytes(folder.file("out/plain.bin")) == readBytes(plain))
  }
}

@Suite("Vectors of real releases") struct HeaderVectorTests {
  struct Vectors: Decodable {
    struct Key: Decodable { let hex: String }
    struct Vector: Decodable, CustomTestStringConvertible, Sendable {
      let release: String
      let file: String
      let key: String
      let header_32_bytes: Bool
      let plaintext: String
      let plaintext_sha256: String
      let plaintext_md5: String
      let enc_size: Int
      let enc_md5_published: String
      let enc_hex: String?
      var testDescription: String { "\(release) \(file)" }
    }
    struct WrongKey: Decodable { let release: String; let file: String; let key_used: String; let result_md5: String }
    let keys: [String: Key]
    let vectors: [Vector]
    let wrong_key_example: WrongKey
  }

  static let vectors = decodeJSON(Vectors.self, project("checksums/header-vectors.json"))

  /// The proven first bytes of a key.
  static func key(_ name: String) -> [UInt8] { bytes(vectors.keys[name]?.hex ?? "") }

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
  }

  /// The encrypted file, made from the plain text and the key's proven first bytes.
  static func encrypted(_ vector: Vectors.Vector) throws -> [UInt8] {
    let key = Self.key(vector.key)
    let header = vector.header_32_bytes ? try DigestStream.digest(.sha256, of: Array(vector.plaintext.utf8)).bytes : []
    return header + zip(vector.plaintext.utf8, key).map { $0 ^ $1 }
  }

  @Test("the published MD5 of a real encrypted file is reproduced", arguments: vectors.vectors)
  func encrypting(vector: Vectors.Vector) throws {
    let folder = try TemporaryFolder()
    let key = try folder.write("key", Self.key(vector.key))
    let plain = try folder.write(vector.file, vector.plaintext)
    try ReleaseEncryptor(input: plain, key: key, outputFolder: folder.file("enc")).run(progress: { _ in }) { _ in
    }
    var bytes = try readBytes(folder.file("enc/\(vector.file).\(vector.plaintext_sha256).enc"))
    // TechGPT's variant is the same without the header.
    if !vector.header_32_bytes { bytes = Array(bytes.dropFirst(32)) }
    #expect(bytes.count == vector.enc_size)
    #expect(try DigestStream.digest(.md5, of: bytes).hex == vector.enc_md5_published)
    if let hex = vector.enc_hex { #expect(bytes == Self.bytes(hex)) }
  }

  @Test("a real encrypted file decrypts to its published digests, of both variants", arguments: vectors.vectors)
  func decrypting(vector: Vectors.Vector) throws {
    let folder = try TemporaryFolder()
    let key = try folder.write("key", Self.key(vector.key))
    let digest = vector.header_32_bytes ? vector.plaintext_sha256 : Digest.hexOfNothing
    try folder.write("enc/\(vector.file).\(digest).enc", try Self.encrypted(vector))
    let plan = try DecryptPlan(
      input: folder.file("enc"), key: key, outputFolder: folder.file("out"), options: DecryptOptions(jobs: 1))
    var results: [FileResult] = []
    try ReleaseDecryptor(plan).run(progress: { _ in }) { results.append($0) }
    #expect(results.map { $0.error?.description } == [nil])
    #expect(try readBytes(folder.file("out/" + vector.file)) == Array(vector.plaintext.utf8))
    if !vector.header_32_bytes { #expect(results.first?.digests[.md5]?.hex == vector.plaintext_md5) }
  }

  @Test("the digest that a user with Llama-2's key reported is reproduced")
  func wrongKey() throws {
    let example = Self.vectors.wrong_key_example
    let vector = try #require(Self.vectors.vectors.first { $0.release == example.release && $0.file == example.file })
    let wrong = Self.key(example.key_used)
    let result = zip(try Self.encrypted(vector), wrong).map { $0 ^ $1 }
    #expect(try DigestStream.digest(.md5, of: result).hex == example.result_md5)
  }

  @Test("a key is named from its first bytes, a near miss is not", arguments: Array(vectors.keys.keys))
  func identifying(name: String) throws {
    let folder = try TemporaryFolder()
    let head = Self.key(name)
    let key = try KeyFile(folder.write("key", head + [1, 2, 3]))
    #expect(try KeyRecognition.identify(key, registry: .builtIn)?.head == head)
    var other = head
    other[100] ^= 1
    #expect(try KeyRecognition.identify(KeyFile(folder.write("other", other)), registry: .builtIn) == nil)
    #expect(try KeyRecognition.identify(KeyFile(folder.write("short", head.dropLast())), registry: .builtIn) == nil)
  }

  @Test("small files alone tell which original a release wants")
  func wanted() throws {
    let files = { (release: String) in
      try Self.vectors.vectors.filter { $0.release == release && $0.header_32_bytes }.map {
        (Array(try Self.encrypted($0).dropFirst(32)), try #require(Digest(hex: $0.plaintext_sha256)))
      }
    }
    let names = { try KeyRecognition.wanted(by: files($0), registry: .builtIn).map(\.name) }
    // Files of up to 156 bytes cannot tell the two 7B models apart.
    #expect(try names("BELLE-LLaMA-EXT-7B") == ["LLaMA-1 7B", "Llama-2 7B"])
    #expect(try names("BELLE-LLaMA-7B-2M-gptq-enc") == ["LLaMA-1 7B"])
    #expect(try names("BELLE-LLaMA-13B-2M-enc") == ["LLaMA-1 13B"])
    #expect(try KeyRecognition.wanted(by: [], registry: .builtIn).isEmpty)
    // Eight bytes fit every head; a longer file then refutes the ones whose own head is too short for it.
    let short = zip(Array("{\"b\":1}\n".utf8), Self.key("LLaMA-1 7B/consolidated.00.pth")).map { $0 ^ $1 }
    let digest = try DigestStream.digest(.sha256, of: Array("{\"b\":1}\n".utf8))
    #expect(try KeyRecognition.wanted(by: [(short, digest)], registry: .builtIn).count == 3)
    let both = try files("BELLE-LLaMA-7B-2M-gptq-enc") + [(short, digest)]
    #expect(try KeyRecognition.wanted(by: both, registry: .builtIn).map(\.name) == ["LLaMA-1 7B"])
  }
}

@Suite("KeyAdvice") struct KeyAdviceTests {
  /// A registry of two originals that the program does not have.
  private static func registry(_ heads: [[UInt8]]) throws -> Registry {
    let hex = heads.map { $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
    let original = { (name: String, head: String) in
      """
      {"name": "\(name)", "list": "none", "folder": "none", "head": "\(head)", "files": {"consolidated.00.pth": {"bytes": 1000}}}
      """
    }
    return try Registry(files: [
      "releases.json": #"{"releases": [], "originals": [\#(original("Ours 1B", "0")), \#(original("Ours 2B", "1"))]}"#,
      "header-vectors.json": #"{"keys": {"0": {"hex": "\#(hex[0])"}, "1": {"hex": "\#(hex[1])"}}}"#,
    ])
  }

  @Test("what to do about a wrong key is said of the registry that was given, not of the one that is compiled in")
  func wrongKey() throws {
    let folder = try TemporaryFolder()
    let heads = [SplitMix64.bytes(seed: 1, count: 64), SplitMix64.bytes(seed: 2, count: 64)]
    let keys = try heads.enumerated().map { try folder.write("key\($0)", $1 + [UInt8](repeating: 0, count: 936)) }
    let plain = try folder.write("config.json", SplitMix64.bytes(seed: 3, count: 40))
    try ReleaseEncryptor(input: plain, key: keys[0], outputFolder: folder.file("enc")).run(progress: { _ in }) { _ in }
    let plan = { (key: String) in
      try DecryptPlan(
        input: folder.file("enc"), key: key, outputFolder: folder.file("out"), options: DecryptOptions(jobs: 1),
        registry: Self.registry(heads))
    }
    let right = try plan(keys[0])
    #expect(right.keyOriginal?.name == "Ours 1B" && right.wantedKeys == ["Ours 1B"])
    let error = #expect(throws: XorDecryptError.self) { try plan(keys[1]) }
    #expect(error?.code == .wrongKey)
    #expect(error?.reason == "this is Ours 2B; this release wants Ours 1B")
    #expect(error?.remedy == "give Meta's original: Ours 1B's consolidated.00.pth, 1000 bytes")
  }
}

@Suite("PickleHead") struct PickleHeadTests {
  private let checkpoint = project("Examples/tiny-belle/llama/consolidated.00.pth")

  @Test("a real checkpoint is well-formed, and garbled once its pickle is XORed with anything")
  func garbled() throws {
    let head = try InputFile(checkpoint).bytes(count: PickleHead.size)
    #expect(PickleHead.judge(head) == .wellFormed)
    for seed in 0..<100 as Range<UInt64> {
      var other = head
      let noise = SplitMix64.bytes(seed: seed, count: 2000)
      for index in noise.indices { other[156 + index] ^= noise[index] }
      guard case .garbled(let at) = PickleHead.judge(other) else {
        Issue.record("seed \(seed)")
        continue
      }
      #expect(at >= 128)
    }
  }

  @Test("every prefix of a real head is well-formed or unknown, never garbled")
  func prefixes() throws {
    let head = try InputFile(checkpoint).bytes(count: 4000)
    for count in 0...head.count {
      let verdict = PickleHead.judge(Array(head.prefix(count)))
      #expect(verdict == .wellFormed || verdict == .unknown, "\(count) bytes: \(verdict)")
    }
  }

  @Test("what is no zip of a pickle is unknown, and garbage never traps")
  func unknown() throws {
    #expect(PickleHead.judge([]) == .unknown)
    #expect(PickleHead.judge(SplitMix64.bytes(seed: 1, count: 5000)) == .unknown)
    let head = try InputFile(checkpoint).bytes(count: 600)
    for seed in 0..<500 as Range<UInt64> {
      var random = SplitMix64(seed: seed)
      var bytes = head
      for _ in 0..<Int.random(in: 1...30, using: &random) {
        bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = PickleHead.judge(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
    }
  }
}
