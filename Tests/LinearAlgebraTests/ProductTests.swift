import Foundation
import LinearAlgebra
import TestSupport
import Testing

/// A matrix of numbers in −1 ..< 1 from a seed.
func randomMatrix<Scalar: BLASScalar>(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix<Scalar> {
  var generator = SplitMix64(seed: seed)
  return Matrix(
    rows: rows, columns: columns,
    (0..<rows * columns).map { _ in Scalar(Int64(bitPattern: generator.next()) >> 40) / Scalar(1 << 23) })
}

/// op(a)·op(b), summed in double.
func product<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, _ transposeA: Bool, _ b: MatrixSlice<Scalar>, _ transposeB: Bool
) -> [[Double]] {
  let depth = transposeA ? a.rows : a.columns
  return (0..<(transposeA ? a.columns : a.rows)).map { row in
    (0..<(transposeB ? b.rows : b.columns)).map { column in
      (0..<depth).reduce(0.0) { sum, k in
        sum + Double(transposeA ? a[k, row] : a[row, k]) * Double(transposeB ? b[column, k] : b[k, column])
      }
    }
  }
}

@Suite("gemm, syrk, trsm") struct ProductTests {
  @Test("a product equals its definition, for every transposition and shape", arguments: [false, true], [false, true])
  func equalsDefinition(transposeA: Bool, transposeB: Bool) {
    for (m, n, k) in [(1, 1, 1), (1, 300, 40), (7, 5, 3), (33, 65, 17), (3, 4, 0)] {
      let a: Matrix<Float> = transposeA ? randomMatrix(k, m, seed: 1) : randomMatrix(m, k, seed: 1)
      let b: Matrix<Float> = transposeB ? randomMatrix(n, k, seed: 2) : randomMatrix(k, n, seed: 2)
      let c: Matrix<Float> = randomMatrix(m, n, seed: 3)
      let before = c.copy()
      gemm(
        a.slice, transposeA: transposeA, b.slice, transposeB: transposeB, into: c.slice, alpha: 2, beta: -0.5,
        threads: 2)
      let expected = product(a.slice, transposeA, b.slice, transposeB)
      for row in 0..<m {
        for column in 0..<n {
          let value = 2 * expected[row][column] - 0.5 * Double(before[row, column])
          #expect(abs(Double(c[row, column]) - value) < 1e-4, "\(m) × \(n) × \(k) at \(row), \(column)")
        }
      }
    }
  }

  @Test("a product of slices writes to its slice only, and double is more exact than float")
  func slices() {
    let a: Matrix<Double> = randomMatrix(20, 30, seed: 4)
    let b: Matrix<Double> = randomMatrix(25, 30, seed: 5)
    let c = Matrix<Double>(rows: 12, columns: 14, repeating: 7)
    gemm(a[2..<10, 5..<25], b[3..<12, 10..<30], transposeB: true, into: c[1..<9, 4..<13])
    let expected = product(a[2..<10, 5..<25], false, b[3..<12, 10..<30], true)
    for row in 0..<12 {
      for column in 0..<14 {
        if (1..<9).contains(row), (4..<13).contains(column) {
          #expect(abs(c[row, column] - expected[row - 1][column - 4]) < 1e-13)
        } else {
          #expect(c[row, column] == 7)
        }
      }
    }
  }

  @Test("the bytes of a product do not depend on the number of threads")
  func threads() {
    let a: Matrix<Float> = randomMatrix(700, 300, seed: 6)
    let b: Matrix<Float> = randomMatrix(900, 300, seed: 7)
    let results = [1, 2, 3, 8].map { threads in
      let c = Matrix<Float>(rows: 700, columns: 900)
      gemm(a.slice, b.slice, transposeB: true, into: c.slice, threads: threads)
      return c.values
    }
    let triangles = [1, 2, 5].map { threads in
      let c = Matrix<Float>(rows: 300, columns: 300)
      syrk(a.slice, transpose: true, into: c.slice, .upper, threads: threads)
      return c.values
    }
    #expect(results.allSatisfy { $0 == results[0] })
    #expect(triangles.allSatisfy { $0 == triangles[0] })
  }

  @Test("products called from several threads at once are right")
  func reentrant() {
    let a: Matrix<Float> = randomMatrix(64, 200, seed: 8)
    let b: Matrix<Float> = randomMatrix(200, 48, seed: 9)
    let c = (0..<64).map { _ in Matrix<Float>(rows: 64, columns: 48) }
    gemm(batch: c.map { Product(a.slice, b.slice, into: $0.slice) }, threads: 8)
    let alone = Matrix<Float>(rows: 64, columns: 48)
    gemm(a.slice, b.slice, into: alone.slice)
    #expect(c.allSatisfy { $0.values == alone.values })
  }

  @Test("syrk is the triangle of a product and leaves the other one alone", arguments: [false, true])
  func symmetric(transpose: Bool) {
    let a: Matrix<Float> = randomMatrix(300, 40, seed: 10)
    let n = transpose ? 40 : 300
    for triangle in [Triangle.lower, .upper] {
      let c = Matrix<Float>(rows: n, columns: n, repeating: 3)
      syrk(a.slice, transpose: transpose, into: c.slice, triangle, alpha: 2, beta: 1, threads: 2)
      let expected = product(a.slice, transpose, a.slice, !transpose)
      for row in 0..<n {
        for column in 0..<n {
          let isInside = triangle == .lower ? row >= column : row <= column
          #expect(abs(Double(c[row, column]) - (isInside ? 3 + 2 * expected[row][column] : 3)) < 1e-3)
        }
      }
    }
  }

  @Test("trsm undoes a product with the triangle", arguments: [Triangle.lower, .upper], [false, true])
  func triangular(triangle: Triangle, transpose: Bool) {
    let n = 30
    let t: Matrix<Double> = randomMatrix(n, n, seed: 11)
    for row in 0..<n {
      for column in 0..<n where triangle == .lower ? row < column : row > column { t[row, column] = 0 }
      t[row, row] = 5
    }
    let x: Matrix<Double> = randomMatrix(600, n, seed: 12)
    let right = Matrix<Double>(rows: 600, columns: n)
    gemm(x.slice, t.slice, transposeB: transpose, into: right.slice)
    trsm(t.slice, triangle, transpose: transpose, side: .right, into: right.slice, threads: 2)
    #expect(zip(right.values, x.values).allSatisfy { abs($0 - $1) < 1e-10 })

    let left = Matrix<Double>(rows: n, columns: 600)
    gemm(t.slice, transposeA: transpose, x.slice, transposeB: true, into: left.slice)
    trsm(t.slice, triangle, transpose: transpose, side: .left, into: left.slice, threads: 2)
    for row in 0..<n {
      for column in 0..<600 { #expect(abs(left[row, column] - x[column, row]) < 1e-10) }
    }
  }

  @Test("the engine has a name, and its peak rates are numbers")
  func engine() {
    #expect(Engine.name.contains("kernels"))
    #expect(Engine.defaultThreads >= 1)
    #expect(PeakRate.gemm(threads: 2, size: 128, runs: 1) > 0)
    #expect(PeakRate.syrk(threads: 2, size: 128, depth: 128, runs: 1) > 0)
  }
}
