// One run of `quantize`: what the user sees of it. Before: what it will cost. Meanwhile: layer, error, time left. After: a
// summary.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Quantize
import Ranks
import Reports

/// Runs a quantization and shows it.
struct QuantizationRun {
  let quantizer: ModelQuantizer
  private let model: String
  let common: CommonOptions
  private let card: ModelCard
  private let data: String?
  private let extras: Extras
  private let clock = ContinuousClock()

  /// What is written besides the model.
  struct Extras {
    let report: ReportOption
    let card: String?
    let importance: String?
    let replacing: Bool
  }

  init(
    _ quantizer: ModelQuantizer, model: String, common: CommonOptions, card: ModelCard, data: String?, extras: Extras
  ) {
    (self.quantizer, self.model, self.common) = (quantizer, model, common)
    (self.card, self.data, self.extras) = (card, data, extras)
  }

  /// - Returns: whether a module was rounded to nearest although GPTQ was asked for.
  func run() throws -> Bool {
    let start = clock.now
    let estimate = try prepare()
    describe(estimate)
    try Session.begin(quantizer.ranks)
    let reports = try quantize(estimate)
    // The others have nothing to write.
    guard quantizer.ranks.isFirst else { return false }
    let matrix = try extras.importance.map { _ in
      try quantizer.importanceMatrix(datasets: [data].compactMap(\.self))
    }
    let outcome = try finish()
    let seconds = (clock.now - start).seconds
    let fallbacks = reports.filter { $0.fallback != nil }
    let list = { (paths: [String]) in paths.map(displayName).joined(separator: ", ") }
    if !outcome.replaced.isEmpty { common.note("--force replaced \(list(outcome.replaced))") }
    Console.shared.warn(ofRemoved: outcome.removed)
    summarize(reports, estimate, seconds, outcome)
    if let matrix, let path = extras.importance { try write(matrix, to: path) }
    try writeExtras(reports, seconds)
    return !fallbacks.isEmpty
  }

  /// Checks everything that can be checked, and says what the work would cost and write.
  func plan() throws {
    let estimate = try prepare()
    describe(estimate)
    let (output, resumes) = try quantizer.planned()
    listChoice()
    Console.shared.show(
      output, output: quantizer.output, common,
      what: resumes ? "a run would go on with earlier work" : nil,
      more: [
        "modules": .int(estimate.moduleCount), "seconds": estimate.seconds.map { .double($0) } ?? .null,
        "memory": .int(estimate.memory), "disk": .int(estimate.disk), "resumes": .bool(resumes),
        "choice": choiceFields,
      ])
  }

  private func prepare() throws -> WorkEstimate {
    try common.showingProgress(total: quantizer.checkpointBytes) { try quantizer.survey($0) }
    try choose()
    return try quantizer.estimate(measures: quantizer.ranks.isFirst)
  }

  private func describe(_ estimate: WorkEstimate) {
    let options = quantizer.options
    common.note("writing \(displayName(quantizer.output))")
    let time = estimate.seconds.map { ", about \(duration($0))" } ?? ""
    common.note(
      "\(estimate.moduleCount) modules, \(estimate.parameterCount / 1_000_000) M weights to "
        + "\(byteCount(estimate.quantizedBytes))\(time), \(byteCount(estimate.memory)) of memory, "
        + "\(byteCount(estimate.disk)) of disk")
    if options.arithmetic == .bfloat16 {
      common.note("passes and sums in bfloat16 by \(options.arithmetic.engineName)")
    }
    if estimate.usesScratchFile {
      common.note(
        "hidden states go to a file in \(displayName(quantizer.workPath)): --max-memory says how much may stay")
    }
    if options.method == .gptq, estimate.seconds ?? 0 > 60 {
      common.note("an interrupted run goes on where it was when the same command is given again")
    }
  }

  private func quantize(_ estimate: WorkEstimate) throws -> [ModuleReport] {
    Console.shared.remember(resumption: "the same command goes on where it was")
    // In MFLOP: the total of a large model's FLOP is near the end of Int.
    let unit = 1e6
    let total = max(1, Int(estimate.flop / unit))
    return try common.showingProgress(total: total, isBytes: false) {
      try quantize(total: total, unit: unit, progress: $0)
    }
  }

  private func quantize(total: Int, unit: Double, progress: @escaping ProgressHandler) throws -> [ModuleReport] {
    var file = ""
    var left = 0.0
    let damping = quantizer.options.recipe.damping
    var works: [RankWork] = []
    defer { show(works) }
    return try quantizer.quantize { event in
      switch event {
      case .resumed(let groups):
        common.note("going on with earlier work: \(groups) groups of modules are finished")
      case .gradients(let layer, let count, let isBack):
        if !file.isEmpty { progress(.finished(file: file)) }
        file = "gradients, layer \(layer) of \(count), \(isBack ? "back" : "forward")"
        progress(.started(file: file, bytes: max(1, total / count)))
      case .layer(let number, let count):
        if !file.isEmpty { progress(.finished(file: file)) }
        file = Language.message("layer \(number) of \(count)")
        progress(.started(file: file, bytes: max(1, total / count)))
      case .module(let report, let isNew):
        show(report, isNew: isNew)
        for warning in report.warnings(wantedDamping: damping) { Console.shared.warning("\(report.name): \(warning)") }
      case .advanced(let flop):
        left += flop / unit
        let whole = Int(left)
        left -= Double(whole)
        progress(.advanced(file: file, bytes: whole))
      case .saved: break
      case .worked(let work): works.append(work)
      }
    }
  }

  /// What several ranks did for each layer.
  private func show(_ works: [RankWork]) {
    guard let ranks = works.map(\.rank).max() else { return }
    guard common.json else {
      let waited = works.reduce(0) { $0 + $1.traffic.waitingSeconds } / works.reduce(1e-9) { $0 + $1.seconds }
      let sent = works.reduce(0) { $0 + $1.traffic.sentBytes + $1.traffic.sharedBytes } / works.count
      return common.note(
        "each of \(ranks + 1) ranks sent \(byteCount(sent)) a layer, and waited \(fixed(100 * waited, 1)) % of the time"
      )
    }
    for work in works {
      let traffic = work.traffic
      var fields: [String: JSONValue] = [
        "type": "rank", "rank": .int(work.rank), "layer": .int(work.layer), "seconds": .double(work.seconds),
        "waiting_seconds": .double(traffic.waitingSeconds), "sent_bytes": .int(traffic.sentBytes),
        "received_bytes": .int(traffic.receivedBytes), "shared_bytes": .int(traffic.sharedBytes),
        "taken_bytes": .int(traffic.takenBytes), "transfers": .int(traffic.transfers),
      ]
      for part in WorkPart.allCases {
        fields[part.rawValue + "_seconds"] = .double(work.seconds(of: part))
        fields[part.rawValue + "_processor_seconds"] = .double(work.processorSeconds(of: part))
      }
      Console.shared.result(.object(fields))
    }
  }

  private func show(_ report: ModuleReport, isNew: Bool) {
    if common.json {
      Console.shared.result([
        "type": "layer", "name": .string(report.name), "method": .string(report.method),
        "relative_output_error": report.relative_output_error.map { .double($0) } ?? .null,
        "predicted_divergence": report.predicted_divergence.map { .double($0) } ?? .null,
        "planned_divergence": report.planned_divergence.map { .double($0) } ?? .null,
        "stored_as": JSONValue(report.stored_as), "loss": .double(report.loss), "damping": .double(report.damping),
        "seconds": .double(report.seconds ?? 0),
        "dead_inputs": .int(report.dead_inputs), "double_precision": .bool(report.double_precision),
        "fallback": JSONValue(report.fallback), "peak_memory_bytes": .int(report.peak_memory_bytes ?? 0),
        "resumed": .bool(!isNew),
      ])
      return
    }
    guard !common.quiet else { return }
    let error = report.relative_output_error.map { "  error " + String(format: "%.3g", 100 * $0) + " %" } ?? ""
    let end = isNew ? "\(fixed(report.seconds ?? 0, 1)) s" : "finished before"
    Console.shared.result(report.name + "  " + report.method + error + "  " + end)
  }

  private func finish() throws -> (replaced: [String], removed: [String]) {
    if quantizer.format.writesFolder, !ModelCardText.mayBeWritten(into: quantizer.output) {
      Console.shared.warning(
        "\(displayName(Folder.join(quantizer.output, ModelCardText.fileName))) is not this program's, and stays: --card FILE "
          + "writes the model card elsewhere")
    }
    return try common.showingProgress(total: quantizer.outputBytes) {
      try quantizer.finish(card: card.text, progress: $0)
    }
  }

  /// The page and the card that were asked for. The model is finished: what fails here costs nothing of it.
  private func writeExtras(_ reports: [ModuleReport], _ seconds: Double) throws {
    let pages = QuantizationPages(reports: reports, wantedDamping: quantizer.options.recipe.damping)
    try extras.report.write(
      pages.page(of: quantizer, source: card.source, seconds: seconds, data: data).page, replacing: extras.replacing,
      common)
    guard let path = extras.card else { return }
    let isFolder = quantizer.format.writesFolder
    let folder = isFolder ? quantizer.output : Folder.parent(of: quantizer.output)
    let names = isFolder ? nil : [Folder.name(of: quantizer.output)]
    try ReportOption.write(card.text(folder, reports, names: names).bytes, to: path, replacing: extras.replacing)
    common.note("the model card is \(displayName(path))")
  }

  private func write(_ matrix: ImportanceMatrixFile, to path: String) throws {
    try ReportOption.check(path, replacing: extras.replacing)
    try Folder.create(Folder.parent(of: path))
    guard try matrix.write(as: Folder.name(of: path), in: Folder.parent(of: path), replacing: extras.replacing) else {
      throw ByteIOError(
        .exists, file: path, reason: "it appeared while the work was done",
        remedy: "give another name, or \(.replacing) to replace it")
    }
    common.note("the importance matrix is \(displayName(path))")
  }

  private func summarize(
    _ reports: [ModuleReport], _ estimate: WorkEstimate, _ seconds: Double,
    _ outcome: (replaced: [String], removed: [String])
  ) {
    let fallbacks = reports.filter { $0.fallback != nil }
    let errors = reports.compactMap(\.relative_output_error)
    let mean = errors.isEmpty ? nil : errors.reduce(0, +) / Double(errors.count)
    let divergences = reports.compactMap(\.predicted_divergence)
    let divergence = divergences.isEmpty ? nil : divergences.reduce(0, +)
    let flop = quantizer.flopCount
    let bytes = quantizer.writtenBytes ?? quantizer.outputBytes
    if common.json {
      return Console.shared.result([
        "type": "summary", "output": .string(quantizer.output), "modules": .int(reports.count),
        "fallbacks": JSONValue(fallbacks.map(\.name)), "relative_output_error": mean.map { .double($0) } ?? .null,
        "predicted_divergence": divergence.map { .double($0) } ?? .null, "choice": choiceFields,
        "seconds": .double(seconds),
        "peak_memory_bytes": .int(peakMemory), "flops": .int(Int(flop)),
        "flops_per_second": .double(flop / max(seconds, 1e-6)), "bytes": .int(bytes),
        "sgemm_flops_per_second": estimate.productRate.map { .double($0) } ?? .null,
        "calibration_sha256": JSONValue(quantizer.calibration?.fingerprint),
        "replaced": JSONValue(outcome.replaced), "removed": JSONValue(outcome.removed),
      ])
    }
    let lost =
      (mean.map { ", mean output error " + String(format: "%.3g", 100 * $0) + " %" } ?? "")
      + (divergence.map { ", predicted divergence " + String(format: "%.3g", $0) } ?? "")
    listChoice()
    let gain = Double(quantizer.checkpointBytes) / Double(max(1, bytes))
    Console.shared.result(
      "\(reports.count) modules in \(duration(seconds)): \(byteCount(quantizer.checkpointBytes)) became "
        + "\(byteCount(bytes)), \(fixed(gain, 1)) times smaller"
        + lost + ", at most \(byteCount(peakMemory)) of memory: \(displayName(quantizer.output))")
    if !fallbacks.isEmpty {
      Console.shared.warning(
        "\(fallbacks.count) modules could only be rounded to nearest: \(fallbacks.prefix(5).map(\.name).joined(separator: ", "))"
      )
    }
    if quantizer.options.method == .gptq {
      common.note(
        "to see what it lost: belle-tools evaluate \(displayName(quantizer.output)) --text FILE --reference \(displayName(model))"
      )
    }
  }

  /// 75 as `1 min 15 s`.
  private func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }
}
