import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Model

@Suite("A configuration in its dialects") struct ConfigurationTests {
  /// A configuration of a family, every measure another number.
  static func configuration(_ family: ModelFamily) -> ModelConfiguration {
    let isGrouped = family.keys.keyValueHeadCount != nil
    var made = ModelConfiguration(
      family: family, hiddenSize: 48, intermediateSize: family.keys.intermediateSize == nil ? 192 : 80, layerCount: 3,
      headCount: 6, keyValueHeadCount: isGrouped ? 2 : 6, headSize: 8, vocabularySize: 99, epsilon: 1e-4,
      statedRotaryBase: family.positions == .rotary ? 5000 : nil, rotaryScaling: .none, tiesHead: true,
      contextLength: 77, needsInputBias: family.inputBias == .always)
    let keys = family.keys
    made.queryScalar = keys.queryScalar.map { _ in 12 }
    made.attentionCap = keys.attentionCap.map { _ in 40 }
    made.logitCap = keys.logitCap.map { _ in 20 }
    made.localRotaryBase = keys.localRotaryBase.map { _ in 300 }
    if family.slidingWindow?.isNeeded == true { (made.window, made.windowedLayers) = (16, [0, 2]) }
    return made
  }

  @Test("what is written as config.json is read as the same", arguments: ModelFamily.all)
  func configJSON(family: ModelFamily) throws {
    let plain = Self.configuration(family)
    var changed = plain
    changed.tiesHead = false
    if family.keys.tellingField?.isThere != true { changed.contextLength = nil }
    if family.slidingWindow != nil { (changed.window, changed.windowedLayers) = (9, [2]) }
    if case .all? = family.slidingWindow?.layers { changed.windowedLayers = [0, 1, 2] }
    if family.unturned != nil { (changed.unturnedLayers, changed.windowedLayers) = ([1], [1]) }
    changed.normalizesHead = family.keys.normedHead != nil
    if family.keys.rotaryShare != nil { changed.partialRotaryWidth = 6 }
    var scaled = plain
    if family.positions == .rotary { scaled.rotaryScaling = .linear(factor: 4) }
    var llama3 = plain
    if family.positions == .rotary {
      llama3.rotaryScaling = .llama3(factor: 8, lowFrequency: 1, highFrequency: 4, originalLength: 64)
    }
    var (yarn, long, dynamic) = (plain, plain, plain)
    if family.positions == .rotary, family.keys.scalingNames["yarn"] == nil {
      yarn.rotaryScaling = .yarn(
        YaRN(factor: 4, originalLength: 32, betaFast: 16, magnitude: 1.5, isTruncated: false))
    }
    if family.positions == .rotary {
      long.rotaryScaling = .longRope(
        LongRoPE(
          short: [1, 1, 2, 3], long: [2, 3, 4, 5.5], originalLength: 40, magnitude: 1.25))
      dynamic.rotaryScaling = .dynamic(factor: 2, length: 77)
    }
    var biased = plain
    if family.inputBias == .configured { biased.needsInputBias = true }
    for configuration in [plain, changed, scaled, llama3, yarn, long, dynamic, biased] {
      let text = try configuration.json(bos: 1, eos: 2, type: .bf16)
      #expect(try ModelConfiguration(json: text, file: "config.json") == configuration)
    }
    let object = try JSONSerialization.jsonObject(with: Data(plain.json(bos: 1, eos: 2, type: .bf16))) as? [String: Any]
    #expect(object?["architectures"] as? [String] == [family.className])
    #expect(object?["bos_token_id"] as? Int == 1 && object?["torch_dtype"] as? String == "bfloat16")
  }

  private func error(_ json: String) -> ModelError? {
    #expect(throws: ModelError.self) { try ModelConfiguration(json: Array(json.utf8), file: "config.json") }
  }

  @Test("a field of another type is named")
  func types() throws {
    let text = String(decoding: try Self.configuration(.llama).json(bos: nil, eos: nil, type: nil), as: UTF8.self)
    for (field, value) in [
      ("hidden_size", "\"48\""), ("vocab_size", "[99]"), ("num_hidden_layers", "3.5"), ("rms_norm_eps", "true"),
      ("tie_word_embeddings", "\"yes\""), ("rope_theta", "{}"), ("hidden_act", "1"), ("model_type", "7"),
    ] {
      let pattern = try NSRegularExpression(pattern: "\"\(field)\" : [^,\n]*")
      let range = NSRange(text.startIndex..., in: text)
      let changed = pattern.stringByReplacingMatches(
        in: text, range: range, withTemplate: NSRegularExpression.escapedTemplate(for: "\"\(field)\" : \(value)"))
      #expect(changed != text)
      let error = error(changed)
      #expect(error?.code == .malformed && error?.reason.hasPrefix("\(field) is ") == true, "\(field)")
      #expect(error?.reason.contains(", not ") == true, "\(field)")
    }
    #expect(error("[]")?.code == .malformed)
    #expect(error(#"{"model_type": "gpt2"}"#)?.remedy?.description.contains("llama") == true)
  }

  @Test("null is as if it were not there")
  func null() throws {
    let text =
      #"{"model_type": "llama", "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 1,"#
      + #" "num_attention_heads": 6, "num_key_value_heads": null, "head_dim": null, "vocab_size": 9, "rope_scaling": null}"#
    let configuration = try ModelConfiguration(json: Array(text.utf8), file: "c")
    #expect(configuration.keyValueHeadCount == 6 && configuration.headSize == 8)
    #expect(configuration.statedRotaryBase == nil && configuration.rotaryBase == 10000)
  }

  // MARK: params.json

  private func parameters(_ text: String) throws -> ModelConfiguration {
    let folder = try TemporaryFolder()
    let shard = "consolidated.00.pth"
    try folder.write(shard, readBytes(project("Tests/Fixtures/checkpoints/meta-1shard/" + shard)))
    try folder.write("params.json", text)
    return try ModelConfiguration(MetaFolder(folder.path))
  }

  @Test("params.json and the tensors give the measures, and are written as they were")
  func paramsJSON() throws {
    // The fixture's wk has as many rows as its wq: as many heads.
    let text = #"{"dim": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 4, "norm_eps": 1e-06, "rope_theta": 5e5}"#
    let configuration = try parameters(text)
    #expect(configuration.family == .llama && configuration.vocabularySize == 64)
    #expect(configuration.keyValueHeadCount == 4 && configuration.rotaryBase == 500_000)
    let again = try configuration.parameters(file: "params.json")
    #expect(try parameters(String(decoding: again, as: UTF8.self)) == configuration)
  }

  @Test(
    "params.json that says too little, or what is not known, is refused",
    arguments: [
      (#""n_layers": 2"#, ModelErrorCode.malformed), (#""n_heads": 4"#, .malformed),
      (#""n_layers": 2, "n_heads": 5"#, .malformed), (#""n_layers": 2, "n_heads": "4""#, .malformed),
      (#""n_layers": 2, "n_heads": 4, "n_kv_heads": 3"#, .malformed),
      (#""n_layers": 2, "n_heads": 4, "norm_eps": 2"#, .malformed),
      (#""n_layers": 2, "n_heads": 4, "use_scaled_rope": true"#, .unsupported),
      (#""n_layers": 2, "n_heads": 4, "sliding_window": 4096"#, .unsupported),
      (#""n_layers": 2, "n_heads": 4, "moe": {"num_experts": 8}"#, .unsupported),
    ])
  func refusedParameters(fields: String, code: ModelErrorCode) {
    let error = #expect(throws: ModelError.self) { try parameters(#"{"dim": 32, \#(fields)}"#) }
    #expect(error?.code == code)
  }

  @Test(
    "the numbers in params.json give the width of the feed-forward layers",
    arguments: [(4096, 11008), (5120, 13824), (8192, 28672), (4096, 14336), (256, 768), (32, 48), (2048, 8192), (7, 5)])
  func feedForward(dim: Int, width: Int) {
    let (multiple, multiplier) = ModelConfiguration.feedForward(dim, width)
    var hidden = 2 * (4 * dim) / 3
    if let multiplier { hidden = Int(multiplier * Double(hidden)) }
    #expect((hidden + multiple - 1) / multiple * multiple == width)
  }
}
