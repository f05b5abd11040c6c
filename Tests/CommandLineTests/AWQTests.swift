// A model as AutoAWQ packs it, against the weights that torch says its integers stand for, under the verbs that read it.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("AutoAWQ's models") struct AWQTests {
  private let model = project("Tests/Fixtures/awq/gemm")
  private let plain = project("Tests/Fixtures/awq/plain")
  private let folder: TemporaryFolder
  private let tokens: String

  init() throws {
    folder = try TemporaryFolder()
    var random = SplitMix64(seed: 3)
    var source = MemorySource()
    source.add("tokens", .i32, [4, 64], (0..<256).map { _ in Int32(random.next() % 304) })
    _ = try SafetensorsWriter.write(
      source, [0], metadata: [:], as: "tokens.safetensors", in: folder.path, replacing: true)
    tokens = folder.file("tokens.safetensors")
  }

  /// A copy whose settings say something else.
  private func copy(_ name: String, from model: String, _ change: (String) -> String = { $0 }) throws -> String {
    for file in ["config.json", "model.safetensors"] {
      let bytes = try readBytes(model + "/" + file)
      let isText = file == "config.json"
      try folder.write("\(name)/\(file)", isText ? Array(change(String(decoding: bytes, as: UTF8.self)).utf8) : bytes)
    }
    return folder.file(name)
  }

  private func expectEqual(_ one: String, _ other: String) throws {
    let run = try belleTools("compare", one, other)
    #expect(run.status == 0 && run.output.hasSuffix("12 tensors: 12 equal\n"), "\(run.output)\(run.errors)")
  }

  @Test("every weight is the one that torch has, with settings and without")
  func values() throws {
    try expectEqual(model, plain)
    let unsaid = try copy("unsaid", from: model) { text in
      text.replacing(/,\s*"quantization_config": \{[^}]*\}/, with: "")
    }
    try expectEqual(unsaid, plain)
    let listed = try belleTools("inspect", model, "--all")
    #expect(listed.status == 0 && listed.output.contains("model.layers.0.mlp.down_proj.qweight"))
  }

  @Test("evaluate has the same perplexity, to the last bit")
  func evaluate() throws {
    let run = try belleTools("evaluate", model, "--text", tokens, "--reference", plain, "--json")
    let scores = try #require(try run.objects().last)
    #expect(scores["kl_mean"] as? Double == 0 && scores["top1_agreement"] as? Double == 1)
    #expect(scores["perplexity"] as? Double == scores["reference_perplexity"] as? Double)
  }

  @Test("generate writes the same text")
  func generate() throws {
    let tokenizer = try readBytes(project("Tests/Fixtures/llama1/tokenizer.model"))
    func text(_ model: String) throws -> String {
      let run = try belleTools("generate", model, "--prompt", "the", "--max-tokens", "12", "--temperature", "0")
      #expect(run.status == 0, "\(run.errors)")
      return run.output
    }
    let (packed, exact) = (try copy("packed", from: model), try copy("exact", from: plain))
    for path in [packed, exact] { try folder.write("\(Folder.name(of: path))/tokenizer.model", tokenizer) }
    let found = try text(packed)
    #expect(try !found.isEmpty && found == text(exact))
  }

  @Test("convert copies it, makes numbers of it, and packs its integers as GPTQ's and as blocks")
  func convert() throws {
    func converted(_ name: String, _ options: String...) throws -> String {
      let run = try Running(["convert", model, folder.file(name)] + options).finish()
      #expect(run.status == 0, "\(name): \(run.errors)")
      return folder.file(name)
    }
    try expectEqual(converted("copy"), plain)
    #expect(String(decoding: try readBytes(folder.file("copy/config.json")), as: UTF8.self).contains("awq"))
    try expectEqual(converted("numbers", "--dequantize"), plain)
    #expect(!String(decoding: try readBytes(folder.file("numbers/config.json")), as: UTF8.self).contains("awq"))
    try expectEqual(converted("gptq", "--checkpoint-format", "gptq_v2"), plain)
    let settings = String(decoding: try readBytes(folder.file("gptq/quantize_config.json")), as: UTF8.self)
    #expect(settings.contains(#""checkpoint_format" : "gptq_v2""#) && settings.contains(#""group_size" : 32"#))
    #expect(!String(decoding: try readBytes(folder.file("gptq/config.json")), as: UTF8.self).contains("awq"))
    // A zero point of 0 has no field in version 1, and one of its own no place in Q4_0.
    for options in [["--checkpoint-format", "gptq"], ["--checkpoint-format", "belle"]] {
      let run = try Running(["convert", model, folder.file("no")] + options).finish()
      #expect(run.status == 1 && run.errors.contains("has a zero point of 0"), "\(run.errors)")
    }
    let tokenizer = try readBytes(project("Tests/Fixtures/llama1/tokenizer.model"))
    let path = try copy("named", from: model)
    try folder.write("named/tokenizer.model", tokenizer)
    let gguf = try belleTools("convert", path, folder.file("m.gguf"))
    #expect(gguf.status == 0, "\(gguf.errors)")
    let compared = try belleTools("compare", folder.file("m.gguf"), plain, "--tolerance", "0.01")
    #expect(compared.status == 0, "\(compared.output)")
  }

  @Test("doctor finds nothing in it but that there is no tokenizer, and a group size that is denied")
  func doctor() throws {
    func codes(_ model: String) throws -> [String] {
      try belleTools("doctor", model, "--json").objects().compactMap { $0["code"] as? String }
    }
    #expect(try codes(model) == ["missing-tokenizer"])
    let denied = try copy("denied", from: model) { $0.replacing(#""group_size": 32"#, with: #""group_size": 64"#) }
    #expect(try codes(denied).contains("group-size-contradicts-shapes"))
  }

  @Test("quantize refuses to round it again")
  func quantize() throws {
    let run = try belleTools("quantize", model, folder.file("out"), "--method", "rtn")
    #expect(run.status == 1 && run.errors.contains("quantized already"), "\(run.errors)")
  }

  @Test("other versions are refused by name", arguments: ["gemv", "gemv_fast", "marlin", "llm-awq"])
  func versions(name: String) throws {
    let path = try copy("other", from: model) { text in
      name == "llm-awq"
        ? text.replacing(#""zero_point""#, with: #""backend": "llm-awq", "zero_point""#)
        : text.replacing(#""version": "gemm""#, with: #""version": "\#(name.uppercased())""#)
    }
    let run = try belleTools("evaluate", path, "--text", tokens)
    let key = name == "llm-awq" ? "backend" : "version"
    #expect(run.status == 1 && run.errors.contains("\(key) is \(name), which is not read here"), "\(run.errors)")
    let findings = try belleTools("doctor", path, "--json").objects()
    #expect(findings.contains { $0["code"] as? String == "unknown-quantization" })
  }
}
