// A tensor as it is, whose values are looked at while they are read: one that an adapter has in place of the base's may
// hold what is no number.

import ByteIO
import Checkpoint

/// A tensor of an adapter, alone in its source.
struct WatchedTensor: Sendable {
  let source: any TensorSource
  let name: String
  let figures: MergeFigures

  /// Its values.
  func cursor() throws -> any TensorCursor {
    let stored = try source.cursor(0)
    let info = source.tensors[0]
    guard DTypeConversion.isConvertible(info.dtype) else { return stored }
    let numbers = try Doubles(info.dtype)
    var values: [Double] = []
    var found = MergeFigures.Tensor(isWhole: true)
    return PartCursor(byteCount: info.byteCount, partSize: streamPartSize / numbers.size * numbers.size) {
      [figures, name] range, bytes in
      if values.count != range.count / numbers.size {
        values = [Double](repeating: 0, count: range.count / numbers.size)
      }
      try stored.withAll(of: range) { part in
        numbers.read(part, into: &values)
        bytes.replace(from: 0, with: part)
      }
      if !values.allSatisfy(\.isFinite) { found.isBroken = true }
      if range.upperBound == info.byteCount { figures.take(found, of: name) }
    }
  }
}
