// A base, and one adapter or delta after the other merged into it: each sees what the one before has left, rounded to
// its type.

import ByteIO
import Checkpoint
import Model

/// The way from a base to its result.
struct Course {
  /// The base, as it was opened.
  let base: Model
  /// What has become of its tensors.
  private(set) var tensors: any TensorSource
  private(set) var steps: [MergeReport.Step] = []
  private(set) var figures: [(figures: MergeFigures, step: Int)] = []
  /// What was rounded to another type before or without being merged.
  private(set) var conversions: [ConvertedSource] = []
  private(set) var isAlpaca7B = false

  private let options: MergeOptions
  private let remark: MergeRemark
  private var files: MergedFiles
  private var tiesHead: Bool
  private var rows: Int?
  private var isUntied = false
  /// The type of what a delta without a configuration has become.
  private var deltaType: DType?
  /// The path of the adapter that has brought rows.
  private var rowsFrom = ""

  /// Merges all; nothing is computed.
  init(_ path: String, _ changes: [String], _ options: MergeOptions, _ remark: @escaping MergeRemark) throws {
    let parts = changes.isEmpty ? try SelfMerge(path) : nil
    let dtype = options.isReversed ? nil : options.dtype
    let base = try MergeBase(parts?.base ?? Model.open(path), dtype: dtype, remark: remark)
    self.base = base.model
    (tensors, tiesHead) = (base.tensors, base.tiesHead)
    (self.options, self.remark) = (options, remark)
    files = base.files
    if let converted = base.tensors as? ConvertedSource { conversions.append(converted) }
    if base.model.otherCount > 0, let first = base.model.firstOther {
      remark(
        .note(
          "\(displayName(path)): \(base.model.otherCount) tensors beside the model are left out: "
            + "\(displayName(first))"))
    }
    if case .huggingFace = base.model.layout, let presence = base.model.adapter,
      !changes.contains(where: { Folder.absolute($0) == Folder.absolute(path) })
    {
      remark(.note("\(displayName(path)): \(presence.reason)"))
    }
    if let parts { try add(parts.adapter) }
    for change in changes { try options.isReversed ? reverse(change) : add(change) }
  }

  // MARK: - Steps

  private mutating func add(_ path: String) throws {
    let isAdapter =
      switch options.scheme {
      case .auto: try AdapterSource.isAdapter(path)
      case .lora: true
      default: false
      }
    if isAdapter { return try add(AdapterSource(path, base: base)) }
    let delta = try MergeBase.delta(path)
    guard options.factor == nil else {
      throw MergeError(
        .scheme, file: path, reason: "a factor is for adapters' products, and this is a delta, which is added as it is",
        remedy: "leave the factor out")
    }
    let scheme = try options.scheme.delta ?? DeltaScheme(of: delta.tensors, onto: tensors, path: path)
    let merge = try DeltaMerge(delta.tensors, onto: tensors, scheme, dtype: options.dtype, path: path)
    noteRows(merge.tensors, from: path)
    let isDescribed = try files.prefer(path)
    // What the base's configuration says of the type is not the delta's.
    if !isDescribed { deltaType = merge.tensors.tensors.first { $0.shape.count == 2 }?.dtype }
    take(merge, scheme, path)
  }

  private mutating func reverse(_ path: String) throws {
    let tuned = try MergeBase(Model.open(path), dtype: nil, remark: remark)
    let scheme = try options.scheme.delta ?? DeltaScheme(of: tuned.tensors, onto: tensors, path: path)
    guard scheme != .ziya else {
      throw MergeError(
        .scheme, file: path,
        reason: "its vocabulary is another than the base's, and no delta is made of such a model here",
        remedy: "say with \(.scheme("add")) that rows which the base does not have go into the delta as they are")
    }
    let merge = try DeltaMerge(
      tuned.tensors, onto: tensors, scheme, dtype: options.dtype, isReversed: true, path: path)
    files = tuned.files
    take(merge, scheme, path)
  }

  private mutating func take(_ merge: DeltaMerge, _ scheme: DeltaScheme, _ path: String) {
    tensors = merge.tensors
    isAlpaca7B = merge.isAlpaca7B
    conversions += merge.conversions
    figures.append((merge.figures, steps.count))
    steps.append(
      MergeReport.Step(
        path: path, scheme: MergeOptions.Scheme(rawValue: scheme.rawValue) ?? .add, changed: merge.changedCount,
        replaced: merge.takenCount))
  }

  private mutating func add(_ adapter: AdapterSource) throws {
    let merge = try AdapterMerge(
      adapter, into: tensors, tiesHead: tiesHead, layerCount: files.layerCount, factor: options.factor ?? 1)
    for text in merge.remarks { remark(.note("\(displayName(adapter.path)): \(text)")) }
    if merge.replacesAll {
      remark(
        .note(
          "\(displayName(adapter.path)) holds the whole model: of the base no value is used, but its files beside them "
            + "are"))
    }
    tensors = merge.tensors
    conversions += merge.conversions
    if let grown = merge.grownRows { (rows, rowsFrom) = (grown, adapter.path) }
    if merge.untiesHead { (isUntied, tiesHead) = (true, false) }
    figures.append((merge.figures, steps.count))
    steps.append(
      MergeReport.Step(
        path: adapter.path, scheme: .lora, changed: merge.products.count, replaced: merge.replacedCount))
  }

  /// Notes how many rows a delta has given the embedding, where those are more.
  private mutating func noteRows(_ source: any TensorSource, from path: String) {
    let before = tensors.tensors.first { VocabularyNames.contain($0.name) }?.shape.first
    let after = source.tensors.first { VocabularyNames.contain($0.name) }?.shape.first
    if let after, after != before { (rows, rowsFrom) = (after, path) }
  }

  // MARK: - Files

  /// What was told of how the base was found, where it is not told yet.
  var remarks: [Checkpoint.Remark] { if case .huggingFace = base.layout { base.remarks } else { [] } }

  /// Whether a GGUF file is to be written of a base that has no folder in Hugging Face's layout, and says in its own way
  /// what a GGUF file wants to know.
  func isGGUFOfOtherLayout(_ target: ConversionTarget) -> Bool {
    if case .huggingFace = base.layout { return false }
    return target.isGGUF && files.path == base.path
  }

  /// The small files of the result.
  ///
  /// - Throws: ``MergeError`` where the output has no place for what changed.
  mutating func finish(_ target: ConversionTarget) throws -> MergedFiles {
    guard !(options.isReversed && target.isGGUF) else {
      throw MergeError(
        .result, file: target.path, reason: "a delta goes under Hugging Face's names, and a GGUF file has others",
        remedy: "give a folder, or a name that ends in .safetensors or .bin")
    }
    // Nothing lies beside one file.
    let goesAlone = Container(outputName: target.path) != nil
    if let rows, !options.isReversed {
      guard !target.isGGUF else {
        throw MergeError(
          .result, file: target.path,
          reason: "the vocabulary has \(rows) tokens now, for which a GGUF file wants configuration and tokenizer in "
            + "one folder",
          remedy: "merge into a folder, and convert that: \(.converting(.gguf))")
      }
      let hasTokenizer = try files.takeTokenizer(of: rowsFrom)
      if !hasTokenizer {
        remark(
          .warning(
            "the vocabulary has \(rows) tokens now, and no tokenizer lies beside \(displayName(rowsFrom)): "
              + "the base's, if any, does not know the new ones"))
      }
      if try !files.set("vocab_size", to: rows) || goesAlone { tellMissing("vocab_size is \(rows) now") }
    }
    if isUntied {
      remark(.note("the head was the embedding, and is one of its own now: tie_word_embeddings is false"))
      let isSaid = try files.set("tie_word_embeddings", to: false)
      if !target.isGGUF, !isSaid || goesAlone { tellMissing("tie_word_embeddings is false now") }
    }
    let type = options.dtype ?? (steps.contains { $0.scheme == .alpaca } ? .f32 : deltaType)
    if let type, !target.isGGUF { try files.editType(type) }
    return files
  }

  private func tellMissing(_ text: String) {
    remark(.warning("there is no config.json that goes along, and \(text)"))
  }
}

extension MergeBase {
  /// Opens a delta.
  ///
  /// - Throws: ``MergeError`` for what is none.
  static func delta(_ path: String) throws -> Model {
    let model = try Model.open(path)
    guard case .huggingFace = model.layout, model.form == .plain else {
      throw MergeError(
        .scheme, file: path, reason: "it is neither an adapter nor a delta of numbers in Hugging Face's names",
        remedy: "the base comes first, then adapters and deltas, then the output")
    }
    try model.adapter?.refuse()
    return model
  }
}
