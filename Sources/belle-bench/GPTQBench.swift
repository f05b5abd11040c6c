// The GPTQ solver against this machine's matrix product: from H to packed tensors, and the Hessian itself.

import ByteIO
import Foundation
import LinearAlgebra
import Packed
import Quantize

/// Layers of a 7B model, made up, and what is measured on them.
struct GPTQBench: BenchCase {
  static let name = "gptq"

  private static let shapes = [(rows: 4096, columns: 4096), (rows: 4096, columns: 11008)]
  private static let recipes = [("reference", Recipe.reference), ("fast", .fast)]
  private static let tokens = 1024

  private let layers: [(weights: Matrix<Float>, inputs: Matrix<Float>, hessian: Matrix<Float>)]
  private let context: BenchContext

  init(_ context: BenchContext) throws {
    context.say("making layers: \(Engine.name), \(Engine.defaultThreads) threads")
    self.context = context
    layers = Self.shapes.map { Self.layer($0.rows, $0.columns) }
  }

  /// What matrices may keep between solves, in bytes: as in `quantize`, which solves layer after layer, a solve is given
  /// the memory of the one before.
  private static let memory = 3 << 30

  /// One round.
  func measure() throws -> [Series] { try MatrixMemory.keeping(budget: Self.memory, round) }

  private func round() throws -> [Series] {
    // The ceiling: the same shape of work as the solver's own products, in the same minute.
    var all = [
      Series(name: "SGEMM, all threads", unit: .operations, values: [PeakRate.gemm(size: 4096, runs: 3)]),
      Series(name: "SYRK, all threads", unit: .operations, values: [PeakRate.syrk(size: 4096, depth: 4096, runs: 3)]),
    ]
    for (shape, layer) in zip(Self.shapes, layers) {
      let size = "\(shape.rows) × \(shape.columns)"
      let hessian = Hessian(inputs: shape.columns)
      hessian.add(layer.inputs.slice)  // touches the memory
      let flop = Double(shape.columns) * Double(shape.columns) * Double(Self.tokens)
      let seconds = Self.best { Ceilings.time { hessian.add(layer.inputs.slice) } }
      all.append(
        Series(
          name: "Hessian, \(shape.columns) inputs", unit: .operations, target: ("SYRK, all threads", 0.85),
          values: [flop / seconds]))
      for (name, recipe) in Self.recipes {
        let seconds = try Self.best {
          let copy = layer.hessian.copy()
          return try Ceilings.time { try Self.solve(layer.weights, copy, recipe) }
        }
        let target = name == "reference" ? ("SGEMM, all threads", 0.7) : ("reference, \(size)", 0.25)
        let cost = try Self.cost(of: [name, "\(shape.rows)", "\(shape.columns)"], context)
        all.append(
          Series(
            name: "\(name), \(size)", unit: .operations, target: target,
            values: [Self.counted(shape.rows, shape.columns) / seconds], peakMemory: cost.peakMemory))
      }
    }
    return all
  }

  /// The best of three, as the ceilings are: the first is given fresh pages, later ones those of the layer before.
  private static func best(_ seconds: () throws -> Double) rethrows -> Double {
    try (0..<3).map { _ in try seconds() }.min() ?? 0
  }

  /// What is counted, whatever the recipe spends: out·in² + in³/3.
  private static func counted(_ rows: Int, _ columns: Int) -> Double {
    let (out, n) = (Double(rows), Double(columns))
    return out * n * n + n * n * n / 3
  }

  private static func solve(_ weights: Matrix<Float>, _ hessian: consuming Matrix<Float>, _ recipe: Recipe) throws {
    let layer = try GPTQ.quantize(
      weights.slice, hessian: hessian, grid: Grid(bits: 4, groupSize: 128), recipe: recipe, layer: "bench")
    let words = layer.weights.words(threads: Engine.defaultThreads)
    // The answer is looked at: better than nothing at all, and of the right size.
    guard let error = layer.report.relativeOutputError, error > 0, error < 0.1, layer.report.method == .gptq,
      words.count == weights.rows * weights.columns / 8
    else { throw ByteIOError(.interrupted, reason: "the solver's answer is wrong: \(layer.report)") }
  }

  /// Weights and inputs with correlated columns of different strength.
  private static func layer(
    _ rows: Int, _ columns: Int
  ) -> (weights: Matrix<Float>, inputs: Matrix<Float>, hessian: Matrix<Float>) {
    var state: UInt64 = 1
    func normal() -> Float {
      // Two of four 16-bit halves of a multiplicative generator: near enough to a normal number for timing.
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      let word = state ^ state >> 29
      return Float(Int32(truncatingIfNeeded: word >> 32)) * 0x1p-31 + Float(Int16(truncatingIfNeeded: word)) * 0x1p-15
    }
    func matrix(_ rows: Int, _ columns: Int, _ scale: Float) -> Matrix<Float> {
      Matrix(rows: rows, columns: columns, (0..<rows * columns).map { _ in normal() * scale })
    }
    let weights = matrix(rows, columns, 0.02)
    let inputs = matrix(tokens, columns, 0.5)
    let rank = 64
    let (hidden, mixing) = (matrix(tokens, rank, 0.2), matrix(rank, columns, 0.5))
    gemm(hidden.slice, mixing.slice, into: inputs.slice, beta: 1, threads: Engine.defaultThreads)
    let sum = Hessian(inputs: columns)
    sum.add(inputs.slice)
    return (weights, inputs, sum.finish())
  }

  /// One layer in this process, with no copy of anything: its peak memory is the solver's own.
  static func once(_ list: [String]) throws {
    guard list.count == 3, let recipe = recipes.first(where: { $0.0 == list[0] })?.1, let rows = Int(list[1]),
      let columns = Int(list[2]), rows > 0, columns > 0
    else { throw ByteIOError(.interrupted, reason: "gptq takes a recipe, rows and columns") }
    // Weights and a Hessian without the inputs that the Hessian would come from.
    let weights = Matrix<Float>(rows: rows, columns: columns)
    let hessian = Matrix<Float>(rows: columns, columns: columns)
    var state: UInt64 = 1
    for row in 0..<rows {
      for column in 0..<columns {
        state = state &* 0x5851_F42D_4C95_7F2D &+ 1
        weights[row, column] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-36
      }
    }
    for row in 0..<columns {
      for column in 0...row { hessian[row, column] = row == column ? 1 : 0.25 / Float(1 + row - column) }
    }
    try solve(weights, hessian, recipe)
  }
}
