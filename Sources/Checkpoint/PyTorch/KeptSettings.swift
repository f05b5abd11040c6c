// What a PyTorch file holds besides its tensors (epoch, learning rate, the arguments of a model), as the metadata of a
// safetensors file, so that nothing is lost when the pickle is gone.

/// What becomes of a source's settings in a safetensors file.
package struct KeptSettings: Sendable {
  /// The metadata of the file: transformers wants to be told that the values are PyTorch's.
  package private(set) var metadata = ["format": "pt"]
  /// How many settings have no place there.
  package private(set) var omittedCount = 0

  /// The settings of a source: what a safetensors file says of itself, or what a PyTorch file holds besides tensors; the
  /// metadata of other formats is another thing.
  package init(of source: any TensorSource) {
    let isSafetensors = source.format == "safetensors"
    guard isSafetensors || source.holdsSettings else { return }
    omittedCount = (source as? TorchFile)?.omittedSettings ?? 0
    for (name, value) in source.metadata {
      // What a pickle calls its format is another thing; of a key that it sets twice the last counts.
      if !isSafetensors, metadata[name] != nil { omittedCount += 1 }
      if isSafetensors || name != "format" { metadata[name] = value }
    }
  }
}

extension TensorSource {
  /// Whether its metadata are the settings of a PyTorch file.
  package var holdsSettings: Bool { format == "pickle" || format.hasPrefix("torch-") }

  /// How many settings it holds besides tensors, those that it does not tell included.
  package var settingCount: Int {
    holdsSettings ? metadata.count + ((self as? TorchFile)?.omittedSettings ?? 0) : 0
  }
}
