// A small LLaMA of random numbers with the vocabulary of the tokenizer that lies in Tests/Fixtures/tiny/llama: for tests that write
// GGUF files, which hold a tokenizer.

import ByteIO
import Checkpoint
import Foundation

/// A LLaMA of one layer whose tokenizer fits it.
public struct TokenizedCheckpoint {
  /// The tensors.
  public var source = MemorySource()
  /// The text of its config.json.
  public let configuration: String
  /// The rows of its embedding.
  public let rows: Int

  /// Makes up a model.
  ///
  /// - Parameter rows: of its embedding; the tokenizer has 4096 tokens.
  public init(hidden: Int = 64, intermediate: Int = 64, rows: Int = 4096) {
    self.rows = rows
    configuration =
      #"{"model_type": "llama", "hidden_size": \#(hidden), "intermediate_size": \#(intermediate), "num_hidden_layers": 1, "#
      + #""num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": \#(rows), "max_position_embeddings": 512}"#
    var random = SplitMix64(seed: 3)
    func add(_ name: String, _ shape: [Int]) {
      source.add(
        name + ".weight", .f32, shape,
        (0..<shape.reduce(1, *)).map { _ in Float.random(in: -0.1...0.1, using: &random) })
    }
    add("model.embed_tokens", [rows, hidden])
    for name in ["q_proj", "k_proj", "v_proj", "o_proj"] { add("model.layers.0.self_attn.\(name)", [hidden, hidden]) }
    for name in ["gate_proj", "up_proj"] { add("model.layers.0.mlp.\(name)", [intermediate, hidden]) }
    add("model.layers.0.mlp.down_proj", [hidden, intermediate])
    for name in ["model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm", "model.norm"] {
      add(name, [hidden])
    }
    add("lm_head", [rows, hidden])
  }

  /// Writes the model with its tokenizer.
  ///
  /// - Parameter files: other small files beside it; they replace its own.
  @discardableResult
  public func write(_ folder: TemporaryFolder, _ name: String = "model", _ files: [String: String] = [:]) throws
    -> String
  {
    try folder.write(name + "/config.json", configuration)
    for file in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write(name + "/" + file, readBytes(project("Tests/Fixtures/tiny/llama/" + file)))
    }
    for (file, text) in files { try folder.write(name + "/" + file, text) }
    try source.write(in: folder.file(name))
    return folder.file(name)
  }
}
