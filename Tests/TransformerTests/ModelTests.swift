import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing

@testable import Transformer

@Suite("Models of random numbers") struct ModelTests {
  private static let configurations = [
    RandomModel.llama(), RandomModel.llama(#", "num_key_value_heads": 2"#),
    RandomModel.llama(#", "num_key_value_heads": 1, "head_dim": 6, "tie_word_embeddings": true"#),
    RandomModel.llama(#", "attention_bias": true, "rope_theta": 500"#),
    RandomModel.llama(#", "rope_scaling": {"type": "linear", "factor": 4}"#),
    RandomModel.llama(
      #"""
      , "rope_theta": 100, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
      "high_freq_factor": 4, "original_max_position_embeddings": 64}
      """#),
    RandomModel.llama(#", "rope_parameters": {"rope_type": "default", "rope_theta": 77}"#),
    RandomModel.llama(#", "num_key_value_heads": 3, "sliding_window": null"#)
      .replacing(#""llama""#, with: #""qwen2""#),
    RandomModel.llama(#", "num_key_value_heads": 2, "head_dim": 8"#).replacing(#""llama""#, with: #""qwen3""#),
    RandomModel.bloom,
  ]

  @Test("logits are those of the oracle", arguments: configurations)
  func logitsOfOracle(json: String) throws {
    let made = try RandomModel(json)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let windows = TokenWindows((0..<40).map { Int32($0 * 37 % 50) }, length: 20)
    let found = try logits(model, windows)
    let wanted = [0, 1].flatMap { made.oracle.logits(Array(windows.tokens[$0 * 20..<($0 + 1) * 20])) }
    for (row, wanted) in wanted.enumerated() {
      for (token, wanted) in wanted.enumerated() {
        #expect(abs(Double(found[row, token]) - wanted) < 2e-4, "row \(row), token \(token)")
      }
    }
  }

  @Test("windows longer than a block of queries and of rows", arguments: [130, 300, 1100])
  func longWindows(length: Int) throws {
    let made = try RandomModel(
      #"{"model_type": "bloom", "n_embed": 8, "n_layer": 1, "n_head": 1, "vocab_size": 16}"#)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let tokens = (0..<length).map { Int32($0 * $0 % 16) }
    let found = try logits(model, TokenWindows(tokens, length: length))
    // The oracle is cubic: the last rows of a shorter text that ends in the same way would not do, but the first would.
    let wanted = made.oracle.logits(Array(tokens.prefix(140)))
    for (row, wanted) in wanted.enumerated() {
      for (token, wanted) in wanted.enumerated() { #expect(abs(Double(found[row, token]) - wanted) < 2e-4) }
    }
    // A window beside another one gives what it gives alone; not the same bits, because the products have other shapes.
    let pair = try logits(model, TokenWindows(tokens + tokens, length: length)).values
    let worst = zip(pair[..<(length * 16)], pair[(length * 16)...]).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 1e-4)
  }

  @Test("a batch gives the same bits whatever is beside it and on any threads")
  func batches() throws {
    let made = try RandomModel(RandomModel.llama(#", "num_key_value_heads": 2"#))
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let windows = TokenWindows((0..<6 * 300).map { Int32($0 * 31 % 50) }, length: 300)
    let one = try Evaluation(model, reference: model, threads: 1, chunkTokens: 100_000).run(windows)
    for (threads, chunk) in [(2, 1), (5, 1000), (3, 100_000)] {
      #expect(try Evaluation(model, reference: model, threads: threads, chunkTokens: chunk).run(windows) == one)
    }
  }

  @Test("scores are those of the oracle's logits")
  func scores() throws {
    let (a, b) = (try RandomModel(RandomModel.llama()), try RandomModel(RandomModel.llama(), seed: 2))
    let model = try TransformerModel(a.configuration, a.source, path: "a")
    let reference = try TransformerModel(b.configuration, b.source, path: "b")
    let windows = TokenWindows((0..<30).map { Int32($0 * 17 % 50) }, length: 10)
    let found = try Evaluation(model, reference: reference, threads: 2).run(windows)
    var (loss, divergence, same) = (0.0, 0.0, 0.0)
    for window in 0..<3 {
      let tokens = Array(windows.tokens[window * 10..<(window + 1) * 10])
      let logSoftmax = { (x: [Double]) -> [Double] in
        let sum = log(x.reduce(0) { $0 + exp($1) })
        return x.map { $0 - sum }
      }
      let (q, p) = (a.oracle.logits(tokens).map(logSoftmax), b.oracle.logits(tokens).map(logSoftmax))
      for place in 0..<9 {
        loss -= q[place][Int(tokens[place + 1])]
        divergence += zip(p[place], q[place]).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        same += q[place].firstIndex(of: q[place].max() ?? 0) == p[place].firstIndex(of: p[place].max() ?? 0) ? 1 : 0
      }
    }
    #expect(found.tokens == 27)
    #expect(abs(log(found.perplexity) - loss / 27) < 1e-5)
    #expect(abs((found.meanDivergence ?? 0) - divergence / 27) < 1e-5)
    #expect(found.top1Agreement == same / 27)
  }

  @Test("groups give their inputs in order, and weights that are replaced are the ones that run")
  func groups() throws {
    let made = try RandomModel(RandomModel.llama())
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    #expect(
      model.groups(ofLayer: 1).map { $0.modules.map(\.name) } == [
        ["model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.k_proj", "model.layers.1.self_attn.v_proj"],
        ["model.layers.1.self_attn.o_proj"], ["model.layers.1.mlp.gate_proj", "model.layers.1.mlp.up_proj"],
        ["model.layers.1.mlp.down_proj"],
      ])
    let residual = Matrix<Float>(rows: 10, columns: 24)
    try model.embed((0..<10).map { Int32($0) }, into: residual.slice, threads: 1)
    let before = residual.values
    let layer = try model.layer(0, windowLength: 10, threads: 2)
    let states = HiddenStates(residual.slice, windowLength: 10)
    for group in layer.groups {
      let input = layer.input(of: group, states, threads: 1)
      #expect(input.columns == group.inFeatures && input.rows == 10)
      // Without its output projections a layer changes nothing.
      if group.addsToResidual { layer.weight(group, 0).slice.fill(0) }
      layer.advance(group, states, input: input, threads: 1)
    }
    #expect(residual.values == before)
  }

  @Test("Meta's layout gives the logits of Hugging Face's")
  func meta() throws {
    let meta = try TransformerModel.open(project("Tests/Fixtures/checkpoints/meta-2shard"))
    let single = try TransformerModel.open(project("Tests/Fixtures/checkpoints/meta-1shard"))
    let hf = try TransformerModel(
      meta.configuration, try Checkpoint.open(project("Tests/Fixtures/checkpoints/meta-as-hf")), path: "hf")
    let windows = TokenWindows((0..<24).map { Int32($0 * 5 % 60) }, length: 12)
    let wanted = try logits(hf, windows).values
    #expect(try logits(meta, windows).values == wanted)
    #expect(try logits(single, windows).values == wanted)
  }
}

@Suite("Models that do not fit") struct MismatchTests {
  private func mismatch(_ change: (inout MemorySource) -> Void) throws -> ModelError? {
    var made = try RandomModel(RandomModel.llama())
    change(&made.source)
    return #expect(throws: ModelError.self) {
      try TransformerModel(made.configuration, made.source, path: "memory")
    }
  }

  @Test("everything that is missing or has another shape is named at once")
  func tensors() throws {
    let error = try mismatch { source in
      source.remove("model.norm.weight")
      source.remove("model.layers.1.mlp.up_proj.weight")
      source.add("model.layers.1.mlp.up_proj.weight", .f32, [1, 2], [1, 2] as [Float])
    }
    #expect(error?.code == .mismatch)
    #expect(error?.reason.contains("model.norm.weight is missing") == true)
    #expect(error?.reason.contains("up_proj.weight has shape [1, 2], and [40, 24] is wanted") == true)
  }

  @Test("a layer too many, and integers for weights")
  func others() throws {
    let layer = try mismatch { $0.add("model.layers.2.mlp.up_proj.weight", .f32, [1], [1] as [Float]) }
    #expect(layer?.reason.contains("the configuration has 2 layers") == true)
    let type = try mismatch {
      $0.remove("model.norm.weight")
      $0.add("model.norm.weight", .i32, [24], [Int32](repeating: 1, count: 24))
    }
    #expect(type?.reason.contains("I32") == true)
  }

  @Test(
    "configurations that cannot be run are refused",
    arguments: [
      ("{", ModelErrorCode.malformed), ("{}", .unsupported), (#"{"model_type": "gpt2"}"#, .unsupported),
      (#"{"model_type": "llama"}"#, .malformed), (RandomModel.llama(#", "hidden_act": "gelu""#), .unsupported),
      (RandomModel.llama(#", "num_key_value_heads": 4"#), .malformed),
      (RandomModel.llama(#", "num_key_value_heads": 0"#), .malformed),
      (RandomModel.llama(#", "head_dim": 5"#), .malformed),
      (RandomModel.llama(#", "rope_scaling": {"type": "axial", "factor": 2}"#), .unsupported),
      (RandomModel.llama(#", "rope_scaling": {"type": "yarn", "factor": 2}"#), .malformed),
      (RandomModel.llama(#", "rope_scaling": {"type": "dynamic", "factor": 2}"#), .malformed),
      (
        RandomModel.llama(
          #", "rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1], "original_max_position_embeddings": 9}"#
        ), .malformed
      ),
      (RandomModel.llama(#", "rope_scaling": {"type": "llama3", "factor": 2}"#), .malformed),
      (RandomModel.llama(#", "rope_scaling": {"type": "linear", "factor": 0}"#), .malformed),
      (RandomModel.llama(#", "rope_theta": -1"#), .malformed),
      (RandomModel.llama(#", "partial_rotary_factor": 0.5"#), .unsupported),
      (RandomModel.llama().replacing("24", with: "-24"), .malformed),
      (RandomModel.llama().replacing(#""num_hidden_layers": 2"#, with: #""num_hidden_layers": 9999"#), .malformed),
      (
        RandomModel.llama(#", "sliding_window": 0"#).replacing(#""llama""#, with: #""mistral""#), .malformed
      ),
      (
        RandomModel.llama(#", "layer_types": ["sliding_attention", "full_attention"]"#)
          .replacing(#""llama""#, with: #""qwen2""#), .contradictory
      ),
      (
        RandomModel.llama(#", "use_sliding_window": true, "layer_types": ["chunked_attention", "full_attention"]"#)
          .replacing(#""llama""#, with: #""qwen2""#), .unsupported
      ),
      (
        RandomModel.llama(#", "sliding_window": null"#).replacing(#""llama""#, with: #""gemma2""#), .unsupported
      ),
      (
        RandomModel.llama(#", "no_rope_layers": [1, 2]"#).replacing(#""llama""#, with: #""smollm3""#), .malformed
      ),
      (
        RandomModel.bloom.replacing("}", with: #", "apply_residual_connection_post_layernorm": true}"#), .unsupported
      ),
    ])
  func configuration(json: String, code: ModelErrorCode) {
    let error = #expect(throws: ModelError.self) { try ModelConfiguration(json: Array(json.utf8), file: "c") }
    #expect(error?.code == code)
  }

  @Test(
    "a window that is switched off, or longer than the model's texts, does not slide",
    arguments: [
      (#", "sliding_window": 8"#, "qwen2"), (#", "sliding_window": 8, "use_sliding_window": false"#, "qwen3"),
      (#", "sliding_window": 64, "max_position_embeddings": 64"#, "mistral"), (#", "sliding_window": 8"#, "llama"),
    ])
  func windowsThatDoNotSlide(more: String, type: String) throws {
    let json = RandomModel.llama(more + #", "head_dim": 4"#).replacing(#""llama""#, with: "\"\(type)\"")
    #expect(try ModelConfiguration(json: Array(json.utf8), file: "c").family.name == type)
  }

  @Test("tokens outside the vocabulary, and other vocabularies, are told")
  func tokens() throws {
    let made = try RandomModel(RandomModel.llama())
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    for token in [-1, 50] as [Int32] {
      let error = #expect(throws: ModelError.self) {
        try Evaluation(model, reference: nil, threads: 1).run(TokenWindows([1, token], length: 2))
      }
      #expect(error?.code == .badTokens)
    }
    let other = try RandomModel(RandomModel.bloom.replacing("50", with: "51"))
    let reference = try TransformerModel(other.configuration, other.source, path: "other")
    #expect(throws: ModelError.self) { try Evaluation(model, reference: reference, threads: 1) }
  }
}
