// A model with its measures: what running, quantizing and writing it in another layout want to know.

import ByteIO
import Checkpoint
import Packed
import Tokenizer

extension Model {
  /// A model's configuration, and the weights that it describes.
  package struct Description: Sendable {
    /// Its measures.
    package let configuration: ModelConfiguration
    /// The text of its `config.json`, made from what Meta's layout or GGUF has in its place.
    package let configurationText: [UInt8]
    /// Its tensors, with Hugging Face's names and without computed ones; quantized ones as the weights that they stand for.
    package let weights: any TensorSource
    /// What is to be told: of stored frequencies of positions that are not the configuration's.
    package let notes: [String]
  }

  /// Reads the configuration and looks at the tensors by it.
  ///
  /// - Throws: ``ModelError``, `CheckpointError` or `ByteIOError`; whatever does not fit is named here, before work.
  package func described() throws -> Description {
    _ = try adapter?.refuse()
    func description(
      _ configuration: ModelConfiguration, _ text: [UInt8], _ weights: any TensorSource, note: String? = nil
    ) -> Description {
      Description(
        configuration: configuration, configurationText: text, weights: weights,
        notes: [note].compactMap(\.self))
    }
    switch layout {
    case .gguf(let file):
      let model = try GGUFModel(file, path: path)
      return description(model.configuration, try model.configurationText(), try DequantizedSource(model.source))
    case .meta(let meta):
      let model = try MetaModel(meta)
      return description(
        model.configuration, try model.configurationText(), model.source, note: try model.checkFrequencies())
    case .huggingFace:
      try refuseForeignQuantization()
      let (configuration, text) = try configuration()
      let note = try configuration.checkFrequencies(tensors, file: configurationPath)
      let weights = ComputedTensors.removed(from: tensors)
      guard form == .packed else { return description(configuration, text, weights, note: note) }
      let packed = try PackedCheckpoint.ofModel(weights, folder: folder)
      // BELLE's scripts store biases of zeros for modules that have none.
      return description(
        configuration, text, configuration.needsInputBias ? packed : try packed.withoutZeroBiases(), note: note)
    }
  }

  /// Names the way in which the weights are quantized, where it is not read here.
  ///
  /// - Throws: ``ModelError`` with code `.unsupported`.
  package func refuseForeignQuantization() throws {
    guard let foreign = try ForeignQuantization(tensors, folder: folder) else { return }
    throw ModelError(.unsupported, file: path, reason: foreign.reason, remedy: ForeignQuantization.remedy)
  }

  private var configurationPath: String { Folder.join(folder, "config.json") }

  /// The configuration that lies beside a model in Hugging Face's layout, and its text.
  ///
  /// - Throws: ``ModelError`` with code `.missing` where there is none.
  package func configuration() throws -> (ModelConfiguration, text: [UInt8]) {
    guard Folder.kind(of: configurationPath) == .file else {
      throw ModelError(
        .missing, file: path, reason: "there is no config.json beside the weights",
        remedy: "download config.json too; without it heads and positions are not known")
    }
    let text = try ModelConfiguration.text(configurationPath)
    return (try ModelConfiguration(json: text, file: configurationPath), text)
  }

  /// Opens the tokenizer: in the model's folder, or in its GGUF file.
  ///
  /// - Parameter path: a tokenizer's file or folder, where it is not the model's own.
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func tokenizer(from path: String? = nil) throws -> any Tokenizer {
    if let path { return try Tokenizers.open(path) }
    if case .gguf = layout { return try Tokenizers.tokenizer(of: vocabulary(), file: self.path) }
    return try Tokenizers.open(folder)
  }

  /// The tokenizer's files, made of what a GGUF file holds; none for other layouts, whose files lie beside them.
  ///
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func tokenizerFiles() throws -> [String: [UInt8]] {
    guard case .gguf(let file) = layout else { return [:] }
    return try GGUFModel(file, path: path).tokenizerFiles()
  }

  /// What the tokenizer is made of: what a GGUF file holds of it.
  ///
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func vocabulary() throws -> Vocabulary {
    if case .gguf(let file) = layout { return try Vocabulary(file.values, file: path) }
    return try Tokenizers.vocabulary(folder)
  }
}
