// Matrix products on several threads. The same bytes at any number of threads: each tile is one call of the BLAS on one
// thread, and the tiles depend on the shapes alone.

/// C = alpha · op(A)·op(B) + beta · C.
///
/// A layer's output for x `[tokens, in]` and W `[out, in]` is `gemm(x, W, transposeB: true, into: y)`.
/// - Parameters:
///   - a: `[m, k]`, or `[k, m]` with `transposeA`.
///   - transposeA: whether A is used transposed.
///   - b: `[k, n]`, or `[n, k]` with `transposeB`.
///   - transposeB: whether B is used transposed.
///   - c: `[m, n]`; not read where beta is 0.
///   - alpha: factor of the product.
///   - beta: factor of what C holds.
///   - part: which of C's tiles are computed, see ``SumTiles``; nil for all.
///   - arithmetic: one without a ``Arithmetic/problem``; in bfloat16 alpha is 1 and beta 0 or 1.
///   - threads: how many to use.
/// - Complexity: 2·m·n·k FLOP.
public func gemm<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, transposeA: Bool = false, _ b: MatrixSlice<Scalar>, transposeB: Bool = false,
  into c: MatrixSlice<Scalar>, alpha: Scalar = 1, beta: Scalar = 0, part: Range<Int>? = nil,
  in arithmetic: Arithmetic = .single, threads: Int = 1
) {
  let depth = transposeA ? a.rows : a.columns
  precondition((transposeA ? a.columns : a.rows) == c.rows, "op(A) has not the rows of C")
  precondition((transposeB ? b.rows : b.columns) == c.columns, "op(B) has not the columns of C")
  precondition((transposeB ? b.columns : b.rows) == depth, "op(A) and op(B) do not fit")
  let tiles = TileGrid(rows: c.rows, columns: c.columns, depth: depth)
  let part = part ?? 0..<(c.rows == 0 || c.columns == 0 ? 0 : tiles.count)
  forEachTile(part.count, threads: threads) { index in
    let (rows, columns) = tiles[part.lowerBound + index]
    Scalar.gemmTile(
      transposeA ? a[0..<depth, rows] : a[rows, 0..<depth], transposeA,
      transposeB ? b[columns, 0..<depth] : b[0..<depth, columns], transposeB,
      into: c[rows, columns], alpha: alpha, beta: beta, in: arithmetic)
  }
}

/// One product of a batch: c = alpha · op(a)·op(b) + beta · c.
public struct Product<Scalar: BLASScalar>: Sendable {
  let a: MatrixSlice<Scalar>
  let b: MatrixSlice<Scalar>
  let c: MatrixSlice<Scalar>
  let transposeA: Bool
  let transposeB: Bool
  let alpha: Scalar
  let beta: Scalar

  /// A product; the parameters are those of ``gemm(_:transposeA:_:transposeB:into:alpha:beta:threads:)``.
  public init(
    _ a: MatrixSlice<Scalar>, transposeA: Bool = false, _ b: MatrixSlice<Scalar>, transposeB: Bool = false,
    into c: MatrixSlice<Scalar>, alpha: Scalar = 1, beta: Scalar = 0
  ) {
    precondition((transposeA ? a.columns : a.rows) == c.rows && (transposeB ? b.rows : b.columns) == c.columns)
    precondition((transposeA ? a.rows : a.columns) == (transposeB ? b.columns : b.rows))
    (self.a, self.b, self.c) = (a, b, c)
    (self.transposeA, self.transposeB) = (transposeA, transposeB)
    (self.alpha, self.beta) = (alpha, beta)
  }
}

/// Many products at once, each on one thread: the heads of an attention.
///
/// - Parameters:
///   - products: their results must not overlap.
///   - arithmetic: one without a ``Arithmetic/problem``; in bfloat16 alpha is 1 and beta 0 or 1.
///   - threads: how many run at once.
public func gemm<Scalar: BLASScalar>(
  batch products: [Product<Scalar>], in arithmetic: Arithmetic = .single, threads: Int = 1
) {
  forEachTile(products.count, threads: threads) { index in
    let p = products[index]
    guard p.c.rows > 0, p.c.columns > 0 else { return }
    Scalar.gemmTile(p.a, p.transposeA, p.b, p.transposeB, into: p.c, alpha: p.alpha, beta: p.beta, in: arithmetic)
  }
}

/// One triangle of C = alpha · op(A)·op(A)ᵀ + beta · C.
///
/// With `transpose`, A is `[k, n]` and C = Aᵀ·A: the Hessian of inputs `[tokens, in]`.
/// - Parameters:
///   - a: `[n, k]`, or `[k, n]` with `transpose`.
///   - transpose: whether A is used transposed.
///   - c: `[n, n]`; only the triangle is written.
///   - triangle: which one.
///   - alpha: factor of the product.
///   - beta: factor of what C holds.
///   - part: which of C's tiles are computed, see ``SumTiles``; nil for all.
///   - arithmetic: one without a ``Arithmetic/problem``; in bfloat16 alpha is 1 and beta 0 or 1.
///   - threads: how many to use.
/// - Complexity: n²·k FLOP.
public func syrk<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, transpose: Bool = false, into c: MatrixSlice<Scalar>, _ triangle: Triangle,
  alpha: Scalar = 1, beta: Scalar = 0, part: Range<Int>? = nil,
  in arithmetic: Arithmetic = .single, threads: Int = 1
) {
  let n = c.rows
  let depth = transpose ? a.rows : a.columns
  precondition(c.columns == n && (transpose ? a.columns : a.rows) == n, "A and C do not fit")
  let tiles = triangleTiles(of: n, triangle)
  let part = part ?? 0..<tiles.count
  forEachTile(part.count, threads: threads) { index in
    let (rows, columns) = tiles[part.lowerBound + index]
    if rows == columns {
      let part = transpose ? a[0..<depth, rows] : a[rows, 0..<depth]
      Scalar.syrkTile(
        part, transpose: transpose, into: c[rows, rows], triangle, alpha: alpha, beta: beta, in: arithmetic)
    } else {
      Scalar.gemmTile(
        transpose ? a[0..<depth, rows] : a[rows, 0..<depth], transpose,
        transpose ? a[0..<depth, columns] : a[columns, 0..<depth], !transpose,
        into: c[rows, columns], alpha: alpha, beta: beta, in: arithmetic)
    }
  }
}

/// The tiles of one triangle of a square matrix.
func triangleTiles(of n: Int, _ triangle: Triangle) -> [(rows: Range<Int>, columns: Range<Int>)] {
  triangleTiles(0..<n, edge: n >= 4096 ? 512 : 256, triangle)
}

/// The tiles of one triangle of a square range, largest work first.
func triangleTiles(_ range: Range<Int>, edge: Int, _ triangle: Triangle) -> [(rows: Range<Int>, columns: Range<Int>)] {
  let parts = stride(from: range.lowerBound, to: range.upperBound, by: edge).map {
    $0..<min(range.upperBound, $0 + edge)
  }
  var square: [(Range<Int>, Range<Int>)] = []
  var diagonal: [(Range<Int>, Range<Int>)] = []
  for (row, rows) in parts.enumerated() {
    diagonal.append((rows, rows))
    for columns in parts[..<row] { square.append(triangle == .lower ? (rows, columns) : (columns, rows)) }
  }
  return square + diagonal
}

/// Solves X·op(T) = B or op(T)·X = B in place of B.
///
/// - Parameters:
///   - t: `[n, n]`, triangular, with a diagonal free of zeros.
///   - triangle: which triangle of it holds T.
///   - transpose: whether T is used transposed.
///   - side: where T stands.
///   - b: `[m, n]` for `.right`, `[n, m]` for `.left`; becomes X.
///   - threads: how many to use.
/// - Complexity: m·n² FLOP.
public func trsm<Scalar: BLASScalar>(
  _ t: MatrixSlice<Scalar>, _ triangle: Triangle, transpose: Bool = false, side: Side, into b: MatrixSlice<Scalar>,
  threads: Int = 1
) {
  precondition(t.rows == t.columns && t.rows == (side == .right ? b.columns : b.rows), "T and B do not fit")
  let length = side == .right ? b.rows : b.columns
  let edge = 256
  forEachTile((length + edge - 1) / edge, threads: threads) { index in
    let part = index * edge..<min(length, (index + 1) * edge)
    Scalar.trsmTile(
      t, triangle, transpose: transpose, side: side,
      into: side == .right ? b[part, 0..<b.columns] : b[0..<b.rows, part])
  }
}
