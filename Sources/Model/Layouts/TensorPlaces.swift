// What a dialect has no place for: tensors beside the language model, as the value heads of reward models, which engines leave
// out; and biases that its programs do not know. Biases of zeros change nothing and are left out; others are refused, for
// llama.cpp takes no file that has a tensor too many.

import ByteIO
import Checkpoint

/// A model without the tensors that a dialect has no place for.
package struct TensorPlaces {
  /// The names of those that are left out.
  package let omitted: Set<String>
  /// What is to be told of them.
  package let remarks: [String]

  /// Looks at a model.
  ///
  /// - Parameters:
  ///   - source: in Hugging Face's names, fitting its configuration.
  ///   - unused: names of biases of zeros that it was opened without.
  /// - Throws: `CheckpointError` with code `.badTensor` for a bias that has a value.
  package init(
    _ source: any TensorSource, _ configuration: ModelConfiguration, in dialect: Dialect, unused: [String] = []
  ) throws {
    let tensors = ModelTensors(unchecked: configuration, source)
    let family = configuration.family
    var (zeros, others): ([String], [String]) = (unused, [])
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
    omitted = Set(zeros + others)
    remarks = [
      Self.remark(ofZeros: zeros), Self.words(others, "lies", "lie", "outside of the language model"),
    ].compactMap(\.self)
  }

  /// What is to be told of biases of zeros that are left out; nil where there are none.
  static func remark(ofZeros names: [String]) -> String? {
    words(
      names, "holds zeros, changes nothing, and has", "hold zeros, change nothing, and have", "no place in the output")
  }

  private static func words(_ names: [String], _ one: String, _ several: String, _ what: String) -> String? {
    names.first.map { first in
      displayName(first) + (names.count > 1 ? " and \(names.count - 1) more \(several)" : " \(one)")
        + " \(what): left out"
    }
  }
}

extension TensorSource {
  /// The tensors but for some.
  package func without(_ names: Set<String>) -> any TensorSource {
    if names.isEmpty { return self }
    return TensorView(self) { !names.contains($0.name) }
  }
}
