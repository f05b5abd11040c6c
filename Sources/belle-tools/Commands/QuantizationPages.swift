// The pages and the card of a quantized model: from a run, and from what a run leaves in the folder.
// The folder's log has what the same work always gives; time, memory and the command are those of one run, and stand in its
// page alone.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Packed
import Quantize
import Reports

/// What is known of a quantized model.
struct QuantizationPages {
  let reports: [ModuleReport]
  let wantedDamping: Double

  /// The page of a run.
  func page(
    of quantizer: ModelQuantizer, source: String, seconds: Double, data: String?
  ) throws -> QuantizationReport {
    let bytes = quantizer.writtenBytes ?? quantizer.outputBytes
    var report = QuantizationReport(
      title: Folder.name(of: Folder.absolute(quantizer.output)), program: Program.version,
      lead: "Made from \(source) by \(quantizer.options.method == .gptq ? "GPTQ" : "rounding to nearest").",
      command: CommandLineText.own, facts: Self.facts(of: quantizer, data), modules: modules, kept: [],
      formerBytes: quantizer.checkpointBytes, bytes: bytes, seconds: seconds, peakMemory: peakMemory)
    let ours = reports.reduce(0) { $0 + ($1.bytes ?? 0) }
    let former = reports.reduce(0) { $0 + ($1.source_bytes ?? 0) }
    if quantizer.format.writesFolder, let source = try? Checkpoint.open(quantizer.output) {
      report.kept = kept(source)
    } else if bytes > ours {
      report.kept = [("everything else: embedding, norms, head", quantizer.checkpointBytes - former, bytes - ours)]
    }
    return report
  }

  /// The page of a folder.
  ///
  /// - Throws: ``QuantizeError`` where there is no log of it, or of another model.
  static func page(ofFolder folder: String) throws -> QuantizationReport {
    let reports = try QuantizationLog.reports(in: folder)
    let opened = try Checkpoint.opened(folder)
    let settings = try QuantizationSettings.read(folder)
    let pages = QuantizationPages(reports: reports, wantedDamping: settings?.damping ?? 0.01)
    let sizes = pages.sizes(opened.source)
    guard let missing = reports.first(where: { sizes[$0.name] == nil }) else {
      return pages.page(ofFolder: folder, opened.source, settings, sizes)
    }
    throw QuantizeError(
      .noLog, file: folder, place: displayName(missing.name),
      reason: "the log has figures of it, and the model has no such module: they are of another model",
      remedy: "\(.inspecting) shows the sizes and values of any model")
  }

  private func page(
    ofFolder folder: String, _ source: any TensorSource, _ settings: QuantizationSettings?, _ sizes: [String: Int]
  ) -> QuantizationReport {
    var modules = modules
    for index in modules.indices { modules[index].bytes = sizes[modules[index].name] }
    let kept = kept(source)
    let ours = modules.reduce(0) { $0 + ($1.bytes ?? 0) }
    let former = modules.allSatisfy { $0.formerBytes != nil } ? modules.reduce(0) { $0 + ($1.formerBytes ?? 0) } : nil
    let rest = kept.reduce(0) { $0 + $1.bytes }
    let method = reports.contains { $0.method == "gptq" } ? "GPTQ" : "rounding to nearest"
    return QuantizationReport(
      title: Folder.name(of: Folder.absolute(folder)), program: Program.version,
      lead:
        "Made by \(settings?.meta?.quantizer.first?.replacing(":", with: " ") ?? "a program that it does not name") "
        + "with \(method); from what the folder says.",
      facts: Self.facts(of: settings), modules: modules, kept: kept, formerBytes: former.map { $0 + rest },
      bytes: ours + rest,
      remark: "A folder keeps no time, no memory and no command, for the same work leaves the same bytes: a page that "
        + "is written with the model has them.")
  }

  /// The modules as a page shows them.
  var modules: [QuantizationReport.Module] {
    reports.map { report in
      let weights = report.in_features.flatMap { inputs in
        report.out_features.flatMap { outputs -> Int? in
          let (product, overflow) = inputs.multipliedReportingOverflow(by: outputs)
          return overflow || product < 0 ? nil : product
        }
      }
      return QuantizationReport.Module(
        name: report.name, error: report.relative_output_error, divergence: report.predicted_divergence,
        form: report.stored_as, weights: weights,
        formerBytes: report.source_bytes.flatMap { (0...1 << 50).contains($0) ? $0 : nil },
        bytes: report.bytes.flatMap { (0...1 << 50).contains($0) ? $0 : nil }, seconds: report.seconds,
        warnings: report.warnings(wantedDamping: wantedDamping))
    }
  }

  /// The bytes of each module's tensors.
  private func sizes(_ source: any TensorSource) -> [String: Int] {
    let names = Set(reports.map(\.name))
    var sizes: [String: Int] = [:]
    for info in source.tensors {
      guard let module = Self.module(of: info.name), names.contains(module) else { continue }
      sizes[module, default: 0] += info.byteCount
    }
    return sizes
  }

  /// What of a model's tensors is of none of the modules, folded.
  private func kept(_ source: any TensorSource) -> [QuantizationReport.Part] {
    let names = Set(reports.map(\.name))
    let others = TensorView(source) { info in Self.module(of: info.name).map { !names.contains($0) } ?? true }
    return TensorList(others, patterns: [], folds: true, order: nil).lines.map { ($0.title, $0.bytes, $0.bytes) }
  }

  private static func module(of tensor: String) -> String? {
    tensor.lastIndex(of: ".").map { String(tensor[..<$0]) }
  }

  private static func facts(of quantizer: ModelQuantizer, _ data: String?) -> [(name: String, value: String?)] {
    let options = quantizer.options
    let isGPTQ = options.method == .gptq
    return [
      ("format", quantizer.format.description), ("forms chosen for", options.target?.description),
      ("method", options.method.rawValue),
      ("recipe", isGPTQ ? "\(options.recipeName): \(options.recipe.description)" : nil),
      ("passes and sums", options.arithmetic == .single ? nil : "bfloat16, \(options.arithmetic.engineName)"),
      ("calibration", data), ("digest of the samples", quantizer.calibration.map { "SHA-256 " + $0.fingerprint }),
      ("digest of the model", "SHA-256 " + quantizer.modelDigest), ("threads", "\(options.threads)"),
    ]
  }

  private static func facts(of settings: QuantizationSettings?) -> [(name: String, value: String?)] {
    guard let settings else { return [] }
    return [
      ("bits", settings.bits.map { "\($0)" }), ("group size", settings.groupSize.map { "\($0)" }),
      ("zero points", settings.isSymmetric.map { $0 ? "in the middle (symmetric)" : "where they fit (asymmetric)" }),
      ("groups by activation", settings.actOrder.map { $0 ? "yes" : "no" }), ("method", settings.meta?.method),
      ("recipe", settings.meta?.recipe.map { $0 + (settings.meta?.steps.map { ": " + $0 } ?? "") }),
      ("damping", settings.damping.map { "\($0)" }),
      ("digest of the samples", settings.meta?.calibration.map { "SHA-256 " + $0 }),
    ]
  }
}
