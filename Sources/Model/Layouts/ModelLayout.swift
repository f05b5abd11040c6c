// A model in another dialect than Hugging Face's: Meta's or GGUF's, from there and to there. Names and orders of rows are
// those of the family's row; proven by llama.cpp's perplexities and by transformers' converters, see Tests.
// Refused: tensors that have no name there, families that the dialect does not know.

import ByteIO
import Checkpoint

/// Names and orders of rows of one model in a dialect.
package struct ModelLayout: Sendable {
  /// The model's family.
  package let family: ModelFamily
  /// The dialect.
  package let dialect: Dialect
  private let headCount: Int
  private let keyValueHeadCount: Int

  /// The layout of a model.
  package init(_ family: ModelFamily, _ dialect: Dialect, headCount: Int, keyValueHeadCount: Int) {
    (self.family, self.dialect) = (family, dialect)
    (self.headCount, self.keyValueHeadCount) = (headCount, keyValueHeadCount)
  }

  /// How a module's rows lie beside Hugging Face's; nil where they lie the same.
  private func rows(_ role: ModelFamily.Role) -> RowOrder? {
    let heads = role == .keys ? keyValueHeadCount : headCount
    return switch family.module(role)?.name(dialect)?.rows {
    case .interleaved: .interleaved(heads: heads)
    case .stacked: .stacked(heads: heads)
    case nil: nil
    }
  }

  private var title: String {
    switch dialect {
    case .huggingFace: "transformers"
    case .gguf: "llama.cpp"
    case .meta: "Meta's layout"
    }
  }

  /// A model in Hugging Face's names and order of rows, its tensors in the order of the source, without what is computed.
  ///
  /// - Parameter source: the model in the dialect.
  /// - Throws: `CheckpointError` for a tensor that is not the family's, or whose rows the heads do not divide.
  package func huggingFace(_ source: any TensorSource) throws -> TensorView {
    var entries: [TensorView.Entry] = []
    for (index, info) in source.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let tensor = family.tensor(named: info.name, in: dialect),
        let name = family.name(of: tensor, in: .huggingFace)
      else {
        // llama.cpp divides frequencies by it: Llama 3.1's scaling as its converter writes it.
        if dialect == .gguf, info.name == "rope_freqs.weight" {
          throw CheckpointError(
            .unsupportedType, file: info.file,
            reason: "its positions are scaled by rope_freqs.weight, which is not read from GGUF here",
            remedy: "take the model's release in Hugging Face's layout")
        }
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(displayName(info.name)) is not a tensor of a \(family.name) model in \(title)")
      }
      entries.append(TensorView.Entry(info.renamed(name), .tensor(index, in: rows(tensor.role)?.inverse)))
    }
    return try TensorView(entries, of: source)
  }

  /// A model in the dialect's names and order of rows, without what is computed.
  ///
  /// - Parameters:
  ///   - source: in Hugging Face's layout; a base model's names are completed.
  ///   - tiesHead: whether the head is the embedding. GGUF leaves it out then, where it is stored all the same; Meta's
  ///     layout, which knows no ties, always stores it.
  /// - Returns: for GGUF in the order in which they are used, for Meta in the order of the source.
  /// - Throws: `CheckpointError` for a tensor that the dialect has no name for, or whose rows the heads do not divide.
  package func arranged(_ source: any TensorSource, tiesHead: Bool) throws -> TensorView {
    let named = try HuggingFaceNames.completed(source, addsHead: dialect == .meta)
    var entries: [(entry: TensorView.Entry, rank: [Int])] = []
    for (index, info) in named.tensors.enumerated() where !ComputedTensors.contains(info) {
      let tensor = family.tensor(named: info.name, in: .huggingFace)
      if tiesHead, dialect == .gguf, tensor?.role == .head { continue }
      guard let tensor, let name = family.name(of: tensor, in: dialect) else {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(title) has no name for \(displayName(info.name)) in a \(family.name) model",
          remedy: "merge adapters and remove heads of other kinds before")
      }
      let entry = TensorView.Entry(info.renamed(name), .tensor(index, in: rows(tensor.role)))
      entries.append((entry, dialect == .gguf ? rank(tensor) : [index]))
    }
    entries.sort { $0.rank.lexicographicallyPrecedes($1.rank) }
    return try TensorView(entries.map(\.entry), of: named)
  }

  /// Where a tensor stands among those of its model in the order of use.
  private func rank(_ tensor: ModelFamily.Tensor) -> [Int] {
    let number = family.modules.firstIndex { $0.role == tensor.role } ?? 0
    let part = tensor.part == .weight ? 0 : 1
    if let layer = tensor.layer { return [1, layer, number, part] }
    let isBefore = family.modules[number...].contains { $0.role.isInLayer }
    return [isBefore ? 0 : 2, 0, number, part]
  }
}

extension ModelConfiguration {
  /// The model's layout in a dialect.
  package func layout(_ dialect: Dialect) -> ModelLayout {
    ModelLayout(family, dialect, headCount: headCount, keyValueHeadCount: keyValueHeadCount)
  }
}
