// A model on its way into a GGUF file: the tensors under llama.cpp's names, in its orders of rows and in the types that
// were chosen, and everything that llama.cpp wants to be told besides.

import ByteIO
import Checkpoint
import Tokenizer

/// A model as a GGUF file holds it.
package struct GGUFExport: GGUFDescribed {
  /// Which chat template a file gets.
  package enum ChatTemplate: Sendable, Equatable {
    /// The model's own; where it has none, one of BELLE's, or none.
    case own(orElse: ChatForm?)
    /// One of BELLE's.
    case form(ChatForm)
    /// This.
    case text(String)
    /// None.
    case none

    /// The model's own, or none.
    package static let automatic = own(orElse: nil)

    /// Whether it is another than the model's own.
    package var isAsked: Bool { if case .own = self { false } else { true } }

    /// The template of a file.
    ///
    /// - Parameters:
    ///   - own: the model's.
    ///   - beginsWithBOS: whether the tokenizer puts that token before a text.
    func text(own: String?, beginsWithBOS: Bool) -> String? {
      switch self {
      case .own(let form): own ?? form?.template(beginsWithBOS: beginsWithBOS)
      case .form(let form): form.template(beginsWithBOS: beginsWithBOS)
      case .text(let text): text
      case .none: nil
      }
    }
  }

  /// What the container is.
  package var format: String { source.format }
  /// The tensors, in llama.cpp's names and the order in which they are used.
  package var tensors: [TensorInfo] { source.tensors }
  /// What the file says besides.
  package let values: GGUFMetadata
  /// The same as text.
  package var metadata: [(name: String, value: String)] { values.entries.map { ($0.key, $0.value.text) } }
  /// The tensors in the types that they had.
  package let original: TensorView
  /// Tensors of blocks that become other blocks, or floats of fewer bits than their values have: they lose again.
  package let requantized: [TensorInfo]
  /// What is to be told of matrices that get another type than was asked for, for their rows are no whole blocks of it.
  package let substitutions: [String]
  /// Whether the file says how a chat becomes a text.
  package var hasChatTemplate: Bool { values[Self.chatTemplateKey] != nil }
  /// How many finite values became infinite in the tensors that were read.
  package var overflowCount: Int { source.overflowCount }

  private let source: QuantizedSource
  private static let chatTemplateKey = "tokenizer.chat_template"

  /// Lays a model out; no values are read.
  ///
  /// - Parameters:
  ///   - source: the model in Hugging Face's names; tensors may be of block types.
  ///   - configuration: its measures.
  ///   - vocabulary: its tokenizer; nil where `base` says already what there is of it.
  ///   - types: what its tensors become.
  ///   - chatTemplate: which one the file gets.
  ///   - base: what the file says where the model says nothing.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` or `CheckpointError` for what llama.cpp has no place for.
  package init(
    _ source: any TensorSource, _ configuration: ModelConfiguration, _ vocabulary: Vocabulary?, types: GGUFTypes,
    chatTemplate: ChatTemplate = .automatic, base: GGUFMetadata = GGUFMetadata(), file path: String
  ) throws {
    let original = try configuration.layout(.gguf).arranged(source, tiesHead: configuration.tiesHead)
    let types = types.of(configuration.mixed(hasHead: original.tensors.contains { $0.name == "output.weight" }))
    let wanted = original.tensors.map { types.type(of: $0) ?? $0.dtype }
    requantized = zip(original.tensors, wanted).filter { $0.dtype.block != nil && $0.dtype != $1 && $1 != .f32 }.map(
      \.0)
    substitutions = Self.substitutions(original.tensors, wanted, types)
    let changed = Set(zip(original.tensors, wanted).filter { $0.dtype != $1 }.map(\.0.name))
    self.source = try QuantizedSource(
      DequantizedSource(original, keeping: { !changed.contains($0.name) }), types: wanted)
    self.original = original
    var values = base
    values["general.architecture"] = configuration.family.gguf.map { .string($0) }
    values["general.type"] = .string("model")
    let fileType = types.mixture?.fileType ?? BlockType(Self.mostCommon(self.source.tensors))?.fileType
    values["general.file_type"] = fileType.map { .uint32($0) }
    let hasBlocks = self.source.tensors.contains { $0.dtype.block != nil }
    values["general.quantization_version"] = hasBlocks ? .uint32(2) : nil
    for (key, value) in try configuration.ggufValues(file: path) { values[key] = value }
    if let vocabulary {
      for (key, value) in try vocabulary.ggufValues(rows: configuration.vocabularySize, file: path) {
        values[key] = value
      }
    }
    let beginsWithBOS =
      values["tokenizer.ggml.add_bos_token"]?.bool ?? (values["tokenizer.ggml.model"]?.string == "llama")
    let template = chatTemplate.text(own: values[Self.chatTemplateKey]?.string, beginsWithBOS: beginsWithBOS)
    values[Self.chatTemplateKey] = template.map { .string($0) }
    self.values = values
  }

  /// Says which matrices get which type in place of another.
  private static func substitutions(_ tensors: [TensorInfo], _ chosen: [DType], _ types: GGUFTypes) -> [String] {
    var found: [(wanted: DType, chosen: DType, names: [String])] = []
    for (info, type) in zip(tensors, chosen) {
      guard let wanted = types.wanted(of: info), wanted != type else { continue }
      if let place = found.firstIndex(where: { $0.wanted == wanted && $0.chosen == type }) {
        found[place].names.append(info.name)
      } else {
        found.append((wanted, type, [info.name]))
      }
    }
    return found.map { wanted, chosen, names in
      "\(chosen.rawValue) in place of \(wanted.rawValue) for \(names.count == 1 ? "1 tensor" : "\(names.count) tensors"), "
        + "whose rows are no whole blocks of \(BlockType(wanted)?.elements ?? 1): \(displayName(names[0]))"
        + (names.count > 1 ? " …" : "")
    }
  }

  /// The types of the matrices with their numbers, in words.
  package var typesOfMatrices: String {
    let matrices = tensors.filter { $0.shape.count >= 2 }
    let counts = Dictionary(grouping: matrices, by: \.dtype).mapValues(\.count).sorted {
      ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue)
    }
    return counts.map { "\($0.key.rawValue) (\($0.value))" }.joined(separator: ", ")
  }

  /// The type that most of the layers' weights have: what a file is called by.
  private static func mostCommon(_ tensors: [TensorInfo]) -> DType {
    var counts: [DType: Int] = [:]
    for info in tensors where info.shape.count >= 2 && info.name.hasPrefix("blk.") {
      counts[info.dtype, default: 0] += info.elementCount
    }
    // Of equals the first by name, so that the same model gives the same file.
    return counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f32
  }

  /// What a tensor's values are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor { try source.cursor(index) }

  /// Where a tensor's values lie in its file, where they stay what they are.
  package func storedRange(_ index: Int) -> Range<Int>? { source.storedRange(index) }

  /// Verifies the source.
  package func verifyChecksums() throws { try source.verifyChecksums() }
}
