// Quantizes a whole model, layer by layer, each group of modules as soon as its inputs are known ("true sequential").
// One layer's weights are in memory at a time. Two streams of hidden states run beside each other where the recipe
// corrects its targets: through the quantized model, and through the unquantized one.
//
// The order of work, and why: Documentation/gptq.md. The solver knows nothing of models; the format knows what is stored.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import LinearAlgebra
import Model
import Ranks
import Transformer

/// What happens on the way.
package enum QuantizationEvent: Sendable {
  /// Earlier work is gone on with: so many groups of modules are finished.
  case resumed(finishedGroups: Int)
  /// Gradients: a layer is gone through, or gone back through.
  case gradients(layer: Int, count: Int, isBack: Bool)
  /// Work on a layer begins; the head counts as one.
  case layer(number: Int, count: Int)
  /// A module is quantized. `isNew` is false where an earlier run did it.
  case module(ModuleReport, isNew: Bool)
  /// Some of the work is done, in FLOP of ``WorkEstimate/flop``.
  case advanced(Double)
  /// Hidden states were saved, so that an interrupted run need not compute them again.
  case saved(bytes: Int, seconds: Double)
  /// At the end, of several ranks: what one of them did for a layer.
  case worked(RankWork)
}

/// Quantizes a model.
///
/// ``prepare()`` checks everything that can be known before; ``quantize(_:)`` does the work, and can be interrupted and
/// begun again at any moment; ``finish(progress:)`` writes the output. The final bytes depend on the model, the
/// calibration data, the format and the recipe, and on nothing else.
package final class ModelQuantizer {
  /// The model.
  package let model: TransformerModel
  /// The format of the output; where a size is asked for, with the forms that were chosen, once they are.
  package private(set) var format: any QuantizedFormat
  /// The choices.
  package private(set) var options: QuantizationOptions
  /// The folder or file that the quantized model becomes.
  package let output: String
  /// The calibration data; nil for rounding to nearest.
  package let calibration: Calibration?
  /// The files that the work is made from: the model's, and what else the caller has read for it. None of them is replaced
  /// or removed, and none may change until the work is done.
  package var inputs = InputRecord()

  /// What there is in place of calibration data, for GPTQ; nil where there is such data. To be set before the work.
  package var importance: GivenImportance?

  /// The groups of modules of each layer, and what of them is to be quantized.
  let plan: [[GroupWork]]
  /// The head, where it is to be quantized.
  let head: LinearModule?
  private(set) var shape: WorkShape
  /// The processes that work on this together.
  package let ranks: any Ranks
  /// Measures this rank's work on layers.
  let clock: WorkClock
  /// What was chosen for a size that is asked for; nil before ``choose(_:)``, and where none is.
  package internal(set) var choice: FormChoice?
  private(set) var estimate = WorkEstimate()
  /// SHA-256 over the model, once it was read.
  var fingerprint = ""
  var work: SharedWork?
  /// The first layer, where it is loaded already.
  var firstLayer: DecoderLayer?
  var flopDone = 0.0
  var reports: [ModuleReport] = []
  /// The bytes of each module's weights in the model, by the module's name.
  private(set) lazy var sourceBytes: [String: Int] = {
    var bytes: [String: Int] = [:]
    for info in model.source.tensors where info.name.hasSuffix(".weight") {
      bytes[String(info.name.dropLast(".weight".count))] = info.byteCount
    }
    return bytes
  }()

  /// A group of modules, and which of them are to be quantized.
  struct GroupWork {
    let group: LinearGroup
    let wanted: [Int]
    /// The name of its file in the work folder.
    let name: String
    var modules: [LinearModule] { wanted.map { group.modules[$0] } }
  }

  /// Prepares to quantize.
  ///
  /// - Parameters:
  ///   - model: unquantized.
  ///   - calibration: nil only for rounding to nearest.
  ///   - format: of the output.
  ///   - output: its path.
  ///   - options: the choices.
  ///   - ranks: the processes that do the work together, each with the same of all this.
  package init(
    _ model: TransformerModel, calibration: Calibration?, format: any QuantizedFormat, output: String,
    options: QuantizationOptions, ranks: any Ranks = OneRank()
  ) throws {
    try Engine.reserve(threads: options.threads)
    self.ranks = ranks.count > 1 ? MeasuredRanks(ranks) : ranks
    clock = WorkClock(self.ranks)
    self.model = model
    self.format = format
    self.output = output
    let earlier = options.choosesArithmetic ? try WorkFolder.plan(Self.workPath(of: output, format)) : nil
    let options = Self.withArithmetic(options, earlier: earlier?[Self.arithmeticKey])
    self.options = options
    self.calibration = options.method == .gptq ? calibration : nil
    inputs.add(InputRecord(Set(model.source.tensors.map(\.file))))
    inputs.add(ModelOutput.companions(in: model.path))
    let all = (0..<model.configuration.layerCount).map { layer in
      model.groups(ofLayer: layer).map { group in
        GroupWork(
          group: group, wanted: group.modules.indices.filter { options.includes(group.modules[$0].name) },
          name: WorkFolder.groupName(layer: layer, group.role))
      }
    }
    let module = options.quantizesHead ? model.headModule : nil
    head = module.flatMap { module in
      options.skip.contains { QuantizationOptions.fits(module.name, $0) } ? nil : module
    }
    // Layers after the last one with anything to do need not run, unless the head is to be quantized.
    let last = all.lastIndex { $0.contains { !$0.wanted.isEmpty } }
    plan = head != nil ? all : Array(all.prefix((last ?? -1) + 1))
    let windows = calibration?.windows
    let length = windows?.length ?? 1
    let step = HiddenStates.windowsPerBlock(length: length)
    // Enough blocks to keep all threads busy, and that sums are not sent too often; the result does not depend on it.
    let blocks = min(8, max(ranks.count > 1 ? 4 : 2, options.threads))
    let batch = max(1, (options.batchTokens ?? 1024 * blocks) / (step * length)) * step
    shape = WorkShape(
      configuration: model.configuration, options: options,
      rows: self.calibration == nil ? 0 : windows?.tokens.count ?? 0,
      windowLength: length, batchRows: batch * length, ranks: ranks.count,
      // All modules have the same bits.
      grid: (plan.joined().lazy.flatMap(\.modules).first ?? head).map { format.grid(for: $0) })
  }

  /// The folder that interrupted work goes on from.
  package var workPath: String { Self.workPath(of: output, format) }

  private static func workPath(of output: String, _ format: any QuantizedFormat) -> String {
    format.writesFolder ? Folder.join(output, WorkFolder.name) : output + WorkFolder.name
  }

  var place: OutputFolder { OutputFolder(path: output, isFolder: format.writesFolder, fileName: format.fileName) }

  /// Whether there is unfinished work for this output.
  package var hasEarlierWork: Bool { WorkFolder.isThere(workPath) }

  /// The modules that are to be quantized, in order.
  package var modules: [LinearModule] { plan.flatMap { $0.flatMap(\.modules) } + (head.map { [$0] } ?? []) }

  /// What a run would write, once it is prepared, and whether it would go on with earlier work.
  ///
  /// - Throws: ``QuantizeError`` for earlier work of another plan.
  package func planned() throws -> (output: OutputPlan, resumes: Bool) {
    let resumes = try WorkFolder.check(workPath, plan: try planText(), resumes: options.resumes)
    let folder = format.writesFolder ? output : Folder.parent(of: output)
    // Which of them make way is known when the files are finished.
    let replaced = options.replaces ? try place.endangered().filter { Folder.kind(of: $0) != nil } : []
    return (OutputPlan([OutputPlan.File(output, bytes: outputBytes)], in: folder, replaced: replaced), resumes)
  }

  /// Takes the format with the forms that were chosen.
  func setFormat(_ format: any QuantizedFormat) {
    self.format = format
    shape.grid = modules.first.map { format.grid(for: $0) }
  }

  func setEstimate(_ estimate: WorkEstimate) { self.estimate = estimate }

  /// Quantizes all modules, or goes on with it; called by all ranks.
  ///
  /// - Parameter events: told what happens, on the calling thread.
  /// - Returns: the reports of all modules, in order.
  package func quantize(_ events: (QuantizationEvent) throws -> Void) throws -> [ModuleReport] {
    if options.choosesArithmetic {
      // Rank 0 alone has seen what earlier work was begun in.
      let chosen = try ranks.broadcast { Array(options.arithmetic.rawValue.utf8) }
      options.arithmetic = Arithmetic(rawValue: String(decoding: chosen, as: UTF8.self)) ?? options.arithmetic
    }
    let plan = try planText()
    try ranks.agree(
      on: plan, remedy: "all ranks must see the same model, tokenizer and calibration data: put them on a shared disk")
    let names = self.plan.flatMap { $0.map(\.name) } + [WorkFolder.headName]
    let work = try SharedWork(
      workPath, plan: plan, resumes: options.resumes, layers: model.configuration.layerCount, names: names, ranks: ranks
    )
    self.work = work
    if work.isResumed { try events(.resumed(finishedGroups: names.filter(work.isFinished).count)) }
    // One layer's memory serves the next.
    try MatrixMemory.keeping(budget: estimate.matrixMemory) {
      if options.method == .roundToNearest {
        try roundAll(work, events)
      } else if importance != nil {
        try runByImportance(work, events)
      } else {
        try runLayers(work, events)
      }
    }
    for work in try clock.gathered() { try events(.worked(work)) }
    return reports
  }

  /// The bytes of the weights' files, once they are written.
  package private(set) var writtenBytes: Int?

  /// The bytes of the output's tensors, were all that is kept stored as it is.
  package var outputBytes: Int {
    if let choice { return choice.bytes }
    let replaced = Set(modules.map { $0.name + ".weight" })
    let kept = model.source.tensors.reduce(0) { replaced.contains($1.name) ? $0 : $0 + $1.byteCount }
    return kept + modules.reduce(0) { $0 + format.byteCount($1) }
  }

  /// The FLOP that were done by this object.
  package var flopCount: Double { flopDone }

  func advance(_ flop: Double, _ events: (QuantizationEvent) throws -> Void) throws {
    flopDone += flop
    try events(.advanced(flop))
  }

  // MARK: Output

  /// Puts the quantized model together, moves it to its place, and removes the work folder; rank 0 does, and the others
  /// have nothing left to do.
  ///
  /// - Parameter card: what a folder gets as a model card, from the folder of the finished files; nil for none. A card that
  ///   others wrote is never replaced.
  /// - Returns: the paths of the files that it replaced, and of those of another model that it removed.
  /// - Throws: what was computed stays in the work folder then.
  @discardableResult
  package func finish(
    card: ((_ folder: String, _ reports: [ModuleReport]) throws -> ModelCardText)? = nil, progress: ProgressHandler
  ) throws -> (replaced: [String], removed: [String]) {
    guard let shared = work else { preconditionFailure("quantize first") }
    guard let work = shared.folder else { return ([], []) }
    var sources: [any TensorSource] = []
    for name in plan.flatMap({ $0.map(\.name) }) + [WorkFolder.headName] {
      if let finished = try work.finished(name) { sources.append(finished.source) }
    }
    let result = assembled(try TensorView(joining: sources))
    let staging = try work.stagingFolder()
    try format.write(result, into: staging, progress: progress)
    writtenBytes = try Checkpoint.modelFiles(in: staging).reduce(0) {
      $0 + (Folder.size(of: Folder.join(staging, $1)) ?? 0)
    }
    if format.writesFolder, ModelCardText.mayBeWritten(into: output), let card {
      try write(card(staging, reports).bytes, into: staging, as: ModelCardText.fileName)
    }
    try writeLog(staging)
    let outcome: (replaced: [String], removed: [String])
    do {
      try inputs.checkUnchanged(toleratesRemoval: false)
      outcome = try place.take(staging, replacing: options.replaces, inputs: inputs)
    } catch let error as ByteIOError where error.code == .exists {
      throw ByteIOError(
        .exists, file: error.file, reason: error.reason,
        remedy:
          "move it away and give the same command again, which goes on from \(displayName(work.path)): nothing is "
          + "computed twice")
    }
    try work.remove()
    return outcome
  }

  /// The model with its final tensors.
  func assembled(_ finished: any TensorSource) -> QuantizedModel {
    let done = Set(modules.map(\.name))
    let all =
      (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }
      + (model.headModule.map { [$0] } ?? [])
    return QuantizedModel(
      original: model, finished: finished, modules: modules, untouched: all.filter { !done.contains($0.name) },
      options: options,
      hasGroupIndex: options.method == .gptq && options.recipe.order == .activation
        && !options.recipe.fixesGridsUpFront && format.storesGroupIndex,
      calibration: calibration?.fingerprint)
  }

  private func writeLog(_ folder: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text: [UInt8] = []
    for report in reports { text += try encoder.encode(report.logged) + [0x0A] }
    try write(text, into: folder, as: QuantizationLog.name)
  }

  private func write(_ bytes: [UInt8], into folder: String, as name: String) throws {
    let writer = try AtomicFileWriter(in: folder)
    try writer.write(bytes, at: 0)
    _ = try writer.commit(as: name, size: bytes.count, replacing: true)
  }

  /// SHA-256 over the model: its configuration, and the values of its tensors; empty before ``prepare(measures:progress:)``.
  package var modelDigest: String { fingerprint }
}
