import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing

@testable import Transformer

/// Numbers of about normal size, from a seed.
private func noise(rows: Int, columns: Int, seed: UInt64, scale: Float = 1) -> Matrix<Float> {
  var generator = SplitMix64(seed: seed)
  return Matrix(
    rows: rows, columns: columns,
    (0..<rows * columns).map { _ in scale * Float.random(in: -1.7...1.7, using: &generator) })
}

/// Σ a ∘ b in double precision.
private func product(_ a: MatrixSlice<Float>, _ b: MatrixSlice<Float>) -> Double {
  zip(a.values, b.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

@Suite("The way back through a layer") struct GradientTests {
  /// A layer of a model with states at its input, and a linear loss at its output.
  private struct Problem {
    let layer: DecoderLayer
    let input: Matrix<Float>
    let weighing: Matrix<Float>
    let length: Int

    init(_ path: String, layer index: Int) throws {
      let model = try TransformerModel.open(path)
      let (windows, length) = (ArchitectureReference.windows, 24)
      self.length = length
      layer = try model.layer(index, windowLength: length, threads: 2)
      let tokens = (0..<2).flatMap { windows.tokens[$0 * windows.length..<$0 * windows.length + length] }
      input = Matrix(rows: tokens.count, columns: model.configuration.hiddenSize)
      try model.embed(tokens, into: input.slice, threads: 2)
      // Where rows are not alike, and not tiny.
      input.slice.add(noise(rows: input.rows, columns: input.columns, seed: 3, scale: 0.5).slice)
      weighing = noise(rows: input.rows, columns: input.columns, seed: 4)
    }

    func states(_ from: MatrixSlice<Float>) -> HiddenStates {
      let copy = Matrix<Float>(rows: from.rows, columns: from.columns)
      copy.slice.copy(from: from)
      return HiddenStates(copy.slice, windowLength: length)
    }

    /// The loss, after the states have moved by a step.
    func loss(_ direction: Matrix<Float>? = nil, step: Float = 0) -> Double {
      let states = states(input.slice)
      if let direction {
        let moved = direction.copy()
        moved.slice.multiply(by: step)
        states.residual.add(moved.slice)
      }
      layer.run(states, threads: 2)
      return product(states.residual, weighing.slice)
    }
  }

  @Test("gradients are what differences say, at the input and at every module", arguments: ArchitectureReference.names)
  func differences(name: String) throws {
    for index in [0, 1] {
      let problem = try Problem(ArchitectureReference.folder + name, layer: index)
      let (layer, gradient) = (problem.layer, problem.weighing.copy())
      var found: [String: Matrix<Float>] = [:]
      let states = problem.states(problem.input.slice)
      layer.goBack(states, from: gradient.slice, threads: 2) { group, gradients in
        for (module, gradient) in zip(group.modules, gradients) {
          found[module.name] = Matrix(rows: gradient.rows, columns: gradient.columns, gradient.values)
        }
      }
      #expect(product(states.residual, problem.weighing.slice) == problem.loss())

      func expect(_ place: String, slope: Double, norm: Double, _ loss: (Float) -> Double) {
        let step: Float = 1e-2
        // Richardson: the error is of the fourth order.
        let near = (loss(step) - loss(-step)) / Double(2 * step)
        let far = (loss(2 * step) - loss(-2 * step)) / Double(4 * step)
        let difference = (4 * near - far) / 3
        #expect(abs(slope - difference) < 4e-3 * norm, "\(name), \(place): \(slope), differences say \(difference)")
      }
      let direction = noise(rows: gradient.rows, columns: gradient.columns, seed: 5, scale: 0.2)
      let norm = { (a: MatrixSlice<Float>, b: MatrixSlice<Float>) in (product(a, a) * product(b, b) / 64).squareRoot() }
      expect(
        "input", slope: product(gradient.slice, direction.slice), norm: norm(gradient.slice, direction.slice)
      ) { problem.loss(direction, step: $0) }

      // A step of the weights is one of the module's output.
      let forward = problem.states(problem.input.slice)
      for group in layer.groups {
        let x = layer.input(of: group, forward, threads: 2)
        for (number, module) in group.modules.enumerated() {
          let g = try #require(found[module.name])
          #expect(g.rows == x.rows && g.columns == module.outFeatures)
          let weight = layer.weight(group, number)
          let before = weight.copy()
          let change = noise(rows: weight.rows, columns: weight.columns, seed: 6, scale: 0.02)
          let output = Matrix<Float>(rows: x.rows, columns: weight.rows)
          gemm(x, change.slice, transposeB: true, into: output.slice)
          expect(module.name, slope: product(g.slice, output.slice), norm: norm(g.slice, output.slice)) { step in
            let moved = change.copy()
            moved.slice.multiply(by: step)
            weight.slice.add(moved.slice)
            let result = problem.loss()
            weight.slice.copy(from: before.slice)
            return result
          }
        }
        layer.advance(group, forward, input: x, threads: 2)
      }
    }
  }

  @Test("the bits do not depend on threads and batches", arguments: ["gemma2", "smollm2"])
  func reproducible(name: String) throws {
    let model = try TransformerModel.open(ArchitectureReference.folder + name)
    let (length, windows) = (1024 / 4, 6)
    let layer = try model.layer(0, windowLength: length, threads: 2)
    let width = model.configuration.hiddenSize
    let input = noise(rows: windows * length, columns: width, seed: 8)
    let above = noise(rows: windows * length, columns: width, seed: 9)
    let draws = LabelDraws(count: 2, seed: 1)
    func run(threads: Int, batch: Int) throws -> [UInt32] {
      var result: [UInt32] = []
      var heads: [[UInt32]] = [[], []]
      for first in stride(from: 0, to: input.rows, by: batch) {
        let rows = first..<min(input.rows, first + batch)
        let states = Matrix<Float>(rows: rows.count, columns: width)
        let gradient = Matrix<Float>(rows: rows.count, columns: width)
        states.slice.copy(from: input[rows, 0..<width])
        gradient.slice.copy(from: above[rows, 0..<width])
        layer.goBack(HiddenStates(states.slice, windowLength: length), from: gradient.slice, threads: threads)
        result += gradient.values.map(\.bitPattern)
        let drawn = try model.drawnGradients(states.slice, firstToken: first, draws, threads: threads)
        for draw in 0..<2 { heads[draw] += drawn[draw].values.map(\.bitPattern) }
      }
      #expect(heads[0] != heads[1])
      return result + heads.joined()
    }
    let one = try run(threads: 1, batch: input.rows)
    for (threads, batch) in [(2, 1024), (3, input.rows)] { #expect(try run(threads: threads, batch: batch) == one) }
  }
}

@Suite("Gradients of small trained models", .enabled(if: hasTinyModels != nil)) struct TrainedGradientTests {
  private struct Reference: Decodable {
    struct Entry: Decodable {
      let row: Int
      let column: Int
      let value: Double
    }
    struct Module: Decodable {
      let squares: Double
      let entries: [Entry]
    }
    let seed: UInt64
    let modules: [String: Module]
  }

  /// Tests/Fixtures/tiny/make_gradients.py draws the same labels, and goes back in double precision.
  @Test("at every module they are torch's", arguments: ["llama", "bloom"])
  func reference(name: String) throws {
    let folder = project("Tests/Fixtures/tiny/\(name)/")
    let wanted = decodeJSON(Reference.self, folder + "gradients.json")
    let windows = TokenWindows(
      try values(folder + "reference-logits.safetensors", "tokens", Int32.self), length: 48)
    let model = try TransformerModel.open((hasTinyModels ?? "") + name)
    let width = model.configuration.hiddenSize
    let residual = Matrix<Float>(rows: windows.tokens.count, columns: width)
    try model.embed(windows.tokens, into: residual.slice, threads: 2)
    var inputs: [Matrix<Float>] = []
    for index in 0..<model.configuration.layerCount {
      inputs.append(residual.copy())
      try model.layer(index, windowLength: windows.length, threads: 2).run(
        HiddenStates(residual.slice, windowLength: windows.length), threads: 2)
    }
    let gradient = try model.drawnGradients(
      residual.slice, firstToken: 0, LabelDraws(count: 1, seed: wanted.seed), threads: 2)[0]
    var count = 0
    for index in (0..<model.configuration.layerCount).reversed() {
      let states = HiddenStates(inputs[index].slice, windowLength: windows.length)
      let layer = try model.layer(index, windowLength: windows.length, threads: 2)
      layer.goBack(states, from: gradient.slice, threads: 2) { group, gradients in
        for (module, g) in zip(group.modules, gradients) {
          count += 1
          guard let module = wanted.modules[module.name] else {
            Issue.record("torch has no \(module.name)")
            continue
          }
          let squares = product(g, g)
          #expect(abs(squares / module.squares - 1) < 1e-4, "\(squares), torch has \(module.squares)")
          let size = (module.squares / Double(g.rows * g.columns)).squareRoot()
          for entry in module.entries {
            let value = Double(g[entry.row, entry.column])
            #expect(abs(value - entry.value) < 1e-4 * max(size, abs(entry.value)), "\(value), torch has \(entry.value)")
          }
        }
      }
    }
    #expect(count == wanted.modules.count)
  }
}
