// What a dialect has no place for: tensors beside the language model, as the value heads of reward models, which engines leave
// out; and biases that its programs do not know. Biases of zeros change nothing and are left out; others are refused, for
// llama.cpp takes no file that has a tensor too many.

import ByteIO
import Checkpoint

extension Arranger {
  /// The names of tensors that a dialect has no place for, and that are to be left out, which is told.
  ///
  /// - Parameter source: a model that fits its configuration.
  /// - Throws: `CheckpointError` with code `.badTensor` for a bias that has a value.
  func withoutPlace(
    _ source: any TensorSource, _ configuration: ModelConfiguration, _ dialect: Dialect
  ) throws -> Set<String> {
    let tensors = ModelTensors(unchecked: configuration, source)
    let family = configuration.family
    var (zeros, others): ([String], [String]) = ([], [])
    for (index, info) in source.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let tensor = tensors.tensor(named: info.name) else {
        others.append(info.name)
        continue
      }
      guard tensor.part == .bias, dialect == .meta || !family.hasGGUFBias(tensor.role) else { continue }
      guard try source.holdsZeros(index) else {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(dialect == .gguf ? "llama.cpp" : "Meta's layout") has no place for \(displayName(info.name)) in a "
            + "\(family.name) model",
          remedy: dialect == .gguf
            ? "it refuses a file with a tensor that it does not know, and without the bias it would be another model"
            : "without the bias it would be another model")
      }
      zeros.append(info.name)
    }
    tell(zeros, "hold zeros, change nothing, and have no place in the output")
    tell(others, "lie outside of the language model")
    return Set(zeros + others)
  }

  private func tell(_ names: [String], _ what: String) {
    guard let first = names.first else { return }
    note(
      "\(displayName(first))\(names.count > 1 ? " and \(names.count - 1) more" : "") \(what): left out")
  }
}
