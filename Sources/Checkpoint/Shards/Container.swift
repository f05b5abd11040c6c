// The containers that models are written in, and what their files are called.

import ByteIO
import Foundation

/// A kind of file that holds tensors.
public enum Container: String, Sendable, CaseIterable {
  /// Hugging Face's safetensors.
  case safetensors
  /// PyTorch's zip.
  case torch
  /// llama.cpp's GGUF: always one file.
  case gguf

  /// The kind that a file's name asks for; nil where it asks for none.
  public init?(fileName: String) {
    if fileName.hasSuffix(".safetensors") {
      self = .safetensors
    } else if [".pt", ".pth", ".bin"].contains(where: fileName.hasSuffix) {
      self = .torch
    } else if fileName.hasSuffix(".gguf") {
      self = .gguf
    } else {
      return nil
    }
  }

  /// The kind that an output's name asks for, in letters of either case: `MODEL.GGUF` is no folder.
  public init?(outputName: String) { self.init(fileName: outputName.lowercased()) }

  /// What a model's file is called before the number of its part.
  var stem: String { self == .torch ? "pytorch_model" : "model" }

  /// The suffix, with its dot.
  package var suffix: String {
    switch self {
    case .safetensors: ".safetensors"
    case .torch: ".bin"
    case .gguf: ".gguf"
    }
  }

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

  /// Whether a name is one that a model of this kind is written under: the whole, a part, or the index.
  public func isModelFile(_ name: String) -> Bool {
    name == fileName(1, of: 1) || name == indexName || partCount(of: name) != nil
  }

  /// Of how many parts a file is one, by its name; nil for a name that is not a part's.
  func partCount(of name: String) -> Int? {
    guard name.hasPrefix(stem + "-"), name.hasSuffix(suffix) else { return nil }
    let numbers = name.dropFirst(stem.count + 1).dropLast(suffix.count).components(separatedBy: "-of-").map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1], count > 1, (1...count).contains(number),
      name == fileName(number, of: count)
    else { return nil }
    return count
  }

  /// Copies tensors of a source into a file of this kind, as it is written where nothing else is asked for.
  public func write(
    _ source: any TensorSource, _ indices: [Int], metadata: [String: String], as name: String, in folder: String,
    replacing: Bool, isChecked: Bool = false, progress: (Int) -> Void
  ) throws -> Bool {
    try write(
      source, indices, metadata: metadata, as: name, in: folder, replacing: replacing, isChecked: isChecked,
      torchLayout: .current, progress: progress)
  }

  /// Copies tensors of a source into a file of this kind: see ``TensorSink``. A source that knows what a GGUF file says
  /// besides its tensors has its values written there, instead of the text.
  func write(
    _ source: any TensorSource, _ indices: [Int], metadata: [String: String], as name: String, in folder: String,
    replacing: Bool, isChecked: Bool, torchLayout: TorchLayout, progress: (Int) -> Void
  ) throws -> Bool {
    if self != .gguf, let info = indices.lazy.map({ source.tensors[$0] }).first(where: { $0.dtype.block != nil }) {
      throw CheckpointError(
        .unsupportedType, file: info.file,
        reason: "tensor \(displayName(info.name)) is \(info.dtype.rawValue), which only GGUF files hold",
        remedy: "read it as floating-point values")
    }
    switch self {
    case .gguf:
      var sink =
        if let values = (source as? any GGUFDescribed)?.values {
          try GGUFWriter(indices.map { source.tensors[$0] }, values: values)
        } else {
          try GGUFWriter(indices.map { source.tensors[$0] }, metadata: metadata)
        }
      return try sink.take(
        source, indices, as: name, in: folder, replacing: replacing, isChecked: isChecked,
        progress: progress)
    case .safetensors:
      return try SafetensorsWriter.write(
        source, indices, metadata: metadata, as: name, in: folder, replacing: replacing, isChecked: isChecked,
        progress: progress)
    case .torch:
      var sink = try TorchWriter(indices.map { source.tensors[$0] }, layout: torchLayout)
      return try sink.take(
        source, indices, as: name, in: folder, replacing: replacing, isChecked: isChecked, progress: progress)
    }
  }
}
