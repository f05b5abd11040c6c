// What each module would cost the model in each form: one way through the unquantized model and back with some of the
// calibration's windows, before the work. Forwards, keeping each layer's input; labels are drawn at the head; back, taking of
// each layer the sums over its modules' inputs and over the gradients at their outputs, from which ModuleCosts has the rest.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Ranks
import Transformer

/// What happens while costs are found out.
package enum SurveyEvent: Sendable {
  /// A layer is gone through, or gone back through.
  case layer(number: Int, count: Int, isBack: Bool)
}

/// The costs of all that is chosen for.
struct SurveyedCosts {
  /// Of modules, by their names, for each form.
  var modules: [String: [String: ModuleCosts.Cost]] = [:]
  /// Of rounded matrices, by their names, for each type.
  var rounded: [String: [DType: Double]] = [:]
}

/// A way through the model and back.
final class CostSurvey {
  /// A group of a layer's modules, and which of them are to be quantized.
  struct Group {
    let group: LinearGroup
    let wanted: [Int]

    var modules: [LinearModule] { wanted.map { group.modules[$0] } }
  }

  private let model: TransformerModel
  private let options: QuantizationOptions
  private let plan: [[Group]]
  private let head: LinearModule?
  private let format: any MixedFormat
  private let windows: TokenWindows
  private let guidance: Guidance
  private let stream: StateStream
  private let store: GradientStore
  private var costs = SurveyedCosts()
  private var threads: Int { options.threads }

  /// Tokens that are enough for sums over narrow inputs; over wider ones as many as these have inputs.
  private static let fewestTokens = 8192
  /// Rows of the last states that the head's errors are seen by.
  private static let headRows = 512

  /// - Parameters:
  ///   - layers: the groups of each layer that has something to quantize, or lies before one that has.
  ///   - head: the head, where it is quantized.
  ///   - format: whose forms are chosen among.
  ///   - all: the windows of the calibration, some of which are taken.
  ///   - batchRows: tokens that are worked on at once, a multiple of whole blocks.
  ///   - folder: on whose disk states and gradients are kept meanwhile.
  init(
    _ model: TransformerModel, _ layers: [[Group]], head: LinearModule?, _ format: any MixedFormat,
    _ all: TokenWindows, _ options: QuantizationOptions, batchRows: Int, in folder: String
  ) throws {
    (self.model, plan, self.head, self.format, self.options) = (model, layers, head, format, options)
    // Without a recipe that is guided the gradients say what outputs and tokens count, and rows stay apart.
    guidance = options.recipe.guidance ?? Guidance(share: 0)
    let widest = layers.joined().flatMap(\.modules).map(\.inFeatures).max() ?? 0
    let count = min(all.count, max(1, (max(Self.fewestTokens, widest) + all.length - 1) / all.length))
    windows = TokenWindows(Array(all.tokens.prefix(count * all.length)), length: all.length)
    let c = model.configuration
    let bytes = 4 * windows.tokens.count * (c.hiddenSize + StateStream.carriedWidth(c))
    let share = WindowShare(
      OneRank(), windows: count, windowLength: all.length, batchWindows: batchRows / all.length,
      threads: options.threads)
    stream = try StateStream(
      share, c,
      scratchFolder: bytes > options.memoryLimit / 4 ? folder : nil)
    store = try GradientStore(
      in: folder, layers: c.layerCount, draws: 1, rows: windows.tokens.count, width: c.hiddenSize)
  }

  /// The costs.
  func run(_ events: (SurveyEvent) throws -> Void) throws -> SurveyedCosts {
    let count = model.configuration.layerCount
    try stream.embed(windows, model, threads: threads)
    for index in 0..<count {
      try events(.layer(number: index + 1, count: count, isBack: false))
      let layer = try layer(index)
      for (number, batch) in stream.batches.enumerated() {
        let states = try stream.take(number)
        try store.put(input: index, batch.rows, states.residual)
        layer.run(states, threads: threads)
        try stream.put(states, number)
      }
    }
    try takeHead()
    let rounded = roundedMatrices
    let reachesEmbedding = rounded.contains(where: \.isEmbedding)
    for index in (0..<count).reversed() {
      guard reachesEmbedding || plan.prefix(index + 1).joined().contains(where: { !$0.wanted.isEmpty }) else { break }
      try events(.layer(number: index + 1, count: count, isBack: true))
      try goBack(index)
    }
    for (info, types, isEmbedding) in rounded where isEmbedding { try takeEmbedding(info, types) }
    return costs
  }

  private func layer(_ index: Int) throws -> DecoderLayer {
    try model.layer(index, windowLength: windows.length, arithmetic: options.arithmetic, threads: threads)
  }

  // MARK: A layer

  private func goBack(_ index: Int) throws {
    let layer = try layer(index)
    let work = index < plan.count ? plan[index] : []
    let wanted = Dictionary(work.map { ($0.group.role, $0.modules) }) { one, _ in one }
    var gradients: [String: GradientSums] = [:]
    for module in wanted.values.joined() {
      gradients[module.name] = GradientSums(
        outputs: module.outFeatures, tokens: stream.rows, isCoupled: guidance.share > 0, arithmetic: options.arithmetic,
        threads: threads)
    }
    for rows in stream.batches.map(\.rows) {
      let gradient = try store.gradient(0, rows)
      let states = HiddenStates(try store.input(index, rows).slice, windowLength: windows.length)
      layer.goBack(states, from: gradient.slice, threads: threads) { group, all in
        for (module, g) in zip(group.modules, all) {
          gradients[module.name]?.add(g, from: rows.lowerBound, threads: threads)
        }
      }
      try store.put(gradient: 0, rows, gradient.slice)
    }
    let weights = wanted.mapValues { modules in
      guidance.weights(modules.compactMap { gradients[$0.name]?.tokens })
    }
    var sums: [LinearGroup.Role: InputSums] = [:]
    for group in work where !group.wanted.isEmpty {
      sums[group.group.role] = InputSums(
        width: group.group.inFeatures, correctsInputs: false, residualWidth: nil, share: stream.share,
        arithmetic: options.arithmetic, threads: threads)
    }
    guard !sums.isEmpty else { return }
    for batch in stream.batches {
      let states = HiddenStates(try store.input(index, batch.rows).slice, windowLength: windows.length)
      for group in layer.groups {
        let x = layer.input(of: group, states, threads: threads)
        try sums[group.role]?.add(
          batch, x, states, reference: nil, weights: weights[group.role].map { $0[batch.rows] })
        layer.advance(group, states, input: x, threads: threads)
      }
    }
    for group in work where !group.wanted.isEmpty {
      guard let hessian = try sums.removeValue(forKey: group.group.role)?.finish().hessian else { continue }
      let factor = try HessianFactor(
        hessian, recipe: options.recipe, layer: group.modules[0].name, threads: threads)
      for number in group.wanted {
        let module = group.group.modules[number]
        guard let sums = gradients.removeValue(forKey: module.name) else { continue }
        try take(module, layer.weight(group.group, number), factor, sums)
      }
    }
  }

  private func take(
    _ module: LinearModule, _ weights: Matrix<Float>, _ factor: HessianFactor, _ gradients: GradientSums
  ) throws {
    let (outputs, matrix) = gradients.finish(threads: threads)
    let coupling = try matrix.flatMap {
      try OutputFactor($0, share: guidance.share, layer: module.name, threads: threads)
    }
    costs.modules[module.name] = try ModuleCosts(
      weights.slice, factor, gradients: outputs, coupling: coupling, options.recipe, name: module.name,
      threads: threads
    ).costs(format.forms(of: module))
  }

  // MARK: Embedding and head

  /// The matrices that are rounded, the types that they can have, and whether a matrix is the embedding.
  private var roundedMatrices: [(info: TensorInfo, types: [DType], isEmbedding: Bool)] {
    format.roundedMatrices(of: model, head: head)
  }

  /// What the head would cost, and the gradient that all others go by.
  private func takeHead() throws {
    let step = max(1, stream.rows / Self.headRows)
    let sample = Matrix<Float>(rows: (stream.rows + step - 1) / step, columns: model.configuration.hiddenSize)
    let draws = LabelDraws(count: 1, seed: guidance.seed)
    var sums: InputSums?
    if let head {
      sums = InputSums(
        width: head.inFeatures, correctsInputs: false, residualWidth: nil, share: stream.share,
        arithmetic: options.arithmetic, threads: threads)
    }
    for (number, batch) in stream.batches.enumerated() {
      let states = try stream.take(number)
      let rows = batch.rows
      for row in rows where row % step == 0 {
        let from = row - rows.lowerBound
        sample[row / step..<row / step + 1, 0..<sample.columns].copy(
          from: states.residual[from..<from + 1, 0..<sample.columns])
      }
      let drawn = try model.drawnGradients(
        states.residual, firstToken: rows.lowerBound, draws, threads: threads)
      try store.put(gradient: 0, rows, drawn[0].slice)
      guard let sums else { continue }
      let normed = Matrix<Float>(rows: rows.count, columns: sample.columns)
      normed.slice.copy(from: states.residual)
      try model.normalizeOutput(normed.slice, threads: threads)
      try sums.add(batch, normed.slice, states, reference: nil, weights: nil)
    }
    for (info, types, isEmbedding) in roundedMatrices where !isEmbedding || model.configuration.tiesHead {
      let found = try model.headDivergences(
        sample.slice, of: types.map { try rounded(info, $0) }, named: info.name, threads: threads)
      costs.rounded[info.name] = Dictionary(zip(types, found)) { one, _ in one }
    }
    if let head, let sums { try takeQuantized(head, sample, sums.finish().hessian) }
  }

  /// The head as a module: what an error of one of its outputs counts is the mean of p·(1 − p).
  private func takeQuantized(_ head: LinearModule, _ states: Matrix<Float>, _ hessian: Matrix<Float>) throws {
    let factor = try HessianFactor(hessian, recipe: options.recipe, layer: head.name, threads: threads)
    let variances = try model.headVariances(states.slice, threads: threads)
    costs.modules[head.name] = try ModuleCosts(
      model.weights(of: head).slice, factor, gradients: variances.map { 2 * $0 }, coupling: nil, options.recipe,
      name: head.name, threads: threads
    ).costs(format.forms(of: head))
  }

  /// The model's tensors, one of them rounded.
  private func rounded(_ info: TensorInfo, _ type: DType) throws -> any TensorSource {
    let one = TensorView(model.source) { $0.name == info.name }
    return try DequantizedSource(QuantizedSource(one, types: [type], threads: threads))
  }

  /// What the embedding would cost: by how much the first layer's input changes, along the gradient there.
  private func takeEmbedding(_ info: TensorInfo, _ types: [DType]) throws {
    let others = try types.map { type in
      try TransformerModel(
        model.configuration, Self.replacing(info, of: model.source, by: rounded(info, type)), path: model.path)
    }
    let width = model.configuration.hiddenSize
    var sums = [Double](repeating: 0, count: types.count)
    for rows in stream.batches.map(\.rows) {
      let tokens = Array(windows.tokens[rows])
      let (exact, states) = (
        Matrix<Float>(rows: rows.count, columns: width), Matrix<Float>(rows: rows.count, columns: width)
      )
      try model.embed(tokens, into: exact.slice, threads: threads)
      let gradient = try store.gradient(0, rows)
      for (number, other) in others.enumerated() {
        try other.embed(tokens, into: states.slice, threads: threads)
        sums[number] += Self.squaredProducts(gradient, states, exact, threads: threads)
      }
    }
    for (type, sum) in zip(types, sums) {
      costs.rounded[info.name, default: [:]][type, default: 0] += sum / Double(2 * max(1, stream.rows))
    }
  }

  /// Σ (g·(a − b))² over rows.
  private static func squaredProducts(
    _ g: Matrix<Float>, _ a: Matrix<Float>, _ b: Matrix<Float>, threads: Int
  ) -> Double {
    let (sums, columns) = (Matrix<Double>(rows: g.rows, columns: 1), g.columns)
    forEachTile(g.rows, threads: threads) { row in
      // SAFETY: all three rows have as many elements.
      let (g, a, b) = unsafe (g.slice.pointer(row), a.slice.pointer(row), b.slice.pointer(row))
      var sum = 0.0
      for column in 0..<columns { unsafe sum += Double(g[column]) * Double(a[column] - b[column]) }
      sums[row, 0] = sum * sum
    }
    return sums.values.reduce(0, +)
  }

  /// A model's tensors, one of them another's.
  private static func replacing(
    _ info: TensorInfo, of source: any TensorSource, by other: any TensorSource
  ) throws -> TensorView {
    let entries = source.tensors.enumerated().map { index, own in
      own.name == info.name
        ? TensorView.Entry(other.tensors[0], .stored(0, of: 1)) : TensorView.Entry(own, .stored(index))
    }
    return try TensorView(entries, of: source, other)
  }
}

/// Sums over the gradients at a module's outputs.
private final class GradientSums {
  /// The mean square of each token's.
  private(set) var tokens: [Float]
  private let matrix: Hessian?
  private var squares: [Double]
  private var count = 0

  /// - Parameter isCoupled: whether the whole matrix is wanted, or its diagonal alone.
  init(outputs: Int, tokens: Int, isCoupled: Bool, arithmetic: Arithmetic, threads: Int) {
    matrix = isCoupled ? Hessian(inputs: outputs, arithmetic: arithmetic, threads: threads) : nil
    squares = [Double](repeating: 0, count: outputs)
    self.tokens = [Float](repeating: 0, count: tokens)
  }

  func add(_ gradients: MatrixSlice<Float>, from first: Int, threads: Int) {
    matrix?.add(gradients, threads: threads)
    tokens.add(meanSquaresOf: gradients, from: first)
    count += gradients.rows
    guard matrix == nil else { return }
    for row in 0..<gradients.rows {
      let values = unsafe gradients.pointer(row)
      // SAFETY: a row has as many elements as there are outputs.
      for column in squares.indices { unsafe squares[column] += Double(values[column] * values[column]) }
    }
  }

  /// 2/n · Σ g² of each output, and 2/n · Σ g·gᵀ where it was wanted.
  func finish(threads: Int) -> (outputs: [Double], matrix: Matrix<Float>?) {
    guard let whole = matrix?.finish(threads: threads) else {
      return (squares.map { 2 * $0 / Double(max(1, count)) }, nil)
    }
    return ((0..<whole.rows).map { Double(whole[$0, $0]) }, whole)
  }
}
