import ByteIO
import LinearAlgebra
import TestSupport
import Testing

@testable import Quantize

/// A layer whose outputs count together, from a seed.
private struct CoupledProblem {
  let base: RandomProblem
  /// 2/n · Σ g·gᵀ, complete.
  let outputs: Matrix<Float>

  init(rows: Int, columns: Int, seed: UInt64) {
    base = RandomProblem(rows: rows, columns: columns, seed: seed)
    outputs = RandomProblem(rows: 2, columns: rows, seed: seed &+ 1000).hessian
  }

  init(_ base: RandomProblem, _ outputs: Matrix<Float>) { (self.base, self.outputs) = (base, outputs) }

  func factor(share: Double = 1, damping: Double = 0.01) throws -> OutputFactor? {
    try OutputFactor(outputs.copy(), share: share, damping: damping, layer: "random", threads: 2)
  }

  func quantized(_ grid: Grid, _ recipe: Recipe, share: Double = 1, threads: Int = 2) throws -> QuantizedLayer {
    let factor = try HessianFactor(base.hessian.copy(), recipe: recipe, layer: "random", threads: threads)
    return try GPTQ.quantize(
      base.weights.slice, factor: factor, grid: grid, recipe: recipe, outputs: try self.factor(share: share),
      layer: "random", threads: threads)
  }

  /// H + λI in double precision.
  private static func damped(_ h: Matrix<Float>, _ fraction: Double) -> Matrix<Double> {
    let result = doubles(h)
    let mean = (0..<h.rows).reduce(0.0) { $0 + result[$1, $1] } / Double(h.rows)
    for i in 0..<h.rows { result[i, i] += fraction * mean }
    return result
  }

  /// tr(M·E·H·Eᵀ) as the solver has it, or, without damping and with H_O itself, what the divergence is made of.
  func objective(_ layer: QuantizedLayer, share: Double = 1, isDamped: Bool = true) -> Double {
    let e = difference(base.weights, layer.dequantized())
    let h = isDamped ? Self.damped(base.hessian, 0.01) : doubles(base.hessian)
    var m = doubles(outputs)
    if isDamped {
      let mean = (0..<m.rows).reduce(0.0) { $0 + m[$1, $1] } / Double(m.rows)
      for row in 0..<m.rows {
        for column in 0..<m.rows { m[row, column] = share * m[row, column] / mean + (row == column ? 1 - share : 0) }
      }
      m = Self.damped(Matrix(rows: m.rows, columns: m.rows, m.values.map { Float($0) }), 0.01)
    }
    let (me, eh) = (Matrix<Double>(rows: e.rows, columns: e.columns), Matrix<Double>(rows: e.rows, columns: e.columns))
    gemm(m.slice, e.slice, into: me.slice)
    gemm(e.slice, h.slice, into: eh.slice)
    return zip(me.values, eh.values).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

/// The elimination as it is written down, in double precision: every entry from all before it.
private func eliminated(
  _ w: [[Double]], _ ui: [[Double]], _ uo: [[Double]], scale: (Int, Int) -> Double, zero: Double, top: Double
) -> [[Int]] {
  let (rows, columns) = (w.count, w[0].count)
  var q = [[Int]](repeating: [Int](repeating: 0, count: columns), count: rows)
  var e = [[Double]](repeating: [Double](repeating: 0, count: columns), count: rows)
  for i in 0..<columns {
    var totals: [Double] = []
    for r in 0..<rows {
      let feedback = (0..<i).reduce(0.0) { $0 + e[r][$1] * ui[$1][i] } / ui[i][i]
      let above = (0..<r).reduce(0.0) { $0 + uo[$1][r] * totals[$1] } / uo[r][r]
      let s = scale(r, i)
      let integer = min(max(((w[r][i] + feedback + above) / s).rounded(.toNearestOrEven) + zero, 0), top)
      q[r][i] = Int(integer)
      e[r][i] = w[r][i] - s * (integer - zero)
      totals.append(feedback + e[r][i])
    }
  }
  return q
}

@Suite("GPTQ with rows that count together") struct GuidedTests {
  @Test(
    "what GGUF's blocks have no room for does not come out; of a code book it is refused",
    arguments: BlockFormat.allCases)
  func blocks(format: BlockFormat) throws {
    let problem = CoupledProblem(rows: 24, columns: 512, seed: 5)
    guard format.grid.canCoupleRows else {
      #expect { try problem.quantized(format.grid, .guided) } throws: { ($0 as? QuantizeError)?.code == .badOption }
      return
    }
    let layer = try problem.quantized(format.grid, .guided)
    _ = try PackedBlocks(layer, as: format)
    let alone = try problem.base.quantized(format.grid, .guided)
    #expect(problem.objective(layer) < problem.objective(alone))
  }

  private static let plain = Recipe(order: .activation, fixesGridsUpFront: true, fit: .weightedSearch)
  private static let grids: [Grid] = [
    Grid(bits: 4, groupSize: 32), Grid(bits: 3, groupSize: 40, form: .zeroPoint), Grid(bits: 2, groupSize: 64), .q4_1,
    Grid(bits: 4, groupSize: nil),
  ]

  @Test("the integers are those of the elimination as it is written down", arguments: [(40, 96), (300, 140), (17, 33)])
  func elimination(rows: Int, columns: Int) throws {
    let problem = CoupledProblem(rows: rows, columns: columns, seed: 5)
    let grid = Grid(bits: 4, groupSize: 32)
    let layer = try problem.quantized(grid, Self.plain)
    let inputs = try HessianFactor(problem.base.hessian.copy(), recipe: Self.plain, layer: "random", threads: 2)
    let outputs = try #require(try problem.factor()).factor
    let (order, across) = (outputs.columns.map { Int($0) }, inputs.elimination.map { Int($0) })
    let w = order.map { row in across.map { Double(problem.base.weights[row, $0]) } }
    let upper = { (factor: HessianFactor, n: Int) in
      (0..<n).map { i in (0..<n).map { j in j >= i ? Double(factor.matrix[i, j]) : 0 } }
    }
    let wanted = eliminated(
      w, upper(inputs, columns), upper(outputs, rows),
      scale: { Double(layer.scales[order[$0] * layer.groups + across[$1] / 32]) }, zero: 8, top: 15)
    var different = 0
    for (place, row) in order.enumerated() {
      for (position, column) in across.enumerated()
      where
        Int(layer.integers[row * columns + column]) != wanted[place][position]
      {
        different += 1
      }
    }
    // One tie that is rounded otherwise changes what comes after it.
    #expect(different <= rows * columns / 100, "\(different) of \(rows * columns) integers differ")
  }

  @Test("where outputs count alike, the integers are GPTQ's", arguments: grids)
  func identity(grid: Grid) throws {
    let base = RandomProblem(rows: 270, columns: 140, seed: 3)
    let identity = Matrix<Float>(rows: 270, columns: 270)
    for row in 0..<270 { identity[row, row] = 2 }
    #expect(try CoupledProblem(base, identity).factor() == nil)
    // Coupled by next to nothing: the same way as with any H_O.
    identity[269, 0] = 1e-30
    let problem = CoupledProblem(base, identity)
    let (coupled, plain) = (try problem.quantized(grid, Self.plain), try base.quantized(grid, Self.plain))
    #expect(coupled.integers == plain.integers)
    #expect(coupled.scales == plain.scales)
    // Sweeps sum up in another order: a tie may fall otherwise.
    var recipe = Recipe.fast
    recipe.negativeScales = false
    let (swept, wanted) = (try problem.quantized(grid, recipe), try base.quantized(grid, recipe))
    let (own, other) = (problem.base.error(swept), problem.base.error(wanted))
    #expect(abs(own / other - 1) < 0.02, "\(own), GPTQ has \(other)")
  }

  @Test("no step raises the objective, and the report has what is left", arguments: grids, [0.3, 1])
  func neverRises(grid: Grid, share: Double) throws {
    let problem = CoupledProblem(rows: 70, columns: 96, seed: 11)
    var last = Double.infinity
    for sweeps in 0...3 {
      var recipe = Self.plain
      (recipe.sweeps, recipe.refit) = (sweeps, sweeps > 0)
      let layer = try problem.quantized(grid, recipe, share: share)
      let objective = problem.objective(layer, share: share)
      #expect(objective <= last * (1 + 1e-6), "\(sweeps) sweeps: \(objective), before \(last)")
      #expect(abs(layer.report.loss / objective - 1) < 1e-3, "the report has \(layer.report.loss), it is \(objective)")
      let divergence = problem.objective(layer, isDamped: false) / 8
      #expect(abs((layer.report.divergence ?? 0) / divergence - 1) < 1e-3)
      last = objective
    }
    // A better answer to the question than that of the solver that does not know it.
    var recipe = Self.plain
    (recipe.sweeps, recipe.refit) = (3, true)
    let alone = problem.objective(try problem.base.quantized(grid, recipe), share: share)
    #expect(last < alone, "\(last), rows alone \(alone)")
  }

  @Test("the bytes do not depend on threads, and rows in another order give the same rows in that order")
  func reproducible() throws {
    let (rows, columns) = (270, 140)
    let problem = CoupledProblem(rows: rows, columns: columns, seed: 7)
    var recipe = Recipe.fast
    recipe.sweeps = 1
    let grid = Grid(bits: 4, groupSize: 32)
    let layer = try problem.quantized(grid, recipe, threads: 1)
    for threads in [2, 3, 8] {
      let other = try problem.quantized(grid, recipe, threads: threads)
      #expect(other.integers == layer.integers && other.scales == layer.scales)
      #expect(other.report.loss == layer.report.loss && other.report.divergence == layer.report.divergence)
    }
    let order = (0..<rows).map { ($0 * 17 + 5) % rows }
    let permuted = Matrix<Float>(rows: rows, columns: columns)
    let outputs = Matrix<Float>(rows: rows, columns: rows)
    for (to, from) in order.enumerated() {
      permuted[to..<to + 1, 0..<columns].copy(from: problem.base.weights[from..<from + 1, 0..<columns])
      for (other, place) in order.enumerated() { outputs[to, other] = problem.outputs[from, place] }
    }
    let factor = try HessianFactor(problem.base.hessian.copy(), recipe: recipe, layer: "permuted")
    let other = try GPTQ.quantize(
      permuted.slice, factor: factor, grid: grid, recipe: recipe,
      outputs: try OutputFactor(outputs, share: 1, layer: "permuted"), layer: "permuted")
    var different = 0
    for (to, from) in order.enumerated()
    where
      other.integers[to * columns..<(to + 1) * columns] != layer.integers[from * columns..<(from + 1) * columns]
    {
      different += 1
    }
    // The mean of the diagonal is summed up in another order: a tie may fall otherwise, and rows after it follow.
    #expect(different <= rows / 10, "\(different) of \(rows) rows differ")
  }
}
