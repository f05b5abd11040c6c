// A weight with an adapter's product added, made as it is read: in double precision, rounded once to the weight's type.
// With DoRA each output then gets the length that was trained: m ⊙ V / ‖V‖. Outputs are rows, and columns where the
// weight is stored the other way around, or is an embedding's.
// Source: peft, tuners/lora/layer.py (merge), tuners/lora/dora.py.

import ByteIO
import CBelleKernels
import Checkpoint

/// A tensor that an adapter changes.
struct MergedTensor: Sendable {
  /// The trained lengths of a weight's outputs.
  struct Lengths: Sendable {
    let factor: Factor
    /// Whether outputs are columns.
    let areOfColumns: Bool
  }

  /// What it is, before and afterwards.
  let info: TensorInfo
  /// Its values before, in the type that it has.
  let base: any TensorSource
  /// The tensor's number there.
  let index: Int
  let product: LowRank
  let lengths: Lengths?
  let figures: MergeFigures

  /// Values that are worked on at once: they stay in the second-level cache.
  private static let partElements = 1 << 16

  /// A product beyond this, in bytes, is not loaded twice at the same time.
  private static let sharedSize = 32 << 20

  /// Its values where a view takes them from: in parts, where two may be read at the same time without much memory.
  var origin: TensorView.Origin {
    base.isReadInParts(index) && product.loadedSize <= Self.sharedSize
      ? .parts { try cursor() } : .computed { try cursor() }
  }

  /// Its values, merged.
  ///
  /// Memory: the right side of the product, some thousand rows of the left one where that is stored the other way around,
  /// and parts of half a mebibyte, or of a row.
  /// - Complexity: O(rank · elements); twice that where outputs are columns and have lengths, which are known at the
  ///   end.
  func cursor() throws -> any TensorCursor {
    let sums = try Sums(self)
    let stretch = try lengths.map { try Stretch($0, sums, rows: product.rows, partRows: partRows) }
    let (figures, name, rowSize) = (figures, info.name, sums.rowSize)
    var squares = belle_low_rank_squares()
    var (found, counted) = (MergeFigures.Tensor(), 0)
    return PartCursor(byteCount: info.byteCount, partSize: partRows * rowSize) {
      [byteCount = info.byteCount] range, bytes in
      var here = range.lowerBound == counted ? squares : belle_low_rank_squares()
      let first = range.lowerBound / rowSize
      try sums.make(first..<range.upperBound / rowSize, &here)
      if let stretch, !stretch.apply(to: &sums.values, from: first) { found.isBroken = true }
      let overflows = sums.numbers.write(sums.values, into: &bytes)
      guard range.lowerBound == counted else { return }
      (counted, squares) = (range.upperBound, here)
      found.overflows += overflows
      guard counted == byteCount else { return }
      (found.weight, found.delta) = Self.totals(squares)
      found.isStretched = stretch != nil
      // No weight is so large that its square is infinite.
      if !(found.weight + found.delta).isFinite { found.isBroken = true }
      figures.take(found, of: name)
    }
  }

  private var partRows: Int { max(1, Self.partElements / product.columns) }

  private static func totals(_ squares: belle_low_rank_squares) -> (weights: Double, deltas: Double) {
    let total = { (eight: (Double, Double, Double, Double, Double, Double, Double, Double)) in
      eight.0 + eight.1 + eight.2 + eight.3 + (eight.4 + eight.5 + eight.6 + eight.7)
    }
    return (total(squares.weights), total(squares.deltas))
  }

  /// Rows of a weight with the product added, in double precision.
  private final class Sums {
    let rowSize: Int
    let columns: Int
    /// The rows that were made last.
    var values: [Double] = []
    private let before: any TensorCursor
    let numbers: Doubles
    private let product: LowRank.Loaded

    init(_ tensor: MergedTensor) throws {
      before = try tensor.base.cursor(tensor.index)
      numbers = try Doubles(tensor.info.dtype)
      product = try tensor.product.loaded()
      columns = product.columns
      rowSize = columns * numbers.size
    }

    func make(_ rows: Range<Int>, _ squares: inout belle_low_rank_squares) throws {
      let count = rows.count * columns
      if values.count != count { values = [Double](repeating: 0, count: count) }
      try before.withAll(of: rows.lowerBound * rowSize..<rows.upperBound * rowSize) { part in
        numbers.read(part, into: &values)
      }
      try product.add(to: &values, from: rows.lowerBound, &squares)
    }
  }

  /// Gives outputs their lengths.
  private struct Stretch {
    private let lengths: [Double]
    private let columns: Int
    /// What columns are multiplied by; nil where rows have lengths.
    private let factors: [Double]?

    init(_ given: Lengths, _ sums: Sums, rows: Int, partRows: Int) throws {
      (lengths, columns) = (try given.factor.values(), sums.columns)
      guard given.areOfColumns else {
        factors = nil
        return
      }
      var squares = [Double](repeating: 0, count: columns)
      var unused = belle_low_rank_squares()
      for first in stride(from: 0, to: rows, by: partRows) {
        try sums.make(first..<min(rows, first + partRows), &unused)
        for (place, value) in sums.values.enumerated() { squares[place % columns] += value * value }
      }
      factors = zip(lengths, squares).map { $0 / $1.squareRoot() }
    }

    /// - Returns: false where an output has no length to begin with, or gets one that is no finite number.
    func apply(to values: inout [Double], from first: Int) -> Bool {
      if let factors {
        for place in values.indices { values[place] *= factors[place % columns] }
        return factors.allSatisfy(\.isFinite)
      }
      var isWell = true
      for row in 0..<values.count / columns {
        let range = row * columns..<(row + 1) * columns
        let norm = values[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
        let length = lengths[first + row]
        if !(length / norm).isFinite { isWell = false }
        for place in range { values[place] = length * values[place] / norm }
      }
      return isWell
    }
  }
}
