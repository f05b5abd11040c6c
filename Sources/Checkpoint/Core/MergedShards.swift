// The tensors of Meta's model-parallel shards as those of one model, merged lazily: its own files, and the parts in which
// llama.cpp's first converter wrote them. Rows are split for wq, wk, wv, w1, w3 and output; columns for wo, w2 and
// tok_embeddings; norms are repeated and must be equal. A vocabulary that the number of shards does not divide gives shards of
// unequal rows, as merge scripts write them.
// Sources: github.com/meta-llama/llama, model.py (ColumnParallelLinear, RowParallelLinear, ParallelEmbedding);
// Chinese-LLaMA-Alpaca, scripts/merge_llama_with_chinese_lora.py.

import ByteIO

/// Shards whose tensors are merged.
package struct MergedShards: Sendable {
  /// The tensors, merged.
  let tensors: [TensorInfo]

  private enum Merge: Sendable {
    case only
    case rows
    case columns
    case repeated
  }

  private let shards: [any TensorSource]
  private let places: [(indices: [Int], merge: Merge)]

  /// What to do about shards that do not fit together.
  private static let different: Remedy =
    "the shards may be of different models, or damaged: download all of them from one place"

  /// Looks at shards.
  ///
  /// - Parameters:
  ///   - shards: in their order, at least one.
  ///   - names: what errors call them.
  ///   - width: that of the model, by which an embedding of columns is told from one of rows.
  ///   - file: what errors call all of them.
  ///   - leaveOut: takes tensors whose values are not read; without it they stay.
  /// - Throws: ``CheckpointError`` with code `.badIndex` for shards that do not fit together.
  init(
    _ shards: [any TensorSource], names: [String], width: Int, file: String,
    leavingOut leaveOut: ((TensorInfo) -> Void)? = nil
  ) throws {
    let failure = { (reason: String, remedy: Remedy?) in
      CheckpointError(.badIndex, file: file, reason: reason, remedy: remedy)
    }
    let first = shards[0]
    let indices = shards.map { $0.indicesByName() }
    var tensors: [TensorInfo] = []
    var places: [(indices: [Int], merge: Merge)] = []
    for (place, info) in first.tensors.enumerated() {
      if info.unread != nil {
        if let leaveOut {
          leaveOut(info)
        } else {
          tensors.append(info)
          places.append(([place], .only))
        }
        continue
      }
      // What is computed is the same in every shard, or is in one of them only: the first one's does.
      if ComputedTensors.contains(info) {
        tensors.append(info)
        places.append(([place], .only))
        continue
      }
      var parts: [Int] = []
      for (number, shard) in indices.enumerated() {
        guard let index = shard[info.name] else {
          throw failure(
            "the shard \(names[number]) has no tensor \(displayName(info.name))", Self.different)
        }
        parts.append(index)
      }
      let merge = Self.merge(info, shards: shards.count, width: width)
      let all = zip(shards, parts).map { $0.tensors[$1] }
      guard let shape = Self.shape(of: all, merge) else {
        throw failure(
          "tensor \(displayName(info.name)) has different shapes or types in the shards: "
            + all.map { "\($0.dtype.rawValue) \($0.shape)" }.joined(separator: ", "),
          Self.different)
      }
      guard let size = TensorInfo.size(of: shape, info.dtype) else {
        throw failure("tensor \(displayName(info.name)) overflows", nil)
      }
      tensors.append(
        TensorInfo(name: info.name, dtype: info.dtype, shape: shape, file: info.file, byteCount: size.bytes))
      places.append((parts, merge))
    }
    let counts = shards.map { shard in shard.tensors.count { !ComputedTensors.contains($0) && $0.unread == nil } }
    for (number, count) in counts.enumerated() where count != counts[0] {
      throw failure("the shard \(names[number]) has \(count) tensors, and the first \(counts[0])", nil)
    }
    (self.tensors, self.places, self.shards) = (tensors, places, shards)
  }

  /// The shape of a tensor whose parts lie in all shards; nil where they do not fit together, or it overflows. Only of the
  /// vocabulary's rows there may be more in one shard than in another.
  private static func shape(of parts: [TensorInfo], _ merge: Merge) -> [Int]? {
    let first = parts[0]
    let mayDiffer = merge == .rows && ["output.weight", "tok_embeddings.weight"].contains(first.name)
    for part in parts {
      guard part.dtype == first.dtype, part.shape.count == first.shape.count,
        mayDiffer ? part.shape.dropFirst() == first.shape.dropFirst() : part.shape == first.shape
      else { return nil }
    }
    let axis: Int
    switch merge {
    case .only, .repeated: return first.shape
    case .rows: axis = 0
    case .columns: axis = 1
    }
    var (shape, length) = (first.shape, 0)
    for part in parts {
      let (sum, overflow) = length.addingReportingOverflow(part.shape[axis])
      guard !overflow else { return nil }
      length = sum
    }
    shape[axis] = length
    return shape
  }

  private static func merge(_ info: TensorInfo, shards: Int, width: Int) -> Merge {
    if shards == 1 { return .only }
    guard info.shape.count == 2 else { return .repeated }
    // Embeddings are split by columns in LLaMA 1 and 2, by rows later: the width tells.
    if info.name == "tok_embeddings.weight", info.shape[1] == width { return .rows }
    return isDividedByColumns(info.name) ? .columns : .rows
  }

  /// Whether shards have columns of a matrix, and not rows; as LLaMA 1 and 2 divide it.
  package static func isDividedByColumns(_ name: String) -> Bool {
    name.hasSuffix(".wo.weight") || name.hasSuffix(".w2.weight") || name == "tok_embeddings.weight"
  }

  /// What a tensor's values are pulled from.
  func cursor(_ index: Int) throws -> any TensorCursor {
    let (indices, merge) = places[index]
    switch merge {
    case .only: return try shards[0].cursor(indices[0])
    case .rows: return JoinedCursor(try zip(shards, indices).map { try $0.cursor($1) })
    case .repeated:
      let copies = try zip(shards, indices).map { try $0.allBytes($1) }
      for (number, copy) in copies.enumerated() where copy != copies[0] {
        throw CheckpointError(
          .badTensor, file: shards[number].tensors[indices[number]].file,
          reason: "tensor \(displayName(tensors[index].name)) must be equal in all shards, and is not",
          remedy: Self.different)
      }
      return BytesCursor(copies[0])
    case .columns:
      let info = tensors[index]
      let parts = try zip(shards, indices).map { try $0.allBytes($1) }
      guard info.byteCount > 0 else { return BytesCursor([]) }
      let rowSize = info.byteCount / info.shape[0]
      let shareSize = rowSize / parts.count
      return PartCursor(byteCount: info.byteCount, partSize: max(1, streamPartSize / rowSize) * rowSize) {
        range, bytes in
        for at in stride(from: 0, to: range.count, by: rowSize) {
          let row = (range.lowerBound + at) / rowSize
          for (number, part) in parts.enumerated() {
            unsafe bytes.replace(
              from: at + number * shareSize,
              with: part.span.bytes.extracting(row * shareSize..<(row + 1) * shareSize))
          }
        }
      }
    }
  }

  /// Where a tensor's values lie in its file: those of a model in one shard, and what is taken from the first.
  func storedRange(_ index: Int) -> Range<Int>? {
    let (indices, merge) = places[index]
    return merge == .only ? shards[0].storedRange(indices[0]) : nil
  }
}
