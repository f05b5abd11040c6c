// The config.json of a model that comes from Meta's layout: what params.json and the tensors say, nothing guessed.

import ByteIO
import Foundation

extension HuggingFaceLlama {
  /// `config.json` as transformers reads it.
  ///
  /// - Throws: ``CheckpointError`` where the tensors that tell its numbers are missing.
  public func configuration() throws -> [UInt8] {
    let tensors = view.tensors
    let shape = { (name: String) throws -> [Int] in
      guard let tensor = tensors.first(where: { $0.name == name }), tensor.shape.count == 2 else {
        throw CheckpointError(.badTensor, file: tensors.first?.file, reason: "there is no tensor \(name)")
      }
      return tensor.shape
    }
    let parameters = source.parameters
    let embedding = try shape("model.embed_tokens.weight")
    let gate = try shape("model.layers.0.mlp.gate_proj.weight")
    let torchType: String? =
      switch tensors.first?.dtype {
      case .f16: "float16"
      case .bf16: "bfloat16"
      case .f32: "float32"
      default: nil
      }
    var object: [String: Any] = [
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
      "hidden_size": parameters.dim, "intermediate_size": gate[0], "num_hidden_layers": parameters.n_layers,
      "num_attention_heads": parameters.n_heads, "num_key_value_heads": parameters.n_kv_heads ?? parameters.n_heads,
      "rms_norm_eps": parameters.norm_eps ?? 1e-5, "rope_theta": parameters.rope_theta ?? 10000,
      "vocab_size": embedding[0], "bos_token_id": 1, "eos_token_id": 2,
      "tie_word_embeddings": !tensors.contains { $0.name == "lm_head.weight" },
    ]
    if let torchType { object["torch_dtype"] = torchType }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }
}
