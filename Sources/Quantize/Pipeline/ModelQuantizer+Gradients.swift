// Gradients of the model's own predictions, for recipes that are guided by them: once, of the unquantized model, before
// anything is quantized.
//
// Forwards through all layers, keeping each layer's input; labels are drawn at the head; and back, keeping the gradient at
// each layer's output in the work folder, so that interrupted work goes on from the layer that it had come to. When a
// layer's turn comes, it is gone through and back once more from the unquantized stream's states: that gives the gradients
// at its modules, whose sums it needs, and which nobody could keep.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Transformer

/// What gradients say of one layer.
final class LayerGuidance {
  /// For each group, the weights of all tokens.
  let weights: [LinearGroup.Role: [Float]]
  private var outputs: [String: Hessian]
  /// How many gradients were summed up.
  private let tokens: Int

  fileprivate init(_ weights: [LinearGroup.Role: [Float]], _ outputs: [String: Hessian], tokens: Int) {
    (self.weights, self.outputs, self.tokens) = (weights, outputs, tokens)
  }

  /// Whether there are sums over a module's outputs.
  func hasOutputs(of module: String) -> Bool { outputs[module] != nil }

  /// The factor of 2/n · Σ g·gᵀ of a module's outputs, handed out once; nil where rows are to be independent.
  func factor(of module: String, _ options: QuantizationOptions) throws -> OutputFactor? {
    guard let share = options.recipe.guidance?.share, let sum = outputs.removeValue(forKey: module) else { return nil }
    return try OutputFactor(
      sum.finish(tokens: tokens, threads: options.threads), share: share, layer: module, threads: options.threads)
  }
}

extension ModelQuantizer {
  /// Whether a layer's gradients are still needed.
  private func isOpen(_ layer: Int, _ work: SharedWork) -> Bool {
    plan[layer].contains { group in !group.wanted.isEmpty && !work.isFinished(group.name) }
  }

  /// Computes the gradients at the outputs of all layers that are not finished, where the recipe wants them.
  func prepareGradients(
    _ work: SharedWork, _ windows: TokenWindows, _ share: WindowShare, _ events: Events
  ) throws {
    guard let guidance = options.recipe.guidance else { return }
    let open = plan.indices.filter { isOpen($0, work) }
    let there = plan.indices.filter { work.hasGradients(layer: $0) }
    guard let lowest = open.first, !open.allSatisfy(there.contains) else { return }
    let count = model.configuration.layerCount
    // The layer that earlier work has come to: the way back went down from the last one without a gap.
    let reached = there.first { $0 >= lowest }
    let stream = try makeStream(work, share)
    let store = try GradientStore(
      in: work.scratchFolder, layers: count, draws: guidance.draws, rows: stream.rows, width: stream.hiddenSize)
    try stream.embed(windows, model, threads: options.threads)
    for index in 0..<(reached.map { $0 + 1 } ?? count) {
      try events(.gradients(layer: index + 1, count: count, isBack: false))
      try goForward(through: index, stream, index > lowest ? store : nil, runs: index != reached, events)
    }
    if let reached {
      let file = try work.gradients(layer: reached, share, draws: guidance.draws, width: stream.hiddenSize)
      for draw in 0..<guidance.draws {
        for batch in stream.batches {
          try store.put(gradient: draw, batch.place, try file.gradient(draw, batch.place).slice)
        }
      }
    } else {
      try draw(stream, store, guidance, events)
    }
    // The store holds what is at the output of each layer in turn.
    for index in (lowest...(reached ?? count - 1)).reversed() {
      try events(.gradients(layer: index + 1, count: count, isBack: true))
      if index != reached, index < plan.count {
        try work.saveGradients(store, share, draws: guidance.draws, width: stream.hiddenSize, layer: index)
      }
      if index > lowest { try goBack(through: index, stream, store, guidance, events) }
    }
  }

  /// - Parameters:
  ///   - store: where the layer's input is kept; nil where it is not needed.
  ///   - runs: whether the layer's output is.
  private func goForward(
    through index: Int, _ stream: StateStream, _ store: GradientStore?, runs: Bool, _ events: Events
  ) throws {
    let layer = runs ? try layer(index) : nil
    for (number, batch) in stream.batches.enumerated() {
      let states = try stream.take(number)
      try store?.put(input: index, batch.place, states.residual)
      layer?.run(states, threads: options.threads)
      try stream.put(states, number)
      try advance(shape.forward(model.groups(ofLayer: index)) * stream.share.weight(of: batch), events)
    }
  }

  /// The gradients at the last layer's output.
  private func draw(_ stream: StateStream, _ store: GradientStore, _ guidance: Guidance, _ events: Events) throws {
    let draws = LabelDraws(count: guidance.draws, seed: guidance.seed)
    for (number, batch) in stream.batches.enumerated() {
      let drawn = try model.drawnGradients(
        try stream.take(number).residual, firstToken: batch.rows.lowerBound, draws, threads: options.threads)
      for (draw, gradient) in drawn.enumerated() { try store.put(gradient: draw, batch.place, gradient.slice) }
      try advance(shape.drawing * stream.share.weight(of: batch), events)
    }
  }

  private func goBack(
    through index: Int, _ stream: StateStream, _ store: GradientStore, _ guidance: Guidance, _ events: Events
  ) throws {
    let layer = try layer(index)
    for batch in stream.batches {
      for draw in 0..<guidance.draws {
        let states = HiddenStates(try store.input(index, batch.place).slice, windowLength: stream.windowLength)
        let gradient = try store.gradient(draw, batch.place)
        layer.goBack(states, from: gradient.slice, threads: options.threads)
        try store.put(gradient: draw, batch.place, gradient.slice)
      }
      try advance(
        2 * Double(guidance.draws) * shape.forward(model.groups(ofLayer: index)) * stream.share.weight(of: batch),
        events)
    }
  }

  /// What gradients say of a layer whose weights are as they were; nil where the recipe wants none.
  ///
  /// - Parameter stream: at the layer's input in the unquantized model; stays there.
  func guidance(_ index: Int, _ layer: DecoderLayer, _ stream: StateStream?, _ work: SharedWork, _ events: Events)
    throws -> LayerGuidance?
  {
    guard let guidance = options.recipe.guidance, let stream, isOpen(index, work), work.hasGradients(layer: index)
    else { return nil }
    let (share, threads) = (stream.share, options.threads)
    let file = try work.gradients(layer: index, share, draws: guidance.draws, width: stream.hiddenSize)
    let chain = SumChain(share, passes: guidance.draws)
    var sums: [String: Hessian] = [:]
    var squares: [String: [Float]] = [:]
    let wanted = Dictionary(plan[index].map { ($0.group.role, $0.modules) }) { one, _ in one }
    for module in plan[index].flatMap(\.modules) {
      if guidance.share > 0 {
        sums[module.name] = Hessian(
          inputs: module.outFeatures, arithmetic: options.arithmetic, threads: threads)
      }
      squares[module.name] = [Float](repeating: 0, count: stream.rows)
    }
    for draw in 0..<guidance.draws {
      for (number, batch) in stream.batches.enumerated() {
        let residual = try stream.take(number).residual
        let states = HiddenStates(
          Matrix<Float>(rows: batch.rows.count, columns: residual.columns).slice, windowLength: stream.windowLength)
        states.residual.copy(from: residual)
        let gradient = try file.gradient(draw, batch.place)
        let link = chain.link(batch.number, pass: draw)
        var failure: (any Error)?
        let before = draw * share.rows + batch.rows.lowerBound
        clock.measure(.passes) {
          layer.goBack(states, from: gradient.slice, threads: threads) { group, gradients in
            for (module, g) in zip(group.modules, gradients) where wanted[group.role]?.contains(module) ?? false {
              squares[module.name]?.add(meanSquaresOf: g, from: batch.place.lowerBound)
              guard failure == nil, let sum = sums[module.name] else { continue }
              do {
                try clock.measure(.sums) { try chain.add(g, to: sum, at: link, before: before, threads: threads) }
              } catch { failure = error }
            }
          }
        }
        if let failure { throw failure }
        try advance(
          shape.guidance(plan[index].map { ($0.group, $0.modules) }) * share.weight(of: batch), events)
      }
    }
    // In the order in which the way back comes to them.
    for sum in plan[index].reversed().flatMap(\.modules).compactMap({ sums[$0.name] }) { try chain.receive(sum) }
    try chain.finish()
    let names = squares.keys.sorted()
    let all = try share.gathered(names.map { squares[$0] ?? [] })
    for (name, values) in zip(names, all) { squares[name] = values }
    let weights = wanted.mapValues { modules in guidance.weights(modules.compactMap { squares[$0.name] }) }
    return LayerGuidance(weights, sums, tokens: guidance.draws * share.rows)
  }

  func layer(_ index: Int) throws -> DecoderLayer {
    try model.layer(
      index, windowLength: calibration?.windows.length ?? 1, arithmetic: options.arithmetic, threads: options.threads)
  }
}

extension [Float] {
  /// Adds the mean square of each row of a matrix, from an element on.
  mutating func add(meanSquaresOf matrix: MatrixSlice<Float>, from first: Int) {
    for row in 0..<matrix.rows {
      let values = unsafe matrix.pointer(row)
      // SAFETY: a row has `columns` elements. Sixteen sums, so that the compiler may use vectors.
      var sums = SIMD16<Float>(repeating: 0)
      var column = 0
      while column + 16 <= matrix.columns {
        let part = unsafe UnsafeRawPointer(values + column).loadUnaligned(as: SIMD16<Float>.self)
        sums += part * part
        column += 16
      }
      var sum = sums.sum()
      while column < matrix.columns {
        sum += unsafe values[column] * values[column]
        column += 1
      }
      self[first + row] += sum / Float(matrix.columns)
    }
  }
}
