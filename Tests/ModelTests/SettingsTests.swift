import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Model

@Suite("A setting that is not understood is refused by name, never dropped") struct SettingsTests {
  // MARK: config.json

  private func config(_ more: String, type: String = "llama") throws -> ModelConfiguration {
    let text = """
      {"model_type": "\(type)", "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 1, "vocab_size": 9, \
      "num_attention_heads": 6\(more.isEmpty ? "" : ", ")\(more)}
      """
    return try ModelConfiguration(json: Array(text.utf8), file: "config.json")
  }

  private func refusal(_ more: String, type: String = "llama") -> ModelError? {
    #expect(throws: ModelError.self, "\(more)") { try config(more, type: type) }
  }

  @Test("what is said twice and differs is refused; the same twice is not")
  func twice() throws {
    let inner = #""rope_parameters": {"rope_type": "default", "rope_theta": 5e5}"#
    for (other, words) in [
      (#""rope_scaling": {"type": "linear", "factor": 4}"#, "rope_parameters and rope_scaling"),
      (#""rope_theta": 10000"#, "rope_theta"),
      (#""rope_scaling": {"rope_type": "default", "rope_theta": 1e4}"#, "rope_theta"),
      (#""rope_scaling": {"rope_type": "linear", "type": "default", "factor": 4}"#, "rope_scaling"),
      (#""vocab_size": 10"#, "vocab_size"),
    ] {
      let error = refusal(inner + ", " + other)
      #expect(error?.code == .contradictory && error?.reason.contains(words) == true, "\(other)")
    }
    #expect(refusal(inner + #", "rope_scaling": {"type": "yarn", "factor": 4}"#)?.reason.contains("yarn") == true)
    #expect(try config(inner + #", "rope_theta": 500000.0, "rope_scaling": {"type": "default"}"#).rotaryBase == 5e5)
    let linear = try config(
      #""rope_parameters": {"rope_type": "linear", "factor": 4}, "rope_scaling": {"type": "linear", "factor": 4.0}"#)
    #expect(linear.rotaryScaling == .linear(factor: 4))
  }

  @Test(
    "what changes the arithmetic is named",
    arguments: [
      #""rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}"#,
      #""rope_scaling": {"rope_type": "linear", "factor": 4, "attention_factor": 1.2}"#,
      #""rope_scaling": {"factor": 4}"#, #""rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}"#,
      #""attention_multiplier": 0.0156"#, #""embedding_multiplier": 12"#, #""logits_scaling": 8"#,
      #""logit_scale": 0.06"#,
      #""final_logit_softcapping": 30.0"#, #""clip_qkv": 8"#, #""use_qk_norm": true"#, #""is_causal": false"#,
      #""no_rope_layers": [1, 0]"#, #""layer_types": ["full_attention", "sliding_attention"]"#,
      #""num_local_experts": 8"#,
      #""rotary_pct": 0.25"#,
    ])
  func arithmetic(field: String) throws {
    let error = refusal(field)
    #expect(error?.code == .unsupported)
    let name = field.split(separator: "\"")[0]
    let inner = ["full_attention", "attention_factor", "factor", "positions"]
    #expect(
      error?.reason.contains(name) == true || inner.contains { error?.reason.contains($0) == true },
      "\(error?.reason ?? "")")
  }

  @Test(
    "what changes nothing is not",
    arguments: [
      #""layer_types": ["full_attention"]"#, #""logits_scaling": 1.0"#, #""use_qk_norm": false"#, #""clip_qkv": null"#,
      #""num_experts": 0"#, #""sliding_window": 4096, "max_position_embeddings": 2048"#, #""sliding_window": null"#,
      #""attention_dropout": 0.1, "torch_dtype": "float16", "x": {"y": [1, {"z": 2}]}"#,
      #""time_step_limit": [0.0, Infinity]"#,
      #""other": NaN, "another": -Infinity"#,
    ])
  func neutral(field: String) throws { _ = try config(field) }

  @Test("Python's numbers are none of a model's measures, and stay what they are in a file that is edited")
  func pythonNumbers() throws {
    let error = refusal(#""rms_norm_eps": NaN"#)
    #expect(error?.reason == "rms_norm_eps is NaN, not a number")
    #expect(refusal(#""num_key_value_heads": "2""#)?.reason == "num_key_value_heads is the text 2, not a whole number")
    let text = #"{"a": [1, Infinity], "b": "NaN\" Infinity", "c": -Infinity, "d": NaN}"#
    let object = try #require(try boundedJSONObject(Array(text.utf8)) as? [String: Any])
    #expect(object["b"] as? String == "NaN\" Infinity")
    let again = String(decoding: try jsonText(object), as: UTF8.self)
    for part in [#""c" : -Infinity"#, #""d" : NaN"#, #""b" : "NaN\" Infinity""#] {
      #expect(again.contains(part), "\(again)")
    }
  }

  @Test("a Mistral that does not mention its window has transformers' 4096; null is none")
  func impliedWindow() throws {
    let implied = try config(#""max_position_embeddings": 32768"#, type: "mistral")
    #expect(implied.window == 4096 && implied.slides && implied.windowedLayers == [0])
    #expect(try !config(#""max_position_embeddings": 4096"#, type: "mistral").slides)
    #expect(try config(#""max_position_embeddings": 32768, "sliding_window": null"#, type: "mistral").window == nil)
    let text = try ConfigurationTests.configuration(.mistral).json(bos: nil, eos: nil, type: nil)
    #expect(String(decoding: text, as: UTF8.self).contains(#""sliding_window" : null"#))
  }

  @Test("what is no configuration is named as what it is")
  func noConfiguration() {
    for (text, words) in [
      ("", "empty"), ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "Git LFS pointer"),
      ("<!DOCTYPE html>", "web page"),
    ] {
      let error = #expect(throws: ModelError.self) { try ModelConfiguration(json: Array(text.utf8), file: "c") }
      #expect(error?.reason.contains(words) == true)
    }
  }

  // MARK: params.json

  /// A model in Meta's layout of some measures, its values zeros.
  private func meta(
    _ fields: String, keyRows: Int = 8, layers: Int = 1, more: [String] = [], vocabulary: Int = 12
  ) throws -> (TemporaryFolder, MetaFolder) {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    func add(_ name: String, _ shape: [Int]) {
      source.add(name, .f16, shape, [UInt16](repeating: 0, count: shape.reduce(1, *)))
    }
    add("tok_embeddings.weight", [vocabulary, 16])
    add("norm.weight", [16])
    add("output.weight", [vocabulary, 16])
    for layer in 0..<layers {
      for (name, shape) in [
        ("attention.wq", [16, 16]), ("attention.wk", [keyRows, 16]), ("attention.wv", [keyRows, 16]),
        ("attention.wo", [16, 16]),
        ("feed_forward.w1", [24, 16]), ("feed_forward.w2", [16, 24]), ("feed_forward.w3", [24, 16]),
        ("attention_norm", [16]),
        ("ffn_norm", [16]),
      ] { add("layers.\(layer).\(name).weight", shape) }
    }
    for name in more { add(name, [2]) }
    try folder.write(
      "params.json", "{\"dim\": 16, \"n_layers\": \(layers), \"n_heads\": 4, \"norm_eps\": 1e-6\(fields)}")
    _ = try TorchWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "consolidated.00.pth", in: folder.path, replacing: true)
    return (folder, try MetaFolder(folder.path))
  }

  private let grouped = #", "n_kv_heads": 2"#

  @Test(
    "fields of params.json that are not known, or known to change the model, are named",
    arguments: [
      #""sliding_window": 4096"#, #""use_qk_norm": true"#, #""lora_args": {"rank": 16, "scale": 2.0}"#,
      #""quantization_args": {"group_size": 32}"#, #""vision_chunk_size": 448"#, #""attention_chunk_size": 8192"#,
      #""logit_scale": 0.5"#, #""use_scaled_rope": true"#, #""moe": {"num_experts": 8}"#, #""yarn": {"factor": 4}"#,
    ])
  func unknownParameters(field: String) throws {
    let (_, folder) = try meta(grouped + ", " + field)
    let error = #expect(throws: ModelError.self) { try ModelConfiguration(folder) }
    #expect(error?.code == .unsupported)
    #expect(error?.reason.contains(field.split(separator: "\"")[0]) == true, "\(error?.reason ?? "")")
  }

  @Test("fields that change nothing are read")
  func knownParameters() throws {
    let (_, folder) = try meta(
      grouped
        + #", "vocab_size": -1, "multiple_of": 256, "ffn_dim_multiplier": 1.3, "max_seq_len": 2048, "sliding_window": null, "#
        + #""use_scaled_rope": false, "vision_chunk_size": -1, "hidden_dim": 24, "model_type": "transformer""#)
    #expect(try ModelConfiguration(folder).keyValueHeadCount == 2)
  }

  @Test("rows of wk that the heads do not fit are refused, and n_kv_heads is named")
  func keyHeads() throws {
    for fields in ["", #", "n_kv_heads": 1"#, #", "n_kv_heads": 2, "head_dim": 8"#] {
      let (_, folder) = try meta(fields)
      let error = #expect(throws: ModelError.self) { try ModelConfiguration(folder) }
      #expect(error?.code == .mismatch && error?.reason.contains("wk") == true, "\(fields)")
      #expect(error?.remedy?.description.contains("n_kv_heads") == true)
    }
  }

  @Test("use_scaled_rope is Llama 3.1's scaling where the factor is known, both ways")
  func scaledRope() throws {
    let (_, folder) = try meta(grouped + #", "use_scaled_rope": true, "rope_scale_factor": 32"#)
    let wanted = RotaryScaling.llama3(
      factor: 32, lowFrequency: 1, highFrequency: 4, originalLength: 8192)
    #expect(try ModelConfiguration(folder).rotaryScaling == wanted)
    var model = ConfigurationTests.configuration(.llama)
    for (dim, layers, factor) in [(2048, 16, 32.0), (3072, 28, 32), (4096, 32, 8), (8192, 80, 8)] {
      (model.hiddenSize, model.layerCount, model.headCount, model.headSize) = (dim, layers, 32, dim / 32)
      model.rotaryScaling = .llama3(factor: factor, lowFrequency: 1, highFrequency: 4, originalLength: 8192)
      #expect(String(decoding: try model.parameters(file: "p"), as: UTF8.self).contains(#""use_scaled_rope" : true"#))
      for other in [
        RotaryScaling.llama3(factor: 16, lowFrequency: 1, highFrequency: 4, originalLength: 8192),
        .llama3(factor: factor, lowFrequency: 2, highFrequency: 4, originalLength: 8192),
        .llama3(factor: factor, lowFrequency: 1, highFrequency: 4, originalLength: 4096), .linear(factor: 2),
      ] {
        model.rotaryScaling = other
        let error = #expect(throws: ModelError.self) { try model.parameters(file: "p") }
        #expect(error?.reason.contains("rope_scaling") == true)
      }
    }
  }

  @Test("tokens and the length of text are not invented")
  func inventions() throws {
    func object(_ fields: String, more: [String] = [], vocabulary: Int = 12, keyRows: Int = 16) throws -> [String: Any]
    {
      let (_, folder) = try meta(fields, keyRows: keyRows, more: more, vocabulary: vocabulary)
      let text = try MetaModel(folder).configurationText()
      return try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
    }
    let small = try object("")
    // transformers would take 1 and 2 where they are not mentioned.
    #expect(small["eos_token_id"] is NSNull && small["bos_token_id"] is NSNull)
    #expect(try object("", vocabulary: 32000)["eos_token_id"] as? Int == 2)
    #expect(small["max_position_embeddings"] as? Int == 2048)
    #expect(try object(#", "rope_theta": 5e5"#)["max_position_embeddings"] == nil)
  }

  @Test(
    "the length of text that a model was made for is told by what its generation says",
    arguments: [
      (1e-6, "", false, 2048), (1e-5, "", false, nil), (1e-5, "", true, 2048),
      (1e-5, #", "rope_theta": 5e5"#, false, nil),
      (1e-3, "", false, nil), (1e-6, #", "head_dim": 4"#, false, nil),
    ] as [(Double, String, Bool, Int?)])
  func length(epsilon: Double, more: String, hasLayerFrequencies: Bool, wanted: Int?) throws {
    let (folder, _) = try meta(
      "", keyRows: 16, more: hasLayerFrequencies ? ["layers.0.attention.inner_attention.rope.freqs"] : [])
    try folder.write("params.json", "{\"dim\": 16, \"n_layers\": 1, \"n_heads\": 4, \"norm_eps\": \(epsilon)\(more)}")
    #expect(try ModelConfiguration(MetaFolder(folder.path)).contextLength == wanted)
  }

  @Test(
    "of measures alone, the length of text is that of the published models that have them, where these agree",
    arguments: [
      (4096, 32, 1e-6, false, nil), (4096, 32, 1e-5, false, 4096), (5120, 40, 1e-6, false, nil),
      (5120, 40, 1e-5, false, 4096), (6656, 60, 1e-6, false, 2048), (6656, 60, 1e-5, false, nil),
      (8192, 80, 1e-5, false, 2048), (8192, 80, 1e-5, true, 4096), (2048, 22, 1e-5, true, nil),
      (4096, 32, 1e-4, false, nil),
    ] as [(Int, Int, Float, Bool, Int?)])
  func publishedLength(dim: Int, layers: Int, epsilon: Float, isGrouped: Bool, wanted: Int?) {
    #expect(
      ModelConfiguration.publishedLength((dim, layers), epsilon: epsilon, isGrouped: isGrouped) == wanted)
  }

  @Test("fields beside the inner object of params.json, and names that occur twice in one that counts, are refused")
  func besides() throws {
    let (folder, _) = try meta("", keyRows: 16)
    let inner = #"{"dim": 16, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5}"#
    try folder.write("params.json", "{\"model\": \(inner)}")
    _ = try ModelConfiguration(MetaFolder(folder.path))
    try folder.write("params.json", "{\"model\": \(inner), \"lora_args\": {\"rank\": 8}}")
    #expect(throws: ModelError.self) { try ModelConfiguration(MetaFolder(folder.path)) }
    for object in [#""rope_scaling": {"type": "linear", "factor": 2, "factor": 4}"#] {
      let error = #expect(throws: ModelError.self) { try config(object) }
      #expect(error?.code == .contradictory)
    }
  }

  @Test("a window that slides without being said to be so wide is transformers' own")
  func impliedWindowOfQwen() throws {
    let found = try config(
      #""use_sliding_window": true, "max_window_layers": 0, "max_position_embeddings": 32768"#, type: "qwen2")
    #expect(found.window == 4096 && found.slides && found.window(ofLayer: 0) == 4096)
    let upper = try config(#""use_sliding_window": true, "max_position_embeddings": 32768"#, type: "qwen2")
    #expect(!upper.slides)
  }
}
