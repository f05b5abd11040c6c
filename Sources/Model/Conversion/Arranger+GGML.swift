// From llama.cpp's files of before GGUF. Blocks that ggml has no more become those of today that hold the same integers,
// where half precision has their scales; a GPTQ folder has a place for scales in single precision; floats hold everything.
// What would lose is refused, unless loss is allowed.

import ByteIO
import Checkpoint
import Packed
import Tokenizer

extension Arranger {
  // MARK: To GGUF

  func asGGUF(_ file: GGMLFile) throws -> Arrangement {
    let described = try model.described(file)
    try refuseDequantizingPlain()
    try require(try DequantizedSource(described.source), fits: described.configuration)
    let vocabulary = try model.vocabulary(from: target.tokenizer)
    if vocabulary.chatTemplate == nil, target.chatTemplate == .automatic { remark(.noChatTemplate) }
    tell(vocabulary.ggufRemarks(rows: described.configuration.vocabularySize))
    let types = target.packing == .dequantized && target.weights == nil ? GGUFTypes(.f32) : target.types
    let restated = try RestatedSource(described.source, allowsRounding: target.allowsLoss) { info in
      types.weights == nil || types.weights == BlockType(info.dtype)?.successor?.dtype
    }
    if types.weights == nil, let info = restated.tensors.first(where: { BlockType($0.dtype)?.isFormer == true }) {
      throw withoutSuccessor(info)
    }
    let export = try GGUFExport(
      restated, described.configuration, vocabulary, types: types, chatTemplate: target.chatTemplate, file: model.path)
    try refuseLoss(export)
    let original = try described.configuration.layout(.gguf).arranged(
      described.source, tiesHead: described.configuration.tiesHead)
    let change =
      restated.roundedCount > 0
      ? "the same integers, scales of \(restated.roundedCount) of \(restated.blockCount) blocks rounded to half precision"
      : rounded(export)
    return gguf(export, original: original, change)
  }

  /// Blocks for which GGUF has none.
  private func withoutSuccessor(_ info: TensorInfo) -> CheckpointError {
    let elements = BlockType(info.dtype)?.elements ?? 0
    let isPacked = BlockType(info.dtype)?.middle != nil
    let packed: Remedy = isPacked ? "\(.packing("gptq")) makes a folder that holds it as it is; " : ""
    return CheckpointError(
      .lossy, file: model.path,
      reason:
        "\(displayName(info.name)) is \(info.dtype.rawValue), a scale for each \(elements) weights, for which GGUF "
        + "has no blocks",
      remedy: packed + "\(.blockType("f32")) holds its values; \(.losing) with \(.blockType("q5_1")) rounds it again")
  }

  // MARK: To other containers

  func fromGGML(_ file: GGMLFile) throws -> Arrangement {
    let described = try model.described(file)
    try refuseDequantizingPlain()
    try require(try DequantizedSource(described.source), fits: described.configuration)
    switch target.packing {
    case .gptq(let version): return try asGPTQ(described, version: version)
    case .belle: throw ConversionMisfit.belleOfBlocks
    case .keep, .dequantized: break
    }
    let source = try DequantizedSource(described.source)
    guard target.layout != .meta else {
      guard model.form == .plain || target.packing == .dequantized else { throw ConversionMisfit.metaOfPacked }
      let export = try MetaExport(source, described.configuration, file: model.path)
      return inMeta(export.source, parameters: export.parameters)
    }
    let type = target.dtype ?? source.tensors.first { $0.shape.count == 2 }?.dtype
    return Arrangement(source: source, companions: try companions(of: described, type: type))
  }

  /// A GPTQ folder with a group for each block.
  private func asGPTQ(_ described: GGMLModel, version: GPTQVersion) throws -> Arrangement {
    guard model.form == .blocks else { throw ConversionMisfit.packingOfPlain }
    guard target.layout != .meta else { throw ConversionMisfit.metaOfPacked }
    guard target.named == nil else { throw ConversionMisfit.packingOfFile }
    guard target.dtype == nil else { throw ConversionMisfit.typeOfPacked }
    let tensors = ModelTensors(unchecked: described.configuration, described.source)
    let modules = Set(
      (0..<described.configuration.layerCount).flatMap { tensors.groups(layer: $0).flatMap(\.modules) }
        .map { $0.name + ".weight" })
    let packed = try PackedCheckpoint(blocks: described.source) { modules.contains($0.name) }
    let plain = described.source.tensors.filter { modules.contains($0.name) && $0.dtype.block == nil }
    return try asGPTQ(
      packed, version: version, companions: companions(of: described, type: .f32),
      plainModules: plain.map { String($0.name.dropLast(".weight".count)) })
  }

  /// The tokenizer's files and the configuration, which such a file has within.
  private func companions(of described: GGMLModel, type: DType?) throws -> Companions {
    let vocabulary = try model.vocabulary(from: target.tokenizer)
    var made: [String: [UInt8]] = [:]
    if target.named == nil { made = try Tokenizers.files(of: vocabulary, file: target.tokenizer ?? model.path) }
    made["config.json"] = try described.configurationText(special: vocabulary.special, type: type)
    return Companions(in: nil, made: made)
  }

  private func refuseDequantizingPlain() throws {
    guard model.form == .blocks || target.packing != .dequantized else { throw ConversionMisfit.dequantizedPlain }
  }
}
