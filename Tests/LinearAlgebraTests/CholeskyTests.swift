import LinearAlgebra
import TestSupport
import Testing

@Suite("choleskyUpper") struct CholeskyTests {
  /// X·Xᵀ + shift.
  static func positive<Scalar: BLASScalar>(_ n: Int, shift: Scalar, seed: UInt64) -> Matrix<Scalar> {
    let x: Matrix<Scalar> = randomMatrix(n, 2 * n, seed: seed)
    let a = Matrix<Scalar>(rows: n, columns: n)
    gemm(x.slice, x.slice, transposeB: true, into: a.slice)
    for i in 0..<n { a[i, i] += shift }
    return a
  }

  static func check<Scalar: BLASScalar>(_ type: Scalar.Type, _ n: Int, tolerance: Scalar) throws {
    let a: Matrix<Scalar> = positive(n, shift: 1, seed: UInt64(n))
    let u = a.copy()
    try choleskyUpper(u.slice, threads: 2)
    var isKept = true
    for row in 0..<n {
      isKept = isKept && (0..<row).allSatisfy { u[row, $0] == a[row, $0] }
      for column in 0..<row { u[row, column] = 0 }
    }
    #expect(isKept, "the lower triangle must stay as it was")
    let back = Matrix<Scalar>(rows: n, columns: n)
    gemm(u.slice, u.slice, transposeB: true, into: back.slice)
    var far = 0
    for row in 0..<n {
      for column in 0..<n where !(abs(back[row, column] - a[row, column]) < tolerance * a[row, row]) { far += 1 }
    }
    #expect(far == 0)
  }

  @Test(
    "U·Uᵀ is the matrix, in float and double, at sizes around the tile's",
    arguments: [1, 2, 17, 127, 128, 129, 300, 513, 1100])
  func product(n: Int) throws {
    try Self.check(Float.self, n, tolerance: 1e-4)
    try Self.check(Double.self, n, tolerance: 1e-12)
  }

  @Test("the bytes of the factor do not depend on the number of threads")
  func threads() throws {
    let results = try [1, 2, 7].map { threads in
      let a: Matrix<Float> = Self.positive(1100, shift: 1, seed: 9)
      try choleskyUpper(a.slice, threads: threads)
      return a.values
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
  }

  @Test("a matrix that is not positive definite is refused, with the pivot", arguments: [0, 5, 290])
  func refused(index: Int) {
    let a: Matrix<Float> = Self.positive(300, shift: 1, seed: 3)
    a[index, index] = -1
    do {
      try choleskyUpper(a.slice)
      Issue.record("it has no factor")
    } catch {
      #expect(error.index == index)
    }
  }

  @Test("NaN is refused")
  func notANumber() {
    let a: Matrix<Float> = Self.positive(20, shift: 1, seed: 3)
    a[4, 9] = .nan
    #expect(throws: NotPositiveDefinite.self) { try choleskyUpper(a.slice) }
  }
}
