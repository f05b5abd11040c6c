// Cholesky factors by tiles. `A = U·Uᵀ` (from the last column to the first) is what GPTQ needs: Documentation/gptq.md.

/// The matrix has no Cholesky factor: the pivot at `index` was not positive.
public struct NotPositiveDefinite: Error, Equatable {
  /// The row where it showed; rows after it are fine.
  public let index: Int
}

/// Replaces the upper triangle of a symmetric matrix by U with A = U·Uᵀ, U upper triangular.
///
/// This is the ordinary Cholesky factorization of the matrix with rows and columns in reverse order. The triangle below
/// the diagonal is neither read nor written, so a caller can keep the matrix itself there.
/// - Parameters:
///   - a: `[n, n]`; its upper triangle is replaced. After an error its contents are of no use.
///   - threads: how many to use; the result does not depend on it.
/// - Complexity: n³/3 FLOP.
public func choleskyUpper<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, threads: Int = 1
) throws(NotPositiveDefinite) {
  Engine.prepare()
  let n = a.rows
  precondition(a.columns == n, "a square matrix")
  let edge = 256
  let scratch = Matrix<Scalar>(rows: min(edge, n), columns: min(edge, n))
  var end = n
  while end > 0 {
    // The first panel takes the remainder, so that the others begin at multiples of the edge.
    let begin = (end - 1) / edge * edge
    let panel = begin..<end
    try factorTile(a[panel, panel], scratch[0..<panel.count, 0..<panel.count], at: begin)
    trsm(a[panel, panel], .upper, transpose: true, side: .right, into: a[0..<begin, panel], threads: threads)
    let column = a[0..<begin, panel]
    let tiles = triangleTiles(0..<begin, edge: 512, .upper)
    forEachTile(tiles.count, threads: threads) { index in
      let (rows, columns) = tiles[index]
      if rows == columns {
        Scalar.syrkTile(
          column[rows, 0..<panel.count], transpose: false, into: a[rows, rows], .upper, alpha: -1, beta: 1)
      } else {
        Scalar.gemmTile(
          column[rows, 0..<panel.count], false, column[columns, 0..<panel.count], true, into: a[rows, columns],
          alpha: -1, beta: 1)
      }
    }
    end = begin
  }
}

/// A = U·Uᵀ of one tile: LAPACK's A = L·Lᵀ of the reversed tile, reversed again.
private func factorTile<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, _ scratch: MatrixSlice<Scalar>, at offset: Int
) throws(NotPositiveDefinite) {
  let n = a.rows
  // SAFETY, here and below: both are n × n, with their own strides.
  let (from, to) = unsafe (a.base, scratch.base)
  for row in 0..<n {
    for column in row..<n {
      unsafe to[(n - 1 - row) * scratch.stride + n - 1 - column] = from[row * a.stride + column]
    }
  }
  if let pivot = Scalar.potrfTile(scratch) { throw NotPositiveDefinite(index: offset + n - 1 - pivot) }
  for pivot in 0..<n where !(scratch[pivot, pivot] > 0 && scratch[pivot, pivot].isFinite) {
    // OpenBLAS lets NaN pass.
    throw NotPositiveDefinite(index: offset + n - 1 - pivot)
  }
  for row in 0..<n {
    for column in row..<n {
      unsafe from[row * a.stride + column] = to[(n - 1 - row) * scratch.stride + n - 1 - column]
    }
  }
}
