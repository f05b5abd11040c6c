// The product of an adapter's two matrices, in double precision: s · L · R, added to rows of a weight. Factors of
// single precision multiply exactly there, so that only the sums round, in one order on every machine:
// CBelleKernels/low_rank.c.

import ByteIO
import CBelleKernels
import Checkpoint

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

  /// The bytes of a loaded product: of its right side; some rows of the left one come to that.
  var loadedSize: Int { rank * columns * MemoryLayout<Double>.size }

  /// The product with its right side in memory, and its left one read as it is wanted.
  func loaded() throws -> Loaded { try Loaded(self) }

  /// A product that is ready to be added.
  ///
  /// Not thread-safe.
  final class Loaded {
    let columns: Int
    private let rank: Int
    private let rows: Int
    private let scale: Double
    private let reader: Factor.Reader
    /// Rows of the left side.
    private var left: [Double] = []
    private let panels: [Double]

    fileprivate init(_ product: LowRank) throws {
      (columns, rank, rows, scale) = (product.columns, product.rank, product.rows, product.scale)
      reader = try product.left.reader()
      panels = try Self.panels(of: product)
    }

    /// The right side by panels, the last one padded with zeros; row by row, so that it is in memory once.
    private static func panels(of product: LowRank) throws -> [Double] {
      let (width, rank, columns) = (Int(BELLE_LOW_RANK_PANEL), product.rank, product.columns)
      let reader = try product.right?.reader()
      let count = (columns + width - 1) / width
      var panels = [Double](repeating: 0, count: count * width * rank)
      var values: [Double] = [1]
      for row in 0..<rank {
        try reader?.read(row..<row + 1, into: &values)
        for column in 0..<columns {
          panels[(column / width * rank + row) * width + column % width] = values[column]
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
      try reader.read(first..<first + count, into: &left)
      precondition(count * rank <= left.count, "rows of the left side")
      // SAFETY: the kernel reads `count` rows of `left` and all panels, and writes `count` rows, all of which are there,
      // as was just checked.
      unsafe left.withUnsafeBufferPointer { left in
        unsafe panels.withUnsafeBufferPointer { panels in
          unsafe values.withUnsafeMutableBufferPointer { values in
            guard let left = left.baseAddress, let panels = panels.baseAddress, let target = values.baseAddress else {
              return
            }
            unsafe belle_low_rank_add(
              belle_best_variant(), left, count, rank, panels, columns, scale, target, &squares)
          }
        }
      }
    }
  }
}
