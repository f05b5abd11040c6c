import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// quantize refused groups and blocks that do not divide a module's inputs, and told sizes that were not the files'.
@Suite("Widths and sizes") struct WidthTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try RandomCheckpoint(layers: 1).write(folder)
  }

  private func quantize(_ output: String, _ options: String...) throws -> Finished {
    try Running(["quantize", model, folder.file(output), "--method", "rtn", "--json"] + options).finish()
  }

  private func settings(_ output: String) throws -> [String: Any] {
    let text = try readBytes(folder.file(output + "/quantize_config.json"))
    return try #require(JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
  }

  @Test("the most that divide all widths are taken, and that is told", arguments: [128, 96, 65])
  func groups(size: Int) throws {
    // 64 and 128 inputs.
    let run = try quantize("q", "--group-size", "\(size)")
    #expect(run.status == 0 && run.errors.contains("groups of 64 in place of \(size), which do not divide 64 inputs"))
    #expect(try settings("q")["group_size"] as? Int == 64)
    #expect(try belleTools("doctor", folder.file("q")).status == 0)
    let refused = try quantize("r", "--group-size", "\(size)", "--no-fallback")
    #expect(refused.status == 1 && refused.errors.contains("groups of \(size) do not divide"), "\(refused.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("r")))
  }

  @Test("modules that are left as they are do not count, and groups that fit stay")
  func fitting() throws {
    let run = try quantize("q", "--group-size", "128", "--only", "*.down_proj")
    #expect(run.status == 0 && !run.errors.contains("in place of"))
    #expect(try settings("q")["group_size"] as? Int == 128)
  }

  @Test(
    "the size that is told is that of the files",
    arguments: [
      ("q", [String]()), ("q.gguf", ["--format", "gguf"]), ("k.gguf", ["--format", "gguf", "--gguf-type", "q5_1"]),
      ("m.pt", ["--format", "belle"]),
    ])
  func sizes(output: String, options: [String]) throws {
    // BELLE's kernels want 256 inputs, and a GGUF file the tokenizer's 4096 tokens.
    let path = output == "q" ? model : try tiny()
    let arguments = options + (output == "q" ? ["--group-size", "32"] : [])
    let run = try Running(["quantize", path, folder.file(output), "--method", "rtn", "--json"] + arguments).finish()
    #expect(run.status == 0, "\(run.errors)")
    let last = try #require(run.output.split(separator: "\n").last)
    let summary = try #require(JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    let file = output == "q" ? "q/model.safetensors" : output
    #expect(try summary["bytes"] as? Int == readBytes(folder.file(file)).count)
  }

  /// A model of random numbers with the vocabulary of the tokenizer that lies in `tiny/`.
  private func tiny() throws -> String {
    var source = MemorySource()
    var random = SplitMix64(seed: 3)
    func add(_ name: String, _ shape: [Int]) {
      let values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -0.1...0.1, using: &random) }
      source.add(name, .f32, shape, values)
    }
    let tokenizer = project("Tests/Fixtures/tiny/llama/")
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("tiny/" + name, try readBytes(tokenizer + name))
    }
    let text =
      #"{"model_type": "llama", "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1, "#
      + #""num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 4096, "max_position_embeddings": 512}"#
    try folder.write("tiny/config.json", text)
    add("model.embed_tokens.weight", [4096, 256])
    for name in [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
      "mlp.down_proj",
    ] {
      add("model.layers.0.\(name).weight", [256, 256])
    }
    for name in ["model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm", "model.norm"] {
      add(name + ".weight", [256])
    }
    add("lm_head.weight", [4096, 256])
    try source.write(in: folder.file("tiny"))
    return folder.file("tiny")
  }
}
