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
    case .ggml(let file):
      let model = try self.described(file)
      return description(model.configuration, try model.configurationText(), try DequantizedSource(model.source))
    case .meta(let meta):
      let model = try MetaModel(meta)
      let text = try model.configurationText(special: try? tokenizer().special)
      return description(model.configuration, text, model.source, notes: [try model.checkFrequencies()])
    case .huggingFace:
      try refuseForeignQuantization()
      let (stated, text) = try configuration()
      let frequencies = try stated.checkFrequencies(tensors, file: configurationPath)
      var weights = ComputedTensors.removed(from: tensors)
      var version: String?
      if form == .packed {
        let packed = try PackedCheckpoint.ofModel(weights, folder: folder)
        version = packed.versionNote
        // BELLE's scripts store biases of zeros for modules that have none.
        weights = stated.needsInputBias ? packed : try packed.withoutZeroBiases()
      }
      try StoredBiases.check(stated, weights, file: configurationPath)
      let tied = try TiedHead(stated, weights)
      return description(
        tied.configuration, tied.configuration.tiesHead == stated.tiesHead ? text : try Self.untied(text),
        try NormedHead.shown(tied.configuration, tied.source),
        notes: [frequencies, tied.note, version, Self.ownCode(text)])
    }
  }

  /// Its measures, whatever its layout; its tensors are not looked at.
  ///
  /// - Throws: ``ModelError`` or `ByteIOError`.
  package func measures() throws -> ModelConfiguration {
    switch layout {
    case .gguf(let file): try ModelConfiguration(file, path: path)
    case .ggml(let file): try described(file).configuration
    case .meta(let meta): try ModelConfiguration(meta)
    case .huggingFace: try configuration().0
    }
  }

  /// A file of before GGUF as a model, with what was said of it.
  func described(_ file: GGMLFile) throws -> GGMLModel { try GGMLModel(file, stated: stated, path: path) }

  /// What is taken for granted of the model, because its file does not say it, with what can be done about it.
  ///
  /// - Parameter hasTokenizer: whether a tokenizer is named besides.
  /// - Throws: as ``described()``.
  package func assumptions(hasTokenizer: Bool) throws -> [Remedy] {
    guard case .ggml(let file) = layout else { return [] }
    let found = try described(file).configuration.assumptions(file, stated: stated)
    guard file.vocabulary.scores == nil, !hasTokenizer else { return found }
    let scores: Remedy =
      "the file has no scores for its tokens: the order of the pieces is taken for them, which is right unless some were "
      + "added later; \(.tokenizer) names the model's own tokenizer"
    return found + [scores]
  }

  /// What is to be told of a config.json that is made for the model and cannot say all that programs want to know.
  ///
  /// - Throws: as ``described()``.
  package func configurationGaps() throws -> [String] {
    guard case .meta(let meta) = layout else { return [] }
    return try MetaModel(meta).gaps(special: try? tokenizer().special)
  }

  /// What is to be told of a config.json that names code of its own; nil where it names none.
  static func ownCode(_ text: [UInt8]) -> String? {
    guard let object = try? boundedJSONObject(text) as? [String: Any], let map = object["auto_map"] as? [String: Any],
      let first = map.values.compactMap({ $0 as? String }).min()
    else { return nil }
    return
      "config.json names code of its own (auto_map: \(displayName(first))), which is not run here: programs that run it "
      + "may compute something else"
  }

  /// The text of a config.json whose head is its own.
  private static func untied(_ text: [UInt8]) throws -> [UInt8] {
    guard var object = try boundedJSONObject(text) as? [String: Any] else { return text }
    object["tie_word_embeddings"] = false
    return try jsonText(object)
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
      if tensors.tensors.contains(where: { $0.name.hasSuffix("layers.0.attention.wq.weight") }) {
        throw ModelError(
          .missing, file: path,
          reason: "its names are Meta's, and this is one file: heads and positions stand in params.json, and a model "
            + "may be divided among several files",
          remedy: "give the folder that holds params.json and all consolidated.NN.pth files")
      }
      let other = DownloadedFolder.substitute(for: "config.json", in: folder)
      throw ModelError(
        .missing, file: path,
        reason: "there is no config.json beside the weights" + (other.map { "; \($0.reason)" } ?? ""),
        remedy: other?.remedy ?? "download config.json too; without it heads and positions are not known")
    }
    if let download = DownloadName.unfinished(at: configurationPath) {
      throw ModelError(.missing, file: configurationPath, reason: download.reason, remedy: download.remedy)
    }
    let text = try ModelConfiguration.text(configurationPath)
    return (try ModelConfiguration(json: text, file: configurationPath), text)
  }

  /// Opens the tokenizer: in the model's folder, or in its GGUF file.
  ///
  /// - Parameter path: a tokenizer's file or folder, or a GGUF file that has one, where it is not the model's own.
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func tokenizer(from path: String? = nil) throws -> any Tokenizer {
    if let path {
      if let model = try Self.ggufModel(at: path) { return try model.tokenizer() }
      return try Tokenizers.open(path)
    }
    if let vocabulary = try ownVocabulary() { return try Tokenizers.tokenizer(of: vocabulary, file: self.path) }
    return try Tokenizers.open(tokenizerFolder)
  }

  /// Where the tokenizer's files lie: the model's folder; of Meta's download, which has them one folder up for all sizes, that
  /// one.
  package var tokenizerFolder: String {
    let hasFiles = { (folder: String) in !Tokenizers.files(in: folder).isEmpty }
    guard case .meta = layout, !hasFiles(folder) else { return folder }
    let parent =
      [".", ".."].contains(Folder.name(of: folder)) ? Folder.join(folder, "..") : Folder.parent(of: folder)
    return hasFiles(parent) ? parent : folder
  }

  /// The GGUF file that is named in a tokenizer's place, or that lies in a folder without a tokenizer's files; nil otherwise.
  private static func ggufModel(at path: String) throws -> Model? {
    if Folder.kind(of: path) == .file {
      let file = try InputFile(path)
      guard file.size >= 4, try file.bytes(count: 4).elementsEqual("GGUF".utf8) else { return nil }
      return try Model.open(path)
    }
    guard Tokenizers.files(in: path).isEmpty, let model = try? Model.open(path), case .gguf = model.layout else {
      return nil
    }
    return model
  }

  /// The tokenizer's files that a model in Hugging Face's layout has, and that do not lie in this model's folder under their
  /// names: what a GGUF file holds, and for Meta's layout those of the folder above and a tokenizer_config.json.
  ///
  /// - Returns: the files; where the tokenizer is not one that is known here, none, and why.
  /// - Throws: whatever stands in the way besides.
  package func tokenizerFiles() throws -> (files: [String: [UInt8]], lack: String?) {
    if case .meta = layout { return (try metaTokenizerFiles(), nil) }
    if case .ggml(let file) = layout {
      return (try Tokenizers.files(of: Vocabulary(file.vocabulary, file: path), file: path), nil)
    }
    guard case .gguf(let file) = layout else { return ([:], nil) }
    do { return (try GGUFModel(file, path: path).tokenizerFiles(), nil) } catch let error as TokenizerError {
      return ([:], "the weights are written without the tokenizer, for " + error.reason)
    } catch let error as ModelError {
      return ([:], "the weights are written without the tokenizer, for " + error.reason)
    }
  }

  /// The files of Meta's download that do not lie in the model's folder, and a tokenizer_config.json where there is none.
  private func metaTokenizerFiles() throws -> [String: [UInt8]] {
    let home = tokenizerFolder
    var files: [String: [UInt8]] = [:]
    if home != folder || Folder.kind(of: path) == .file {
      for name in Self.tokenizerNames where Folder.kind(of: Folder.join(home, name)) == .file {
        let file = try InputFile(Folder.join(home, name))
        guard file.size <= Self.tokenizerLimit else {
          throw ModelError(
            .unsupported, file: file.path,
            reason: "\(file.size) bytes; at most \(Self.tokenizerLimit >> 20) MiB are copied as a tokenizer's file")
        }
        files[name] = try file.bytes(count: file.size)
      }
    }
    let settings = "tokenizer_config.json"
    let hasOwn = ["tokenizer.json", settings].contains { Folder.kind(of: Folder.join(home, $0)) == .file }
    // Without one transformers would have to guess where a text begins; what is no SentencePiece model has none to make.
    if !hasOwn, let vocabulary = try? Tokenizers.vocabulary(home) {
      let written = try Tokenizers.files(of: vocabulary, file: home)
      files[settings] = written[settings]
      // Of a list of byte strings transformers can make none without its rules.
      files["tokenizer.json"] = written["tokenizer.json"]
    }
    return files
  }

  /// Bytes of a tokenizer's file, at most.
  private static let tokenizerLimit = 256 << 20
  private static let tokenizerNames = [
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
  ]

  /// What the tokenizer is made of, and what ends a text.
  ///
  /// - Parameter path: a tokenizer's file or folder, or a GGUF file that has one, where it is not the model's own.
  /// - Throws: `TokenizerError` or ``ModelError``.
  package func vocabulary(from path: String? = nil) throws -> Vocabulary {
    if let path {
      if let model = try Self.ggufModel(at: path) { return try model.vocabulary() }
      return try withEnds(Tokenizers.vocabulary(path))
    }
    return try ownVocabulary() ?? withEnds(Tokenizers.vocabulary(tokenizerFolder))
  }

  /// The vocabulary that lies in the model's file; nil where files beside it have it.
  private func ownVocabulary() throws -> Vocabulary? {
    switch layout {
    case .gguf(let file): try Vocabulary(file.values, file: path)
    case .ggml(let file): try Vocabulary(file.vocabulary, file: path)
    case .huggingFace, .meta: nil
    }
  }

  /// A vocabulary with what else ends a text by the model's own files.
  private func withEnds(_ given: Vocabulary) throws -> Vocabulary {
    var vocabulary = given
    let eos = vocabulary.special.eos
    // transformers writes −1 for none; what else is no token is told where it matters.
    vocabulary.otherEnds = try EndTokens.read(folder: folder).sorted().filter { $0 != eos && $0 != -1 }
    return vocabulary
  }

  /// The tokens that end a text: those at which llama.cpp ends one with a GGUF file, or those of the folder's files.
  ///
  /// - Throws: ``ByteIOError`` for files that cannot be read.
  package func endTokens() throws -> Set<Int32> {
    switch layout {
    // Without a look at the tokenizer, which may be of a kind that is not known here.
    case .gguf(let file): return GGUFTokenIDs(file.values).ends
    case .ggml: return Set([Vocabulary.ggmlSpecial.eos].compactMap(\.self))
    case .huggingFace, .meta: return try EndTokens.read(folder: folder)
    }
  }

  /// The model's own chat template, nil where it has none, and what is to be told of it.
  ///
  /// - Throws: `TokenizerError` for a file that is no template.
  package func chatTemplate() throws -> (text: String?, remark: String?) {
    if case .gguf(let file) = layout { return (file.values["tokenizer.chat_template"]?.string, nil) }
    if case .ggml = layout { return (nil, nil) }
    let templates = try ChatTemplates(folder: tokenizerFolder)
    return (templates.text, templates.remark)
  }

  /// The model's chat templates that have names: of a folder, or of a GGUF file, where the name stands behind the key's.
  ///
  /// - Throws: `TokenizerError` for a file that is no template.
  package func namedChatTemplates() throws -> [String: String] {
    guard case .gguf(let file) = layout else { return try ChatTemplates(folder: tokenizerFolder).named }
    let prefix = "tokenizer.chat_template."
    let named = file.values.entries.compactMap { key, value in
      value.string.flatMap { key.hasPrefix(prefix) ? (String(key.dropFirst(prefix.count)), $0) : nil }
    }
    return Dictionary(named) { one, _ in one }
  }
}
