import Foundation
import LinearAlgebra
import Packed
import TestSupport
import Testing

@testable import Quantize

/// An entry of `gptq/manifest.json`.
struct GoldenEntry: Decodable, Sendable {
  let problem: String
  let bits: Int
  let group_size: Int
  let relative_output_error: Double
  let sym: Bool
  let act_order: Bool
  let mse: Bool?
}

enum Golden {
  static let entries = decodeJSON([String: GoldenEntry].self, project("Tests/Fixtures/gptq/manifest.json"))
  static let problems = Tensors("gptq/problems.safetensors")
  static let problemsByName = ["a": try? Exact("a"), "b": try? Exact("b")].compactMapValues { $0 }
  static let results = Tensors("gptq/results.safetensors")

  static func quantize(
    _ problem: String, _ grid: Grid, _ recipe: Recipe, threads: Int = 2
  ) throws -> (layer: QuantizedLayer, error: Double) {
    let one = try #require(problemsByName[problem])
    let layer = try GPTQ.quantize(
      one.weights.slice, hessian: one.hessian.copy(), grid: grid, recipe: recipe, layer: problem, threads: threads)
    return (layer, one.error(of: layer.dequantized()))
  }
}

/// A problem of the fixtures, and what its errors are measured with.
struct Exact: Sendable {
  let weights: Matrix<Float>
  let hessian: Matrix<Float>
  private let exactHessian: Matrix<Double>
  private let power: Double

  init(_ name: String) throws {
    weights = try Golden.problems.matrix(name + ".weight")
    hessian = try Golden.problems.matrix(name + ".hessian")
    exactHessian = doubles(hessian)
    power = energy(doubles(weights), exactHessian)
  }

  /// ‖(W − Ŵ)X‖² / ‖WX‖².
  func error(of values: Matrix<Float>) -> Double {
    energy(difference(weights, values), exactHessian) / power
  }
}

@Suite("GPTQ against the reference's results") struct GoldenTests {
  @Test("the integers, scales and error of the reference", arguments: Golden.entries.keys.sorted())
  func golden(name: String) throws {
    let entry = try #require(Golden.entries[name])
    let grid = Grid(
      bits: entry.bits, groupSize: entry.group_size < 0 ? nil : entry.group_size,
      form: entry.sym ? .symmetric : .zeroPoint, precision: .single)
    var recipe = Recipe.reference
    recipe.order = entry.act_order ? .activation : .natural
    if entry.mse == true { recipe.fit = .search(norm: 2.4) }
    let (layer, error) = try Golden.quantize(entry.problem, grid, recipe)

    let expected = try Golden.results.values(name + ".q", as: UInt8.self)
    let equal = zip(layer.integers, expected).count { $0 == $1 }
    let share = Double(equal) / Double(expected.count)
    #expect(layer.integers.count == expected.count)
    #expect(share >= (entry.problem == "a" ? 0.999 : 0.995), "\(name): \(share) of the integers")
    #expect(error <= entry.relative_output_error * 1.01, "\(name): \(error), \(entry.relative_output_error)")
    let reported = try #require(layer.report.relativeOutputError)
    #expect(abs(reported - error) < 1e-3 * error, "\(name): reported \(reported), is \(error)")
    if share == 1 {
      let scales = try Golden.results.values(name + ".scales", as: Float.self)
      #expect(zip(layer.scales, scales).allSatisfy { abs($0 - $1) <= 1e-5 * abs($1) })
      #expect(layer.zeros == (try Golden.results.values(name + ".zeros", as: Float.self)))
    } else {
      let scales = try Golden.results.values(name + ".scales", as: Float.self)
      let near = zip(layer.scales, scales).count { abs($0 - $1) <= 1e-5 * abs($1) }
      #expect(Double(near) >= 0.97 * Double(scales.count), "\(name): \(near) of \(scales.count) scales, share \(share)")
    }
    if entry.act_order {
      let index = try Golden.results.values(name + ".g_idx", as: Int32.self)
      #expect(layer.weights.groups == index)
    }
  }

  /// The reference's integers with its scales rounded to half precision afterwards: the error that files have.
  static func roundedError(_ name: String, _ entry: GoldenEntry) throws -> Double {
    let problem = try #require(Golden.problemsByName[entry.problem])
    let weights = problem.weights
    let q = try Golden.results.values(name + ".q", as: UInt8.self)
    let scales = try Golden.results.values(name + ".scales", as: Float.self).map { Float(Float16($0)) }
    let zeros = try Golden.results.values(name + ".zeros", as: Float.self)
    let (n, groups) = (weights.columns, scales.count / weights.rows)
    let size = entry.group_size < 0 ? n : entry.group_size
    let index = try entry.act_order ? Golden.results.values(name + ".g_idx", as: Int32.self) : nil
    let rounded = Matrix<Float>(rows: weights.rows, columns: n)
    for row in 0..<weights.rows {
      for column in 0..<n {
        let at = row * groups + (index.map { Int($0[column]) } ?? column / size)
        rounded[row, column] = scales[at] * (Float(q[row * n + column]) - zeros[at])
      }
    }
    return problem.error(of: rounded)
  }

  static func halfProblem(_ entry: GoldenEntry) -> (grid: Grid, recipe: Recipe) {
    let grid = Grid(
      bits: entry.bits, groupSize: entry.group_size < 0 ? nil : entry.group_size,
      form: entry.sym ? .symmetric : .zeroPoint, precision: .half)
    var recipe = Recipe.reference
    recipe.rounding = .first
    recipe.order = entry.act_order ? .activation : .natural
    if entry.mse == true { recipe.fit = .search(norm: 2.4) }
    return (grid, recipe)
  }

  @Test(
    "half-precision scales, refitted, are never worse than the reference's, rounded afterwards",
    arguments: Golden.entries.keys.sorted())
  func halfScales(name: String) throws {
    let entry = try #require(Golden.entries[name])
    var (grid, recipe) = Self.halfProblem(entry)
    recipe.rounding = .afterwards
    let (rounded, _) = try Golden.quantize(entry.problem, grid, recipe)
    recipe.refit = true
    let (layer, error) = try Golden.quantize(entry.problem, grid, recipe)
    #expect(layer.scales.allSatisfy { $0 == Float(Float16($0)) })
    #expect(layer.integers == rounded.integers)
    let reference = try Self.roundedError(name, entry)
    #expect(error <= reference, "\(name): \(error), \(reference)")
    let reported = try #require(layer.report.relativeOutputError)
    #expect(abs(reported - error) < 1e-3 * error, "\(name): reported \(reported), is \(error)")

    grid.precision = .single
    let (single, _) = try Golden.quantize(entry.problem, grid, recipe)
    recipe.refit = false
    let (plain, _) = try Golden.quantize(entry.problem, grid, recipe)
    #expect(rounded.integers == plain.integers)
    #expect(rounded.scales == plain.scales.map { Float(Float16($0)) })
    #expect(single.integers == plain.integers)
  }

  @Test(
    "half-precision scales: the reference's error, and less by every other recipe",
    arguments: Golden.entries.keys.sorted())
  func halfScalesOfRecipes(name: String) throws {
    let entry = try #require(Golden.entries[name])
    let (grid, first) = Self.halfProblem(entry)
    let reference = try Self.roundedError(name, entry)
    var plain = first
    plain.rounding = Recipe.reference.rounding
    for recipe in [plain, .fast, .best] {
      let (layer, error) = try Golden.quantize(entry.problem, grid, recipe)
      #expect(layer.scales.allSatisfy { $0 == Float(Float16($0)) })
      // A sum in another order may send a weight to the other side of a tie.
      #expect(error <= reference * (recipe == plain ? 1.001 : 1), "\(name): \(error), \(reference)")
      let reported = try #require(layer.report.relativeOutputError)
      #expect(abs(reported - error) < 1e-3 * error, "\(name): reported \(reported), is \(error)")
    }
  }

  @Test("scales rounded to half before quantizing are, over all problems, no worse than rounded afterwards")
  func roundedFirst() throws {
    // One by one, the two differ by which weights fall on which side of a tie: up to 3 % to either side, by chance.
    var (sum, refittedSum) = (0.0, 0.0)
    for (name, entry) in Golden.entries {
      let (grid, plain) = Self.halfProblem(entry)
      let (_, error) = try Golden.quantize(entry.problem, grid, plain)
      let reference = try Self.roundedError(name, entry)
      sum += log(error / reference)
      // A refit takes most of the chance out.
      var recipe = plain
      recipe.refit = true
      let (_, refitted) = try Golden.quantize(entry.problem, grid, recipe)
      refittedSum += log(refitted / reference)
      #expect(refitted <= 1.01 * reference, "\(name): \(refitted), \(reference)")
    }
    let count = Double(Golden.entries.count)
    #expect(exp(sum / count) <= 1.003, "\(exp(sum / count))")
    #expect(exp(refittedSum / count) <= 0.95, "\(exp(refittedSum / count))")
  }

  @Test(
    "the recipe beats the reference by the wanted factor, without g_idx", arguments: ["a", "b"], [4, 3, 2])
  func recipe(problem: String, bits: Int) throws {
    for sym in [true, false] {
      let entry = try #require(Golden.entries["belle.\(problem).\(bits)bit.g128.\(sym ? "sym" : "asym")"])
      let grid = Grid(bits: bits, groupSize: 128, form: sym ? .symmetric : .zeroPoint)
      for recipe in [Recipe.fast, .best] {
        let (layer, error) = try Golden.quantize(problem, grid, recipe)
        let ratio = error / entry.relative_output_error
        #expect(ratio <= [4: 0.42, 3: 0.39, 2: 0.35][bits] ?? 0, "\(problem) \(bits) \(sym): \(ratio)")
        #expect(layer.groupIndex == nil)
        let reported = try #require(layer.report.relativeOutputError)
        #expect(abs(reported - error) < 1e-3 * error, "reported \(reported), is \(error)")
      }
    }
  }
}
