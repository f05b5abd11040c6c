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

  /// The product with its values in memory: rank · (rows + columns) doubles.
  func loaded() throws -> Loaded { try Loaded(self) }

  /// A product whose values are in memory.
  struct Loaded {
    let columns: Int
    private let rank: Int
    private let scale: Double
    private let left: [Double]
    private let panels: [Double]

    fileprivate init(_ product: LowRank) throws {
      (columns, rank, scale) = (product.columns, product.rank, product.scale)
      left = try product.left.values()
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
    func add(to values: inout [Double], from first: Int, _ squares: inout belle_low_rank_squares) {
      let count = values.count / columns
      precondition(values.count == count * columns && (first + count) * rank <= left.count, "rows of the product")
      // SAFETY: the kernel reads `count` rows of `left` from `first` on and all panels, and writes `count` rows, all of
      // which are there, as was just checked.
      unsafe left.withUnsafeBufferPointer { left in
        unsafe panels.withUnsafeBufferPointer { panels in
          unsafe values.withUnsafeMutableBufferPointer { values in
            guard let left = left.baseAddress, let panels = panels.baseAddress, let target = values.baseAddress else {
              return
            }
            unsafe belle_low_rank_add(
              belle_best_variant(), left + first * rank, count, rank, panels, columns, scale, target, &squares)
          }
        }
      }
    }
  }
}
