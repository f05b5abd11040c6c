// What a layer's rows put out: xᵀ·H·x for many x, from the triangle of H that the factor keeps. It is what errors are
// measured against, and for large layers measured on a sample of the rows.

import CBelleKernels
import LinearAlgebra

/// Sums of xᵀ·H·x, H without λ, for the lanes of a strip: columns down, rows of the layer across.
struct OutputPower {
  let factor: HessianFactor
  private var edge: Int { Strip.block }

  init(_ factor: HessianFactor) { self.factor = factor }

  /// Adds Σ_ij x_i·H_ij·x_j over a range of columns; `sums`, of the shape of `x`, loses its contents there.
  func add(
    of range: Range<Int>, _ x: MatrixSlice<Float>, scratch sums: MatrixSlice<Float>, to power: MatrixSlice<Float>
  ) {
    let lanes = 0..<x.columns
    sums[range, lanes].fill(0)
    addLeft(range, of: x, to: sums)
    let product = Matrix<Float>(rows: min(range.count, edge), columns: x.columns)
    for from in stride(from: range.lowerBound, to: range.upperBound, by: edge) {
      let block = from..<min(range.upperBound, from + edge)
      let h = Matrix(rows: block.count, columns: block.count, factor.symmetricBlock(block, isDamped: false))
      let target = product[0..<block.count, lanes]
      Float.gemmTile(h.slice, false, x[block, lanes], false, into: target, alpha: 1, beta: 0)
      for (i, column) in block.enumerated() {
        target[i..<i + 1, lanes].add(sums, row: 0, from: column, times: 2)
        target[i..<i + 1, lanes].addProducts(row: 0, with: x[column..<column + 1, lanes], times: 1, to: power)
      }
    }
  }

  /// Adds 2·Σ_ij x_i·H_ij·x_j over two ranges, `i` behind `j`; `sums` loses its contents in the later one.
  func add(
    of later: Range<Int>, and earlier: Range<Int>, _ x: MatrixSlice<Float>, scratch sums: MatrixSlice<Float>,
    to power: MatrixSlice<Float>
  ) {
    let lanes = 0..<x.columns
    guard !later.isEmpty else { return }
    Float.gemmTile(
      factor.matrix[later, earlier], false, x[earlier, lanes], false, into: sums[later, lanes], alpha: 1, beta: 0)
    for column in later {
      sums[column..<column + 1, lanes].addProducts(row: 0, with: x[column..<column + 1, lanes], times: 2, to: power)
    }
  }

  /// Adds Σ_{j before i's block} H_ij x_j for every column i.
  func addLeft(_ range: Range<Int>, of x: MatrixSlice<Float>, to sums: MatrixSlice<Float>) {
    guard range.count > edge else { return }
    let lanes = 0..<x.columns
    let middle = Strip.middle(of: range, edge: edge)
    let (left, right) = (range.lowerBound..<middle, middle..<range.upperBound)
    addLeft(left, of: x, to: sums)
    Float.gemmTile(
      factor.matrix[right, left], false, x[left, lanes], false, into: sums[right, lanes], alpha: 1, beta: 1)
    addLeft(right, of: x, to: sums)
  }
}

/// The sampled rows of a layer, and the pieces of work that their output power is cut into.
struct OutputSample {
  /// One of so many rows of the layer.
  let step: Int
  /// How many rows.
  let count: Int
  /// Rows of one piece.
  let width: Int
  /// A piece's two halves have about the same work: the square of H left of the middle, and the two triangles.
  static let halves = 2

  private let problem: LayerProblem

  /// Whether all rows are taken, because that is cheap.
  static func takesAll(rows: Int, columns: Int) -> Bool { rows <= 512 || rows * columns < 1 << 20 }

  /// All rows where that is cheap, else 128 of them.
  init(_ problem: LayerProblem) {
    self.problem = problem
    let (rows, columns) = (problem.rows, problem.columns)
    step = Self.takesAll(rows: rows, columns: columns) ? 1 : rows / 128
    count = problem.usable == nil ? 0 : (rows + step - 1) / step
    width = min(problem.wholeWidth, (count + 15) / 16 * 16)
  }

  /// How many pieces of work there are.
  var pieces: Int { count == 0 ? 0 : (count + width - 1) / width * Self.halves }

  /// Writes the power of a piece's rows to their columns of one of two rows of `sums`.
  func write(piece: Int, _ space: Workspace, to sums: MatrixSlice<Float>) {
    guard let factor = problem.usable else { return }
    let (part, isSquare) = (piece / Self.halves, piece % Self.halves == 0)
    let rows = part * width..<min(count, (part + 1) * width)
    let n = problem.columns
    precondition(min(space.first.rows * space.first.columns, space.second.rows * space.second.columns) >= n * width)
    // SAFETY: both matrices have room for n · width elements.
    let x = unsafe MatrixSlice(
      base: space.first.slice.base, rows: n, columns: width, stride: width, owner: space.first)
    let scratch = unsafe MatrixSlice(
      base: space.second.slice.base, rows: n, columns: width, stride: width, owner: space.second)
    let weights = problem.weights
    // SAFETY: the sampled rows lie in W, and an order holds each column once.
    unsafe factor.columns.withUnsafeBufferPointer { order in
      guard let order = order.baseAddress else { return }
      unsafe belle_gather_strip(
        weights.pointer(rows.lowerBound * step), weights.stride * step, rows.count, n, order, x.base, width)
    }
    let power = Matrix<Float>(rows: 1, columns: width)
    let middle = Strip.middle(of: 0..<max(n, 2 * Strip.block), edge: Strip.block)
    let halves = (0..<min(middle, n), min(middle, n)..<n)
    let sum = OutputPower(factor)
    if isSquare {
      sum.add(of: halves.1, and: halves.0, x, scratch: scratch, to: power.slice)
    } else {
      for half in [halves.0, halves.1] { sum.add(of: half, x, scratch: scratch, to: power.slice) }
    }
    for (lane, sample) in rows.enumerated() { sums[isSquare ? 0 : 1, sample * step] = power[0, lane] }
  }
}
