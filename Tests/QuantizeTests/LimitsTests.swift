import ByteIO
import LinearAlgebra
import TestSupport
import Testing

@testable import Quantize

@Suite("GPTQ at its limits") struct LimitsTests {
  static let recipes = PropertyTests.recipes.map(\.recipe) + [Recipe.best]

  private func solve(
    _ weights: Matrix<Float>, _ hessian: Matrix<Float>, _ grid: Grid = Grid(bits: 4, groupSize: nil),
    _ recipe: Recipe = .fast
  ) throws(QuantizeError) -> QuantizedLayer {
    try GPTQ.quantize(weights.slice, hessian: hessian.copy(), grid: grid, recipe: recipe, layer: "layer 7")
  }

  private func failure(_ body: () throws(QuantizeError) -> Void) -> QuantizeError? {
    do throws(QuantizeError) { try body() } catch { return error }
    return nil
  }

  private func expectSound(_ layer: QuantizedLayer, _ grid: Grid) {
    #expect(layer.dequantized().values.allSatisfy { $0.isFinite })
    #expect(layer.integers.allSatisfy { Int($0) <= grid.maximum })
    #expect(layer.report.loss.isFinite && layer.report.loss >= -1e-3)
    #expect(layer.report.relativeOutputError.map { $0.isFinite && $0 >= 0 } ?? true)
  }

  @Test("NaN and infinity are refused by layer and row", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(_ value: Float) throws {
    let problem = RandomProblem(rows: 70, columns: 40, seed: 1)
    let weights = problem.weights.copy()
    weights[66, 39] = value
    let firstError = failure { () throws(QuantizeError) in _ = try solve(weights, problem.hessian) }
    let first = try #require(firstError)
    #expect(first.code == .notFinite && first.place == "layer 7" && first.reason.contains("row 66"))
    let hessian = problem.hessian.copy()
    hessian[30, 2] = value
    let secondError = failure { () throws(QuantizeError) in _ = try solve(problem.weights, hessian) }
    let second = try #require(secondError)
    #expect(second.code == .notFinite && second.place == "layer 7" && second.reason.contains("row 30"))
    let rounding = failure { () throws(QuantizeError) in
      _ = try RoundToNearest.quantize(weights.slice, grid: Grid(bits: 4, groupSize: nil), layer: "layer 7")
    }
    #expect(rounding?.code == .notFinite)
    let correction = Matrix<Float>(rows: 40, columns: 40)
    correction[3, 3] = value
    let third = failure { () throws(QuantizeError) in
      _ = try GPTQ.quantize(
        problem.weights.slice, hessian: problem.hessian.copy(), grid: Grid(bits: 4, groupSize: nil), recipe: .best,
        correction: Correction(inputs: correction), layer: "layer 7")
    }
    #expect(third?.code == .notFinite)
  }

  @Test("options that mean nothing are refused before any work")
  func badOptions() {
    let problem = RandomProblem(rows: 4, columns: 16, seed: 1)
    func code(_ grid: Grid, _ recipe: Recipe = .fast) -> QuantizeErrorCode? {
      failure { () throws(QuantizeError) in _ = try solve(problem.weights, problem.hessian, grid, recipe) }?.code
    }
    for bits in [-1, 0, 1, 7, 9, 64] { #expect(code(Grid(bits: bits, groupSize: nil)) == .badOption) }
    // A code book's integers have 8 bits, of both signs around the middle.
    #expect(code(Grid(bits: 8, groupSize: nil, levels: .iq4)) == nil)
    #expect(code(Grid(bits: 4, groupSize: nil, levels: .iq4)) == .badOption)
    #expect(code(Grid(bits: 8, groupSize: nil, form: .minimum, levels: .iq4)) == .badOption)
    for size in [-5, 0, 17, .max] { #expect(code(Grid(bits: 4, groupSize: size)) == .badOption) }
    for lowest in [-1, 16] {
      #expect(code(Grid(bits: 4, groupSize: nil, form: .zeroPoint, lowestZeroPoint: lowest)) == .badOption)
    }
    for damping in [-0.1, .nan, .infinity, 1e30] {
      #expect(code(Grid(bits: 4, groupSize: nil), Recipe(damping: damping)) == .badOption)
    }
    for sweeps in [-1, 101] { #expect(code(Grid(bits: 4, groupSize: nil), Recipe(sweeps: sweeps)) == .badOption) }
    for norm in [0, -1, .nan, .infinity] as [Float] {
      #expect(code(Grid(bits: 4, groupSize: nil), Recipe(fit: .search(norm: norm))) == .badOption)
    }
    for alpha in [-.infinity, .nan] as [Float] {
      #expect(code(Grid(bits: 4, groupSize: nil), Recipe(inputCorrection: alpha)) == .badOption)
    }
  }

  @Test("shapes that do not fit are refused")
  func shapes() {
    let problem = RandomProblem(rows: 4, columns: 16, seed: 1)
    func code(_ weights: Matrix<Float>, _ hessian: Matrix<Float>) -> QuantizeErrorCode? {
      failure { () throws(QuantizeError) in _ = try solve(weights, hessian) }?.code
    }
    #expect(code(problem.weights, Matrix(rows: 15, columns: 15, repeating: 1)) == .shape)
    #expect(code(problem.weights, Matrix(rows: 16, columns: 15, repeating: 1)) == .shape)
    #expect(code(Matrix(rows: 0, columns: 16), problem.hessian) == .shape)
    #expect(code(Matrix(rows: 4, columns: 0), Matrix(rows: 0, columns: 0)) == .shape)
  }

  @Test("one row, one input, and both", arguments: recipes.indices)
  func tiny(_ index: Int) throws {
    for (rows, columns) in [(1, 1), (1, 50), (9, 1), (1, 129), (3, 257)] {
      let problem = RandomProblem(rows: rows, columns: columns, tokens: 300, seed: 4)
      for grid in [
        Grid(bits: 4, groupSize: nil), Grid(bits: 2, groupSize: 1, form: .zeroPoint),
        Grid(bits: 8, groupSize: min(columns, 128), form: .minimum),
      ] {
        let layer = try solve(problem.weights, problem.hessian, grid, Self.recipes[index])
        expectSound(layer, grid)
        #expect(problem.error(layer) < 1)
      }
    }
  }

  @Test("a last group that is short", arguments: recipes.indices, [7, 30, 100, 260])
  func shortGroup(_ index: Int, size: Int) throws {
    let problem = RandomProblem(rows: 20, columns: 270, seed: 8)
    for form in [Grid.Form.symmetric, .zeroPoint, .minimum] {
      let grid = Grid(bits: 4, groupSize: size, form: form)
      let layer = try solve(problem.weights, problem.hessian, grid, Self.recipes[index])
      expectSound(layer, grid)
      #expect(layer.groups == (270 + size - 1) / size)
      let rounded = try RoundToNearest.quantize(problem.weights.slice, grid: grid, layer: "x")
      #expect(problem.error(layer) <= problem.error(rounded))
    }
  }

  @Test("inputs that never were: one, some, all", arguments: recipes.indices)
  func dead(_ index: Int) throws {
    for dead in [Set([5]), Set(0..<31), Set(0..<64)] {
      let problem = RandomProblem(rows: 10, columns: 64, seed: 9, dead: dead)
      let grid = Grid(bits: 4, groupSize: 32, form: .zeroPoint)
      let layer = try solve(problem.weights, problem.hessian, grid, Self.recipes[index])
      expectSound(layer, grid)
      #expect(layer.report.deadInputs == dead.count)
      let values = layer.dequantized()
      for column in dead { for row in 0..<10 { #expect(values[row, column] == 0) } }
    }
  }

  @Test("a Hessian of fewer tokens than inputs, and columns that are copies of each other", arguments: recipes.indices)
  func singular(_ index: Int) throws {
    let problem = RandomProblem(rows: 12, columns: 64, tokens: 3, seed: 10)
    for column in 1..<20 { for token in 0..<3 { problem.inputs[token, column] = problem.inputs[token, 0] } }
    let hessian = RandomProblem.hessian(of: problem.inputs)
    let grid = Grid(bits: 4, groupSize: 32)
    let layer = try solve(problem.weights, hessian, grid, Self.recipes[index])
    expectSound(layer, grid)
    #expect(layer.report.method == .gptq && layer.report.damping == 0.01)
    // Without any damping the factor does not exist: it is raised, and said so.
    var recipe = Self.recipes[index]
    recipe.damping = 0
    let raised = try solve(problem.weights, hessian, grid, recipe)
    expectSound(raised, grid)
    #expect(raised.report.method == .gptq && raised.report.damping > 0)
  }

  @Test("a Hessian that no damping mends: rounded to nearest, and said so", arguments: recipes.indices)
  func indefinite(_ index: Int) throws {
    let problem = RandomProblem(rows: 12, columns: 32, seed: 10)
    let hessian = Matrix<Float>(rows: 32, columns: 32, repeating: 1)
    for row in 0..<32 { for column in 0..<row { hessian[row, column] = (row + column) % 2 == 0 ? 90 : -90 } }
    let grid = Grid(bits: 4, groupSize: 32)
    let layer = try solve(problem.weights, hessian, grid, Self.recipes[index])
    #expect(layer.report.method == .roundToNearest)
    #expect(layer.report.fallbackReason?.contains("Cholesky") == true)
    #expect(layer.report.relativeOutputError == nil)
    expectSound(layer, grid)
    // A negative diagonal is no sum of squares at all.
    hessian[4, 4] = -1
    #expect(
      failure { () throws(QuantizeError) in _ = try solve(problem.weights, hessian, grid) }?.code
        == .notPositiveDefinite)
  }

  @Test(
    "weights that are all zero, all equal, huge or minute", arguments: recipes.indices,
    [0, 1, 1e4, 1e-6, 1e-12] as [Float])
  func magnitudes(_ index: Int, size: Float) throws {
    let problem = RandomProblem(rows: 6, columns: 64, seed: 12)
    for grid in [Grid(bits: 4, groupSize: 32), Grid(bits: 3, groupSize: nil, form: .zeroPoint), .q4_1] {
      for isConstant in [true, false] {
        let weights = Matrix(
          rows: 6, columns: 64, problem.weights.values.map { isConstant ? size : $0 * size })
        let layer = try solve(weights, problem.hessian, grid, Self.recipes[index])
        expectSound(layer, grid)
        if size == 0 { #expect(layer.dequantized().values.allSatisfy { $0 == 0 }) }
        if size >= 1 {
          let error = relativeError(weights, layer.dequantized(), problem.hessian)
          #expect(error < 0.5, "\(error)")
        }
      }
    }
  }

  @Test("weights beyond what half-precision scales can say", arguments: recipes.indices)
  func tooLarge(_ index: Int) throws {
    let problem = RandomProblem(rows: 6, columns: 64, seed: 12)
    let weights = Matrix(rows: 6, columns: 64, problem.weights.values.map { $0 * 1e9 })
    let grid = Grid(bits: 4, groupSize: 32)
    let errorError = failure { () throws(QuantizeError) in
      _ = try solve(weights, problem.hessian, grid, Self.recipes[index])
    }
    let error = try #require(errorError)
    #expect(error.code == .notStorable && error.place == "layer 7")
    var single = grid
    single.precision = .single
    let layer = try solve(weights, problem.hessian, single, Self.recipes[index])
    #expect(relativeError(weights, layer.dequantized(), problem.hessian) < 0.1)
  }

  @Test("a Hessian that is huge or minute", arguments: recipes.indices, [1e30, 1e-30, 1e-38] as [Float])
  func hessianMagnitudes(_ index: Int, size: Float) throws {
    let problem = RandomProblem(rows: 6, columns: 64, seed: 14)
    let grid = Grid(bits: 4, groupSize: 32)
    let hessian = Matrix(rows: 64, columns: 64, problem.hessian.values.map { $0 * size })
    let layer = try solve(problem.weights, hessian, grid, Self.recipes[index])
    expectSound(layer, grid)
    let rounded = try RoundToNearest.quantize(problem.weights.slice, grid: grid, layer: "x")
    #expect(problem.error(layer) <= problem.error(rounded))
  }
}
