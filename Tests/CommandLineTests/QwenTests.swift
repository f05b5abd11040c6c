import Checkpoint
import Foundation
import TestSupport
import Testing

/// Qwen2 and Qwen3 in miniature, saved by transformers, with what transformers makes of them.
@Suite("Qwen2 and Qwen3") struct QwenTests {
  static let names = ["qwen2", "qwen3"]
  private static let fixtures = project("Tests/Fixtures/qwen")

  private struct Reference: Decodable {
    var tokens: [[Int32]]
    var perplexity: [String: Double]
    var prompt: String
    var continuation: [String: [Int]]
  }

  private let folder: TemporaryFolder
  private let reference: Reference

  init() throws {
    folder = try TemporaryFolder()
    reference = try JSONDecoder().decode(
      Reference.self, from: Data(try readBytes(Self.fixtures + "/reference.json")))
    var tokens = MemorySource()
    tokens.add("tokens", .i32, [reference.tokens.count, reference.tokens[0].count], reference.tokens.flatMap(\.self))
    _ = try SafetensorsWriter.write(
      tokens, [0], metadata: [:], as: "tokens.safetensors", in: folder.path, replacing: true)
  }

  private func model(_ name: String) -> String { Self.fixtures + "/" + name }

  private func perplexity(_ model: String) throws -> Double {
    let run = try belleTools("evaluate", model, "--text", folder.file("tokens.safetensors"), "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  private func isNear(_ value: Double, _ wanted: Double) -> Bool { abs(value / wanted - 1) < 1e-4 }

  @Test("evaluate finds transformers' perplexity", arguments: names)
  func evaluate(name: String) throws {
    #expect(try isNear(perplexity(model(name)), #require(reference.perplexity[name])))
  }

  @Test("generate goes on as transformers does", arguments: names)
  func generate(name: String) throws {
    let run = try belleTools(
      "generate", model(name), "--prompt", reference.prompt, "--max-tokens", "8", "--temperature", "0", "--json")
    #expect(run.status == 0, "\(run.errors)")
    let text = try #require(try run.objects().first { $0["type"] as? String == "text" })
    #expect(text["tokens"] as? [Int] == reference.continuation[name])
  }

  @Test("doctor finds nothing", arguments: names)
  func doctor(name: String) throws {
    let run = try belleTools("doctor", model(name), "--json")
    #expect(run.status == 0, "\(run.output)")
    #expect(try run.objects().allSatisfy { $0["code"] == nil }, "\(run.output)")
  }

  @Test("quantize packs all linear modules, and what it writes runs", arguments: names)
  func quantize(name: String) throws {
    let run = try belleTools(
      "quantize", model(name), folder.file("q"), "--bits", "8", "--group-size", "32", "--calibration",
      folder.file("tokens.safetensors"))
    #expect(run.status == 0, "\(run.errors)")
    let packed = try Checkpoint.open(folder.file("q")).tensors.count { $0.name.hasSuffix(".qweight") }
    #expect(packed == 14)
    #expect(abs(try perplexity(folder.file("q")) / perplexity(model(name)) - 1) < 0.05)
  }

  @Test("to GGUF and back is where it began, under llama.cpp's names and with its rows as they are", arguments: names)
  func gguf(name: String) throws {
    let there = try belleTools("convert", model(name), folder.file("m.gguf"), "--gguf-type", "f32")
    #expect(there.status == 0, "\(there.errors)")
    let file = try Checkpoint.open(folder.file("m.gguf"))
    #expect(file.tensors.contains { $0.name == (name == "qwen3" ? "blk.0.attn_q_norm.weight" : "blk.0.attn_q.bias") })
    #expect(file.metadata.first { $0.name == "general.architecture" }?.value == name)
    #expect(try isNear(perplexity(folder.file("m.gguf")), #require(reference.perplexity[name])))
    #expect(try belleTools("convert", folder.file("m.gguf"), folder.file("back")).status == 0)
    #expect(try belleTools("convert", model(name), folder.file("f32"), "--dtype", "f32").status == 0)
    let same = try belleTools("compare", folder.file("back"), folder.file("f32"))
    #expect(same.status == 0, "\(same.output)")
    #expect(try isNear(perplexity(folder.file("back")), #require(reference.perplexity[name])))
  }

  @Test("Meta's layout is refused: it has no names for biases and head norms", arguments: names)
  func meta(name: String) throws {
    let run = try belleTools("convert", model(name), folder.file("m"), "--layout", "meta")
    #expect(
      run.status == 1 && run.errors.contains("Meta's layout has no ") && run.errors.contains("a \(name) model"),
      "\(run.errors)")
  }
}
