// What became of a model's values: the finished files, read once more as a model.

import ByteIO
import Checkpoint
import Packed

/// What became of a model's values.
package struct ConversionProof: Sendable {
  /// How many tensors were written.
  package let tensors: Int
  /// Their bytes.
  package let bytes: Int
  /// The largest relative difference of a tensor; 0 where every value is the same.
  package private(set) var relative = 0.0
  /// The largest difference of a value.
  package private(set) var maximum = 0.0
  /// The tensor that has the largest relative difference.
  package private(set) var worst: String?
  /// What the values became, in words; nil where no change was asked for.
  package let change: String?
  /// How many finite values became infinite.
  package private(set) var overflows = 0
  /// How many of the model's tensors were left out.
  package let omitted: Int
  /// Which part of a model the input was, in words; nil for a whole one.
  package let part: String?
  /// The paths of files that were replaced.
  package internal(set) var replaced: [String] = []
  /// The paths of files that were removed, because they would be taken for parts of the model.
  package internal(set) var removed: [String] = []

  /// Whether every value is the same.
  package var isIdentical: Bool { relative == 0 }

  /// Opens finished files. Each was read again and compared with its source when it was written; where values changed, or
  /// packed integers moved to another form, they are compared with what they were.
  ///
  /// - Parameter part: which part of a model was arranged.
  init(of arrangement: Arrangement, part: String?, writtenTo output: ModelOutput) throws {
    (omitted, self.part) = (arrangement.omitted, part)
    let result: any TensorSource =
      if arrangement.shards > 1 {
        try MetaFolder(output.folder, shards: output.files.map(\.name))
      } else if output.files.count == 1 {
        try Checkpoint.open(file: Folder.join(output.folder, output.files[0].name))
      } else {
        try ShardedFolder(index: Folder.join(output.folder, output.container.indexName))
      }
    tensors = result.tensors.count
    bytes = result.tensors.reduce(0) { $0 + $1.byteCount }
    change = arrangement.change
    if let original = arrangement.original {
      try Comparison(original, Self.weights(of: result, in: output.folder, beside: original), tolerance: .infinity)
        .run { take($0) }
    }
    overflows = arrangement.overflowCount
  }

  /// The result as it is compared: packed integers as the weights that they stand for, without what a form adds to them
  /// for its program's sake.
  private static func weights(
    of result: any TensorSource, in folder: String, beside original: any TensorSource
  ) throws -> any TensorSource {
    guard PackedCheckpoint.isPacked(result) else { return result }
    return TensorView(try PackedCheckpoint(result, folder: folder), namedAs: original)
  }

  private mutating func take(_ tensor: TensorComparison) {
    guard tensor.status != .equal else { return }
    maximum = max(maximum, tensor.maximumDifference ?? .infinity)
    if tensor.relativeDifference ?? .infinity > relative || worst == nil { worst = tensor.name }
    relative = max(relative, tensor.relativeDifference ?? .infinity)
  }
}
