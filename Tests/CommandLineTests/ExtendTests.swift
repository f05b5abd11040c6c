// extend, against python-protobuf, sentencepiece, numpy and transformers: Tests/Fixtures/extend/make.py.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import TestSupport
import Testing

@Suite("extend") struct ExtendTests {
  private static let fixture = project("Tests/Fixtures/extend")
  private static let model = fixture + "/model"
  private static let second = fixture + "/second.model"

  private struct Reference: Decodable {
    struct Rows: Decodable {
      let count: Int
      let perplexity: Double
      let digests: [String: String]
    }

    struct Merge: Decodable {
      let model: String
      let size: Int
      let tokens: Int
      let rows: [String: Rows]
    }

    let size: Int
    let length: Int
    let merges: [String: Merge]
  }

  private let folder: TemporaryFolder
  private let reference: Reference

  init() throws {
    folder = try TemporaryFolder()
    reference = decodeJSON(Reference.self, Self.fixture + "/reference.json")
  }

  private func digest(_ bytes: [UInt8]) throws -> String { try DigestStream.digest(.sha256, of: bytes).hex }

  @Test(
    "the merged model's bytes, the new rows' and the perplexity are the peers'", arguments: ["keep", "zero"],
    ["mean", "zero", "pieces"])
  func peers(scores: String, rows: String) throws {
    let known = try #require(reference.merges[scores])
    let wanted = try #require(known.rows[rows])
    let out = folder.file("out")
    let run = try belleTools(
      "extend", Self.model, Self.second, out, "--scores", scores, "--rows", rows, "--pad-to", "64")
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(run.output.hasPrefix("217 new tokens (ids 420 to 636), 33 known already; 640 rows in "), "\(run.output)")
    #expect(try digest(readBytes(out + "/tokenizer.model")) == known.model)
    let source = try Checkpoint.open(out)
    for (name, expected) in wanted.digests {
      let index = try #require(source.indicesByName()[name])
      #expect(source.tensors[index].shape == [wanted.count, 32] && source.tensors[index].dtype == .f16)
      #expect(try digest(source.allBytes(index)) == expected, "\(name)")
    }
    let evaluation = try belleTools(
      "evaluate", out, "--text", Self.fixture + "/text.txt", "--sequence-length", "\(reference.length)", "--json")
    let found = try #require(evaluation.objects().last)
    #expect(found["windows"] as? Int == known.tokens / reference.length)
    let perplexity = try #require(found["perplexity"] as? Double)
    #expect(abs(perplexity / wanted.perplexity - 1) < 1e-5, "\(perplexity)")
  }

  @Test("the same bytes come of every container and of several files")
  func containers() throws {
    let first = try belleTools("extend", Self.model, Self.second, folder.file("out"))
    #expect(first.status == 0, "\(first.errors)")
    for options in [["--format", "torch"], ["--max-shard-size", "20kB"]] {
      #expect(try Running(["convert", Self.model, folder.file("base"), "--force"] + options).finish().status == 0)
      let run = try belleTools("extend", folder.file("base"), Self.second, folder.file("again"), "--force")
      #expect(run.status == 0, "\(run.errors)")
      let compare = try belleTools("compare", folder.file("out"), folder.file("again"))
      #expect(compare.output == "12 tensors: 12 equal\n", "\(compare.output)")
    }
  }

  @Test("what it became goes to GGUF, and is the same there")
  func gguf() throws {
    #expect(try belleTools("extend", Self.model, Self.second, folder.file("out"), "--pad-to", "64").status == 0)
    #expect(try belleTools("convert", folder.file("out"), folder.file("m.gguf")).status == 0)
    let perplexities = try ["out", "m.gguf"].map { name in
      let run = try belleTools(
        "evaluate", folder.file(name), "--text", Self.fixture + "/text.txt", "--sequence-length", "48", "--json")
      return try #require(run.objects().last?["perplexity"] as? Double)
    }
    #expect(abs(perplexities[0] / perplexities[1] - 1) < 1e-6, "\(perplexities)")
  }

  @Test("a list of tokens is added, and what it did is told as JSON")
  func list() throws {
    let run = try belleTools("extend", Self.model, Self.fixture + "/list.json", folder.file("out"), "--json", "--quiet")
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    let summary = try #require(run.objects().last)
    #expect(summary["type"] as? String == "summary" && summary["added"] as? Int == 4 && summary["known"] as? Int == 0)
    #expect(summary["first_id"] as? Int == 420 && summary["rows"] as? Int == 424 && summary["tokens"] as? Int == 424)
    #expect((summary["extended"] as? [String])?.count == 2 && summary["tensors"] as? Int == 12)
    #expect(try readBytes(folder.file("out/tokenizer.model")) == readBytes(Self.model + "/tokenizer.model"))
    #expect(
      try belleTools("generate", folder.file("out"), "--prompt", "<|im_start|>the", "--max-tokens", "2").status == 0)
  }

  @Test("forms that it does not take are told with the way")
  func forms() throws {
    let quantized = folder.file("q")
    #expect(
      try belleTools("quantize", Self.model, quantized, "--method", "rtn", "--group-size", "16", "--quiet").status == 0)
    #expect(try belleTools("convert", Self.model, folder.file("m.gguf"), "--quiet").status == 0)
    for (path, reason, way) in [
      (quantized, "its weights are quantized", "--dequantize"),
      (folder.file("m.gguf"), "this is a GGUF file", "--layout hf"),
      (project("Tests/Fixtures/llama1/7B"), "Meta's layout", "--layout hf"),
      (project("Tests/Fixtures/lora/adapter"), "adapter", "base"),
    ] {
      let run = try belleTools("extend", path, Self.second, folder.file("out"))
      #expect(run.status == 1 && run.errors.contains(reason) && run.errors.contains(way), "\(run.errors)")
      #expect(Folder.kind(of: folder.file("out")) == nil)
    }
    // The way is one.
    #expect(try belleTools("convert", quantized, folder.file("w"), "--dequantize", "--dtype", "f16").status == 0)
    #expect(try belleTools("extend", folder.file("w"), Self.second, folder.file("out")).status == 0)
    #expect(
      try belleTools("quantize", folder.file("out"), folder.file("q2"), "--method", "rtn", "--group-size", "16").status
        == 0)
  }

  @Test("no input is replaced: neither the model nor the second tokenizer")
  func inputs() throws {
    for name in try Folder.entries(of: Self.model).map(\.name) {
      try folder.write("model/" + name, readBytes(Self.model + "/" + name))
    }
    let model = folder.file("model")
    try folder.write("other/tokenizer.model", readBytes(Self.second))
    for (path, output) in [(Self.second, model), (folder.file("other"), folder.file("other"))] {
      let run = try belleTools("extend", model, path, output, "--force")
      #expect(run.status == 1 && run.errors.contains("would replace an input"), "\(run.errors)")
    }
    #expect(try readBytes(folder.file("other/tokenizer.model")) == readBytes(Self.second))
    #expect(try folder.names(in: "other") == ["tokenizer.model"])
    // A folder stands for the tokenizer.model in it.
    #expect(try belleTools("extend", model, folder.file("other"), folder.file("out")).status == 0)
  }

  @Test(
    "wrong usage exits with 64",
    arguments: [
      ["a", "b"], ["a", "b", "c.safetensors"], ["a", "b", "c", "--pad-to", "0"], ["a", "b", "c", "--rows", "random"],
      ["a", "b.json", "c", "--scores", "zero"],
    ])
  func usage(arguments: [String]) throws {
    let run = try Running(["extend"] + arguments).finish()
    #expect(run.status == 64 && run.output.isEmpty && !run.errors.isEmpty)
  }
}
