// Biases that are stored, and that the configuration does not speak of: transformers makes modules without them and leaves
// the tensors out, llama.cpp adds them. Zeros, which scripts of BELLE's time store for modules that have none, are the same
// to both.
// Source: transformers, models/llama/modeling_llama.py (attention_bias, mlp_bias), and those of the other families.

import ByteIO
import Checkpoint

/// Stored biases against the configuration.
enum StoredBiases {
  /// Looks at the biases of a layer's linear modules.
  ///
  /// - Throws: ``ModelError`` with code `.contradictory` for one that has a value where the model has none.
  static func check(_ configuration: ModelConfiguration, _ source: any TensorSource, file path: String) throws {
    let tensors = ModelTensors(unchecked: configuration, source)
    for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(".bias") {
      guard let tensor = tensors.tensor(named: info.name), let group = tensor.role.group,
        configuration.family.module(tensor.role)?.bias != .always
      else { continue }
      let field = configuration.family.biasFields[group]
      let isAttention = group == .attentionInput || group == .attentionOutput
      let isStated = isAttention ? configuration.needsInputBias : configuration.needsFeedForwardBias
      guard field == nil || !isStated, try !source.holdsZeros(index) else { continue }
      let why = field.map { "and \($0) is not true" } ?? "which a \(configuration.family.name) model does not have"
      throw ModelError(
        .contradictory, file: path,
        reason:
          "\(displayName(info.name)) has values, \(why): transformers leaves such a bias out, and llama.cpp adds it",
        remedy: field.map {
          "set \($0) to true in config.json where the model has it, or remove the tensors where it has not"
        } ?? "remove the tensors where the model was trained without them; else it is one of another model type")
    }
  }
}
