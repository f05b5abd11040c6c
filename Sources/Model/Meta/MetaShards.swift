// A model in Meta's layout, divided as Meta's model-parallel programs want it: rows of wq, wk, wv, w1, w3 and output,
// columns of wo, w2 and tok_embeddings; norms and frequencies in every shard. A vocabulary that the number of shards does not
// divide gives the last shard of the head the rows that are over, as Chinese-LLaMA-Alpaca's script divides it; everything
// else must be divided evenly, heads whole. MetaFolder puts them together again.
// Sources: as of MetaFolder.

import ByteIO
import Checkpoint

/// The tensors of all shards, one shard after the other: each has all names.
struct MetaShards: TensorSource {
  /// What is divided.
  let source: any TensorSource
  let tensors: [TensorInfo]
  /// The files, with the tensors of each.
  let files: [ModelOutput.File]
  private let parts: [(index: Int, part: Part)]

  var format: String { source.format }
  var metadata: [(name: String, value: String)] { source.metadata }

  private enum Part: Sendable {
    case whole
    /// Bytes of the tensor.
    case rows(Range<Int>)
    /// Bytes of each row, and the bytes of a whole one.
    case columns(Range<Int>, of: Int)
  }

  /// How many shards there may be: their names have two digits.
  static let limit = 99

  /// Divides a model.
  ///
  /// - Parameters:
  ///   - source: in Meta's layout.
  ///   - heads: of queries, and of keys and values, which no shard has a part of.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` with code `.unsupported` for a number that does not divide the model.
  init(_ source: any TensorSource, count: Int, heads: (queries: Int, keys: Int), file path: String) throws {
    let failure = { (reason: String) in
      ModelError(.unsupported, file: path, reason: reason, remedy: "ask for a number of shards that divides it")
    }
    guard (1...Self.limit).contains(count) else {
      throw failure("\(count) shards are asked for; 1 to \(Self.limit) can be")
    }
    guard heads.queries % count == 0, heads.keys % count == 0 else {
      throw failure(
        "\(heads.queries) heads of queries and \(heads.keys) of keys and values are not divided by \(count) shards")
    }
    self.source = source
    var (tensors, files, parts): ([TensorInfo], [ModelOutput.File], [(index: Int, part: Part)]) = ([], [], [])
    for shard in 0..<count {
      var indices: [Int] = []
      for (index, info) in source.tensors.enumerated() {
        let (shape, part) = try Self.part(shard, of: count, info, failure)
        guard let size = TensorInfo.size(of: shape, info.dtype) else {
          throw failure("\(displayName(info.name)) is not divided by \(count) shards")
        }
        indices.append(tensors.count)
        tensors.append(
          TensorInfo(name: info.name, dtype: info.dtype, shape: shape, file: info.file, byteCount: size.bytes))
        parts.append((index, part))
      }
      files.append(ModelOutput.File(name: MetaFolder.shardName(shard), indices: indices))
    }
    (self.tensors, self.files, self.parts) = (tensors, files, parts)
  }

  private static func part(
    _ shard: Int, of count: Int, _ info: TensorInfo, _ failure: (String) -> ModelError
  ) throws -> (shape: [Int], part: Part) {
    guard info.shape.count == 2, info.shape[0] > 0 else { return (info.shape, .whole) }
    let (rows, columns, rowSize) = (info.shape[0], info.shape[1], info.byteCount / info.shape[0])
    func uneven() -> ModelError {
      failure("\(displayName(info.name)), \(info.shape), is not divided by \(count) shards")
    }
    if MergedShards.isDividedByColumns(info.name) {
      guard columns % count == 0 else { throw uneven() }
      let share = rowSize / count
      return ([rows, columns / count], .columns(shard * share..<(shard + 1) * share, of: rowSize))
    }
    let share = rows / count
    guard rows % count == 0 || info.name == "output.weight" && share > 0 else { throw uneven() }
    let end = shard == count - 1 ? rows : (shard + 1) * share
    return ([end - shard * share, columns], .rows(shard * share * rowSize..<end * rowSize))
  }

  func cursor(_ index: Int) throws -> any TensorCursor {
    let (number, part) = parts[index]
    let cursor = try source.cursor(number)
    switch part {
    case .whole: return cursor
    case .rows(let range): return RangeCursor(cursor, range)
    case .columns(let columns, let rowSize):
      let byteCount = tensors[index].byteCount
      guard byteCount > 0 else { return BytesCursor([]) }
      let partRows = max(1, streamPartSize / rowSize)
      return PartCursor(byteCount: byteCount, partSize: partRows * columns.count) { range, bytes in
        let first = range.lowerBound / columns.count
        try cursor.withAll(of: first * rowSize..<first * rowSize + range.count / columns.count * rowSize) { rows in
          for at in stride(from: 0, to: range.count, by: columns.count) {
            let row = at / columns.count * rowSize
            bytes.replace(
              from: at, with: rows.extracting(row + columns.lowerBound..<row + columns.upperBound))
          }
        }
      }
    }
  }

  func storedRange(_ index: Int) -> Range<Int>? {
    let (number, part) = parts[index]
    switch part {
    case .whole: return source.storedRange(number)
    case .rows(let range):
      return source.storedRange(number).map { $0.lowerBound + range.lowerBound..<$0.lowerBound + range.upperBound }
    case .columns: return nil
    }
  }

  func verifyChecksums() throws { try source.verifyChecksums() }
}

/// A range of another cursor's values.
private final class RangeCursor: TensorCursor {
  private let cursor: any TensorCursor
  private let start: Int
  let byteCount: Int

  init(_ cursor: any TensorCursor, _ range: Range<Int>) {
    (self.cursor, start, byteCount) = (cursor, range.lowerBound, range.count)
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    try cursor.withPart(of: start + range.lowerBound..<start + range.upperBound, body)
  }
}
