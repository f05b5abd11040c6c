// Everything that can be known before the work begins: a failure of the first second must not come in the fifth hour.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import LinearAlgebra
import Model
import Ranks
import Transformer

extension ModelQuantizer {
  /// Checks what can be checked, and counts what the work will cost.
  ///
  /// Reads all of the checkpoint once: a weight that is NaN shows now, and the model's fingerprint covers every byte.
  /// - Parameters:
  ///   - measures: whether the machine's rate is measured (a moment of its own work), for the time that it will take.
  ///   - progress: told of the bytes of the checkpoint.
  /// - Throws: ``QuantizeError``, ``ModelError``, `ByteIOError`, `CheckpointError`: whatever would fail later.
  @discardableResult
  package func prepare(measures: Bool = true, progress: ProgressHandler = { _ in }) throws -> WorkEstimate {
    try survey(progress)
    try choose()
    return try estimate(measures: measures)
  }

  /// The first part: checks what can be checked before forms are chosen, and reads the checkpoint.
  package func survey(_ progress: ProgressHandler) throws {
    try checkModel()
    if ranks.isFirst {
      try checkOutput()
      if options.target == nil { try checkDisk(estimateWork()) }
    }
    fingerprint = try readModel(progress)
  }

  /// The last part: counts what the work will cost, once the forms are chosen.
  package func estimate(measures: Bool) throws -> WorkEstimate {
    if choice != nil { for module in modules { try format.check(module) } }
    var estimate = try estimateWork()
    if ranks.isFirst { try checkDisk(estimate) }
    if measures {
      let rate = PeakRate.gemm(threads: options.threads, size: 1024, runs: 3)
      estimate.productRate = rate
      if importance != nil {
        estimate.seconds = estimate.flop / rate
      } else {
        estimate.seconds =
          options.method == .gptq ? try predicted(rate) : Double(estimate.parameterCount) * (try secondsToRound())
      }
    } else if !ranks.isFirst, options.method == .gptq, importance == nil {
      // While rank 0 measures on its own.
      firstLayer = try layer(0)
    }
    setEstimate(estimate)
    return estimate
  }

  /// The bytes that ``prepare(measures:progress:)`` reads.
  package var checkpointBytes: Int { model.source.tensors.reduce(0) { $0 + $1.byteCount } }

  private func checkModel() throws {
    if let problem = options.arithmetic.problem {
      throw QuantizeError(
        .badOption, reason: "products in \(options.arithmetic.rawValue): \(problem.reason)",
        remedy: "\(problem.remedy.map { "\($0); " } ?? "")\(.arithmetic(Arithmetic.single.rawValue)) works everywhere")
    }
    guard model.form == .plain else {
      throw QuantizeError(
        .wrongModel, file: model.path, reason: "the model is quantized already",
        remedy: "give the model that it was made from: quantizing twice would add up both errors")
    }
    for pattern in options.only + options.skip {
      let names = model.groups(ofLayer: 0).flatMap(\.modules).map(\.name)
      let all = (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }
      guard (all.map(\.name) + ["lm_head"]).contains(where: { QuantizationOptions.fits($0, pattern) }) else {
        throw QuantizeError(
          .badOption, file: model.path, reason: "the pattern \(displayName(pattern)) fits no module",
          remedy: "modules are called \(names.first ?? "") …; * stands for anything, as in '*.\(lastPart(names.last))'")
      }
    }
    guard !modules.isEmpty else {
      throw QuantizeError(.wrongModel, file: model.path, reason: "with these patterns nothing is left to quantize")
    }
    if options.quantizesHead, model.headModule == nil {
      throw QuantizeError(
        .wrongModel, file: model.path, reason: "its head is the embedding, which must stay as it is",
        remedy: "leave \(.quantizedHead) out")
    }
    try options.recipe.validate(layer: "all modules")
    if options.recipe.order == .activation, !options.recipe.fixesGridsUpFront, !format.storesGroupIndex {
      throw QuantizeError(
        .badOption, reason: "the format has contiguous groups only",
        remedy: "give \(.staticGroups) with \(.activationOrder)")
    }
    if options.isGuided, !options.recipe.fixesGridsUpFront {
      throw QuantizeError(
        .badOption, reason: "rows that are coupled need grids that are fixed before the first column",
        remedy: "give \(.staticGroups) with \(.activationOrder)")
    }
    if options.target == nil { for module in modules { try format.check(module) } }
    if options.method == .gptq, let importance {
      try checkImportance(importance)
    } else if options.method == .gptq {
      guard let windows = calibration?.windows, windows.count > 0 else {
        throw QuantizeError(.badOption, reason: "there is no calibration data")
      }
      guard windows.tokens.allSatisfy({ $0 >= 0 && $0 < model.configuration.vocabularySize }) else {
        throw QuantizeError(.badOption, reason: "the calibration data has tokens that the vocabulary does not have")
      }
    }
  }

  private func lastPart(_ name: String?) -> String { name?.split(separator: ".").last.map(String.init) ?? "" }

  private func checkOutput() throws {
    let modelFolder = Folder.home(of: model.path)
    guard !OutputFolder.isSame(output, modelFolder) else {
      throw ByteIOError(
        .exists, file: output, reason: "the output is the model's own folder", remedy: "give another output")
    }
    try place.checkKind()
    // What killed runs left is tidied up also where this one is refused.
    TemporaryFiles.removeAbandoned(in: format.writesFolder ? output : Folder.parent(of: output))
    // Also where files are replaced, and also what an earlier run's work folder holds.
    try place.checkEndangered(inputs, replacing: options.replaces)
    try inputs.refuse(WorkFolder.files(workPath))
    guard Folder.isWritable(format.writesFolder ? output : Folder.parent(of: output)) else {
      throw ByteIOError(
        .notPermitted, file: output, reason: "cannot write there",
        remedy: "give an output in a folder that you may write to")
    }
    if !options.replaces, !(options.resumes && hasEarlierWork) {
      try place.checkFree()
    }
  }

  // MARK: Cost

  /// The FLOP of a run over all layers, head excepted, with some number of samples: what times can be extrapolated by.
  package static func flop(_ model: TransformerModel, _ options: QuantizationOptions, samples: Int, length: Int)
    -> Double
  {
    let rows = samples * length
    let shape = WorkShape(
      configuration: model.configuration, options: options, rows: rows, windowLength: length, batchRows: rows)
    let groups = (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0) }
    let wanted = groups.map { ($0, $0.modules.filter { options.includes($0.name) }) }
    let layers = (0..<model.configuration.layerCount).map { model.groups(ofLayer: $0) }
    let guided = layers.map { $0.map { ($0, $0.modules.filter { options.includes($0.name) }) } }
    return shape.flop(wanted, hasHead: false) + shape.gradients(layers, guided: guided)
  }

  private func estimateWork() throws -> WorkEstimate {
    var estimate = WorkEstimate()
    estimate.moduleCount = modules.count
    estimate.parameterCount = modules.reduce(0) { $0 + $1.inFeatures * $1.outFeatures }
    estimate.quantizedBytes = modules.reduce(0) { $0 + format.byteCount($1) }
    let replaced = modules.reduce(0) { sum, module in
      sum + (model.source.tensors.first { $0.name == module.name + ".weight" }?.byteCount ?? 0)
    }
    estimate.disk = 2 * estimate.quantizedBytes + checkpointBytes - replaced + (1 << 20)
    guard options.method == .gptq else {
      estimate.flop = Double(estimate.parameterCount)
      estimate.memory = 6 * (modules.map { $0.inFeatures * $0.outFeatures }.max() ?? 0) + (44 << 20)
      return estimate
    }
    let streams = options.needsReference ? 2 : 1
    estimate.flop = shape.flop(plan.joined().map { ($0.group, $0.modules) }, hasHead: head != nil)
    let all = (0..<model.configuration.layerCount).map { model.groups(ofLayer: $0) }
    estimate.flop += shape.gradients(all, guided: plan.map { $0.map { ($0.group, $0.modules) } })
    if let head { estimate.flop += Double(shape.rows) * shape.headCost(head).sums + shape.headCost(head).solve }
    let groups = model.groups(ofLayer: 0)
    let need = { [shape, head] (usesFile: Bool) in
      shape.memory(layer: groups, usesScratchFile: usesFile, headWidth: head?.outFeatures)
    }
    (estimate.memory, estimate.matrixMemory) = need(false)
    // On rank 0 those of all; a rank's own in its file.
    let stateBytes = streams * 4 * shape.rows * model.configuration.hiddenSize
    // Two snapshots while one takes the other's place.
    estimate.disk += 2 * stateBytes + shape.gradientBytes
    if estimate.memory > memoryLimit {
      estimate.usesScratchFile = true
      (estimate.memory, estimate.matrixMemory) = need(true)
      estimate.disk +=
        streams * 4 * shape.ownRows
        * (model.configuration.hiddenSize + StateStream.carriedWidth(model.configuration))
      guard estimate.memory <= memoryLimit || options.maximumMemory == nil else {
        throw QuantizeError(
          .noRoom, file: model.path,
          reason: "\(byteCount(estimate.memory)) of memory are needed even with hidden states on disk, and "
            + "\(byteCount(memoryLimit)) may be used",
          remedy: "raise \(.memory), or give \(.threads(1)) or \(.recipe("fast")), which need less")
      }
    }
    return estimate
  }

  /// The memory that may be used; where nobody has said how much, ranks on one machine share it.
  private var memoryLimit: Int {
    options.maximumMemory ?? options.memoryLimit / ranks.neighbours
  }

  /// Seconds, from a moment of the run's own work.
  private func predicted(_ productRate: Double) throws -> Double {
    let probe = try WorkProbe(model, shape, format, productRate: productRate)
    firstLayer = probe.layer
    var seconds = probe.gradientSeconds(layers: model.configuration.layerCount, guided: plan.count)
    seconds += probe.seconds(
      plan.joined().map { ($0.group, $0.modules) }, layers: plan.count, hasHead: head != nil)
    if let head {
      let cost = shape.headCost(head)
      seconds += (Double(shape.ownRows) * cost.sums + cost.solve / Double(shape.ranks)) / productRate
    }
    return seconds
  }

  /// Seconds for a weight that is rounded to nearest: some rows of the first module.
  private func secondsToRound() throws -> Double {
    let weights = try model.weights(of: modules[0])
    let part = weights[0..<min(weights.rows, 256 * options.threads), 0..<weights.columns]
    let time = try ContinuousClock().measure {
      _ = try RoundToNearest.quantize(
        part, grid: format.grid(for: modules[0]), fit: options.recipe.fit,
        negativeScales: options.recipe.negativeScales, layer: modules[0].name, threads: options.threads)
    }
    return time / .seconds(1) / Double(part.rows * part.columns)
  }

  private func checkDisk(_ estimate: WorkEstimate) throws {
    guard let free = Folder.availableSpace(output), free < estimate.disk, !hasEarlierWork else { return }
    throw ByteIOError(
      .noSpace, file: output,
      reason: "\(byteCount(estimate.disk)) are needed while the work lasts, and \(byteCount(free)) are free",
      remedy: "free \(byteCount(estimate.disk - free)), or give an output on another disk")
  }

  // MARK: Fingerprint

  /// Reads all tensors: their digests, and whether all weights are finite.
  private func readModel(_ progress: ProgressHandler) throws -> String {
    let source = model.source
    let digest = try DigestStream(.sha256)
    digest.update(model.configurationText)
    try TensorStatistics.forEach(of: source, jobs: options.threads) { index, figures in
      let info = source.tensors[index]
      let bad = figures.nanCount + figures.infinityCount
      guard bad == 0 else {
        throw QuantizeError(
          .notFinite, file: info.file, place: displayName(info.name),
          reason: bad == 1 ? "one value is NaN or infinite" : "\(bad) values are NaN or infinite",
          remedy: "compare its checksum with the publisher's; if they agree, the model itself holds such values")
      }
      digest.update(Array("\(info.name);\(info.dtype.rawValue);\(info.shape);\(figures.sha256.hex);".utf8))
      progress(.advanced(file: info.file, bytes: info.byteCount))
    }
    return digest.finish().hex
  }

  /// What the arithmetic is called in plans.
  static let arithmeticKey = "compute"

  /// Options whose arithmetic is chosen.
  ///
  /// - Parameter earlier: what the plan of earlier work says of it.
  static func withArithmetic(_ options: QuantizationOptions, earlier: String?) -> QuantizationOptions {
    guard options.choosesArithmetic else { return options }
    var options = options
    let wanted = earlier.flatMap { text in
      options.resumes ? text.split(separator: ",").first.flatMap { Arithmetic(rawValue: String($0)) } : nil
    }
    options.arithmetic = [wanted ?? .bfloat16].first { $0.problem == nil } ?? .single
    return options
  }

  /// Everything that the final bytes depend on.
  func planText() throws -> [String: String] {
    // Two libraries may add up in different orders.
    let arithmetic =
      options.arithmetic.rawValue + (options.arithmetic == .single ? "" : ", \(options.arithmetic.engineName)")
    var plan = [
      "program": options.program, "model": fingerprint, "format": format.description, "method": options.method.rawValue,
      "recipe": options.recipe.description, "true sequential": "\(options.isTrueSequential)",
      "modules": try names(modules), Self.arithmeticKey: arithmetic,
    ]
    if let importance { plan["importance matrix"] = try importanceDigest(importance.matrix) }
    if options.keepsImportance { plan["diagonals"] = "kept" }
    if let target = options.target { plan["target"] = target.description }
    if let choice { plan["choice"] = try choice.text() }
    if let calibration {
      plan["calibration"] = calibration.fingerprint
      plan["samples"] = "\(calibration.windows.count) of \(calibration.windows.length) tokens"
    }
    return plan
  }

  /// Names, short: all of them are what is usual.
  private func names(_ modules: [LinearModule]) throws -> String {
    let names = modules.map(\.name).joined(separator: " ")
    return "\(modules.count), \(try DigestStream.digest(.sha256, of: Array(names.utf8)).hex.prefix(16))"
  }
}
