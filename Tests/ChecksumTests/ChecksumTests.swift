import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

@Suite("Digest") struct DigestTests {
  @Test(
    "known answers of RFC 1321 and FIPS 180-2",
    arguments: [
      ("", "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
  func knownAnswers(text: String, md5: String, sha256: String) throws {
    #expect(try DigestStream.digest(.md5, of: Array(text.utf8)).hex == md5)
    #expect(try DigestStream.digest(.sha256, of: Array(text.utf8)).hex == sha256)
  }

  @Test("hexadecimal digits of either case are read, and nothing else")
  func hex() {
    #expect(Digest(hex: "D41D8CD98F00B204E9800998ECF8427E")?.hex == "d41d8cd98f00b204e9800998ecf8427e")
    #expect(Digest(hex: "d41d8cd98f00b204e9800998ecf8427") == nil)
    #expect(Digest(hex: "g41d8cd98f00b204e9800998ecf8427e") == nil)
    #expect(Digest(hex: "٣41d8cd98f00b204e9800998ecf8427") == nil)
    #expect(Digest(hex: "") == nil)
  }

  @Test("a file's digests in one pass are those of its bytes")
  func files() throws {
    let folder = try TemporaryFolder()
    let bytes = SplitMix64.bytes(seed: 3, count: 3_000_001)
    let file = try InputFile(folder.write("a", bytes))
    let digests = try FileDigest.compute([.md5, .sha256], of: file)
    #expect(digests[.md5] == (try DigestStream.digest(.md5, of: bytes)))
    #expect(digests[.sha256] == (try DigestStream.digest(.sha256, of: bytes)))
  }
}

@Suite("Manifest") struct ManifestTests {
  static let md5 = "d41d8cd98f00b204e9800998ecf8427e"
  static let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  @Test(
    "every form of a line gives the same entry",
    arguments: [
      "\(md5)  dir/a b.bin", "\(md5) *dir/a b.bin", "\(md5)  ./dir/a b.bin", "\(md5)\tdir/a b.bin",
      "\(md5) dir/a b.bin",
      "\(md5)  dir/a b.bin\r", "\0\(md5)  dir/a b.bin", "^@\(md5)  dir/a b.bin", "\u{FEFF}\(md5)  dir/a b.bin",
      "\(md5)  .//dir/./a b.bin", "MD5 (dir/a b.bin) = \(md5)", "MD5 (./dir/a b.bin) = \(md5)\r",
      "MD5(dir/a b.bin)= \(md5)", "  \(md5)  dir/a b.bin", "\(md5.uppercased())  dir/a b.bin",
      "# a comment\n\n```\n\(md5)  dir/a b.bin\n```\n",
    ])
  func forms(text: String) throws {
    let entries = try Manifest(text: text).entries
    #expect(entries.map(\.path) == ["dir/a b.bin"])
    #expect(entries.first?.digests[.md5]?.hex == Self.md5)
  }

  @Test("SHA-256 in its forms", arguments: ["\(sha)  a", "SHA256 (a) = \(sha)", "SHA2-256(a)= \(sha)"])
  func sha256(text: String) throws {
    #expect(try Manifest(text: text).digests(for: "a")[.sha256]?.hex == Self.sha)
  }

  @Test(
    "one bad line for each rule, with its code and line",
    arguments: [
      ("hello", ChecksumErrorCode.malformedLine), ("\(md5)  \(String(repeating: "a/", count: 3000))x", .malformedLine),
      (md5, .malformedLine), ("\(md5)  ", .malformedLine),
      ("\\\(md5)  a\\x", .malformedLine), ("MD5 (a) = \(sha)", .malformedLine), ("SHA1 (a) = \(md5)", .malformedLine),
      ("MD5 () = \(md5)", .malformedLine), ("\(md5)00000000  a", .unsupportedAlgorithm),
      ("\(md5)  /etc/passwd", .pathOutside),
      ("\(md5)  ../a", .pathOutside), ("\(md5)  a/../../b", .pathOutside), ("\(md5)  ./", .pathOutside),
      ("00\(md5.dropFirst(2))  good", .contradiction),
    ])
  func badLines(line: String, code: ChecksumErrorCode) {
    let error = #expect(throws: ChecksumError.self) { try Manifest(text: "\(Self.md5)  good\n" + line, file: "list") }
    #expect(error?.code == code)
    #expect(error?.place == "line 2")
    #expect(error?.file == "list")
  }

  @Test("a list of nothing is refused", arguments: ["", "\n\n", "# only a comment\n"])
  func empty(text: String) {
    #expect(throws: ChecksumError.self) { try Manifest(text: text) }
  }

  @Test("a file may have both digests, and the same line twice is no contradiction")
  func both() throws {
    let manifest = try Manifest(text: "\(Self.md5)  a\n\(Self.sha)  a\n\(Self.md5)  ./a\n")
    #expect(manifest.entries.count == 1)
    #expect(manifest.digests(for: "a").count == 2)
  }

  @Test("any name survives writing and reading", arguments: 0..<200)
  func roundTrip(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let alphabet = Array("ab \\\n\r*()=.型\u{1F600}-#")
    let name =
      "x"
      + String((0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
    let digest = try DigestStream.digest(.md5, of: [UInt8(seed & 255)])
    let read = try Manifest(text: Manifest.line(digest, path: name) + "\n")
    #expect(read.entries.map(\.path) == [name])
  }

  @Test("garbage never traps", arguments: 0..<300)
  func garbage(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var bytes = Array("\\\(Self.md5)  a\\n\r\nMD5 (b) = \(Self.md5)\n\(Self.sha) *c\n".utf8)
    for _ in 0..<Int.random(in: 1...20, using: &random) {
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    let manifest = try? Manifest(text: String(decoding: bytes, as: UTF8.self))
    for entry in manifest?.entries ?? [] { #expect(!entry.path.hasPrefix("/") && !entry.path.isEmpty) }
  }

  @Test("names of lists are recognized")
  func listNames() {
    for name in ["checklist.chk", "MD5SUMS", "SHA256SUMS", "tiny-belle.md5", "x.sha256"] {
      #expect(Manifest.isListName(name))
    }
    for name in ["config.json", ".md5", "md5"] { #expect(!Manifest.isListName(name)) }
  }
}

@Suite("Registry") struct RegistryTests {
  let registry = Registry.builtIn

  @Test("what is compiled in is what lies in checksums/, to the byte")
  func embedded() throws {
    var files: [String: String] = [:]
    for folder in ["", "derived/"] {
      for entry in try Folder.entries(of: project("checksums/" + folder)) where entry.kind == .file {
        if entry.name == "README.md" { continue }
        files[folder + entry.name] = String(
          decoding: try readBytes(project("checksums/" + folder + entry.name)), as: UTF8.self)
      }
    }
    #expect(Set(EmbeddedFiles.checksums.map(\.path)) == Set(files.keys))
    for file in EmbeddedFiles.checksums {
      #expect(file.text == files[file.path], "\(file.path)")
    }
  }

  @Test("all releases are known, and each wants an original that is known")
  func releases() throws {
    #expect(registry.releases.count == 10)
    for release in registry.releases {
      let key = try #require(registry.original(named: release.key), "\(release.name)")
      #expect(!key.head.isEmpty)
      #expect(!release.files.isEmpty)
      for file in release.files where release.hasHeader && file.plain[.sha256] != nil {
        #expect(
          file.encryptedName == "\(file.name).\(file.plain[.sha256]?.hex ?? "").enc", "\(release.name) \(file.name)")
      }
    }
    #expect(registry.original(named: "llama-1 7b")?.keyFile?.plainSize == 13_476_939_516)
    #expect(registry.original(named: "LLaMA-1 7B")?.keyFile?.plain[.md5]?.hex == "6efc8dab194ab59e49cd24be5574d85e")
  }

  @Test("every published digest of checksums/ is in the registry")
  func complete() throws {
    for file in EmbeddedFiles.checksums where !file.path.hasSuffix(".json") {
      for entry in try Manifest(text: file.text).entries {
        for digest in entry.digests.values {
          #expect(!registry.owners(of: digest).isEmpty, "\(file.path) \(entry.path)")
        }
      }
    }
  }

  @Test("names are found in any case and with an owner; others are refused with what comes near")
  func names() throws {
    #expect(try registry.release(named: "bellegroup/belle-llama-ext-7b").name == "BELLE-LLaMA-EXT-7B")
    let error = #expect(throws: ChecksumError.self) { try registry.release(named: "EXT") }
    #expect(error?.remedy?.description.contains("BELLE-LLaMA-EXT-13B") == true)
  }

  @Test("a release is known by its encrypted names; shared names settle nothing")
  func encryptedNames() throws {
    let release = try registry.release(named: "BELLE-LLaMA-7B-2M-enc")
    let names = release.files.compactMap(\.encryptedName)
    #expect(registry.releases(ofEncrypted: names).map(\.name) == [release.name])
    #expect(
      registry.releases(ofEncrypted: names + ["other.\(Digest.hexOfNothing).enc"]).map(\.name) == [release.name])
    let tokenizer = try #require(names.first { $0.hasPrefix("tokenizer.model") })
    #expect(registry.releases(ofEncrypted: [tokenizer]).count > 1)
    let empty = "special_tokens_map.json.44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.enc"
    #expect(registry.releases(ofEncrypted: [empty, "config.json.\(String(repeating: "0", count: 64)).enc"]).isEmpty)
    #expect(
      registry.releases(ofEncrypted: ["config.json.\(Digest.hexOfNothing).enc"]).map(\.name) == ["TechGPT-7B"])
    #expect(registry.releases(ofEncrypted: []).isEmpty)
  }

  @Test("a plain folder is known by what is its own; usual names and everybody's small files prove nothing")
  func plainFolders() throws {
    let folder = try TemporaryFolder()
    let generation =
      "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0,\n  \"transformers_version\": \"4.28.0.dev0\"\n}\n"
    try folder.write("generation_config.json", generation)
    try folder.write("special_tokens_map.json", "{}\n")
    for name in [
      "config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
      "pytorch_model.bin.index.json", "tokenizer.model", "tokenizer_config.json",
    ] { try folder.write(name, "?") }
    let usual = try registry.recognize(Folder.entries(of: folder.path), in: folder.path)
    #expect(usual.found.isEmpty)
    #expect(usual.fitting.contains("BELLE-LLaMA-7B-2M-enc"))

    let gptq = try TemporaryFolder()
    for name in ["config.json", "generation_config.json", "llama7b-2m-4bit-128g.pt", "llama7b-2m-8bit-128g.pt"] {
      try gptq.write(name, "?")
    }
    #expect(
      try registry.recognize(Folder.entries(of: gptq.path), in: gptq.path).found.map(\.name) == [
        "BELLE-LLaMA-7B-2M-gptq-enc"
      ]
    )

    let other = try TemporaryFolder()
    try other.write("model.gguf", "?")
    #expect(try registry.recognize(Folder.entries(of: other.path), in: other.path).found.isEmpty)
  }
}
