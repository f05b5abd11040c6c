import Checksum
import Foundation
import TestSupport
import Testing

@Suite("encrypt") struct EncryptTests {
  @Test("the miniature release comes out as the reference program made it")
  func tinyBelle() throws {
    let folder = try TemporaryFolder()
    let base = project("Examples/tiny-belle/llama/consolidated.00.pth")
    #expect(try belleTools("decrypt", project("Examples/tiny-belle/enc"), base, folder.file("out")).status == 0)
    let run = try belleTools("encrypt", folder.file("out"), base, folder.file("enc"))
    #expect(run.status == 0)
    let check = try belleTools(
      "verify", folder.file("enc"), "--manifest", project("Examples/tiny-belle/tiny-belle.enc.md5"), "--strict")
    #expect(check.status == 0, "\(check.output)")
    let again = try belleTools("encrypt", folder.file("out"), base, folder.file("enc"), "--json")
    #expect(again.status == 0)
    #expect(try again.objects().dropLast().allSatisfy { $0["status"] as? String == "skipped" })
  }

  @Test(
    "hidden files, folders and .enc files are left alone, the key is refused, and a broken output is not kept for good")
  func choices() throws {
    let release = try Release(large: 0)
    try release.folder.write("plain/a.txt", "hello")
    try release.folder.write("plain/.hidden", "x")
    try release.folder.write("plain/sub/b", "x")
    let run = try belleTools("encrypt", release.folder.file("plain"), release.key, release.folder.file("e"))
    #expect(run.status == 0)
    #expect(run.errors.contains("left alone: .hidden, sub/"))
    let name = try #require(try release.folder.names(in: "e").first)
    #expect(try release.folder.names(in: "e").count == 1)
    try flip(release.folder.file("e/" + name), at: 33)
    let broken = try belleTools("encrypt", release.folder.file("plain"), release.key, release.folder.file("e"))
    #expect(broken.status == 1)
    #expect(broken.errors.contains("does not decrypt to this one"))
    #expect(
      try belleTools("encrypt", release.folder.file("plain"), release.key, release.folder.file("e"), "--force").status
        == 0)
    #expect(try belleTools("encrypt", release.key, release.key, release.folder.file("e")).status == 1)
  }
}

@Suite("verify") struct VerifyTests {
  private let md5 = { (text: String) in try DigestStream.digest(.md5, of: Array(text.utf8)) }
  private let sha = { (text: String) in try DigestStream.digest(.sha256, of: Array(text.utf8)) }

  @Test("prints md5sum's lines, names what is missing and extra, and exits with 2")
  func lines() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/good", "good")
    try folder.write("m/bad", "bad")
    try folder.write("m/more", "more")
    try folder.write("m/sub/deep", "deep")
    let list = try folder.write(
      "list", "\(md5("good"))  ./good\r\n\(md5("x")) *bad\r\n\(md5("y"))  gone\r\nMD5 (sub/deep) = \(md5("deep"))\r\n")
    let run = try belleTools("verify", folder.file("m"), "--manifest", list)
    #expect(run.status == 2)
    #expect(run.output == "good: OK\nbad: FAILED\ngone: MISSING\nsub/deep: OK\nmore: EXTRA (not listed)\n")
    let objects = try belleTools("verify", folder.file("m"), "--manifest", list, "--json").objects()
    #expect(objects.map { $0["status"] as? String } == ["ok", "mismatch", "missing", "ok", "extra", nil])
    #expect(objects[1]["algorithm"] as? String == "md5")
    #expect(objects[1]["expected"] as? String == (try md5("x").hex))
    #expect(objects[1]["actual"] as? String == (try md5("bad").hex))
    #expect(objects[2]["actual"] is NSNull)
    #expect(objects.last?["type"] as? String == "summary")
  }

  @Test("extra files are a failure only with --strict, and the list itself is none")
  func strict() throws {
    let folder = try TemporaryFolder()
    try folder.write("a", "a")
    try folder.write("b", "b")
    try folder.write("SHA256SUMS", "\(sha("a"))  a\n")
    #expect(try belleTools("verify", folder.path).status == 0)
    #expect(try belleTools("verify", folder.path).output == "a: OK\nb: EXTRA (not listed)\n")
    #expect(try belleTools("verify", folder.path, "--strict").status == 2)
  }

  @Test("both digests of a file, several lists, and the order of the list at any number of jobs")
  func several() throws {
    let folder = try TemporaryFolder()
    var lists = ["", ""]
    for index in 0..<20 {
      try folder.write("m/\(index)", "file \(index)")
      lists[0] += "\(try md5("file \(index)"))  \(index)\n"
      lists[1] += "\(try sha(index == 7 ? "other" : "file \(index)"))  \(index)\n"
    }
    let paths = try [folder.write("one", lists[0]), folder.write("two", lists[1])]
    let run = { (jobs: String) in
      try belleTools("verify", folder.file("m"), "--manifest", paths[0], "--manifest", paths[1], "--threads", jobs)
    }
    let one = try run("1")
    #expect(one.status == 2)
    #expect(one.output.split(separator: "\n").count == 20)
    #expect(one.output.contains("7: FAILED"))
    #expect(try run("7").output == one.output)
  }

  @Test("the release whose names fit is found, encrypted and plain")
  func releases() throws {
    let folder = try TemporaryFolder()
    let release = try Registry.builtIn.release(named: "BELLE-LLaMA-EXT-7B")
    for file in release.files { try folder.write("enc/" + (file.encryptedName ?? ""), "wrong") }
    let run = try belleTools("verify", folder.file("enc"))
    #expect(run.status == 2)
    #expect(run.errors.contains("BELLE-LLaMA-EXT-7B"))
    #expect(run.output.split(separator: "\n").count { $0.hasSuffix(": FAILED") } == 8)

    let generation =
      "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0,\n  \"transformers_version\": \"4.28.0.dev0\"\n}\n"
    let special = "{\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\",\n  \"unk_token\": \"<unk>\"\n}\n"
    try folder.write("plain/generation_config.json", generation)
    try folder.write("plain/special_tokens_map.json", special)
    let plain = try belleTools("verify", folder.file("plain"), "--release", "belle-llama-ext-7b")
    #expect(plain.status == 2)
    #expect(plain.output.contains("generation_config.json: OK"))
    #expect(plain.output.contains("config.json: MISSING"))
    let one = try belleTools("verify", folder.file("plain/generation_config.json"))
    #expect(one.status == 0)
    #expect(one.output.contains("OK (BELLE-LLaMA-EXT-7B"))
  }

  @Test("what fits nothing, a bad list and a missing folder are failures, not answers")
  func failures() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "a")
    for arguments in [
      ["verify", folder.file("m")], ["verify", folder.file("none")],
      ["verify", folder.file("m"), "--manifest", folder.file("none")],
      ["verify", folder.file("m"), "--manifest", try folder.write("bad", "nonsense")],
      ["verify", folder.file("m"), "--release", "no-such-release"],
    ] {
      let run = try Running(arguments).finish()
      #expect(run.status == 1, "\(arguments)")
      #expect(run.errors.contains("error: "))
      #expect(run.errors.contains("hint: "))
    }
  }

  @Test("a mismatch that has a plain cause is explained")
  func causes() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    let list = try folder.write("list", "\(md5("x"))  a\n")
    let run = try belleTools("verify", folder.file("m"), "--manifest", list)
    #expect(run.status == 2)
    #expect(run.errors.contains("Git LFS pointer"))
  }
}

@Suite("releases") struct ReleasesTests {
  @Test("all are listed, and one is told whole")
  func lists() throws {
    let all = try belleTools("releases")
    #expect(all.status == 0)
    for release in Registry.builtIn.releases { #expect(all.output.contains(release.name)) }
    let one = try belleTools("releases", "belle-llama-7b-2m-enc")
    #expect(one.output.contains("LLaMA-1 7B's consolidated.00.pth"))
    #expect(one.output.contains("166879223b7504f1632d72b1577d57bceaa8fdeee1857c61119e575c50a4aae5"))
    let json = try belleTools("releases", "--json").objects()
    #expect(json.count == Registry.builtIn.releases.count + Registry.builtIn.originals.count + 1)
    #expect(try belleTools("releases", "nothing").status == 1)
  }

  @Test("the binary knows the releases wherever it lies")
  func anywhere() throws {
    let folder = try TemporaryFolder()
    let run = try belleTools("releases", shell: "cp \"$0\" here && exec ./here \"$@\"", in: folder.path)
    #expect(run.status == 0)
    #expect(run.output.contains("TechGPT-7B"))
  }
}

@Suite("Command line") struct UsageTests {
  @Test(
    "wrong usage exits with 64",
    arguments: [
      ["nonsense"], ["decrypt"], ["decrypt", "a", "b", "c", "--threads", "0"],
      ["verify", "a", "--manifest", "b", "--release", "c"], ["releases", "--no-such-option"],
    ])
  func usage(arguments: [String]) throws {
    let run = try Running(arguments).finish()
    #expect(run.status == 64)
    #expect(run.output.isEmpty)
    #expect(!run.errors.isEmpty)
  }

  @Test(
    "help opens with a worked example",
    arguments: ["", "decrypt", "encrypt", "verify", "releases", "inspect", "convert", "merge", "compare"])
  func help(verb: String) throws {
    let run = try Running([verb, "--help"].filter { !$0.isEmpty }).finish()
    #expect(run.status == 0)
    let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.prefix(8).contains { $0.hasPrefix("  belle-tools ") })
    #expect(lines.allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE:") })
  }

  @Test("the version is printed")
  func version() throws {
    let version = try belleTools("--version")
    #expect(version.status == 0 && version.output.hasPrefix("belle-tools "))
    #expect(version.output.contains("\nBLAS: ") && version.output.contains(" kernels\n"))
  }
}
