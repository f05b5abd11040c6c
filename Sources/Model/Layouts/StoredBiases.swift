// Biases that are stored, and that the configuration does not speak of: transformers makes modules without them and leaves
// the tensors out, llama.cpp adds them. Zeros, which scripts of BELLE's time store for modules that have none, are the same
// to both.
// Source: transformers, models/llama/modeling_llama.py (attention_bias, mlp_bias).

import ByteIO
import Checkpoint

/// Stored biases against the configuration.
enum StoredBiases {
  /// Looks at the biases of modules whose configuration says whether they have any.
  ///
  /// - Throws: ``ModelError`` with code `.contradictory` for one that has a value and is not spoken of.
  static func check(_ configuration: ModelConfiguration, _ source: any TensorSource, file path: String) throws {
    guard configuration.family.inputBias == .configured else { return }
    let tensors = ModelTensors(unchecked: configuration, source)
    for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(".bias") {
      guard let tensor = tensors.tensor(named: info.name), let group = tensor.role.group else { continue }
      let isAttention = group == .attentionInput || group == .attentionOutput
      guard isAttention ? !configuration.needsInputBias : !configuration.needsFeedForwardBias,
        try !source.allBytes(index).allSatisfy({ $0 == 0 })
      else { continue }
      let field = isAttention ? "attention_bias" : "mlp_bias"
      throw ModelError(
        .contradictory, file: path,
        reason:
          "\(displayName(info.name)) has values, and \(field) is not true: transformers leaves such a bias out, and "
          + "llama.cpp adds it",
        remedy: "set \(field) to true in config.json where the model has it, or remove the tensors where it has not")
    }
  }
}
