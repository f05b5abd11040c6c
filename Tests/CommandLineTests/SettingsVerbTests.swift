// Settings that change what a model computes, given to the real binary: each is read as its own program reads it, or refused
// by name; none is dropped on the way to another layout, and none is invented.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("Settings are read or refused by name, never dropped (kind 2)") struct SettingsVerbTests {
  private let folder: TemporaryFolder
  private let model: RandomCheckpoint

  init() throws {
    folder = try TemporaryFolder()
    model = RandomCheckpoint(layers: 1)
    try model.write(folder, "tokens")
  }

  private var tokens: String { folder.file("tokens/tokens.safetensors:evaluation") }

  /// The model with more fields in its config.json.
  private func make(_ name: String, _ fields: String, type: String = "llama") throws -> String {
    var model = model
    model.configuration =
      model.configuration.replacing(#""model_type": "llama""#, with: #""model_type": "\#(type)""#).dropLast()
      + ", \(fields)}"
    return try model.write(folder, name)
  }

  /// The model in Meta's layout, with other fields in its params.json.
  private func meta(_ name: String, _ change: (inout [String: Any]) -> Void) throws -> String {
    let plain = try model.write(folder, "plain")
    let run = try belleTools("convert", plain, folder.file(name), "--layout", "meta")
    #expect(run.status == 0, "\(run.errors)")
    let path = folder.file(name + "/params.json")
    var fields =
      try JSONSerialization.jsonObject(with: Data(readBytes(path))) as? [String: Any] ?? [:]
    change(&fields)
    try folder.write(name + "/params.json", JSONSerialization.data(withJSONObject: fields))
    return folder.file(name)
  }

  private func perplexity(_ model: String, _ tokens: String) throws -> Double {
    let run = try belleTools("evaluate", model, "--text", tokens, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  private func isRefused(_ run: Finished, _ word: String) -> Bool {
    run.status == 1 && run.errors.hasPrefix("error: ") && run.errors.contains(word)
  }

  // MARK: config.json

  private static let inner = #""rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}"#

  private static let contradictions: [(fields: String, word: String)] = [
    (inner + #", "rope_scaling": {"type": "yarn", "factor": 4.0}"#, "yarn"),
    (inner + #", "rope_scaling": {"rope_type": "linear", "factor": 4.0}"#, "rope_scaling"),
    (inner + #", "rope_theta": 500000.0"#, "rope_theta"),
    (#""rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5e5}}"#, "full_attention"),
    (#""rope_scaling": {"rope_type": "linear", "factor": 4.0, "attention_factor": 1.2}"#, "attention_factor"),
    (#""rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}"#, "only a part (0.5) of each head"),
    (#""rope_scaling": {"rope_type": "linear"}"#, "no factor"),
    (#""attention_multiplier": 0.5"#, "attention_multiplier"), (#""logits_scaling": 8.0"#, "logits_scaling"),
    (#""final_logit_softcapping": 30.0"#, "final_logit_softcapping"), (#""use_qk_norm": true"#, "use_qk_norm"),
    (#""layer_types": ["sliding_attention"]"#, "layer_types"), (#""no_rope_layers": [0]"#, "no_rope_layers"),
    (#""is_causal": false"#, "is_causal"),
  ]

  @Test(
    "what config.json says twice and differs, and what changes the arithmetic, is refused by each verb that computes",
    arguments: contradictions)
  func configuration(fields: String, word: String) throws {
    let path = try make("m", fields)
    for verb in [
      ["evaluate", path, "--text", tokens],
      ["quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32"],
      ["convert", path, folder.file("meta"), "--layout", "meta"],
    ] {
      let run = try Running(verb).finish()
      #expect(isRefused(run, word), "\(verb[0]): \(run.output)\(run.errors)")
    }
  }

  private static let placeless: [(type: String, fields: String, word: String)] = [
    ("llama", #""rope_scaling": {"type": "linear", "factor": 4.0}"#, "rope_scaling"),
    (
      "llama",
      #""rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "#
        + #""high_freq_factor": 4.0, "original_max_position_embeddings": 64}"#, "rope_scaling"
    ),
    ("mistral", #""sliding_window": 16"#, "window"), ("llama", #""hidden_act": "gelu""#, "gelu"),
    ("llama", #""embedding_multiplier": 12.0"#, "embedding_multiplier"),
  ]

  @Test("what params.json has no place for is refused on the way to Meta's layout", arguments: placeless)
  func toMeta(type: String, fields: String, word: String) throws {
    let path = try make("m", fields, type: type)
    let run = try belleTools("convert", path, folder.file("meta"), "--layout", "meta")
    #expect(isRefused(run, word), "\(run.output)\(run.errors)")
    #expect(Folder.kind(of: folder.file("meta")) == nil)
  }

  // MARK: params.json

  @Test(
    "a field of params.json that is not known, or changes the model, is refused in every direction",
    arguments: [
      ("use_scaled_rope", "true"), ("sliding_window", "16"), ("use_qk_norm", "true"), ("logit_scale", "0.5"),
      ("lora_args", #"{"rank": 16, "scale": 2.0}"#), ("quantization_args", #"{"group_size": 32}"#),
      ("attention_chunk_size", "8192"), ("moe", #"{"num_experts": 8}"#), ("rope_factor_of_nobody", "3"),
    ])
  func parameters(field: String, value: String) throws {
    let path = try meta("meta") {
      $0[field] = try? JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
    }
    for verb in [
      ["evaluate", path, "--text", tokens], ["convert", path, folder.file("hf"), "--layout", "hf"],
      ["quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32"],
    ] {
      let run = try Running(verb).finish()
      #expect(isRefused(run, field), "\(verb[0]): \(run.output)\(run.errors)")
    }
    #expect(Folder.kind(of: folder.file("hf")) == nil)
  }

  @Test(
    "rows of wk that the heads of params.json do not fit are refused, and n_kv_heads is named", arguments: [nil, 1, 4])
  func heads(count: Int?) throws {
    // Four heads, of which two have keys.
    let path = try meta("meta") { $0["n_kv_heads"] = count }
    for verb in [
      ["evaluate", path, "--text", tokens], ["convert", path, folder.file("hf"), "--layout", "hf"],
    ] {
      let run = try Running(verb).finish()
      #expect(isRefused(run, "n_kv_heads"), "\(run.output)\(run.errors)")
    }
  }

  @Test("tokens that Meta's layout does not name are not invented, and the tokenizer of the folder above comes along")
  func inventions() throws {
    let made = try TokenizedCheckpoint().write(folder, "hf")
    let export = try belleTools("convert", made, folder.file("llama/7B"), "--layout", "meta")
    #expect(export.status == 0, "\(export.errors)")
    // Meta's download has it one level above the weights.
    for name in try folder.names(in: "llama/7B") where name.hasPrefix("tokenizer") {
      try FileManager.default.removeItem(atPath: folder.file("llama/7B/" + name))
    }
    let tokenizer = try readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model"))
    try folder.write("llama/tokenizer.model", tokenizer)
    let run = try belleTools("convert", folder.file("llama/7B"), folder.file("back"), "--layout", "hf")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try folder.names(in: "back").contains("tokenizer.model"))
    #expect(try readBytes(folder.file("back/tokenizer.model")) == tokenizer)
    let config =
      try JSONSerialization.jsonObject(with: Data(readBytes(folder.file("back/config.json")))) as? [String: Any]
    let plain = try meta("meta") { _ in }
    #expect(try belleTools("convert", plain, folder.file("bare"), "--layout", "hf").status == 0)
    let bare =
      try JSONSerialization.jsonObject(with: Data(readBytes(folder.file("bare/config.json")))) as? [String: Any]
    // 96 tokens are not LLaMA-1's, whose end is 2; where a tokenizer comes along it says.
    #expect(bare?["eos_token_id"] is NSNull && bare?["bos_token_id"] is NSNull, "\(bare ?? [:])")
    #expect(config?["max_position_embeddings"] as? Int == 2048)
    #expect(try perplexity(folder.file("bare"), tokens) == perplexity(folder.file("plain"), tokens))
  }

  @Test("--layout hf of Mistral's consolidated.safetensors is Hugging Face's layout, and keeps what the model says")
  func consolidated() throws {
    let path = try meta("meta") {
      $0["hidden_dim"] = 128
      $0["head_dim"] = 16
    }
    let one = folder.file("meta/consolidated.safetensors")
    #expect(try belleTools("convert", folder.file("meta/consolidated.00.pth"), one).status == 0)
    try FileManager.default.removeItem(atPath: folder.file("meta/consolidated.00.pth"))
    let run = try belleTools("convert", path, folder.file("hf"), "--layout", "hf")
    #expect(run.status == 0, "\(run.errors)")
    let names = try Checkpoint.open(folder.file("hf")).tensors.map(\.name)
    #expect(names.contains("model.embed_tokens.weight") && Folder.kind(of: folder.file("hf/config.json")) == .file)
    #expect(try perplexity(folder.file("hf"), tokens) == perplexity(folder.file("plain"), tokens))
  }

  @Test("--dtype does not round the scales of FP8 weights, and says why", arguments: ["f16", "bf16"])
  func scales(type: String) throws {
    var model = model
    let name = "model.layers.0.mlp.up_proj.weight"
    model.source.remove(name)
    model.source.add(name, .f8E4M3, [128, 64], [UInt8](repeating: 0x38, count: 128 * 64))
    model.source.add(name + "_scale_inv", .f32, [1, 1], [Float(3e-8)])
    model.configuration = model.configuration.dropLast() + #", "quantization_config": {"quant_method": "fp8"}}"#
    let path = try model.write(folder, "fp8")
    let run = try belleTools("convert", path, folder.file("o"), "--dtype", type)
    #expect(isRefused(run, "fp8") || isRefused(run, "FP8"), "\(run.output)\(run.errors)")
    #expect(Folder.kind(of: folder.file("o")) == nil)
  }

  // MARK: GGUF

  /// A GGUF file again, with other values.
  private func edit(_ from: String, _ to: String, _ change: (inout GGUFMetadata) -> Void) throws {
    let file = try GGUFFile(InputFile(folder.file(from)))
    var values = file.values
    change(&values)
    var writer = try GGUFWriter(file.tensors, values: values)
    _ = try writer.take(
      file, Array(file.tensors.indices), as: to, in: folder.path, replacing: true, isChecked: true, progress: { _ in })
  }

  @Test(
    "each spelling of linear scaling in a GGUF file is linear scaling, and is kept",
    arguments: ["rope.scaling.type", "rope.scaling.factor", "rope.scale_linear"])
  func linear(spelling: String) throws {
    let more = #", "rope_scaling": {"type": "linear", "factor": 4.0}"#
    let made = TokenizedCheckpoint()
    let plain = try made.write(folder, "a", ["config.json": made.configuration])
    let scaled = try made.write(folder, "b", ["config.json": made.configuration.dropLast() + more + "}"])
    #expect(try belleTools("convert", plain, folder.file("a.gguf")).status == 0)
    try edit("a.gguf", "b.gguf") { values in
      values["llama.rope.scaling.type"] = spelling.hasSuffix("type") ? .string("linear") : nil
      values["llama.rope.scaling.factor"] = spelling.hasPrefix("rope.scaling") ? .float32(4) : nil
      values["llama.rope.scale_linear"] = spelling.hasPrefix("rope.scaling") ? nil : .float32(4)
    }
    let text = try folder.write("text.txt", readBytes(project("Tests/Fixtures/README.md")).prefix(2000))
    let wanted = try perplexity(scaled, text)
    #expect(try perplexity(folder.file("a.gguf"), text) != wanted)
    #expect(try abs(perplexity(folder.file("b.gguf"), text) / wanted - 1) < 1e-6)
    #expect(try belleTools("convert", folder.file("b.gguf"), folder.file("back")).status == 0)
    #expect(try abs(perplexity(folder.file("back"), text) / wanted - 1) < 1e-6)
  }

  /// What the refusal says where it does not say the key's last word.
  private static let words = [
    "type": "the scaling ntk of rotary positions", "sliding_window": "a sliding window of 16 tokens",
    "expert_count": "a mixture of experts",
  ]

  private static let keys: [(key: String, value: GGUFValue)] = [
    ("llama.attention.causal", GGUFValue.bool(false)), ("llama.rope.scaling.type", .string("ntk")),
    ("llama.attention.sliding_window", .uint32(16)), ("llama.logit_scale", .float32(0.5)),
    ("llama.expert_count", .uint32(8)), ("llama.attention.scale", .float32(0.5)),
    ("llama.attention.clamp_kqv", .float32(8)), ("llama.residual_scale", .float32(0.5)),
    ("llama.embedding_scale", .float32(12)), ("llama.final_logit_softcapping", .float32(30)),
  ]

  @Test("values of a GGUF file that change what the model computes are refused by name", arguments: keys)
  func values(key: String, value: GGUFValue) throws {
    let made = try TokenizedCheckpoint().write(folder, "a")
    #expect(try belleTools("convert", made, folder.file("a.gguf")).status == 0)
    try edit("a.gguf", "b.gguf") { values in
      values[key] = value
      if key.hasSuffix("scaling.type") { values["llama.rope.scaling.factor"] = .float32(4) }
    }
    for verb in [
      ["evaluate", folder.file("b.gguf"), "--text", project("Tests/Fixtures/README.md"), "--max-tokens", "16"],
      ["convert", folder.file("b.gguf"), folder.file("o")],
    ] {
      let run = try Running(verb).finish()
      let word = String(key.split(separator: ".").last ?? "")
      #expect(isRefused(run, Self.words[word] ?? word), "\(verb[0]): \(run.output)\(run.errors)")
    }
  }
}
