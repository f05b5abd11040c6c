// oneDNN's products against sums in double precision over the same rounded operands. Skipped where it is not installed,
// or the processor has no instructions for it; what is said then is tested everywhere, by a child of the command line.

import LinearAlgebra
import TestSupport
import Testing

@Suite("Products in bfloat16") struct ArithmeticTests {
  static let isHere = Arithmetic.bfloat16.problem == nil

  /// To nearest, ties to even.
  private func rounded(_ x: Float) -> Double {
    let bits = x.bitPattern
    return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
  }

  @Test("single precision is always there")
  func single() {
    #expect(Arithmetic.single.problem == nil)
    #expect(Arithmetic.single.engineName == Engine.name)
  }

  @Test(
    "operands are rounded to bfloat16, sums are not", .enabled(if: isHere),
    arguments: [(1, 1, 1), (3, 5, 7), (64, 48, 2048), (33, 70, 2049), (2, 3, 5000), (300, 1, 100), (1, 300, 4097)],
    [Float(0), 1])
  func equalsDefinition(shape: (m: Int, n: Int, k: Int), beta: Float) {
    // Slices of wider matrices, so that distances between rows count.
    let a: Matrix<Float> = randomMatrix(shape.m + 1, shape.k + 3, seed: 1)
    let b: Matrix<Float> = randomMatrix(shape.n + 2, shape.k + 1, seed: 2)
    let c: Matrix<Float> = randomMatrix(shape.m + 1, shape.n + 5, seed: 3)
    let before = c.values
    let stride = shape.n + 5
    gemm(
      batch: [
        Product(
          a[1..<shape.m + 1, 2..<shape.k + 2], b[1..<shape.n + 1, 1..<shape.k + 1], transposeB: true,
          into: c[1..<shape.m + 1, 3..<shape.n + 3], beta: beta)
      ], in: .bfloat16)
    for row in 0..<shape.m + 1 {
      for column in 0..<stride {
        guard row >= 1, (3..<shape.n + 3).contains(column) else {
          #expect(c[row, column] == before[row * stride + column], "beside the slice")
          continue
        }
        var (sum, size) = (Double(beta) * Double(before[row * stride + column]), 1.0)
        for i in 0..<shape.k {
          let term = rounded(a[row, i + 2]) * rounded(b[column - 2, i + 1])
          sum += term
          size += abs(term)
        }
        #expect(abs(Double(c[row, column]) - sum) <= 1e-6 * size, "\(row), \(column)")
      }
    }
  }

  @Test(
    "operands may lie transposed, both of them", .enabled(if: isHere), arguments: [(3, 5, 7), (70, 33, 2049)],
    [(false, false), (true, false), (false, true), (true, true)])
  func transposed(shape: (m: Int, n: Int, k: Int), transposes: (a: Bool, b: Bool)) {
    let (m, n, k) = (shape.m, shape.n, shape.k)
    let a: Matrix<Float> = transposes.a ? randomMatrix(k, m + 2, seed: 1) : randomMatrix(m, k + 2, seed: 1)
    let b: Matrix<Float> = transposes.b ? randomMatrix(n, k + 1, seed: 2) : randomMatrix(k, n + 1, seed: 2)
    let c: Matrix<Float> = randomMatrix(m, n, seed: 3)
    let before = c.values
    gemm(
      transposes.a ? a[0..<k, 1..<m + 1] : a[0..<m, 1..<k + 1], transposeA: transposes.a,
      transposes.b ? b[0..<n, 1..<k + 1] : b[0..<k, 1..<n + 1], transposeB: transposes.b, into: c.slice, beta: 1,
      in: .bfloat16)
    for row in 0..<m {
      for column in 0..<n {
        var (sum, size) = (Double(before[row * n + column]), 1.0)
        for i in 0..<k {
          let one = transposes.a ? a[i, row + 1] : a[row, i + 1]
          let term = rounded(one) * rounded(transposes.b ? b[column, i + 1] : b[i, column + 1])
          sum += term
          size += abs(term)
        }
        #expect(abs(Double(c[row, column]) - sum) <= 1e-6 * size, "\(row), \(column)")
      }
    }
  }

  @Test(
    "a triangle of squares comes of the same rounded numbers on and off the diagonal, and nothing beside it is written",
    .enabled(if: isHere), arguments: [5, 300], [Triangle.lower, .upper])
  func squares(n: Int, triangle: Triangle) {
    let a: Matrix<Float> = randomMatrix(40, n, seed: 7)
    let c: Matrix<Float> = randomMatrix(n, n, seed: 8)
    let before = c.values
    syrk(a.slice, transpose: true, into: c.slice, triangle, beta: 1, in: .bfloat16, threads: 2)
    for row in 0..<n {
      for column in 0..<n {
        let old = Double(before[row * n + column])
        guard triangle == .lower ? column <= row : column >= row else {
          #expect(Double(c[row, column]) == old)
          continue
        }
        let sum = (0..<40).reduce(old) { $0 + rounded(a[$1, row]) * rounded(a[$1, column]) }
        #expect(abs(Double(c[row, column]) - sum) <= 1e-5, "\(row), \(column)")
      }
    }
  }

  @Test("the same bytes on any number of threads, again and again", .enabled(if: isHere))
  func threads() {
    let a: Matrix<Float> = randomMatrix(300, 3000, seed: 4)
    let b: Matrix<Float> = randomMatrix(700, 3000, seed: 5)
    func run(_ threads: Int) -> [Float] {
      let c = Matrix<Float>(rows: 300, columns: 700)
      var products: [Product<Float>] = []
      for row in stride(from: 0, to: 300, by: 64) {
        for column in stride(from: 0, to: 700, by: 100) {
          let (rows, columns) = (row..<min(300, row + 64), column..<column + 100)
          products.append(
            Product(a[rows, 0..<3000], b[columns, 0..<3000], transposeB: true, into: c[rows, columns]))
        }
      }
      gemm(batch: products, in: .bfloat16, threads: threads)
      return c.values
    }
    let one = run(1)
    for threads in [2, 3, 8, 1] { #expect(run(threads) == one) }
  }

  @Test("nothing to add up is nothing", .enabled(if: isHere))
  func empty() {
    let c: Matrix<Float> = randomMatrix(2, 3, seed: 6)
    let (a, b) = (Matrix<Float>(rows: 2, columns: 0), Matrix<Float>(rows: 3, columns: 0))
    gemm(batch: [Product(a.slice, b.slice, transposeB: true, into: c.slice)], in: .bfloat16)
    #expect(c.values == [Float](repeating: 0, count: 6))
  }
}
