import LinearAlgebra
import TestSupport
import Testing

@testable import Quantize

/// What is compared where results must be the same byte by byte.
private struct Bytes: Equatable {
  let integers: [UInt8]
  let parameters: [[UInt32]]
  let groupIndex: [Int32]?
  let loss: Double

  init(_ layer: QuantizedLayer) {
    integers = layer.integers
    parameters = [layer.scales, layer.zeros, layer.minimums].map { $0.map(\.bitPattern) }
    groupIndex = layer.groupIndex
    loss = layer.report.loss
  }
}

@Suite("GPTQ on problems drawn at random") struct PropertyTests {
  /// Each recipe, and what is unusual about it.
  static let recipes: [(name: String, recipe: Recipe)] = [
    ("reference", .reference), ("fast", .fast),
    ("act-order with g_idx, refitted", Recipe(order: .activation, rounding: .afterwards, refit: true)),
    ("fixed grids by search", Recipe(fixesGridsUpFront: true, fit: .search(norm: 2.4), sweeps: 1)),
  ]
  static let grids: [Grid] = [
    Grid(bits: 4, groupSize: 32), Grid(bits: 3, groupSize: nil, form: .zeroPoint),
    Grid(bits: 2, groupSize: 40, form: .zeroPoint), Grid(bits: 8, groupSize: 64), .q4_1, .q5_1, .q5_0,
  ]

  @Test("the error is at most rounding's", arguments: 1...6 as ClosedRange<UInt64>, grids)
  func beatsRounding(seed: UInt64, grid: Grid) throws {
    let problem = RandomProblem(rows: 20, columns: 96, seed: seed)
    let rounded = try RoundToNearest.quantize(problem.weights.slice, grid: grid, layer: "random")
    let error = problem.error(rounded)
    for (name, recipe) in Self.recipes {
      let own = problem.error(try problem.quantized(grid, recipe))
      #expect(own <= error, "\(name): \(own), rounding \(error)")
    }
  }

  @Test("rows in another order give the same rows in that order", arguments: recipes.indices, grids)
  func permutedRows(_ index: Int, grid: Grid) throws {
    let (rows, columns) = (40, 72)
    let problem = RandomProblem(rows: rows, columns: columns, seed: 7)
    // 17 and 40 have no common factor.
    let order = (0..<rows).map { ($0 * 17 + 5) % rows }
    let permuted = Matrix<Float>(rows: rows, columns: columns)
    for (to, from) in order.enumerated() {
      permuted[to..<to + 1, 0..<columns].copy(from: problem.weights[from..<from + 1, 0..<columns])
    }
    let recipe = Self.recipes[index].recipe
    let layer = try problem.quantized(grid, recipe)
    let other = try GPTQ.quantize(
      permuted.slice, hessian: problem.hessian.copy(), grid: grid, recipe: recipe, layer: "permuted")
    for (to, from) in order.enumerated() {
      #expect(
        other.integers[to * columns..<(to + 1) * columns] == layer.integers[from * columns..<(from + 1) * columns])
      #expect(
        other.scales[to * layer.groups..<(to + 1) * layer.groups]
          == layer.scales[from * layer.groups..<(from + 1) * layer.groups])
    }
  }

  @Test("a Hessian on another scale changes nothing", arguments: recipes.indices)
  func scaledHessian(_ index: Int) throws {
    // Where groups are found on the way, dead inputs count 1, as the reference has it, whatever the scale of the others.
    let isReference = !Self.recipes[index].recipe.fixesGridsUpFront
    let problem = RandomProblem(rows: 32, columns: 80, seed: 11, dead: isReference ? [] : [3, 50])
    for grid in Self.grids {
      let layer = try problem.quantized(grid, Self.recipes[index].recipe)
      // A power of two rounds nothing; 1000 does, in the last place.
      for (factor, share) in [(1024, 1), (1000, 0.999), (0.001, 0.999)] as [(Float, Double)] {
        let hessian = Matrix(rows: 80, columns: 80, problem.hessian.values.map { $0 * factor })
        let other = try GPTQ.quantize(
          problem.weights.slice, hessian: hessian, grid: grid, recipe: Self.recipes[index].recipe, layer: "scaled")
        let equal = zip(layer.integers, other.integers).count { $0 == $1 }
        #expect(Double(equal) >= share * Double(layer.integers.count), "times \(factor): \(equal)")
        if share == 1 { #expect(layer.scales == other.scales) }
      }
    }
  }

  @Test("the number of threads changes no byte", arguments: recipes.indices)
  func threads(_ index: Int) throws {
    // Several strips and several tiles of the factorization.
    let problem = RandomProblem(rows: 150, columns: 300, tokens: 200, seed: 13)
    for grid in [Grid(bits: 4, groupSize: 64), Grid(bits: 2, groupSize: nil, form: .zeroPoint)] {
      let one = Bytes(try problem.quantized(grid, Self.recipes[index].recipe, threads: 1))
      for threads in [2, 3, 8] {
        let other = Bytes(try problem.quantized(grid, Self.recipes[index].recipe, threads: threads))
        #expect(other == one)
      }
    }
  }

  @Test("a large layer's error is told by few rows, and rounding its scales hardly moves it", arguments: [4, 2])
  func sampledRows(bits: Int) throws {
    let problem = RandomProblem(rows: 4200, columns: 256, seed: 17)
    var grid = Grid(bits: bits, groupSize: 64, precision: .single)
    let single = try problem.quantized(grid, .reference)
    grid.precision = .half
    let half = try problem.quantized(grid, .reference)
    #expect(half.report.isOutputEstimated)
    #expect(half.integers == single.integers)
    #expect(half.scales == single.scales.map { Float(Float16($0)) })
    // The outputs' power is a sample's. The error is that before rounding: to be told from it only in the last places.
    let (before, after) = (problem.error(single), problem.error(half))
    let reported = try #require(half.report.relativeOutputError)
    #expect(abs(reported / after - 1) < 0.05, "\(reported), is \(after)")
    #expect(abs(before / after - 1) < 2e-4, "\(before), \(after)")
    #expect(Bytes(try problem.quantized(grid, .reference, threads: 3)) == Bytes(half))
  }

  @Test("neither batches nor threads change a byte of the Hessian", arguments: [1, 3, 700, 1300])
  func batches(_ batch: Int) {
    let (tokens, inputs) = (1300, 24)
    var generator = SplitMix64(seed: 3)
    let x = Matrix(
      rows: tokens, columns: inputs,
      (0..<tokens * inputs).map { _ in Float(Int64(bitPattern: generator.next()) >> 40) * 0x1p-23 })
    let whole = Hessian(inputs: inputs)
    whole.add(x.slice, threads: 1)
    let parts = Hessian(inputs: inputs)
    for from in stride(from: 0, to: tokens, by: batch) {
      parts.add(x[from..<min(tokens, from + batch), 0..<inputs], threads: 1 + from % 3)
    }
    #expect(whole.tokens == tokens && parts.tokens == tokens)
    let (h, other) = (whole.finish(), parts.finish(threads: 3))
    #expect(h.values == other.values)
    // And it is the Hessian: 2/n · XᵀX.
    let exact = RandomProblem.hessian(of: x)
    for row in 0..<inputs {
      for column in 0...row { #expect(abs(h[row, column] - exact[row, column]) < 1e-4 * exact[row, row]) }
    }
  }

  @Test("sums of Hessians hold all tokens, whatever waits in them")
  func merged() {
    let problem = RandomProblem(rows: 1, columns: 16, tokens: 1100, seed: 5)
    let (a, b) = (Hessian(inputs: 16), Hessian(inputs: 16))
    a.add(problem.inputs[0..<530, 0..<16])
    b.add(problem.inputs[530..<1100, 0..<16])
    a.merge(b)
    #expect(a.tokens == 1100)
    let h = a.finish()
    for row in 0..<16 {
      for column in 0...row {
        #expect(abs(h[row, column] - problem.hessian[row, column]) < 1e-4 * problem.hessian[row, row])
      }
    }
  }

  @Test("neither a sweep nor a refit ever raises what is minimized", arguments: 1...8 as ClosedRange<UInt64>, grids)
  func descent(seed: UInt64, grid: Grid) throws {
    // Fewer tokens than inputs in every other one, and inputs without any.
    let problem = RandomProblem(
      rows: 17, columns: 96, tokens: seed % 2 == 0 ? 60 : nil, seed: seed, dead: seed % 3 == 0 ? [0, 40] : [])
    for refit in [false, true] {
      var recipe = Recipe.fast
      recipe.refit = refit
      var last = Double.infinity
      for sweeps in 0...4 where sweeps > 0 || !refit {
        recipe.sweeps = sweeps
        let layer = try problem.quantized(grid, recipe)
        // Rounding of the sums themselves.
        #expect(layer.report.loss <= last * (1 + 1e-5), "\(sweeps) sweeps, refit \(refit)")
        let error = problem.error(layer)
        #expect(abs((layer.report.relativeOutputError ?? 0) - error) <= 2e-3 * error + 1e-9)
        last = layer.report.loss
      }
    }
  }

  @Test("scales rounded afterwards and refitted are never worse than rounded afterwards", arguments: 1...8, grids)
  func refittedHalves(seed: Int, grid: Grid) throws {
    let problem = RandomProblem(rows: 20, columns: 320, tokens: 400, seed: UInt64(100 + seed), dead: [9])
    for order in [Recipe.Order.natural, .activation] {
      var recipe = Recipe(order: order, rounding: .afterwards)
      let rounded = try problem.quantized(grid, recipe)
      recipe.refit = true
      let refitted = try problem.quantized(grid, recipe)
      #expect(refitted.integers == rounded.integers)
      #expect(problem.error(refitted) <= problem.error(rounded))
    }
  }

  @Test("layers that share a factor are what each would be alone")
  func sharedFactor() throws {
    let (a, b) = (RandomProblem(rows: 30, columns: 64, seed: 1), RandomProblem(rows: 12, columns: 64, seed: 2))
    for (name, recipe) in Self.recipes {
      let factor = try HessianFactor(a.hessian.copy(), recipe: recipe, layer: "shared")
      for weights in [a.weights, b.weights] {
        let grid = Grid(bits: 4, groupSize: 32)
        let shared = try GPTQ.quantize(weights.slice, factor: factor, grid: grid, recipe: recipe, layer: "shared")
        let alone = try GPTQ.quantize(
          weights.slice, hessian: a.hessian.copy(), grid: grid, recipe: recipe, layer: "alone")
        #expect(Bytes(shared) == Bytes(alone), "\(name)")
      }
    }
  }

  @Test(
    "rows of a large layer become what they become alone",
    arguments: [128, 129, 200, 256, 257, 400, 520, 700], [Recipe.Order.natural, .activation])
  func largeLayers(columns: Int, order: Recipe.Order) throws {
    // So many rows that strips are wide and their products share memory.
    let (rows, few) = (1040, 40)
    let problem = RandomProblem(rows: rows, columns: columns, seed: 21)
    let recipe = Recipe(order: order)
    let grid = Grid(bits: 4, groupSize: 32)
    let factor = try HessianFactor(problem.hessian.copy(), recipe: recipe, layer: "large")
    let whole = try GPTQ.quantize(problem.weights.slice, factor: factor, grid: grid, recipe: recipe, layer: "large")
    for from in stride(from: 0, to: rows, by: 250) {
      let part = from..<from + few
      let alone = try GPTQ.quantize(
        problem.weights[part, 0..<columns], factor: factor, grid: grid, recipe: recipe, layer: "alone")
      let equal = zip(whole.integers[from * columns..<part.upperBound * columns], alone.integers).count { $0 == $1 }
      // Products of another width may round otherwise in the last place.
      #expect(Double(equal) >= 0.999 * Double(few * columns), "rows \(part)")
    }
    let error = problem.error(whole)
    #expect(abs((whole.report.relativeOutputError ?? 0) - error) <= 0.05 * error)
  }

  @Test("a corrected target makes good for inputs that have changed", arguments: 1...3 as ClosedRange<UInt64>)
  func correctedTarget(seed: UInt64) throws {
    let (rows, n, tokens) = (24, 64, 400)
    let full = RandomProblem(rows: rows, columns: n, tokens: tokens, seed: seed)
    // The inputs in the quantized model: those of the full one, and an error that depends on them.
    let noise = RandomProblem(rows: 1, columns: n, tokens: tokens, seed: seed + 50).inputs
    let changed = Matrix(
      rows: tokens, columns: n, zip(full.inputs.values, noise.values).map { 0.93 * $0 + 0.1 * $1 })
    let delta = Matrix<Float>(rows: n, columns: n)
    let difference = Matrix(rows: tokens, columns: n, zip(full.inputs.values, changed.values).map { $0 - $1 })
    gemm(difference.slice, transposeA: true, changed.slice, into: delta.slice, alpha: 2 / Float(tokens))
    let hessian = RandomProblem.hessian(of: changed)
    let wanted = Matrix<Float>(rows: tokens, columns: rows)
    gemm(full.inputs.slice, full.weights.slice, transposeB: true, into: wanted.slice)
    func outputError(_ recipe: Recipe) throws -> Double {
      let layer = try GPTQ.quantize(
        full.weights.slice, hessian: hessian.copy(), grid: Grid(bits: 4, groupSize: 32), recipe: recipe,
        correction: Correction(inputs: delta), layer: "corrected")
      let result = Matrix<Float>(rows: tokens, columns: rows)
      gemm(changed.slice, layer.dequantized().slice, transposeB: true, into: result.slice)
      return zip(wanted.values, result.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }
    for order in [Recipe.Order.natural, .activation] {
      for fixes in [true, false] {
        var recipe = Recipe(order: order, fixesGridsUpFront: fixes, fit: .weightedSearch)
        let plain = try outputError(recipe)
        recipe.inputCorrection = 0.5
        let half = try outputError(recipe)
        recipe.inputCorrection = 1
        let whole = try outputError(recipe)
        #expect(half < plain && whole < half, "\(plain), \(half), \(whole)")
      }
    }
  }
}
