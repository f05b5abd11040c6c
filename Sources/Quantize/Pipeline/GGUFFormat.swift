// A GGUF file, as llama.cpp reads it: each module's integers in blocks, found on the blocks' own grid, so that nothing is
// rounded again. What the file says besides, names and orders of rows: GGUFExport.
// Modules whose inputs are not whole blocks get the type that llama.cpp falls back to. Refused: modules that no type has
// whole blocks of; architectures that are not written as GGUF.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Tokenizer
import Transformer

/// The GGUF format.
package struct GGUFFormat: QuantizedFormat {
  /// The blocks of the quantized modules, but for those that fall back or that the mixture gives others.
  package let blocks: BlockFormat
  /// Which modules get other blocks; nil where all get the same.
  package let mixture: GGUFMixture?
  /// The type of the embedding, and of a head that is not quantized; nil where the mixture says it.
  package let embeddings: DType?
  /// Which chat template the file gets.
  package let chatTemplate: GGUFExport.ChatTemplate

  /// Whether the file says how a chat becomes a text.
  package let hasChatTemplate: Bool
  /// What is to be told of the file: what it has no place for, and types that fit in place of others.
  package let remarks: [Checkpoint.Remark]

  /// The tokenizer; nil where `base` says what a GGUF file says of it.
  private let vocabulary: Vocabulary?
  private let base: GGUFMetadata
  private let configuration: ModelConfiguration
  private var modules: ModuleBlocks
  /// Whether the type of the embedding, and of a head that is not quantized, was asked for.
  let fixesEmbeddings: Bool
  /// The types of an embedding and a head that were chosen, by GGUF's names.
  private var rounded: [String: DType] = [:]
  /// The names of tensors that the file has no place for.
  private let omitted: Set<String>

  /// A format for a model.
  ///
  /// - Parameters:
  ///   - model: the model that is to be quantized.
  ///   - blocks: the type of the quantized modules; with a mixture its own.
  ///   - mixture: which modules get other types.
  ///   - embeddings: the type of the embedding and of a head that is not quantized; where nil, the mixture's, or without one
  ///     Q8_0 beside Q8_0, and Q6_K beside all others.
  ///   - tokenizer: where it is, if not the model's own.
  ///   - chatTemplate: which one the file gets.
  ///   - fallsBack: whether modules whose inputs are not whole blocks get the type that llama.cpp gives them.
  /// - Throws: ``ModelError`` or `TokenizerError` for what a GGUF file has no place for: before any work.
  package init(
    _ model: TransformerModel, blocks: BlockFormat, mixture: GGUFMixture? = nil, embeddings: DType? = nil,
    tokenizer: String? = nil, chatTemplate: GGUFExport.ChatTemplate = .automatic, fallsBack: Bool = false
  ) throws {
    (self.blocks, self.mixture, configuration) = (blocks, mixture, model.configuration)
    modules = ModuleBlocks(model, blocks, mixture, fallsBack: fallsBack)
    fixesEmbeddings = embeddings != nil
    self.embeddings = embeddings ?? (mixture == nil ? GGUFTypes(blocks.type).embeddings : nil)
    self.chatTemplate = chatTemplate
    let origin = try model.origin ?? Model.open(model.path)
    var base = GGUFMetadata()
    if case .gguf(let file) = origin.layout, tokenizer == nil {
      for (key, value) in file.values.entries where key.hasPrefix("tokenizer.") { base[key] = value }
      vocabulary = nil
    } else {
      vocabulary = try origin.vocabulary(from: tokenizer)
    }
    self.base = base
    let places = try TensorPlaces(model.source, model.configuration, in: .gguf)
    omitted = places.omitted
    // What the file will say is put together here, so that what it cannot say shows now.
    let export = try GGUFExport(
      model.source.without(places.omitted), model.configuration, vocabulary,
      types: Self.types(mixture, self.embeddings, [:]), chatTemplate: chatTemplate, base: base, file: model.path)
    hasChatTemplate = export.hasChatTemplate
    remarks =
      model.configuration.ggufRemarks + (vocabulary?.ggufRemarks(rows: model.configuration.vocabularySize) ?? [])
      + (places.remarks + export.substitutions).map { .note($0) }
  }

  /// What becomes of the tensors that are not quantized.
  private static func types(_ mixture: GGUFMixture?, _ embeddings: DType?, _ rounded: [String: DType]) -> GGUFTypes {
    var types =
      mixture.map { GGUFTypes($0, keepsWeights: true, embeddings: embeddings) }
      ?? GGUFTypes(nil, embeddings: embeddings)
    types.single = rounded
    return types
  }

  /// Takes the blocks of modules, by their names, and the types of other matrices, by GGUF's.
  mutating func choose(_ blocks: [String: BlockFormat], _ rounded: [String: DType]) {
    modules.choose(blocks)
    self.rounded.merge(rounded) { $1 }
  }

  /// GGUF's name of a tensor; nil where it has none.
  func ggufName(_ name: String) -> String? { configuration.ggufName(of: name)?.name }

  /// Everything in it that changes a byte.
  package var description: String {
    guard !modules.isChosen else {
      let rounded = rounded.map { ", \($0.key) \($0.value.rawValue)" }.sorted().joined()
      return "gguf, blocks chosen for each module\(rounded), chat template \(chatTemplate)"
    }
    let others = modules.others.map { ", \($0.key) \($0.value.rawValue)" }.sorted().joined()
    let embeddings = embeddings?.rawValue ?? mixture.map { "as \($0.name) has them" } ?? "kept"
    return "gguf, \(blocks.rawValue)\(others), embeddings \(embeddings), chat template \(chatTemplate)"
  }

  /// Blocks are contiguous.
  package var storesGroupIndex: Bool { false }

  /// The output is one file.
  package var writesFolder: Bool { false }

  /// The blocks that a module gets.
  package func blocks(of name: String) -> BlockFormat { modules[name] }

  /// The blocks that a module was meant to get, where its inputs are not whole blocks of them.
  package func missed(by name: String) -> BlockFormat? { modules.wanted[name] }

  /// ggml's name of the blocks.
  package func storedAs(_ module: LinearModule) -> String { blocks(of: module.name).rawValue }

  /// The blocks' grid.
  package func grid(for module: LinearModule) -> Grid { blocks(of: module.name).grid }

  /// Rows must be whole blocks.
  package func check(_ module: LinearModule) throws {
    let blocks = blocks(of: module.name)
    guard module.inFeatures % blocks.elements == 0 else {
      throw QuantizeError(
        .shape, place: module.name,
        reason:
          "its \(module.inFeatures) inputs are not a multiple of \(blocks.elements), a block of \(blocks.rawValue)",
        remedy: (module.inFeatures % 32 == 0 ? "give \(.blockType("q5_0")) or q4_0, or " : "")
          + "leave it as it is with \(.skipping(GPTQFormat.pattern(module.name)))")
    }
  }

  /// The bytes of the blocks.
  package func byteCount(_ module: LinearModule) -> Int {
    let blocks = blocks(of: module.name)
    return module.inFeatures / blocks.elements * module.outFeatures * blocks.byteCount
  }

  /// The blocks as bytes, for the work folder's files have no types of blocks.
  package func tensors(_ layer: QuantizedLayer, of module: LinearModule, threads: Int) throws -> [TensorView.Entry] {
    let blocks = blocks(of: module.name)
    let packed = try PackedBlocks(layer, as: blocks, threads: threads)
    return [
      TensorView.Entry(
        "\(module.name).\(QuantizedModel.blocks)", .u8,
        [packed.rows, packed.columns / blocks.elements * blocks.byteCount], packed.bytes)
    ]
  }

  /// Reads a module back from its blocks.
  package func restore(
    _ module: LinearModule, from source: any TensorSource, into weights: MatrixSlice<Float>, threads: Int
  ) throws {
    try read(module, from: DequantizedSource(asWeights(source)), into: weights)
  }

  /// A source whose finished tensors, blocks stored as bytes, are shown as the weights that they are.
  private func asWeights(_ source: any TensorSource) throws(CheckpointError) -> TensorView {
    let entries = source.tensors.enumerated().map { index, info in
      guard info.name.hasSuffix("." + QuantizedModel.blocks), info.dtype == .u8, info.shape.count == 2 else {
        return TensorView.Entry(info, .stored(index))
      }
      let blocks = blocks(of: String(info.name.dropLast(QuantizedModel.blocks.count + 1)))
      let shape = [info.shape[0], info.shape[1] / blocks.byteCount * blocks.elements]
      return TensorView.Entry(
        TensorInfo(
          name: info.name.dropLast(QuantizedModel.blocks.count) + "weight", dtype: blocks.type, shape: shape,
          file: info.file, byteCount: info.byteCount), .stored(index))
    }
    return try TensorView(entries, of: source)
  }

  /// Writes the file.
  package func write(_ model: QuantizedModel, into folder: String, progress: ProgressHandler) throws {
    let export = try export(model)
    let output = ModelOutput(export, to: Folder.join(folder, "model.gguf"), container: .gguf, shardSize: nil)
    try output.write(export, metadata: [:], replacing: true, progress: progress)
  }

  /// The file as it is written.
  func export(_ model: QuantizedModel) throws -> GGUFExport {
    let original = model.original
    var base = base
    let options = model.options
    base["belle.quantizer"] = .string(options.program)
    base["belle.method"] = .string(options.method.rawValue)
    if options.method == .gptq {
      base["belle.recipe"] = .string("\(options.recipeName): \(options.recipe.description)")
      if let calibration = model.calibration { base["belle.calibration_sha256"] = .string(calibration) }
    }
    return try GGUFExport(
      asWeights(model.tensors()).without(omitted), original.configuration, vocabulary,
      types: Self.types(mixture, embeddings, rounded), chatTemplate: chatTemplate, base: base, file: original.path)
  }
}
