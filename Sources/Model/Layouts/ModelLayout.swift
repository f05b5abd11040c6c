// A model in another dialect than Hugging Face's: Meta's or GGUF's, from there and to there. Names, orders of rows, parts and
// what norms hold are those of the family's row; proven by llama.cpp's perplexities and by transformers' converters, see Tests.
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
  /// Tensors that the dialect has beside the model's: what is computed from its configuration.
  private let additions: [TensorView.Entry]

  /// The layout of a model.
  package init(
    _ family: ModelFamily, _ dialect: Dialect, headCount: Int, keyValueHeadCount: Int,
    additions: [TensorView.Entry] = []
  ) {
    (self.family, self.dialect) = (family, dialect)
    (self.headCount, self.keyValueHeadCount) = (headCount, keyValueHeadCount)
    self.additions = additions
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

  /// The rows of a matrix that the dialect has in parts.
  ///
  /// - Parameter rowCount: how many the whole has.
  private func parted(_ whole: ModelFamily.Module, rowCount: Int) -> PartedRows? {
    let heads = headCount + 2 * keyValueHeadCount
    guard let order = whole.heads, rowCount % heads == 0, rowCount > 0 else { return nil }
    return PartedRows(
      heads: order, counts: (headCount, keyValueHeadCount), size: rowCount / heads,
      orders: whole.role.parts.map(rows))
  }

  /// What is added to the values of a tensor on its way from Hugging Face's dialect.
  private func offset(_ tensor: ModelFamily.Tensor) -> Float {
    dialect == .gguf && tensor.role.isNorm && tensor.part == .weight ? family.normOffset : 0
  }

  private var title: String {
    switch dialect {
    case .huggingFace: "transformers"
    case .gguf: "llama.cpp"
    case .meta: "Meta's layout"
    }
  }

  // MARK: From the dialect

  /// A model in Hugging Face's names and order of rows, its tensors in the order of the source, without what is computed.
  ///
  /// - Parameter source: the model in the dialect.
  /// - Throws: `CheckpointError` for a tensor that is not the family's, or whose rows the heads do not divide.
  package func huggingFace(_ source: any TensorSource) throws -> TensorView {
    var entries: [TensorView.Entry] = []
    var values: DequantizedSource?
    var joined: Set<String> = []
    let indices = source.indicesByName()
    let added = Set(additions.map(\.info.name))
    for (index, info) in source.tensors.enumerated()
    where !ComputedTensors.contains(info) && !added.contains(info.name) {
      guard let tensor = family.tensor(named: info.name, in: dialect) else { throw stranger(info) }
      if let name = family.name(of: tensor, in: .huggingFace) {
        entries.append(try entry(info.renamed(name), index, of: source, rows(tensor.role)?.inverse, -offset(tensor)))
        continue
      }
      guard let whole = family.whole(of: tensor.role),
        let name = family.name(
          of: ModelFamily.Tensor(role: whole.role, layer: tensor.layer, part: tensor.part), in: .huggingFace)
      else { throw stranger(info) }
      guard joined.insert(name).inserted else { continue }
      let parts = whole.role.parts.compactMap { role in
        family.name(of: ModelFamily.Tensor(role: role, layer: tensor.layer, part: tensor.part), in: dialect)
          .flatMap { indices[$0] }
      }
      let rowCount = parts.reduce(0) { $0 + (source.tensors[$1].shape.first ?? 0) }
      guard parts.count == whole.role.parts.count, let rows = parted(whole, rowCount: rowCount) else {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(displayName(name)) cannot be put together: \(displayName(info.name)) has no fitting neighbours")
      }
      // Rows of blocks of several types make no matrix of one.
      if Set(parts.map { source.tensors[$0].dtype }).count > 1 {
        let read = try values ?? DequantizedSource(source)
        values = read
        let plain =
          try Set(parts.map { read.tensors[$0].dtype }).count > 1
          ? ConvertedSource(read, dtype: .f32) as any TensorSource : read
        entries.append(try rows.whole(of: parts, in: plain, named: name))
      } else {
        entries.append(try rows.whole(of: parts, in: source, named: name))
      }
    }
    return try TensorView(entries, of: source)
  }

  private func stranger(_ info: TensorInfo) -> CheckpointError {
    CheckpointError(
      .badTensor, file: info.file,
      reason: "\(displayName(info.name)) is not a tensor of a \(family.name) model in \(title)")
  }

  private func entry(
    _ info: TensorInfo, _ index: Int, of source: any TensorSource, _ order: RowOrder?, _ offset: Float
  ) throws -> TensorView.Entry {
    guard offset != 0 else { return TensorView.Entry(info, .tensor(index, in: order)) }
    return try ShiftedVector.entry(info, index, of: source, by: offset)
  }

  // MARK: To the dialect

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
    var entries: [(entry: TensorView.Entry, rank: [Int])] = additions.map { ($0, [0]) }
    for (index, info) in named.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let tensor = family.tensor(named: info.name, in: .huggingFace) else { throw nameless(info) }
      if tiesHead, dialect == .gguf, tensor.role == .head { continue }
      let place = { (tensor: ModelFamily.Tensor) in dialect == .gguf ? rank(tensor) : [index] }
      if let name = family.name(of: tensor, in: dialect) {
        entries.append(
          (try entry(info.renamed(name), index, of: named, rows(tensor.role), offset(tensor)), place(tensor)))
        continue
      }
      guard let whole = family.module(tensor.role), let rows = parted(whole, rowCount: info.shape.first ?? 0)
      else { throw nameless(info) }
      for (number, role) in whole.role.parts.enumerated() {
        let part = ModelFamily.Tensor(role: role, layer: tensor.layer, part: tensor.part)
        guard let name = family.name(of: part, in: dialect) else { throw nameless(info) }
        entries.append((try rows.part(number, of: index, in: named, named: name), place(part)))
      }
    }
    entries.sort { $0.rank.lexicographicallyPrecedes($1.rank) }
    return try TensorView(entries.map(\.entry), of: named)
  }

  private func nameless(_ info: TensorInfo) -> CheckpointError {
    CheckpointError(
      .badTensor, file: info.file,
      reason: "\(title) has no name for \(displayName(info.name)) in a \(family.name) model",
      remedy: "merge adapters and remove heads of other kinds before")
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
    ModelLayout(
      family, dialect, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
      additions: dialect == .gguf ? rotaryDivisors : [])
  }
}
