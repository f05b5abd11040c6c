// A small model of random numbers on disk, as transformers would have written it: for tests that quantize.

import ByteIO
import Checkpoint
import Foundation

/// A LLaMA or BLOOM of random numbers.
public struct RandomCheckpoint {
  /// The tensors.
  public var source = MemorySource()
  /// The text of its config.json.
  public var configuration: String
  /// Its vocabulary.
  public static let vocabulary = 96

  /// Makes up a model with 64 inputs, 128 between the halves of the feed-forward part (BLOOM: 256), 4 heads.
  public init(bloom: Bool = false, layers: Int = 2, seed: UInt64 = 1, tiesHead: Bool = false) {
    var generator = SplitMix64(seed: seed)
    let (hidden, middle) = (64, bloom ? 256 : 128)
    configuration =
      bloom
      ? #"{"model_type": "bloom", "n_embed": 64, "n_layer": \#(layers), "n_head": 4, "vocab_size": 96, "seq_length": 512}"#
      : #"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": \#(layers), "#
        + #""num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512, "#
        + #""tie_word_embeddings": \#(tiesHead), "torch_dtype": "float32"}"#
    func add(_ source: inout MemorySource, _ name: String, _ shape: [Int], around mean: Float = 0, scale: Float = 0.2) {
      // Some columns are larger than others, as in real models.
      let width = shape.last ?? 1
      let values = (0..<shape.reduce(1, *)).map { index in
        mean + Float.random(in: -scale...scale, using: &generator) * (index % width % 7 == 0 ? 3 : 1)
      }
      source.add(name, .f32, shape, values)
    }
    func norm(_ name: String) {
      add(&source, name + ".weight", [hidden], around: 1)
      if bloom { add(&source, name + ".bias", [hidden]) }
    }
    let base = bloom ? "transformer." : "model."
    add(
      &source, base + (bloom ? "word_embeddings.weight" : "embed_tokens.weight"), [Self.vocabulary, hidden], scale: 1)
    if bloom { norm(base + "word_embeddings_layernorm") }
    for layer in 0..<layers {
      let place = base + (bloom ? "h" : "layers") + ".\(layer)."
      norm(place + "input_layernorm")
      norm(place + "post_attention_layernorm")
      let modules =
        bloom
        ? [
          ("self_attention.query_key_value", 192, hidden), ("self_attention.dense", hidden, hidden),
          ("mlp.dense_h_to_4h", middle, hidden), ("mlp.dense_4h_to_h", hidden, middle),
        ]
        : [
          ("self_attn.q_proj", 64, hidden), ("self_attn.k_proj", 32, hidden), ("self_attn.v_proj", 32, hidden),
          ("self_attn.o_proj", hidden, 64), ("mlp.gate_proj", middle, hidden), ("mlp.up_proj", middle, hidden),
          ("mlp.down_proj", hidden, middle),
        ]
      for (name, out, width) in modules {
        add(&source, place + name + ".weight", [out, width])
        if bloom { add(&source, place + name + ".bias", [out]) }
      }
    }
    norm(base + (bloom ? "ln_f" : "norm"))
    if !bloom, !tiesHead { add(&source, "lm_head.weight", [Self.vocabulary, hidden]) }
  }

  /// Writes config.json, model.safetensors and tokens.safetensors (`calibration` and `evaluation`).
  @discardableResult
  public func write(_ folder: TemporaryFolder, _ name: String = "model", windows: Int = 16) throws -> String {
    try folder.write("\(name)/config.json", configuration)
    try source.write(in: folder.file(name))
    var tokens = MemorySource()
    var generator = SplitMix64(seed: 99)
    for (part, count) in [("calibration", windows), ("evaluation", 4)] {
      // Texts repeat themselves: the inputs are not all alike.
      let values = (0..<count * 40).map { _ in
        Int32.random(in: 0..<8, using: &generator) * Int32.random(in: 0..<12, using: &generator)
      }
      tokens.add(part, .i32, [count, 40], values)
    }
    _ = try SafetensorsWriter.write(
      tokens, [0, 1], metadata: [:], as: "tokens.safetensors", in: folder.file(name), replacing: true)
    return folder.file(name)
  }

  /// Puts other values in place of a tensor's.
  public mutating func replace(_ name: String, _ change: (inout [Float]) -> Void) {
    guard let index = source.tensors.firstIndex(where: { $0.name == name }) else { return }
    let info = source.tensors[index]
    var bytes: [UInt8] = []
    try? source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
    var values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    change(&values)
    source.remove(name)
    source.add(name, info.dtype, info.shape, values)
  }
}
