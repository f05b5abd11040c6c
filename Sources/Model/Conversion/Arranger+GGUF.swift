// To GGUF and from it. Integers of GPTQ go into blocks that hold the same numbers; whatever would be rounded a second time
// is refused, unless loss is allowed.

import ByteIO
import Checkpoint
import Packed
import Tokenizer

extension Arranger {
  // MARK: To GGUF

  func asGGUF() throws -> Arrangement {
    switch model.layout {
    case .gguf(let file): return try copied(file)
    case .ggml(let file): return try asGGUF(file)
    case .huggingFace, .meta: break
    }
    let description = try model.described()
    // What does not fit its configuration is told before anything is written.
    try require(description.weights, fits: description.configuration)
    for text in description.notes { note(text) }
    noteOthers()
    let vocabulary = try model.vocabulary(from: target.tokenizer)
    if vocabulary.chatTemplate == nil, target.chatTemplate == .automatic { remark(.noChatTemplate) }
    tell(description.configuration.ggufRemarks)
    tell(vocabulary.ggufRemarks(rows: description.configuration.vocabularySize))
    let export = { (source: any TensorSource, types: GGUFTypes) in
      try GGUFExport(
        source, description.configuration, vocabulary, types: types, chatTemplate: target.chatTemplate,
        file: model.path)
    }
    let places = try TensorPlaces(
      description.weights, description.configuration, in: .gguf, unused: model.unusedBiases())
    for text in places.remarks { note(text) }
    let omitted = places.omitted.count
    let isWanted = { (info: TensorInfo) in !places.omitted.contains(info.name) }
    guard let packed = PackedCheckpoint.of(description.weights)?.filtered(isWanted) else {
      try refuseForPlain()
      let source = TensorView(description.weights, where: isWanted)
      let result = try export(source, target.types)
      return gguf(result, original: result.original, rounded(result), omitted: omitted)
    }
    let layout = description.configuration.layout(.gguf)
    let original = try layout.arranged(packed, tiesHead: description.configuration.tiesHead)
    if target.packing == .dequantized || target.weights == .f32 {
      let result = try export(packed, target.types)
      guard target.weights ?? .f32 == .f32 || target.allowsLoss else { throw loss(of: target.weights) }
      return gguf(result, original: original, rounded(result), omitted: omitted)
    }
    do {
      let blocks = try BlockPackedSource(packed, type: target.weights)
      let result = try export(blocks, GGUFTypes(nil, embeddings: target.embeddings))
      return gguf(
        result, original: original, "the same integers, \(blocks.type.rawValue) with rounded minima", omitted: omitted)
    } catch let error as CheckpointError where error.code == .lossy && target.allowsLoss {
      guard target.weights != nil else { throw error }
      remark(.warning("\(error.reason); the weights are rounded again"))
      let result = try export(packed, target.types)
      return gguf(result, original: original, rounded(result), omitted: omitted)
    }
  }

  /// A GGUF file again: as it is, of any architecture, as long as nothing is to be changed.
  private func copied(_ file: GGUFFile) throws -> Arrangement {
    guard target.tokenizer == nil else { throw ConversionMisfit.tokenizerOfFolder }
    guard !target.keepsGGUF else {
      return Arrangement(source: file, container: .gguf, companions: Companions(in: nil))
    }
    let described = try GGUFModel(file, path: model.path)
    try require(try DequantizedSource(described.source), fits: described.configuration)
    let wanted = target.packing == .dequantized && target.weights == nil ? GGUFTypes(.f32) : target.types
    // What the file says of its tokenizer stays as it is, of whatever kind that is.
    let export = try GGUFExport(
      described.source, described.configuration, nil, types: wanted, chatTemplate: target.chatTemplate,
      base: file.values, file: model.path)
    try refuseLoss(export)
    return gguf(export, original: export.original, rounded(export))
  }

  /// A GGUF file of a model in GGUF or Meta's layout, some of whose tensors have other values now.
  ///
  /// - Parameter source: its tensors, with Hugging Face's names.
  func asGGUF(holding source: any TensorSource) throws -> Arrangement {
    var configuration = try model.measures()
    if HuggingFaceNames.hasHead(source) { configuration.tiesHead = false }
    try require(source, fits: configuration)
    var (vocabulary, values): (Vocabulary?, GGUFMetadata) = (nil, GGUFMetadata())
    if case .gguf(let file) = model.layout { values = file.values } else { vocabulary = try model.vocabulary() }
    let export = try GGUFExport(
      source, configuration, vocabulary, types: target.types, chatTemplate: target.chatTemplate, base: values,
      file: model.path)
    return gguf(export, original: export.original, rounded(export))
  }

  func gguf(
    _ export: GGUFExport, original: any TensorSource, _ change: String, omitted: Int = 0
  ) -> Arrangement {
    // A GGUF file holds all that is said beside the tensors.
    Arrangement(
      source: export, original: original, change: change, container: .gguf, companions: Companions(in: nil),
      omitted: omitted + model.otherCount)
  }

  /// What the values became, in words; and says where that is another type than was asked for.
  func rounded(_ export: GGUFExport) -> String {
    for text in export.substitutions { note(text) }
    guard let type = target.weights else { return "rounded" }
    let isUniform = export.substitutions.isEmpty && target.mixture == nil
    return "rounded to " + (isUniform ? type.rawValue : export.typesOfMatrices)
  }

  private func loss(of type: DType?) -> CheckpointError {
    CheckpointError(
      .lossy, file: model.path,
      reason: "a quantized model's weights would be rounded to \(type?.rawValue ?? "other values") again",
      remedy: "\(.losing) does it all the same" + Self.withoutLoss)
  }

  func refuseLoss(_ export: GGUFExport) throws {
    guard !target.allowsLoss, let first = export.requantized.first else { return }
    throw CheckpointError(
      .lossy, file: model.path,
      reason:
        "\(displayName(first.name)) (\(first.dtype.rawValue)) would be rounded a second time"
        + (export.requantized.count > 1 ? ", and so would \(export.requantized.count - 1) others" : ""),
      remedy: "\(.losing) rounds them again" + Self.withoutLoss)
  }

  private static let withoutLoss: Remedy = "; f32 keeps every value, and the original model gives the better result"

  // MARK: From GGUF

  func fromGGUF(_ file: GGUFFile) throws -> Arrangement {
    guard target.layout != .meta else { throw ConversionMisfit.metaOfGGUF }
    if target.packing != .keep, target.packing != .dequantized { throw ConversionMisfit.packingOfPlain }
    let described = try GGUFModel(file, path: model.path)
    let source = try DequantizedSource(described.source)
    try require(source, fits: described.configuration)
    let type = target.dtype ?? source.tensors.first { $0.shape.count == 2 }?.dtype
    let tokenizer = try model.tokenizerFiles()
    if let lack = tokenizer.lack, target.named == nil { note(lack) }
    var made = tokenizer.files
    made["config.json"] = try described.configurationText(type: type)
    return Arrangement(source: source, companions: Companions(in: companions.folder, made: made))
  }
}
