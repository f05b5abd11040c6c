// The two element types that the BLAS knows here, and its calls for each: one thread, row-major, one tile.
// Sources: netlib.org/blas (blast-forum/cblas.tgz), LAPACK 3.9 SRC/?potrf.f.

import COpenBLAS

/// `Float` or `Double`: what the BLAS multiplies.
///
/// The requirements are single calls of the BLAS. Use ``gemm(_:transposeA:_:transposeB:into:alpha:beta:threads:)`` and its
/// siblings instead: they check the shapes and use all threads.
public protocol BLASScalar: MatrixScalar {
  /// c = alpha · op(a) · op(b) + beta · c on the calling thread.
  static func gemmTile(
    _ a: MatrixSlice<Self>, _ transposeA: Bool, _ b: MatrixSlice<Self>, _ transposeB: Bool, into c: MatrixSlice<Self>,
    alpha: Self, beta: Self)
  /// The same in an arithmetic of one's choice.
  static func gemmTile(
    _ a: MatrixSlice<Self>, _ transposeA: Bool, _ b: MatrixSlice<Self>, _ transposeB: Bool, into c: MatrixSlice<Self>,
    alpha: Self, beta: Self, in arithmetic: Arithmetic)
  /// The triangle of c = alpha · op(a)·op(a)ᵀ + beta · c on the calling thread.
  static func syrkTile(
    _ a: MatrixSlice<Self>, transpose: Bool, into c: MatrixSlice<Self>, _ triangle: Triangle, alpha: Self, beta: Self)
  /// The same in an arithmetic of one's choice.
  static func syrkTile(
    _ a: MatrixSlice<Self>, transpose: Bool, into c: MatrixSlice<Self>, _ triangle: Triangle, alpha: Self, beta: Self,
    in arithmetic: Arithmetic)
  /// b = b · op(t)⁻¹ or op(t)⁻¹ · b on the calling thread.
  static func trsmTile(
    _ t: MatrixSlice<Self>, _ triangle: Triangle, transpose: Bool, side: Side, into b: MatrixSlice<Self>)
  /// Replaces the lower triangle of a contiguous matrix by its Cholesky factor; the failing pivot, or nil.
  static func potrfTile(_ a: MatrixSlice<Self>) -> Int?
}

/// Which triangle of a square matrix is meant; the other one is neither read nor written.
public enum Triangle: Sendable {
  /// Row ≥ column.
  case lower
  /// Row ≤ column.
  case upper
  var cblas: CBLAS_UPLO { self == .lower ? CblasLower : CblasUpper }
}

/// On which side of the unknown the triangular matrix stands.
public enum Side: Sendable {
  /// op(T)·X = B.
  case left
  /// X·op(T) = B.
  case right
  var cblas: CBLAS_SIDE { self == .left ? CblasLeft : CblasRight }
}

private func cblas(_ isTransposed: Bool) -> CBLAS_TRANSPOSE { isTransposed ? CblasTrans : CblasNoTrans }

// SAFETY, for all calls below: a slice's rows · stride elements are its own memory, the callers have checked that the
// shapes fit, and the dimensions fit Int32 because no matrix that fits into memory here has 2³¹ rows or columns.
extension Float: BLASScalar {
  /// One call of the BLAS, or of oneDNN: see ``BLASScalar``.
  public static func gemmTile(
    _ a: MatrixSlice<Float>, _ transposeA: Bool, _ b: MatrixSlice<Float>, _ transposeB: Bool,
    into c: MatrixSlice<Float>, alpha: Float, beta: Float, in arithmetic: Arithmetic
  ) {
    guard arithmetic == .bfloat16 else {
      return gemmTile(a, transposeA, b, transposeB, into: c, alpha: alpha, beta: beta)
    }
    precondition(alpha == 1 && (beta == 0 || beta == 1), "products in bfloat16 have no factors")
    let isDone = Arithmetic.multiply(a, transposeA, b, transposeB, into: c, adds: beta == 1)
    precondition(isDone, "no memory for a product, or the arithmetic is not to be had here")
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func gemmTile(
    _ a: MatrixSlice<Float>, _ transposeA: Bool, _ b: MatrixSlice<Float>, _ transposeB: Bool,
    into c: MatrixSlice<Float>, alpha: Float, beta: Float
  ) {
    if c.rows == 1, !transposeA {
      // One token: read the matrix once, where gemm would pack it first.
      unsafe cblas_sgemv(
        CblasRowMajor, cblas(!transposeB), Int32(b.rows), Int32(b.columns), alpha, b.base, Int32(max(1, b.stride)),
        a.base, 1, beta, c.base, 1)
      return
    }
    unsafe cblas_sgemm(
      CblasRowMajor, cblas(transposeA), cblas(transposeB), Int32(c.rows), Int32(c.columns),
      Int32(transposeA ? a.rows : a.columns), alpha, a.base, Int32(max(1, a.stride)), b.base, Int32(max(1, b.stride)),
      beta, c.base, Int32(max(1, c.stride)))
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func syrkTile(
    _ a: MatrixSlice<Float>, transpose: Bool, into c: MatrixSlice<Float>, _ triangle: Triangle, alpha: Float,
    beta: Float
  ) {
    unsafe cblas_ssyrk(
      CblasRowMajor, triangle.cblas, cblas(transpose), Int32(c.rows), Int32(transpose ? a.rows : a.columns), alpha,
      a.base, Int32(max(1, a.stride)), beta, c.base, Int32(max(1, c.stride)))
  }

  /// One call of the BLAS, or of oneDNN: see ``BLASScalar``.
  public static func syrkTile(
    _ a: MatrixSlice<Float>, transpose: Bool, into c: MatrixSlice<Float>, _ triangle: Triangle, alpha: Float,
    beta: Float, in arithmetic: Arithmetic
  ) {
    guard arithmetic == .bfloat16 else {
      return syrkTile(a, transpose: transpose, into: c, triangle, alpha: alpha, beta: beta)
    }
    // The whole square, of which the triangle is taken: the diagonal must come of the same rounded numbers as the rest,
    // or the sum is no longer one of squares.
    let square = Matrix<Float>(rows: c.rows, columns: c.rows)
    gemmTile(a, transpose, a, !transpose, into: square.slice, alpha: alpha, beta: 0, in: arithmetic)
    for row in 0..<c.rows {
      // SAFETY: row is one of both, and has c.rows elements; c keeps its memory, and the square is used below.
      let (sum, product) = unsafe (c.base + row * c.stride, square.slice.base + row * square.slice.stride)
      for column in triangle == .lower ? 0..<row + 1 : row..<c.rows {
        unsafe sum[column] = (beta == 0 ? 0 : sum[column]) + product[column]
      }
    }
    withExtendedLifetime(square) {}
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func trsmTile(
    _ t: MatrixSlice<Float>, _ triangle: Triangle, transpose: Bool, side: Side, into b: MatrixSlice<Float>
  ) {
    unsafe cblas_strsm(
      CblasRowMajor, side.cblas, triangle.cblas, cblas(transpose), CblasNonUnit, Int32(b.rows), Int32(b.columns), 1,
      t.base, Int32(max(1, t.stride)), b.base, Int32(max(1, b.stride)))
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func potrfTile(_ a: MatrixSlice<Float>) -> Int? {
    var n = Int32(a.rows)
    var stride = Int32(max(1, a.stride))
    var info: Int32 = 0
    // Row-major lower is column-major upper.
    unsafe spotrf_("U", &n, a.base, &stride, &info)
    return info == 0 ? nil : Int(info) - 1
  }
}

extension Double: BLASScalar {
  /// One call of the BLAS: see ``BLASScalar``.
  public static func gemmTile(
    _ a: MatrixSlice<Double>, _ transposeA: Bool, _ b: MatrixSlice<Double>, _ transposeB: Bool,
    into c: MatrixSlice<Double>, alpha: Double, beta: Double, in arithmetic: Arithmetic
  ) {
    precondition(arithmetic == .single, "doubles are not rounded to bfloat16")
    gemmTile(a, transposeA, b, transposeB, into: c, alpha: alpha, beta: beta)
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func gemmTile(
    _ a: MatrixSlice<Double>, _ transposeA: Bool, _ b: MatrixSlice<Double>, _ transposeB: Bool,
    into c: MatrixSlice<Double>, alpha: Double, beta: Double
  ) {
    if c.rows == 1, !transposeA {
      // One token: read the matrix once, where gemm would pack it first.
      unsafe cblas_dgemv(
        CblasRowMajor, cblas(!transposeB), Int32(b.rows), Int32(b.columns), alpha, b.base, Int32(max(1, b.stride)),
        a.base, 1, beta, c.base, 1)
      return
    }
    unsafe cblas_dgemm(
      CblasRowMajor, cblas(transposeA), cblas(transposeB), Int32(c.rows), Int32(c.columns),
      Int32(transposeA ? a.rows : a.columns), alpha, a.base, Int32(max(1, a.stride)), b.base, Int32(max(1, b.stride)),
      beta, c.base, Int32(max(1, c.stride)))
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func syrkTile(
    _ a: MatrixSlice<Double>, transpose: Bool, into c: MatrixSlice<Double>, _ triangle: Triangle, alpha: Double,
    beta: Double
  ) {
    unsafe cblas_dsyrk(
      CblasRowMajor, triangle.cblas, cblas(transpose), Int32(c.rows), Int32(transpose ? a.rows : a.columns), alpha,
      a.base, Int32(max(1, a.stride)), beta, c.base, Int32(max(1, c.stride)))
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func syrkTile(
    _ a: MatrixSlice<Double>, transpose: Bool, into c: MatrixSlice<Double>, _ triangle: Triangle, alpha: Double,
    beta: Double, in arithmetic: Arithmetic
  ) {
    precondition(arithmetic == .single, "doubles are not rounded to bfloat16")
    syrkTile(a, transpose: transpose, into: c, triangle, alpha: alpha, beta: beta)
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func trsmTile(
    _ t: MatrixSlice<Double>, _ triangle: Triangle, transpose: Bool, side: Side, into b: MatrixSlice<Double>
  ) {
    unsafe cblas_dtrsm(
      CblasRowMajor, side.cblas, triangle.cblas, cblas(transpose), CblasNonUnit, Int32(b.rows), Int32(b.columns), 1,
      t.base, Int32(max(1, t.stride)), b.base, Int32(max(1, b.stride)))
  }

  /// One call of the BLAS: see ``BLASScalar``.
  public static func potrfTile(_ a: MatrixSlice<Double>) -> Int? {
    var n = Int32(a.rows)
    var stride = Int32(max(1, a.stride))
    var info: Int32 = 0
    unsafe dpotrf_("U", &n, a.base, &stride, &info)
    return info == 0 ? nil : Int(info) - 1
  }
}
