import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Model

/// All tensors of a source, by their names.
func contents(_ source: any TensorSource) throws -> [String: [UInt8]] {
  var result: [String: [UInt8]] = [:]
  for (index, info) in source.tensors.enumerated() {
    result[info.name] = Array("\(info.dtype) \(info.shape) ".utf8) + (try source.allBytes(index))
  }
  return result
}

private func meta(_ name: String) throws -> MetaFolder {
  try MetaFolder(project("Tests/Fixtures/checkpoints/" + name))
}

@Suite("Meta's layout") struct MetaLayoutTests {
  private func configuration(_ more: String = "") throws -> ModelConfiguration {
    let text = """
      {"model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4, \
      "num_hidden_layers": 1, "vocab_size": 3\(more)}
      """
    return try ModelConfiguration(json: Array(text.utf8), file: "config.json")
  }

  @Test(
    "in one shard and in two it becomes the reference's file, byte for byte", arguments: ["meta-1shard", "meta-2shard"])
  func referenceBytes(name: String) throws {
    let folder = try TemporaryFolder()
    let source = try MetaModel(meta(name)).source
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: ["format": "pt"], as: "model.safetensors", in: folder.path,
      replacing: false)
    let reference = project("Tests/Fixtures/checkpoints/meta-as-hf/model.safetensors")
    #expect(try readBytes(folder.file("model.safetensors")) == readBytes(reference))
  }

  @Test("the configuration says what params.json and the tensors say")
  func configurationText() throws {
    let model = try MetaModel(meta("meta-1shard"))
    let object = try JSONSerialization.jsonObject(with: Data(model.configurationText())) as? [String: Any]
    #expect(object?["hidden_size"] as? Int == 32)
    #expect(object?["num_attention_heads"] as? Int == 4)
    #expect(object?["num_hidden_layers"] as? Int == 2)
    #expect(object?["intermediate_size"] as? Int == 48)
    #expect(object?["vocab_size"] as? Int == 64)
    #expect(object?["torch_dtype"] as? String == "float16")
  }

  @Test("from Meta's layout and back again is where it began", arguments: ["meta-1shard", "meta-2shard"])
  func back(name: String) throws {
    let folder = try meta(name)
    let model = try MetaModel(folder)
    let text = try model.configurationText()
    let configuration = try ModelConfiguration(json: text, file: "config.json")
    var expected = try contents(folder)
    var found = try contents(MetaExport(model.source, configuration, file: "m").source)
    // The fixture's frequencies are random numbers, which no layout but Meta's own carries.
    expected["rope.freqs"] = nil
    #expect(found.removeValue(forKey: "rope.freqs") != nil)
    #expect(found == expected)
  }

  @Test("rope.freqs is what Meta's own file has")
  func frequencies() throws {
    let folder = try MetaFolder(project("Examples/tiny-belle/llama"))
    let model = try MetaModel(folder)
    #expect(try contents(MetaExport(model.source, model.configuration, file: "m").source) == contents(folder))
  }

  @Test("heads of grouped queries and a tied head")
  func variants() throws {
    let config = try configuration(
      #", "num_key_value_heads": 2, "rope_theta": 500000.0, "tie_word_embeddings": true"#)
    let rows = { (count: Int) in (0..<count).flatMap { [UInt8](repeating: UInt8($0), count: 16) } }
    let source = MemorySource([
      ("embed_tokens.weight", .u8, [3, 16], rows(3)),
      ("layers.0.self_attn.k_proj.weight", .u8, [8, 16], rows(8)),
      ("layers.0.self_attn.q_proj.weight", .u8, [16, 16], rows(16)),
      ("layers.0.self_attn.rotary_emb.inv_freq", .u8, [2], [0, 0]),
    ])
    let export = try MetaExport(source, config, file: "m")
    #expect(
      export.source.tensors.map(\.name) == [
        "tok_embeddings.weight", "layers.0.attention.wk.weight", "layers.0.attention.wq.weight", "output.weight",
      ])
    let firstColumn = { (index: Int) in
      let bytes = try export.source.allBytes(index)
      return stride(from: 0, to: bytes.count, by: 16).map { bytes[$0] }
    }
    // Two heads of four rows: halves 0 1 | 2 3 become pairs 0 2 | 1 3.
    #expect(try firstColumn(1) == [0, 2, 1, 3, 4, 6, 5, 7])
    #expect(try firstColumn(2) == [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15])
    #expect(try firstColumn(3) == [0, 1, 2])
    let object = try JSONSerialization.jsonObject(with: Data(export.parameters)) as? [String: Any]
    #expect(object?["n_kv_heads"] as? Int == 2)
    #expect(object?["rope_theta"] as? Double == 500000)
  }

  @Test("tensors that Meta's layout has no name for, and wrong heads, are refused")
  func refusals() throws {
    let config = try configuration()
    for name in ["model.layers.0.self_attn.q_proj.bias", "model.layers.x.mlp.up_proj.weight", "other"] {
      let error = #expect(throws: CheckpointError.self) {
        try MetaExport(MemorySource([(name, .u8, [1], [0])]), config, file: "m")
      }
      #expect(error?.reason.contains("has no name for") == true)
    }
    #expect(throws: CheckpointError.self) {
      try MetaExport(
        MemorySource([("model.layers.0.self_attn.q_proj.weight", .u8, [6, 1], [0, 0, 0, 0, 0, 0])]), config, file: "m")
    }
  }

  @Test(
    "models that Meta's programs would compute otherwise are refused",
    arguments: [
      #", "rope_scaling": {"rope_type": "linear", "factor": 2}"#, #", "head_dim": 8"#,
    ])
  func refusedModels(more: String) throws {
    let config = try configuration(more)
    #expect { try MetaExport(MemorySource(), config, file: "m") } throws: { ($0 as? ModelError)?.code == .unsupported }
  }

  @Test("a Qwen2 model is no LLaMA, however alike")
  func otherFamily() throws {
    var config = try configuration()
    config.family = .qwen2
    #expect { try MetaExport(MemorySource(), config, file: "m") } throws: { ($0 as? ModelError)?.code == .unsupported }
  }
}

@Suite("HuggingFaceNames") struct HuggingFaceNamesTests {
  @Test("a base model has the names of the whole one, with the tied head where it is asked for")
  func prefix() throws {
    let one: [UInt8] = [0]
    let bloom = MemorySource([("word_embeddings.weight", .u8, [1], one), ("h.0.mlp.dense_h_to_4h.bias", .u8, [1], one)])
    #expect(
      try HuggingFaceNames.completed(bloom, addsHead: true).tensors.map(\.name) == [
        "transformer.word_embeddings.weight", "transformer.h.0.mlp.dense_h_to_4h.bias", "lm_head.weight",
      ])
    let whole = MemorySource([("model.embed_tokens.weight", .u8, [1], one), ("lm_head.weight", .u8, [1], one)])
    #expect(try HuggingFaceNames.completed(whole, addsHead: true).tensors == whole.tensors)
    let packed = MemorySource([("embed_tokens.weight", .u8, [1], one), ("lm_head.qweight", .u8, [1], one)])
    #expect(
      try HuggingFaceNames.completed(packed, addsHead: true).tensors.map(\.name) == [
        "model.embed_tokens.weight", "lm_head.qweight",
      ])
    let other = MemorySource([("norm.weight", .u8, [1], one)])
    #expect(try HuggingFaceNames.completed(other, addsHead: true).tensors == other.tensors)
  }
}
