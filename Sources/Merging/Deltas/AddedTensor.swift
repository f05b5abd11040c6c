// The sum of two tensors, or their difference, made as it is read: in double precision, rounded once. For sums of two
// numbers of one type that is what the type's own addition gives. Elements that the base does not have are as a row
// says, or zero.

import ByteIO
import Checkpoint

/// A tensor that is added to one of the base's, or from which that is taken.
struct AddedTensor: Sendable {
  /// What it becomes: the type is that of both sides.
  let info: TensorInfo
  /// The delta, or for a difference the tuned tensor.
  let other: any TensorSource
  let otherIndex: Int
  let base: any TensorSource
  let baseIndex: Int
  /// What stands for the rows that the base does not have.
  var row: @Sendable () throws -> [Double] = { [0] }
  /// Whether it is a difference: what is added to the base gives the other.
  var isDifference = false
  let figures: MergeFigures

  private static let partElements = 1 << 16

  /// Its values.
  ///
  /// Memory: parts of a few mebibytes, and the row.
  func cursor() throws -> any TensorCursor {
    let (one, two) = (try other.cursor(otherIndex), try base.cursor(baseIndex))
    let numbers = try Doubles(info.dtype)
    let size = numbers.size
    let row = two.byteCount < info.byteCount ? try row() : [0]
    let (figures, name, sign) = (figures, info.name, isDifference ? -1.0 : 1.0)
    var (others, bases): ([Double], [Double]) = ([], [])
    var (found, counted) = (MergeFigures.Tensor(), 0)
    return PartCursor(
      byteCount: info.byteCount, partSize: Self.partElements * size
    ) { [byteCount = info.byteCount, isDifference] range, bytes in
      try Self.read(one, range, numbers, into: &others)
      try Self.read(two, range, numbers, into: &bases)
      // The rest of the base's are the row's, again and again.
      let there = max(0, min(range.upperBound, two.byteCount) - range.lowerBound) / size
      for place in there..<max(there, others.count) {
        bases[place] = row[(range.lowerBound / size + place - two.byteCount / size) % row.count]
      }
      var here = MergeFigures.Tensor()
      var results = others
      for place in others.indices {
        results[place] += sign * bases[place]
        here.weight += bases[place] * bases[place]
        here.sum += results[place]
        here.delta += isDifference ? results[place] * results[place] : others[place] * others[place]
      }
      here.overflows = numbers.write(results, into: &bytes)
      if isDifference { here.inexact = Self.misses(bytes, bases, others, numbers) }
      guard range.lowerBound == counted else { return }
      counted = range.upperBound
      found.add(here)
      if counted == byteCount { figures.take(found, of: name) }
    }
  }

  /// Reads what there is of a range; what there is not is left alone.
  private static func read(
    _ cursor: any TensorCursor, _ range: Range<Int>, _ numbers: Doubles, into values: inout [Double]
  ) throws {
    if values.count != range.count / numbers.size {
      values = [Double](repeating: 0, count: range.count / numbers.size)
    }
    let there = range.lowerBound..<max(range.lowerBound, min(range.upperBound, cursor.byteCount))
    if !there.isEmpty { try cursor.withAll(of: there) { numbers.read($0, into: &values) } }
  }

  /// How many sums of a rounded difference and the base are not what the difference was made of.
  private static func misses(
    _ difference: [UInt8], _ bases: [Double], _ wanted: [Double], _ numbers: Doubles
  ) -> Int {
    var (sums, bytes) = (wanted, difference)
    numbers.read(difference, into: &sums)
    for place in bases.indices { sums[place] += bases[place] }
    _ = numbers.write(sums, into: &bytes)
    numbers.read(bytes, into: &sums)
    return zip(sums, wanted).count { $0 != $1 && !($0.isNaN && $1.isNaN) }
  }
}

extension MergeFigures.Tensor {
  /// Adds what was found in a part.
  fileprivate mutating func add(_ part: MergeFigures.Tensor) {
    weight += part.weight
    delta += part.delta
    sum += part.sum
    overflows += part.overflows
    inexact += part.inexact
    if !(weight + delta + sum).isFinite { isBroken = true }
  }
}
