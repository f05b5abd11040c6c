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
  @Test("all are listed with their form, and one is told whole")
  func lists() throws {
    let all = try belleTools("releases")
    #expect(all.status == 0)
    let lines = all.output.split(separator: "\n")
    for repository in Catalogue.builtIn.repositories {
      let ours = lines.filter { $0.hasPrefix(repository.name + "  ") && $0.contains("  \(repository.form.rawValue)  ") }
      #expect(ours.count == 1, "\(repository.name)")
    }
    let one = try belleTools("releases", "belle-llama-7b-2m-enc")
    #expect(one.output.contains("LLaMA-1 7B's consolidated.00.pth"))
    #expect(one.output.contains("166879223b7504f1632d72b1577d57bceaa8fdeee1857c61119e575c50a4aae5"))
    let json = try belleTools("releases", "--json").objects()
    #expect(json.count == Catalogue.builtIn.repositories.count + Registry.builtIn.originals.count + 1)
    #expect(try belleTools("releases", "nothing").status == 1)
  }

  @Test(
    "licence, limits and what to do are told of each form",
    arguments: [
      (
        "BELLE-LLaMA-7B-2M-enc",
        [
          "form:    enc", "licence: gpl-3.0", "limits:  its card: for research and learning only",
          "to do:   belle-tools decrypt <folder> <key-file> <output>",
          "         belle-tools convert <output> model.gguf --chat-template belle",
        ]
      ),
      (
        "BelleGroup/BELLE-LLaMA-7B-2M-gptq-enc",
        ["         belle-tools generate <output>/llama7b-2m-4bit-128g.pt --chat"]
      ),
      (
        "belle-7b-2m",
        [
          "form:    plain", "licence: apache-2.0", "limits:  BELLE's READMEs: ",
          "to do:   nothing is to be decrypted", "         belle-tools generate <folder> --chat",
          "pytorch_model.bin  about 28.3 GB",
        ]
      ),
      ("BELLE-Llama2-13B-chat-0.4M", ["licence: llama2", "generate <folder> --chat --chat-template belle2"]),
      ("BELLE-LLAMA-7B-2M", ["licence: not known", "to do:   withdrawn: take BELLE-LLaMA-7B-2M-enc; "]),
      ("BELLE-VL", ["         belle-tools inspect <folder>"]),
      (
        "ChatBELLE-int4",
        [
          "form:    private", "licence: not known", "to do:   no program but ChatBELLE reads its file",
          "         take BELLE-LLaMA-7B-2M-enc, decrypt it, ",
        ]
      ),
      (
        "chinese-alpaca-plus-lora-13b",
        [
          "form:    adapter", "base:    LLaMA-1 13B HF", "licence: apache-2.0",
          "to do:   belle-tools merge <LLaMA-1 13B HF> <chinese-llama-plus-lora-13b> <folder> <output>",
          "  SHA-256       a1fcdcb6d7e1068f925fb36ec78632c76058ba12ba352bed4d44060b8e6f4706",
        ]
      ),
    ])
  func forms(name: String, texts: [String]) throws {
    let run = try belleTools("releases", name)
    #expect(run.status == 0)
    for text in texts { #expect(run.output.contains("\n" + text) || run.output.contains(text + "\n"), "\(text)") }
  }

  @Test("an object of each tells form, licence, limits and what to do; only encrypted ones have a key")
  func objects() throws {
    let objects = try belleTools("releases", "--json").objects().filter { $0["type"] as? String == "release" }
    #expect(objects.count == Catalogue.builtIn.repositories.count)
    for object in objects {
      let name = try #require(object["name"] as? String)
      let form = try #require(object["form"] as? String)
      #expect(["enc", "plain", "adapter", "private"].contains(form), "\(name)")
      #expect((object["licence"] as? String)?.isEmpty == false, "\(name)")
      #expect((object["limits"] as? [String])?.isEmpty == false, "\(name)")
      #expect((object["steps"] as? [String])?.isEmpty == false, "\(name)")
      #expect((object["page"] as? String)?.hasPrefix("https://") == true, "\(name)")
      #expect(object["withdrawn"] as? Bool != nil, "\(name)")
      #expect((object["key"] as? String != nil) == (form == "enc"), "\(name)")
      #expect(object["files"] as? [[String: Any]] != nil, "\(name)")
    }
  }

  @Test("nothing is verified of what has no digests, and that is said")
  func withoutDigests() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/bloom7b-2m-4bit-128g.pt", "?")
    try folder.write("m/config.json", "{}")
    for arguments in [[], ["--release", "BELLE_BLOOM_GPTQ_4BIT"], ["--release", "ChatBELLE-int4"]] {
      let run = try Running(["verify", folder.file("m")] + arguments).finish()
      #expect(run.status == 1, "\(arguments)")
      #expect(run.output.isEmpty, "\(arguments)")
    }
    let named = try belleTools("verify", folder.file("m"), "--release", "bellegroup/belle_bloom_gptq_4bit")
    #expect(named.errors.contains("no digest of BELLE_BLOOM_GPTQ_4BIT's files is known"))
    // A list that lies beside the files is still found.
    try folder.write("m/md5sums.txt", "d41d8cd98f00b204e9800998ecf8427e  config.json\n")
    #expect(try belleTools("verify", folder.file("m")).status == 2)
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
    arguments: ["", "decrypt", "encrypt", "verify", "releases", "inspect", "convert", "merge", "extend", "compare"])
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
