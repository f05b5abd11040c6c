// The containers that models are written in, and what their files are called.

/// A kind of file that holds tensors.
public enum Container: String, Sendable, CaseIterable {
  /// Hugging Face's safetensors.
  case safetensors
  /// PyTorch's zip.
  case torch

  /// The kind that a file's name asks for; nil where it asks for none.
  public init?(fileName: String) {
    if fileName.hasSuffix(".safetensors") {
      self = .safetensors
    } else if [".pt", ".pth", ".bin"].contains(where: fileName.hasSuffix) {
      self = .torch
    } else {
      return nil
    }
  }

  /// What a model's file is called before the number of its part.
  var stem: String { self == .safetensors ? "model" : "pytorch_model" }

  /// The suffix, with its dot.
  var suffix: String { self == .safetensors ? ".safetensors" : ".bin" }

  /// The name of a part; of the whole, where it is the only one.
  ///
  /// - Parameter number: from 1.
  public func fileName(_ number: Int, of count: Int) -> String {
    if count == 1 { return stem + suffix }
    let digits = { (number: Int) in String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
    return "\(stem)-\(digits(number))-of-\(digits(count))\(suffix)"
  }

  /// The name of the index of a model in several parts.
  public var indexName: String { stem + suffix + ".index.json" }

  /// Copies tensors of a source into a file of this kind: see ``TensorSink``.
  public func write(
    _ source: any TensorSource, _ indices: [Int], metadata: [String: String], as name: String, in folder: String,
    replacing: Bool, progress: (Int) -> Void
  ) throws -> Bool {
    switch self {
    case .safetensors:
      try SafetensorsWriter.write(
        source, indices, metadata: metadata, as: name, in: folder, replacing: replacing, progress: progress)
    case .torch:
      try TorchWriter.write(
        source, indices, metadata: metadata, as: name, in: folder, replacing: replacing, progress: progress)
    }
  }
}
