// The product of an adapter's two matrices, in double precision: s · L · R, added to rows of a weight. Factors of
// single precision multiply exactly there, so that only the sums round, in one order on every machine:
// CBelleKernels/low_rank.c.

import ByteIO
import CBelleKernels
import Checkpoint

/// A matrix of an adapter, as it is wanted.
struct Factor: Sendable {
  let source: any TensorSource
  let index: Int
  /// Whether it is stored the other way around.
  var isTransposed = false

  private var info: TensorInfo { source.tensors[index] }
  /// A vector is a matrix of one column.
  private var stored: (rows: Int, columns: Int) {
    (info.shape.first ?? 1, info.shape.dropFirst().reduce(1, *))
  }
  var rows: Int { isTransposed ? stored.columns : stored.rows }
  var columns: Int { isTransposed ? stored.rows : stored.columns }

  /// Reads some rows at a time, where they lie one after the other; nil where they do not.
  fileprivate func reader() throws -> RowReader? { isTransposed ? nil : try RowReader(source, index, columns: columns) }

  /// The values, row-major.
  ///
  /// - Throws: `CheckpointError` with code `.unsupportedType` for what holds no numbers.
  func values() throws -> [Double] {
    var values = [Double](repeating: 0, count: info.elementCount)
    try Doubles(info.dtype).read(source.allBytes(index), into: &values)
    guard isTransposed, stored.rows > 1, stored.columns > 1 else { return values }
    var turned = [Double](repeating: 0, count: values.count)
    for row in 0..<rows { for column in 0..<columns { turned[row * columns + column] = values[column * rows + row] } }
    return turned
  }
}

/// Rows of a matrix, a few at a time: a head's factor may have hundreds of mebibytes.
private struct RowReader {
  private let cursor: any TensorCursor
  private let numbers: Doubles
  private let columns: Int

  init(_ source: any TensorSource, _ index: Int, columns: Int) throws {
    (numbers, self.columns) = (try Doubles(source.tensors[index].dtype), columns)
    cursor = try source.cursor(index)
  }

  /// Reads rows into an array, which gets their size.
  func read(_ rows: Range<Int>, into values: inout [Double]) throws {
    let (count, size) = (rows.count * columns, columns * numbers.size)
    if values.count != count { values = [Double](repeating: 0, count: count) }
    try cursor.withAll(of: rows.lowerBound * size..<rows.upperBound * size) { numbers.read($0, into: &values) }
  }
}

/// A product of low rank.
struct LowRank: Sendable {
  /// `[rows, rank]`.
  let left: Factor
  /// `[rank, columns]`; nil for a single 1: the left side is the bias of B.
  let right: Factor?
  let scale: Double

  var rows: Int { left.rows }
  var columns: Int { right?.columns ?? 1 }
  var rank: Int { left.columns }

  /// The product with its right side in memory, and its left one where that is stored the other way around: rank ·
  /// columns doubles, or rank · (rows + columns).
  func loaded() throws -> Loaded { try Loaded(self) }

  /// A product that is ready to be added.
  ///
  /// Not thread-safe.
  final class Loaded {
    let columns: Int
    private let rank: Int
    private let rows: Int
    private let scale: Double
    /// Reads the left side; nil where all of it is in memory.
    private let reader: RowReader?
    /// The left side, or those of its rows that were read last.
    private var left: [Double] = []
    private let panels: [Double]

    fileprivate init(_ product: LowRank) throws {
      (columns, rank, rows, scale) = (product.columns, product.rank, product.rows, product.scale)
      reader = try product.left.reader()
      if reader == nil { left = try product.left.values() }
      panels = Self.panels(try product.right?.values() ?? [1], rank: rank, columns: columns)
    }

    /// The right side by panels, the last one padded with zeros.
    private static func panels(_ right: [Double], rank: Int, columns: Int) -> [Double] {
      let width = Int(BELLE_LOW_RANK_PANEL)
      let count = (columns + width - 1) / width
      var panels = [Double](repeating: 0, count: count * width * rank)
      for panel in 0..<count {
        let first = panel * width
        for row in 0..<rank {
          let target = (panel * rank + row) * width
          for column in first..<min(columns, first + width) {
            panels[target + column - first] = right[row * columns + column]
          }
        }
      }
      return panels
    }

    /// Adds the product to rows of a weight.
    ///
    /// - Parameters:
    ///   - values: the rows, one after the other.
    ///   - first: the number of the first one.
    /// - Throws: what reading the left side throws.
    func add(to values: inout [Double], from first: Int, _ squares: inout belle_low_rank_squares) throws {
      let count = values.count / columns
      precondition(values.count == count * columns && first + count <= rows, "rows of the product")
      try reader?.read(first..<first + count, into: &left)
      let start = reader == nil ? first : 0
      precondition((start + count) * rank <= left.count, "rows of the left side")
      // SAFETY: the kernel reads `count` rows of `left` from `start` on and all panels, and writes `count` rows, all of
      // which are there, as was just checked.
      unsafe left.withUnsafeBufferPointer { left in
        unsafe panels.withUnsafeBufferPointer { panels in
          unsafe values.withUnsafeMutableBufferPointer { values in
            guard let left = left.baseAddress, let panels = panels.baseAddress, let target = values.baseAddress else {
              return
            }
            unsafe belle_low_rank_add(
              belle_best_variant(), left + start * rank, count, rank, panels, columns, scale, target, &squares)
          }
        }
      }
    }
  }
}
