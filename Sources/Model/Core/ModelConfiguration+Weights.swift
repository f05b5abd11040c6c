// The weights that a model of some measures has: what an adapter is held against where the model itself is not there.

import ByteIO
import Checkpoint

extension ModelConfiguration {
  /// The weights of all modules under Hugging Face's names, in single precision and without values; a head that is the
  /// embedding is not among them.
  ///
  /// - Throws: ``ModelError`` with code `.malformed` for a size beyond a word.
  package func weights(file path: String) throws -> [TensorInfo] {
    let roles = family.modules.map(\.role)
    var found: [TensorInfo] = []
    for layer in [nil] + (0..<layerCount).map({ Optional($0) }) {
      for role in roles where role.isInLayer == (layer != nil) && !(tiesHead && role == .head) {
        guard let name = family.name(of: role, layer: layer, in: .huggingFace) else { continue }
        let shape = shape(of: role)
        guard let size = TensorInfo.size(of: shape, .f32) else {
          throw ModelError(.malformed, file: path, reason: "\(displayName(name)) would be too large: \(shape)")
        }
        found.append(TensorInfo(name: name + ".weight", dtype: .f32, shape: shape, file: path, byteCount: size.bytes))
      }
    }
    return found
  }

  /// What llama.cpp calls the weight of a module, and whether it is the embedding's; nil where it has no name for it.
  ///
  /// - Parameter name: the weight's in Hugging Face's layout.
  package func ggufName(of name: String) -> (name: String, isEmbedding: Bool)? {
    guard let tensor = family.tensor(named: name, in: .huggingFace), let other = family.name(of: tensor, in: .gguf)
    else { return nil }
    return (other, tensor.role == .embedding)
  }

  /// What the mixtures of GGUF's types depend on.
  ///
  /// - Parameter hasHead: whether the head is another matrix than the embedding.
  package func mixed(hasHead: Bool) -> GGUFMixture.Model {
    GGUFMixture.Model(layers: layerCount, queriesPerKey: headCount / max(1, keyValueHeadCount), hasHead: hasHead)
  }
}
