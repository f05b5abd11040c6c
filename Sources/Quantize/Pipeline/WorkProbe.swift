// How long a run will take, from a moment of its own work: the first layer's modules on one batch of made-up states, the
// sums over them, and the solver on some rows of the first module with the very recipe and grid.
//
// The rest is arithmetic: a stream's pass costs so many seconds a row; sums and products have a rate; the solver costs its
// products at that rate, and besides so much a weight as was measured.

import Checkpoint
import LinearAlgebra
import Model
import Ranks
import Transformer

/// Rates that were measured on a model's own shapes.
struct WorkProbe {
  /// The layer that was loaded for it, for the run to begin with.
  let layer: DecoderLayer
  /// Seconds a row for one stream past each group.
  private var forward: [LinearGroup.Role: Double] = [:]
  /// Seconds a row for a way through the layer and back.
  private var backward = 0.0
  /// FLOP a second of the sums over inputs.
  private var sums = 1.0
  /// Seconds of the solver for each weight, beside its products.
  private var weight = 0.0
  /// Seconds for loading another layer into memory that is there.
  private let load: Double
  private let shape: WorkShape
  private let productRate: Double

  /// Measures.
  ///
  /// - Parameters:
  ///   - model: its first layer is loaded.
  ///   - shape: of the run.
  ///   - format: whose grid is taken.
  ///   - productRate: FLOP a second of a large product.
  init(_ model: TransformerModel, _ shape: WorkShape, _ format: any QuantizedFormat, productRate: Double) throws {
    self.shape = shape
    self.productRate = productRate
    let (options, threads) = (shape.options, shape.options.threads)
    let clock = ContinuousClock()
    layer = try model.layer(0, windowLength: shape.windowLength, arithmetic: options.arithmetic, threads: threads)
    load = try Self.loadSeconds(model, layer, threads: threads)

    // A block for each thread: on one thread of many ranks, which wait for it, no more than that takes.
    let length = shape.windowLength
    let rows = max(length, min(shape.batchRows, shape.ownRows, HiddenStates.largestBlock * threads) / length * length)
    let residual = Self.normal(rows: rows, columns: model.configuration.hiddenSize)
    let states = HiddenStates(residual.slice, windowLength: shape.windowLength)
    let first = layer.groups[0]
    // Once to have the memory, where that costs little.
    let rounds = Double(rows) * Double(model.configuration.layerParameterCount) < 1e10 ? 2 : 1
    for _ in 0..<rounds {
      for group in layer.groups {
        let start = clock.now
        let input = layer.input(of: group, states, threads: threads)
        layer.advance(group, states, input: input, threads: threads)
        forward[group.role] = (clock.now - start) / .seconds(1) / Double(rows)
      }
    }

    if options.isGuided {
      let start = clock.now
      layer.goBack(
        HiddenStates(Self.normal(rows: rows, columns: residual.columns).slice, windowLength: shape.windowLength),
        from: Self.normal(rows: rows, columns: residual.columns).slice, threads: threads)
      backward = (clock.now - start) / .seconds(1) / Double(rows)
    }

    let input = layer.input(of: first, states, threads: threads)
    let share = WindowShare(
      OneRank(), windows: states.windowCount, windowLength: shape.windowLength, batchWindows: states.windowCount,
      threads: threads)
    var corrected = false
    var hessian: Matrix<Float>?
    var correction: Correction?
    for _ in 0..<2 {
      let all = InputSums(
        width: first.inFeatures, correctsInputs: options.isCorrected && options.recipe.inputCorrection != 0,
        residualWidth: nil, share: share, arithmetic: options.arithmetic, threads: threads)
      let start = clock.now
      for batch in share.all {
        try all.add(batch, input, states, reference: options.isCorrected ? (input, states) : nil, weights: nil)
      }
      let seconds = (clock.now - start) / .seconds(1)
      let width = Double(first.inFeatures)
      corrected = options.isCorrected && options.recipe.inputCorrection != 0
      sums = Double(rows) * width * width * (corrected ? 3 : 1) / max(seconds, 1e-9)
      (hessian, correction) = try all.finish()
    }
    guard let hessian else { return }
    let module = first.modules[0]
    let factor = try HessianFactor(hessian, recipe: options.recipe, layer: module.name, threads: threads)
    // One strip for each thread, and all of a small module.
    let weights = layer.weight(first, 0)
    let part = weights[0..<min(weights.rows, 512 * threads), 0..<weights.columns]
    let solved = LinearModule(name: module.name, outFeatures: part.rows, inFeatures: module.inFeatures)
    let start = clock.now
    let quantized = try GPTQ.quantize(
      part, factor: factor, grid: format.grid(for: module), recipe: options.recipe, correction: correction,
      layer: module.name, threads: threads)
    _ = try format.tensors(quantized, of: solved, threads: threads)
    let seconds = (clock.now - start) / .seconds(1)
    let products = shape.solve(solved, isCorrected: corrected) / productRate
    weight = max(0, seconds - products) / Double(part.rows * part.columns)
  }

  /// Seconds for groups in their order, with what of them is quantized.
  func seconds(_ groups: [(LinearGroup, [LinearModule])], layers: Int, hasHead: Bool) -> Double {
    var total = load * Double(layers - 1)
    shape.forEachCost(of: groups, hasHead: hasHead) { group, wanted, cost in
      let streams = shape.options.needsReference ? 2.0 : 1
      if cost.forward > 0 { total += Double(shape.ownRows) * streams * (forward[group.role] ?? 0) }
      total += Double(shape.ownRows) * cost.sums / sums
      let ranks = Double(shape.ranks)
      total += cost.solve / productRate / ranks
      total += weight * wanted.reduce(0.0) { $0 + Double($1.inFeatures * $1.outFeatures) } / ranks
    }
    return total
  }

  /// Seconds for the gradients, where the recipe wants them.
  ///
  /// - Parameters:
  ///   - layers: of the model.
  ///   - guided: those that the gradients are wanted for.
  func gradientSeconds(layers: Int, guided: Int) -> Double {
    guard let guidance = shape.options.recipe.guidance else { return 0 }
    let (rows, draws) = (Double(shape.ownRows), Double(guidance.draws))
    let groups = layer.groups.map { ($0, $0.modules) }
    let squares = shape.guidance(groups) - 2 * shape.forward(layer.groups)
    return rows
      * (Double(layers) * forward.values.reduce(0, +) + Double(layers - 1 + guided) * draws * backward
        + shape.drawing / productRate + Double(guided) * draws * squares / sums)
      + 2 * load * Double(layers)
  }

  /// The first module's weights, read once more to where they are, scaled up to a layer.
  private static func loadSeconds(_ model: TransformerModel, _ layer: DecoderLayer, threads: Int) throws -> Double {
    let group = layer.groups[0]
    let module = group.modules[0]
    guard let index = model.source.tensors.firstIndex(where: { $0.name == module.name + ".weight" }) else { return 0 }
    let time = try ContinuousClock().measure {
      try TensorReader.read(model.source, index, into: layer.weight(group, 0).slice)
    }
    let parameters = Double(model.configuration.layerParameterCount)
    return time / .seconds(1) * parameters / Double(module.inFeatures * module.outFeatures) / Double(threads)
  }

  /// About normal numbers, the same every time.
  private static func normal(rows: Int, columns: Int) -> Matrix<Float> {
    var state: UInt64 = 1
    let values = (0..<1 << 16).map { _ in
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      return (0..<4).reduce(Float(-510)) { $0 + Float(state >> (32 + 8 * UInt64($1)) & 0xFF) } / 147
    }
    let matrix = Matrix<Float>(rows: rows, columns: columns)
    for row in 0..<rows {
      for column in 0..<columns { matrix[row, column] = values[(row * 7919 + column) & 0xFFFF] }
    }
    return matrix
  }
}
