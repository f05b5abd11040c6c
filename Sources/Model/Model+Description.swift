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
      _ configuration: ModelConfiguration, _ text: [UInt8], _ weights: any TensorSource, notes: [String?] = []
    ) -> Description {
      Description(
        configuration: configuration, configurationText: text, weights: weights, notes: notes.compactMap(\.self))
    }
    switch layout {
    case .gguf(let file):
      let model = try GGUFModel(file, path: path)
      return description(model.configuration, try model.configurationText(), try DequantizedSource(model.source))
    case .meta(let meta):
      let model = try MetaModel(meta)
      let text = try model.configurationText(special: try? tokenizer().special)
      return description(model.configuration, text, model.source, notes: [try model.checkFrequencies()])
    case .huggingFace:
      let (stated, text) = try configuration()
      let frequencies = try stated.checkFrequencies(tensors, file: configurationPath)
      var weights = ComputedTensors.removed(from: tensors)
      if form == .packed {
        let packed = try PackedCheckpoint.ofModel(weights, folder: folder)
        // BELLE's scripts store biases of zeros for modules that have none.
        weights = stated.needsInputBias ? packed : try packed.withoutZeroBiases()
      }
      if form == .plain { try StoredBiases.check(stated, weights, file: configurationPath) }
      let tied = try TiedHead(stated, weights)
      return description(
        tied.configuration, tied.configuration.tiesHead == stated.tiesHead ? text : try Self.untied(text),
        tied.source, notes: [frequencies, tied.note])
    }
  }

  /// The text of a config.json whose head is its own.
  private static func untied(_ text: [UInt8]) throws -> [UInt8] {
    guard var object = try boundedJSONObject(text) as? [String: Any] else { return text }
    object["tie_word_embeddings"] = false
    return try jsonText(object)
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
    return try Tokenizers.open(tokenizerFolder)
  }

  /// Where the tokenizer's files lie: the model's folder; of Meta's download, which has them one folder up for all sizes, that
  /// one.
  package var tokenizerFolder: String {
    let hasFiles = { (folder: String) in
      Tokenizers.fileNames.contains { Folder.kind(of: Folder.join(folder, $0)) == .file }
    }
    guard case .meta = layout, !hasFiles(folder) else { return folder }
    let parent = folder == "." ? ".." : Folder.parent(of: folder)
    return hasFiles(parent) ? parent : folder
  }

  /// The tokenizer's files that a model in Hugging Face's layout has, and that do not lie in this model's folder under their
  /// names: what a GGUF file holds, and for Meta's layout those of the folder above and a tokenizer_config.json.
  ///
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func tokenizerFiles() throws -> [String: [UInt8]] {
    switch layout {
    case .gguf(let file): return try GGUFModel(file, path: path).tokenizerFiles()
    case .huggingFace: return [:]
    case .meta: break
    }
    let home = tokenizerFolder
    var files: [String: [UInt8]] = [:]
    if home != folder || Folder.kind(of: path) == .file {
      for name in Self.tokenizerNames where Folder.kind(of: Folder.join(home, name)) == .file {
        let file = try InputFile(Folder.join(home, name))
        files[name] = try file.bytes(count: file.size)
      }
    }
    let settings = "tokenizer_config.json"
    let hasOwn = ["tokenizer.json", settings].contains { Folder.kind(of: Folder.join(home, $0)) == .file }
    // Without one transformers would have to guess where a text begins; what is no SentencePiece model has none to make.
    if !hasOwn, let vocabulary = try? Tokenizers.vocabulary(home) {
      files[settings] = try Tokenizers.files(of: vocabulary, file: home)[settings]
    }
    return files
  }

  private static let tokenizerNames = [
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
  ]

  /// What the tokenizer is made of: what a GGUF file holds of it.
  ///
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func vocabulary() throws -> Vocabulary {
    if case .gguf(let file) = layout { return try Vocabulary(file.values, file: path) }
    return try Tokenizers.vocabulary(tokenizerFolder)
  }
}
