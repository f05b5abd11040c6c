// The tiles that a growing sum of products is computed in. Each tile is the sum of its own products alone, in their order:
// so one that waits for its turn, or goes from one process to another between two products, ends in the same bytes.

/// The tiles of a sum of products.
public struct SumTiles: Sendable {
  /// Where each lies.
  public let all: [(rows: Range<Int>, columns: Range<Int>)]

  /// The tiles of Σ Aᵀ·A, whose lower triangle is kept: those of ``syrk(_:transpose:into:_:alpha:beta:part:threads:)``.
  public init(lowerTriangleOf n: Int) { all = triangleTiles(of: n, .lower) }

  /// The tiles of Σ Aᵀ·B: those of ``gemm(_:transposeA:_:transposeB:into:alpha:beta:part:threads:)``, which depend on the
  /// depth of a product, its rows of A and B, where there is little to compute.
  ///
  /// - Returns: nil where products of the two depths have different tiles.
  public init?(rows: Int, columns: Int, depths: ClosedRange<Int>) {
    let grid = TileGrid(rows: rows, columns: columns, depth: depths.upperBound)
    guard TileGrid(rows: rows, columns: columns, depth: depths.lowerBound).height == grid.height else { return nil }
    all = (0..<grid.count).map { grid[$0] }
  }

  /// How many there are.
  public var count: Int { all.count }
}
