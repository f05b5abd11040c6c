// The work over the layers. For each group of modules: sums over its inputs in the quantized model (and what differs from
// the unquantized one), the factor, the modules; then both streams go past the group, the unquantized one first, because
// the quantized weights take the place of the others in memory.

import ByteIO
import Checkpoint
import Dispatch
import LinearAlgebra
import Model
import Ranks
import Transformer

extension ModelQuantizer {
  typealias Events = (QuantizationEvent) throws -> Void

  /// The two streams.
  struct Streams {
    let quantized: StateStream
    /// Through the unquantized model, or, not true sequential, through each layer as it was, from the quantized stream
    /// at its input; nil where neither is needed.
    let reference: StateStream?
    /// Whether anything was quantized before: until then both are the same.
    var differ = false

    var all: [(name: String, stream: StateStream)] {
      [("quantized", quantized)] + (reference.map { [("reference", $0)] } ?? [])
    }
  }

  func runLayers(_ work: SharedWork, _ events: Events) throws {
    guard let calibration else { preconditionFailure("GPTQ without calibration data") }
    let share = try share(of: calibration.windows)
    try prepareGradients(work, calibration.windows, share, events)
    var (streams, first) = try begin(work, calibration.windows, share)
    try replay(upTo: first, work, events)
    let clock = ContinuousClock()
    var lastSave = clock.now
    var saveSeconds = 0.0
    let count = plan.count + (head == nil ? 0 : 1)
    // The next layer is read while the last group of this one is worked on: a disk is slow, and memory for it is there.
    let readingAhead = DispatchGroup()
    defer { readingAhead.wait() }
    for index in first..<max(first, plan.count) {
      try begin(layer: index + 1, of: count, events)
      let layer = try self.clock.measure(.reading) {
        readingAhead.wait()
        return try load(index)
      }
      if !options.isTrueSequential { try streams.reference?.copy(streams.quantized) }
      let guidance = try guidance(index, layer, streams.reference, work, events)
      for (number, group) in plan[index].enumerated() {
        let isLast = index == plan.count - 1 && number == plan[index].count - 1 && head == nil
        if number == plan[index].count - 1, index + 1 < plan.count {
          // What fails here fails again, and is told, when the layer is loaded.
          // Without a thread for it nothing is read ahead.
          readingAhead.enter()
          let thread: ()? = try? startThread { [model] in
            try? model.readAhead(layer: index + 1)
            readingAhead.leave()
          }
          if thread == nil { readingAhead.leave() }
        }
        try run(group, layer, &streams, guidance, isLast: isLast, work, events)
      }
      guard index + 1 < count else { break }
      // States are saved as often as it costs less than a twentieth of the time; rank 0 says when.
      let since = (clock.now - lastSave) / .seconds(1)
      if try ranks.decided({ since > 20 * saveSeconds }) {
        let start = clock.now
        try work.save(streams.all, layer: index + 1)
        lastSave = clock.now
        saveSeconds = (lastSave - start) / .seconds(1)
        for finished in 0...index { work.removeGradients(layer: finished) }
        let bytes = 4 * share.rows * model.configuration.hiddenSize * streams.all.count
        try events(.saved(bytes: bytes, seconds: saveSeconds))
      }
    }
    if let head {
      try begin(layer: count, of: count, events)
      try quantizeHead(head, streams, work, events)
    }
  }

  func begin(layer number: Int, of count: Int, _ events: Events) throws {
    clock.begin(layer: number)
    try events(.layer(number: number, count: count))
  }

  /// A layer's weights; the first ones may be there already.
  private func load(_ index: Int) throws -> DecoderLayer {
    let loaded = index == 0 ? firstLayer : nil
    firstLayer = nil
    return try loaded ?? layer(index)
  }

  /// Which windows are whose; called by all.
  private func share(of windows: TokenWindows) throws -> WindowShare {
    // What all cut alike must not depend on one machine's threads.
    var batchRows = try ranks.decided { shape.batchRows }
    // A rank waits at the beginning until the sums have come by all those before it, a part and a batch at each: so two
    // batches for each rank at least. With more of them the sums are copied and sent oftener.
    if ranks.count > 1 { batchRows = min(batchRows, max(windows.length, windows.tokens.count / ranks.count / 2)) }
    let threads = try ranks.decided { options.threads }
    return WindowShare(
      ranks, windows: windows.count, windowLength: windows.length, batchWindows: batchRows / windows.length,
      threads: threads)
  }

  /// A stream of zeros.
  func makeStream(_ work: SharedWork, _ share: WindowShare) throws -> StateStream {
    try StateStream(
      share, model.configuration, scratchFolder: estimate.usesScratchFile ? work.scratchFolder : nil)
  }

  /// Streams at the first layer whose input is not saved further on.
  private func begin(_ work: SharedWork, _ windows: TokenWindows, _ share: WindowShare) throws -> (Streams, layer: Int)
  {
    var streams = Streams(
      quantized: try makeStream(work, share), reference: options.needsReference ? try makeStream(work, share) : nil)
    if let layer = try work.restore(streams.all, mostLayers: plan.count) {
      streams.differ = plan[..<layer].contains { $0.contains { !$0.wanted.isEmpty } }
      return (streams, layer)
    }
    for (_, stream) in streams.all { try stream.embed(windows, model, threads: options.threads) }
    return (streams, 0)
  }

  /// Reports of layers that need not run again.
  private func replay(upTo layer: Int, _ work: SharedWork, _ events: Events) throws {
    for group in plan[..<layer].joined() where !group.wanted.isEmpty {
      try take(work.reports(of: group.name), isNew: false, events)
    }
  }

  func take(_ new: [ModuleReport], isNew: Bool, _ events: Events) throws {
    reports += new
    for report in new { try events(.module(report, isNew: isNew)) }
  }

  // MARK: One group

  private func run(
    _ group: GroupWork, _ layer: DecoderLayer, _ streams: inout Streams, _ guidance: LayerGuidance?, isLast: Bool,
    _ work: SharedWork, _ events: Events
  ) throws {
    let cost = shape.cost(
      group.group, wanted: group.modules, isCorrected: options.isCorrected && streams.differ, isLast: isLast)
    defer { streams.differ = streams.differ || !group.wanted.isEmpty }
    let isFinished = !group.wanted.isEmpty && work.isFinished(group.name)
    if group.wanted.isEmpty || isFinished {
      if let reference = streams.reference, !isLast {
        try pass(group.group, layer, reference, flop: cost.forward, events)
      }
      if isFinished {
        let source = try work.tensors(of: group.name)
        for number in group.wanted {
          try format.restore(
            group.group.modules[number], from: source, into: layer.weight(group.group, number).slice,
            threads: options.threads)
        }
        try take(work.reports(of: group.name), isNew: false, events)
      }
    } else {
      let sums = try sum(
        group, layer, streams, weights: guidance?.weights[group.group.role], isLast: isLast, cost, events)
      let (tensors, new) = try solve(group.modules, sums: sums, guidance, cost, events) { number, quantized in
        quantized.dequantize(into: layer.weight(group.group, group.wanted[number]).slice, threads: options.threads)
      } weights: { number in
        layer.weight(group.group, group.wanted[number])
      }
      try clock.measure(.storing) { try work.finish(group.name, tensors, new) }
      try take(new, isNew: true, events)
    }
    if isLast { return }
    try pass(group.group, layer, streams.quantized, flop: cost.forward, events)
  }

  /// One stream past a group.
  private func pass(
    _ group: LinearGroup, _ layer: DecoderLayer, _ stream: StateStream, flop: Double, _ events: Events
  ) throws {
    for (number, batch) in stream.batches.enumerated() {
      try clock.measure(.passes) {
        let states = try stream.take(number)
        let input = layer.input(of: group, states, threads: options.threads)
        layer.advance(group, states, input: input, threads: options.threads)
        try stream.put(states, number)
      }
      try advance(flop * stream.share.weight(of: batch), events)
    }
  }

  /// The sums over a group's inputs; the reference stream goes past the group meanwhile.
  private func sum(
    _ group: GroupWork, _ layer: DecoderLayer, _ streams: Streams, weights: [Float]?, isLast: Bool, _ cost: GroupCost,
    _ events: Events
  ) throws -> InputSums {
    let recipe = options.recipe
    let isCorrected = options.isCorrected && streams.differ
    let sums = InputSums(
      width: group.group.inFeatures, correctsInputs: isCorrected && recipe.inputCorrection != 0,
      residualWidth: isCorrected && recipe.residualCorrection != 0 && group.group.addsToResidual
        ? group.group.modules[0].outFeatures : nil, share: streams.quantized.share, arithmetic: options.arithmetic,
      threads: options.threads)
    for (number, batch) in streams.quantized.batches.enumerated() {
      let input = { [clock, options] (stream: StateStream) in
        try clock.measure(.passes) {
          let states = try stream.take(number)
          return (states, x: layer.input(of: group.group, states, threads: options.threads))
        }
      }
      let (states, x) = try input(streams.quantized)
      let weights = weights.map { $0[batch.rows] }
      var flop = cost.sums
      if let reference = streams.reference {
        let (others, y) = try input(reference)
        try clock.measure(.sums) {
          if options.isTrueSequential {
            try sums.add(batch, x, states, reference: isCorrected ? (y, others) : nil, weights: weights)
          } else {
            try sums.add(batch, y, others, reference: nil, weights: weights)
          }
        }
        if !isLast {
          try clock.measure(.passes) {
            layer.advance(group.group, others, input: y, threads: options.threads)
            try reference.put(others, number)
          }
          flop += cost.forward
        }
      } else {
        try clock.measure(.sums) { try sums.add(batch, x, states, reference: nil, weights: weights) }
      }
      try advance(flop * streams.quantized.share.weight(of: batch), events)
    }
    return sums
  }

  /// Quantizes modules with the same inputs.
  private func solve(
    _ modules: [LinearModule], sums: consuming InputSums, _ guidance: LayerGuidance?, _ cost: GroupCost,
    _ events: Events,
    store: (Int, QuantizedLayer) -> Void, weights: (Int) throws -> Matrix<Float>
  ) throws -> ([TensorView.Entry], [ModuleReport]) {
    let (hessian, correction) = try clock.measure(.sums) { try sums.finish() }
    let diagonals = kept(hessian, of: modules)
    let place = modules.count == 1 ? modules[0].name : modules[0].name + " and its neighbours"
    let factor = try clock.measure(.factors) {
      try HessianFactor(hessian, recipe: options.recipe, layer: place, threads: options.threads)
    }
    let isCorrected = correction != nil
    try advance(cost.solve - modules.reduce(0) { $0 + shape.solve($1, isCorrected: isCorrected) }, events)
    var tensors = diagonals
    var reports: [ModuleReport] = []
    func solver(_ number: Int, _ outputs: OutputFactor?) throws -> LayerSolver {
      try GPTQ.solver(
        try weights(number).slice, factor: factor, grid: format.grid(for: modules[number]), recipe: options.recipe,
        correction: correction, outputs: outputs, layer: modules[number].name, threads: options.threads)
    }
    func take(_ number: Int, _ quantized: QuantizedLayer) throws {
      let module = modules[number]
      guard quantized.report.loss.isFinite else {
        throw QuantizeError(
          .notFinite, place: module.name, reason: "its error is not a number: the weights are too large for float32",
          remedy: "\(.statistics) shows the largest weights")
      }
      try clock.measure(.storing) {
        tensors += try stored(quantized, of: module)
        store(number, quantized)
      }
      var report = ModuleReport(
        quantized.report, of: module, format: format, sourceBytes: sourceBytes[module.name],
        sharedSeconds: factor.seconds / Double(modules.count), peakMemory: peakMemory)
      report.take(choice)
      reports.append(report)
      try advance(shape.solve(module, isCorrected: isCorrected), events)
    }
    // Modules are taken in their order, whichever are solved first.
    var solved: [Int: QuantizedLayer] = [:]
    func ready(_ number: Int, _ layer: QuantizedLayer) throws {
      solved[number] = layer
      while let next = solved.removeValue(forKey: reports.count) { try take(reports.count, next) }
    }
    // Of a code book rows stay independent: weights of tokens guide it alone.
    let isCoupled = { [format] (number: Int) -> Bool in
      format.grid(for: modules[number]).canCoupleRows && guidance?.hasOutputs(of: modules[number].name) ?? false
    }
    let (coupled, apart) = (modules.indices.filter(isCoupled), modules.indices.filter { !isCoupled($0) })
    try solving.assign(coupled.map { shape.solve(modules[$0], isCorrected: isCorrected) }) { index in
      try solver(coupled[index], guidance?.factor(of: modules[coupled[index]].name, options))
    } shape: {
      try solver(coupled[$0], nil)
    } _: {
      try ready(coupled[$0], $1)
    }
    try solving.divide(apart.count) {
      try solver(apart[$0], nil)
    } _: {
      try ready(apart[$0], $1)
    }
    return (tensors, reports)
  }

  /// What divides solving over the ranks.
  var solving: SharedSolving { SharedSolving(ranks: ranks, threads: options.threads, clock: clock) }

  /// A module's tensors, where they are written.
  func stored(_ quantized: QuantizedLayer, of module: LinearModule) throws -> [TensorView.Entry] {
    ranks.isFirst ? try format.tensors(quantized, of: module, threads: options.threads) : []
  }

  // MARK: The head, and rounding

  private func quantizeHead(_ head: LinearModule, _ streams: Streams, _ work: SharedWork, _ events: Events) throws {
    if work.isFinished(WorkFolder.headName) {
      return try take(work.reports(of: WorkFolder.headName), isNew: false, events)
    }
    let sums = InputSums(
      width: head.inFeatures, correctsInputs: options.isCorrected && options.recipe.inputCorrection != 0,
      residualWidth: nil, share: streams.quantized.share, arithmetic: options.arithmetic, threads: options.threads)
    let normed = { [model, options] (states: HiddenStates) throws -> MatrixSlice<Float> in
      let copy = Matrix<Float>(rows: states.residual.rows, columns: states.residual.columns)
      copy.slice.copy(from: states.residual)
      try model.normalizeOutput(copy.slice, threads: options.threads)
      return copy.slice
    }
    for (number, batch) in streams.quantized.batches.enumerated() {
      let states = try streams.quantized.take(number)
      var other: (x: MatrixSlice<Float>, states: HiddenStates)?
      if options.isCorrected, let others = try streams.reference?.take(number) { other = (try normed(others), others) }
      try sums.add(batch, try normed(states), states, reference: other, weights: nil)
    }
    let weights = try model.weights(of: head)
    let (tensors, new) = try solve([head], sums: sums, nil, shape.headCost(head), events) { _, _ in
    } weights: { _ in
      weights
    }
    try work.finish(WorkFolder.headName, tensors, new)
    try take(new, isNew: true, events)
  }

  /// Every weight to its nearest value: no streams, no order.
  func roundAll(_ work: SharedWork, _ events: Events) throws {
    let count = plan.count + (head == nil ? 0 : 1)
    for (index, groups) in plan.enumerated() {
      try begin(layer: index + 1, of: count, events)
      for group in groups where !group.wanted.isEmpty { try round(group.modules, as: group.name, work, events) }
    }
    if let head {
      try begin(layer: count, of: count, events)
      try round([head], as: WorkFolder.headName, work, events)
    }
  }

  private func round(_ modules: [LinearModule], as name: String, _ work: SharedWork, _ events: Events) throws {
    if work.isFinished(name) { return try take(work.reports(of: name), isNew: false, events) }
    var tensors: [TensorView.Entry] = []
    var new: [ModuleReport] = []
    try solving.divide(modules.count) { number in
      let weights = try model.weights(of: modules[number])
      return try RoundToNearest.solver(
        weights.slice, grid: format.grid(for: modules[number]), fit: options.recipe.fit,
        negativeScales: options.recipe.negativeScales, layer: modules[number].name, threads: options.threads)
    } _: { number, quantized in
      let module = modules[number]
      tensors += try stored(quantized, of: module)
      new.append(
        ModuleReport(
          quantized.report, of: module, format: format, sourceBytes: sourceBytes[module.name], sharedSeconds: 0,
          peakMemory: peakMemory))
      try advance(Double(module.inFeatures * module.outFeatures), events)
    }
    try work.finish(name, tensors, new)
    try take(new, isNew: true, events)
  }
}
