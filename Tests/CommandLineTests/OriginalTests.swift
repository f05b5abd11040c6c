import ByteIO
import Checkpoint
import Checksum
import Foundation
import TestSupport
import Testing
import XorDecrypt

private let shared = ProcessInfo.processInfo.environment["BELLE_SHARED"].map { $0 + "/fixtures/original" }

/// A key that is made of a Hugging Face folder, and Meta's shards. Tests/Fixtures/original is of torch 1.13.1.
@Suite("The key rebuilt") struct OriginalTests {
  private static let fixture = project("Tests/Fixtures/original")
  private static let file = KnownOriginal.keyFileName
  private let hf = OriginalTests.fixture + "/hf"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func copy(_ name: String, weights: String? = nil, configuration: (String) -> String = { $0 }) throws -> String
  {
    try folder.write("\(name)/model.safetensors", readBytes(weights ?? hf + "/model.safetensors"))
    try folder.write(
      "\(name)/config.json", configuration(String(decoding: readBytes(hf + "/config.json"), as: UTF8.self)))
    return folder.file(name)
  }

  // MARK: convert --as-original

  @Test("a conversion becomes torch's file byte for byte, in a folder and as a file, and again from what was written")
  func original() throws {
    let wanted = try readBytes(Self.fixture + "/" + Self.file)
    try folder.write("tokenizer.model", "tokens")
    let model = try copy("model")
    try folder.write("model/tokenizer.model", "tokens")
    try folder.write("model/generation_config.json", "{}")
    let run = try belleTools("convert", model, folder.file("7B"), "--layout", "meta", "--as-original")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("33 tensors, every value identical"))
    #expect(run.output.contains("no digest is known of a model of this size: not verified"))
    #expect(run.errors.contains("Meta's licence of LLaMA goes with the file"))
    #expect(try folder.names(in: "7B") == [Self.file, "params.json", "tokenizer.model"])
    #expect(try readBytes(folder.file("7B/" + Self.file)) == wanted)
    let one = try belleTools(
      "convert", hf, folder.file("key.pth"), "--layout", "meta", "--as-original", "--json")
    #expect(one.status == 0, "\(one.errors)")
    #expect(try one.objects().last?["original"] is NSNull)
    #expect(try readBytes(folder.file("key.pth")) == wanted)
    // A model that somebody loaded and saved with another torch, and one in PyTorch's files.
    #expect(try belleTools("convert", hf, folder.file("meta"), "--layout", "meta").status == 0)
    #expect(try readBytes(folder.file("meta/" + Self.file)) != wanted)
    #expect(try belleTools("convert", hf, folder.file("torch"), "--format", "torch").status == 0)
    for input in ["7B", "meta", "torch"] {
      let again = try belleTools(
        "convert", folder.file(input), folder.file("again"), "--layout", "meta", "--as-original", "--force")
      #expect(again.status == 0, "\(again.errors)")
      #expect(try readBytes(folder.file("again/" + Self.file)) == wanted)
    }
    #expect(try belleTools("compare", folder.file("7B"), hf).status == 0)
  }

  @Test("a file of twelve layers of the shared fixtures is the same", .enabled(if: shared != nil))
  func sharedFixture() throws {
    let fixture = shared ?? ""
    let run = try belleTools("convert", fixture + "/hf", folder.file("7B"), "--layout", "meta", "--as-original")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try readBytes(folder.file("7B/" + Self.file)) == readBytes(fixture + "/" + Self.file))
  }

  @Test(
    "options that do not go with it are refused",
    arguments: [
      ["--as-original"], ["--layout", "hf", "--as-original"], ["--layout", "meta", "--as-original", "--dtype", "f16"],
      ["--layout", "meta", "--as-original", "--shards", "2"],
      ["--layout", "meta", "--as-original", "--format", "safetensors"], ["--shards", "2"],
      ["--layout", "meta", "--shards", "0"], ["--layout", "meta", "--shards", "2", "--format", "safetensors"],
    ])
  func options(options: [String]) throws {
    let run = try Running(["convert", hf, folder.file("out")] + options).finish()
    #expect(run.status == 64, "\(run.errors)")
    #expect(try folder.names() == [])
  }

  @Test(
    "what is no original is refused, and nothing is left", arguments: ["bf16", "f32", "merged", "bloom", "quantized"])
  func refusals(kind: String) throws {
    var model = folder.file("model")
    let reason: String
    switch kind {
    case "bf16", "f32":
      #expect(try belleTools("convert", hf, model, "--dtype", kind).status == 0)
      reason = kind == "bf16" ? "its values are bfloat16" : "is F32, and every value of Meta's LLaMA-1 is a half"
    case "merged":
      model = try copy("model") { $0.replacingOccurrences(of: ": 32,", with: ": 33,") }
      reason = "do not fit"
    case "bloom":
      model = try RandomCheckpoint(bloom: true).write(folder, "model")
      reason = "no LLaMA model"
    default:
      model = project("Tests/Fixtures/awq/gemm")
      reason = "quantized"
    }
    let before = try folder.names()
    let run = try belleTools("convert", model, folder.file("out"), "--layout", "meta", "--as-original")
    #expect(run.status != 0 && run.errors.contains(reason), "\(run.errors)")
    #expect(try folder.names() == before)
  }

  // MARK: decrypt and encrypt

  /// A release that was encrypted with the fixture's file, larger than it, so that its end is met and its beginning again.
  private func release() throws -> (plain: [String: [UInt8]], enc: String) {
    let plain = [
      "config.json": SplitMix64.bytes(seed: 1, count: 700), "a.bin": SplitMix64.bytes(seed: 2, count: 11_000_000),
    ]
    for (name, bytes) in plain { try folder.write("plain/" + name, bytes) }
    let run = try belleTools(
      "encrypt", folder.file("plain"), Self.fixture + "/" + Self.file, folder.file("enc"), "--quiet")
    #expect(run.status == 0, "\(run.errors)")
    return (plain, folder.file("enc"))
  }

  @Test(
    "a folder is a key as its file is: decrypting and encrypting give the same", arguments: ["safetensors", "torch"])
  func key(format: String) throws {
    let release = try release()
    let model = folder.file("hf")
    #expect(try belleTools("convert", hf, model, "--format", format, "--max-shard-size", "9kB").status == 0)
    let run = try belleTools("decrypt", release.enc, model, folder.file("out"))
    #expect(run.status == 0, "\(run.errors)")
    for (name, bytes) in release.plain { #expect(try readBytes(folder.file("out/" + name)) == bytes) }
    let again = try belleTools("encrypt", folder.file("plain"), model, folder.file("enc2"))
    #expect(again.status == 0, "\(again.errors)")
    #expect(try folder.names(in: "enc2") == folder.names(in: "enc"))
    for name in try folder.names(in: "enc") {
      #expect(try readBytes(folder.file("enc/" + name)) == readBytes(folder.file("enc2/" + name)))
    }
    // Inputs are never written, and the model's configuration is one.
    let before = try readBytes(model + "/config.json")
    let into = try belleTools("decrypt", release.enc, model, model, "--force")
    #expect(into.status == 1, "\(into.output)\(into.errors)")
    #expect(try readBytes(model + "/config.json") == before)
  }

  @Test("a key file in the folder wins over its model")
  func fileWins() throws {
    let release = try release()
    let model = try copy("hf") { $0.replacingOccurrences(of: "llama", with: "unknown") }
    #expect(try belleTools("decrypt", release.enc, model, folder.file("out")).status == 1)
    try folder.write("hf/" + Self.file, readBytes(Self.fixture + "/" + Self.file))
    let run = try belleTools("decrypt", release.enc, model, folder.file("out"))
    #expect(run.status == 0, "\(run.errors)")
  }

  @Test("a model that was trained further fails as a key, and the message says what to ask")
  func wrongKey() throws {
    let release = try release()
    let model = try copy("hf")
    try flip(model + "/model.safetensors", at: 18_000)
    let run = try belleTools("decrypt", release.enc, model, folder.file("out"))
    #expect(run.status == 1)
    #expect(run.errors.contains("--check-key"), "\(run.errors)")
    #expect(try !folder.names(in: "out").contains("a.bin"))
    let checked = try belleTools("decrypt", release.enc, model, folder.file("out"), "--check-key")
    #expect(checked.status == 1 && checked.errors.contains("the digest of the file that it makes"), "\(checked.errors)")
    let rounded = folder.file("bf16")
    #expect(try belleTools("convert", hf, rounded, "--dtype", "bf16").status == 0)
    let bf16 = try belleTools("decrypt", release.enc, rounded, folder.file("out"))
    #expect(bf16.status == 1 && bf16.errors.contains("its values are bfloat16"), "\(bf16.errors)")
  }

  // MARK: --shards

  @Test(
    "shards are read as the model that they were divided from, also where the last one has more rows",
    arguments: [32, 33])
  func shards(vocabulary: Int) throws {
    var model = hf
    if vocabulary != 32 {
      let source = try Checkpoint.open(hf)
      var longer = MemorySource()
      for (index, info) in source.tensors.enumerated() {
        let isOfTokens = ["model.embed_tokens.weight", "lm_head.weight"].contains(info.name)
        let bytes = try source.allBytes(index)
        let more = isOfTokens ? Array(bytes.suffix(32)) : []
        longer.add(info.name, info.dtype, isOfTokens ? [vocabulary, 16] : info.shape, bytes + more)
      }
      model = try copy("model") { $0.replacingOccurrences(of: ": 32,", with: ": \(vocabulary),") }
      try longer.write(in: model)
    }
    let meta = folder.file("meta")
    let run = try belleTools("convert", model, meta, "--layout", "meta", "--shards", "2")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("31 tensors, every value identical"), "\(run.output)")
    #expect(try folder.names(in: "meta") == [Self.file, "consolidated.01.pth", "params.json"])
    let last = try Checkpoint.open(file: meta + "/consolidated.01.pth")
    let head = try #require(last.tensors.first { $0.name == "output.weight" })
    #expect(head.shape == [vocabulary - 16, 16])
    #expect(last.tensors.first { $0.name == "tok_embeddings.weight" }?.shape == [vocabulary, 8])
    // Each verb.
    let compare = try belleTools("compare", meta, model)
    #expect(compare.status == 0, "\(compare.output)\(compare.errors)")
    #expect(try belleTools("inspect", meta).output.contains("output.weight"))
    #expect(try belleTools("doctor", meta).status != 1)
    let back = try belleTools("convert", meta, folder.file("hf"), "--layout", "hf")
    #expect(back.status == 0, "\(back.errors)")
    #expect(try belleTools("compare", folder.file("hf"), model).status == 0)
    // Two become one, by the same option.
    let whole = try belleTools("convert", meta, folder.file("one"), "--layout", "meta")
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(try belleTools("compare", folder.file("one"), model).status == 0)
    let again = try belleTools("convert", folder.file("one"), folder.file("two"), "--layout", "meta", "--shards", "2")
    #expect(again.status == 0, "\(again.errors)")
    for name in try folder.names(in: "meta") where name.hasSuffix(".pth") {
      #expect(try readBytes(folder.file("two/" + name)) == readBytes(meta + "/" + name))
    }
    // Rounded on the way, and with what divides no heads.
    let rounded = try belleTools(
      "convert", model, folder.file("bf16"), "--layout", "meta", "--shards", "2", "--dtype", "bf16")
    #expect(rounded.status == 0 && rounded.output.contains("rounded to bf16"), "\(rounded.errors)")
    let three = try belleTools("convert", model, folder.file("three"), "--layout", "meta", "--shards", "3")
    #expect(three.status == 1 && three.errors.contains("not divided by 3 shards"), "\(three.errors)")
    #expect(try !folder.names().contains("three"))
  }
}
