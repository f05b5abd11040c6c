// The work over the layers. For each group of modules: sums over its inputs in the quantized model (and what differs from
// the unquantized one), the factor, the modules; then both streams go past the group, the unquantized one first, because
// the quantized weights take the place of the others in memory.

import ByteIO
import Checkpoint
import Dispatch
import LinearAlgebra
import Model
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

  func runLayers(_ work: WorkFolder, _ events: Events) throws {
    guard let calibration else { preconditionFailure("GPTQ without calibration data") }
    try prepareGradients(work, calibration.windows, events)
    var (streams, first) = try begin(work, calibration.windows)
    try replay(upTo: first, work, events)
    let clock = ContinuousClock()
    var lastSave = clock.now
    var saveSeconds = 0.0
    let count = plan.count + (head == nil ? 0 : 1)
    // The next layer is read while the last group of this one is worked on: a disk is slow, and memory for it is there.
    let readingAhead = DispatchGroup()
    defer { readingAhead.wait() }
    for index in first..<max(first, plan.count) {
      try events(.layer(number: index + 1, count: count))
      readingAhead.wait()
      let loaded = index == 0 ? firstLayer : nil
      firstLayer = nil
      let layer =
        try loaded
        ?? model.layer(
          index, windowLength: calibration.windows.length, arithmetic: options.arithmetic, threads: options.threads)
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
      // States are saved as often as it costs less than a twentieth of the time.
      let since = (clock.now - lastSave) / .seconds(1)
      if since > 20 * saveSeconds {
        let start = clock.now
        let snapshot = try StateStream.snapshot(of: streams.all)
        try work.save(snapshot, layer: index + 1)
        lastSave = clock.now
        saveSeconds = (lastSave - start) / .seconds(1)
        for finished in 0...index { work.removeGradients(layer: finished) }
        try events(.saved(bytes: snapshot.tensors.reduce(0) { $0 + $1.byteCount }, seconds: saveSeconds))
      }
    }
    if let head {
      try events(.layer(number: count, count: count))
      try quantizeHead(head, streams, work, events)
    }
  }

  /// A stream of zeros.
  func makeStream(_ work: WorkFolder, _ windows: TokenWindows) throws -> StateStream {
    try StateStream(
      windows: windows.count, windowLength: windows.length, model.configuration,
      batchWindows: shape.batchRows / windows.length, scratchFolder: estimate.usesScratchFile ? work.path : nil)
  }

  /// Streams at the first layer whose input is not saved further on.
  private func begin(_ work: WorkFolder, _ windows: TokenWindows) throws -> (Streams, layer: Int) {
    var streams = Streams(
      quantized: try makeStream(work, windows), reference: options.needsReference ? try makeStream(work, windows) : nil)
    if let (layer, source) = try work.latestSnapshot(), layer <= plan.count {
      for (name, stream) in streams.all {
        guard let index = source.tensors.firstIndex(where: { $0.name == name }),
          source.tensors[index].byteCount == stream.byteCount
        else {
          throw QuantizeError(
            .otherPlan, file: work.path, reason: "the saved states do not fit",
            remedy: "begin again with \(.beginningAgain)")
        }
        var at = 0
        try source.read(index) { part in
          try stream.overwrite(part, at: at)
          at += part.byteCount
        }
      }
      streams.differ = plan[..<layer].contains { $0.contains { !$0.wanted.isEmpty } }
      return (streams, layer)
    }
    for (_, stream) in streams.all { try stream.embed(windows, model, threads: options.threads) }
    return (streams, 0)
  }

  /// Reports of layers that need not run again.
  private func replay(upTo layer: Int, _ work: WorkFolder, _ events: Events) throws {
    for group in plan[..<layer].joined() where !group.wanted.isEmpty {
      guard let finished = try work.finished(group.name) else {
        throw QuantizeError(
          .otherPlan, file: work.path, reason: "\(group.name) is missing", remedy: "begin again with \(.beginningAgain)"
        )
      }
      try take(finished.reports, isNew: false, events)
    }
  }

  func take(_ new: [ModuleReport], isNew: Bool, _ events: Events) throws {
    reports += new
    for report in new { try events(.module(report, isNew: isNew)) }
  }

  // MARK: One group

  private func run(
    _ group: GroupWork, _ layer: DecoderLayer, _ streams: inout Streams, _ guidance: LayerGuidance?, isLast: Bool,
    _ work: WorkFolder, _ events: Events
  ) throws {
    let cost = shape.cost(
      group.group, wanted: group.modules, isCorrected: options.isCorrected && streams.differ, isLast: isLast)
    defer { streams.differ = streams.differ || !group.wanted.isEmpty }
    let finished = group.wanted.isEmpty ? nil : try work.finished(group.name)
    if group.wanted.isEmpty || finished != nil {
      if let reference = streams.reference, !isLast {
        try pass(group.group, layer, reference, flop: cost.forward, events)
      }
      if let finished {
        for number in group.wanted {
          try format.restore(
            group.group.modules[number], from: finished.source, into: layer.weight(group.group, number).slice,
            threads: options.threads)
        }
        try take(finished.reports, isNew: false, events)
      }
    } else {
      let sums = try sum(
        group, layer, streams, weights: guidance?.weights[group.group.role], isLast: isLast, cost, events)
      let (tensors, new) = try solve(group.modules, sums: sums, guidance, cost, events) { number, quantized in
        quantized.dequantize(into: layer.weight(group.group, group.wanted[number]).slice, threads: options.threads)
      } weights: { number in
        layer.weight(group.group, group.wanted[number])
      }
      try work.finish(group.name, tensors, new)
      try take(new, isNew: true, events)
    }
    if isLast { return }
    try pass(group.group, layer, streams.quantized, flop: cost.forward, events)
  }

  /// One stream past a group.
  private func pass(
    _ group: LinearGroup, _ layer: DecoderLayer, _ stream: StateStream, flop: Double, _ events: Events
  ) throws {
    for batch in stream.batches.indices {
      let states = try stream.take(batch)
      let input = layer.input(of: group, states, threads: options.threads)
      layer.advance(group, states, input: input, threads: options.threads)
      try stream.put(states, batch)
      try advance(flop * Double(stream.batches[batch].count), events)
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
        ? group.group.modules[0].outFeatures : nil, threads: options.threads)
    for (batch, rows) in streams.quantized.batches.enumerated() {
      let states = try streams.quantized.take(batch)
      let x = layer.input(of: group.group, states, threads: options.threads)
      let weights = weights.map { $0[rows] }
      var flop = cost.sums
      if let reference = streams.reference {
        let others = try reference.take(batch)
        let y = layer.input(of: group.group, others, threads: options.threads)
        if options.isTrueSequential {
          sums.add(x, states, reference: isCorrected ? (y, others) : nil, weights: weights)
        } else {
          sums.add(y, others, reference: nil, weights: weights)
        }
        if !isLast {
          layer.advance(group.group, others, input: y, threads: options.threads)
          try reference.put(others, batch)
          flop += cost.forward
        }
      } else {
        sums.add(x, states, reference: nil, weights: weights)
      }
      try advance(flop * Double(rows.count), events)
    }
    return sums
  }

  /// Quantizes modules with the same inputs.
  private func solve(
    _ modules: [LinearModule], sums: consuming InputSums, _ guidance: LayerGuidance?, _ cost: GroupCost,
    _ events: Events,
    store: (Int, QuantizedLayer) -> Void, weights: (Int) throws -> Matrix<Float>
  ) throws -> ([TensorView.Entry], [ModuleReport]) {
    let (hessian, correction) = sums.finish()
    let diagonals = kept(hessian, of: modules)
    let place = modules.count == 1 ? modules[0].name : modules[0].name + " and its neighbours"
    let factor = try HessianFactor(hessian, recipe: options.recipe, layer: place, threads: options.threads)
    let isCorrected = correction != nil
    try advance(cost.solve - modules.reduce(0) { $0 + shape.solve($1, isCorrected: isCorrected) }, events)
    var tensors = diagonals
    var reports: [ModuleReport] = []
    for (number, module) in modules.enumerated() {
      var outputs: OutputFactor?
      let grid = format.grid(for: module)
      // Of a code book rows stay independent: weights of tokens guide it alone.
      if let share = options.recipe.guidance?.share, grid.canCoupleRows,
        let gradients = guidance?.takeOutputs(of: module.name, threads: options.threads)
      {
        outputs = try OutputFactor(gradients, share: share, layer: module.name, threads: options.threads)
      }
      let quantized = try GPTQ.quantize(
        try weights(number).slice, factor: factor, grid: grid, recipe: options.recipe,
        correction: correction, outputs: outputs, layer: module.name, threads: options.threads)
      guard quantized.report.loss.isFinite else {
        throw QuantizeError(
          .notFinite, place: module.name, reason: "its error is not a number: the weights are too large for float32",
          remedy: "\(.statistics) shows the largest weights")
      }
      tensors += try format.tensors(quantized, of: module, threads: options.threads)
      store(number, quantized)
      var report = ModuleReport(
        quantized.report, of: module, format: format, sourceBytes: sourceBytes[module.name],
        sharedSeconds: factor.seconds / Double(modules.count), peakMemory: peakMemory)
      report.take(choice)
      reports.append(report)
      try advance(shape.solve(module, isCorrected: isCorrected), events)
    }
    return (tensors, reports)
  }

  // MARK: The head, and rounding

  private func quantizeHead(_ head: LinearModule, _ streams: Streams, _ work: WorkFolder, _ events: Events) throws {
    if let finished = try work.finished(WorkFolder.headName) { return try take(finished.reports, isNew: false, events) }
    let sums = InputSums(
      width: head.inFeatures, correctsInputs: options.isCorrected && options.recipe.inputCorrection != 0,
      residualWidth: nil, threads: options.threads)
    let normed = { [model, options] (states: HiddenStates) throws -> MatrixSlice<Float> in
      let copy = Matrix<Float>(rows: states.residual.rows, columns: states.residual.columns)
      copy.slice.copy(from: states.residual)
      try model.normalizeOutput(copy.slice, threads: options.threads)
      return copy.slice
    }
    for batch in streams.quantized.batches.indices {
      let states = try streams.quantized.take(batch)
      var other: (x: MatrixSlice<Float>, states: HiddenStates)?
      if options.isCorrected, let others = try streams.reference?.take(batch) { other = (try normed(others), others) }
      sums.add(try normed(states), states, reference: other, weights: nil)
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
  func roundAll(_ work: WorkFolder, _ events: Events) throws {
    let count = plan.count + (head == nil ? 0 : 1)
    for (index, groups) in plan.enumerated() {
      try events(.layer(number: index + 1, count: count))
      for group in groups where !group.wanted.isEmpty { try round(group.modules, as: group.name, work, events) }
    }
    if let head {
      try events(.layer(number: count, count: count))
      try round([head], as: WorkFolder.headName, work, events)
    }
  }

  private func round(_ modules: [LinearModule], as name: String, _ work: WorkFolder, _ events: Events) throws {
    if let finished = try work.finished(name) { return try take(finished.reports, isNew: false, events) }
    var tensors: [TensorView.Entry] = []
    var new: [ModuleReport] = []
    for module in modules {
      let weights = try model.weights(of: module)
      let quantized = try RoundToNearest.quantize(
        weights.slice, grid: format.grid(for: module), fit: options.recipe.fit,
        negativeScales: options.recipe.negativeScales, layer: module.name, threads: options.threads)
      tensors += try format.tensors(quantized, of: module, threads: options.threads)
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
