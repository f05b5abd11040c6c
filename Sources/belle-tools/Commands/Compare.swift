// compare: whether two models are the same, tensor by tensor, whatever they are stored in.

import ArgumentParser
import ByteIO
import Checkpoint
import Model
import Reports

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare two models tensor by tensor, across containers, layouts and types.",
    discussion: """
      Example: a converted model against what it was made from:

        belle-tools compare model/ model-safetensors/
        belle-tools compare llama/ llama-hf/ --tolerance 1e-3
        belle-tools compare model/ model-4bit/ --report compare.html

      Where only one of the two is in Meta's layout or in GGUF, it is compared as Hugging Face has it; a head that only one \
      of them stores is held against the other's embedding, to which it is tied. Quantized weights are compared as the \
      values that they stand for. Prints what is not equal, the \
      worst first, and a summary. Exit status 2 where the models differ.
      """)

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "model-a"), completion: .file())
  var first: String

  @Argument(help: ArgumentHelp("Another one.", valueName: "model-b"), completion: .file())
  var second: String

  @Option(help: "The largest relative difference of a tensor that still counts as close.")
  var tolerance = 0.0

  @OptionGroup var report: ReportOption
  @OptionGroup var force: ForceOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard tolerance >= 0, tolerance.isFinite else { throw ValidationError("--tolerance must not be negative.") }
  }

  func run() throws {
    try report.check(replacing: force.isGiven)
    let models = (try unknown.open(first), try unknown.open(second))
    for model in [models.0, models.1] {
      Console.shared.remarks(model.remarks, on: model.path)
      guard let adapter = model.adapter else { continue }
      Console.shared.note("\(displayName(adapter.file)): \(adapter.reason)")
    }
    let (a, b, computed) = try models.0.comparable(with: models.1)
    if computed > 0 {
      Console.shared.note(
        (computed == 1 ? "1 tensor is" : "\(computed) tensors are")
          + " in one model only and no weight, but computed from the configuration: left out")
    }
    let total = a.tensors.reduce(0) { $0 + $1.byteCount }
    // The worst first: what cannot be compared, which is told as it comes and takes no memory; then by difference, in
    // the model's order among equals; what is equal last.
    var (differing, equal): ([TensorComparison], [TensorComparison]) = ([], [])
    var counts: [TensorComparison.Status: Int] = [:]
    var record = ComparisonRecord()
    try common.showingProgress(total: total) { progress in
      progress(.started(file: first, bytes: total))
      try Comparison(a, b, tolerance: tolerance).run(
        jobs: threads.count, progress: { progress(.advanced(file: first, bytes: $0)) },
        receive: { result in
          counts[result.status, default: 0] += 1
          switch result.status {
          case .missing, .shape:
            show(result)
            record.add(result)
          case .close, .different: differing.append(result)
          case .equal: if common.json { equal.append(result) }
          }
        })
    }

    let badness = { (index: Int) in differing[index].relativeDifference ?? Double.greatestFiniteMagnitude }
    let order = differing.indices.sorted { badness($0) != badness($1) ? badness($0) > badness($1) : $0 < $1 }
    for index in order { show(differing[index]) }
    for result in equal { show(result) }
    let count = counts.values.reduce(0, +)
    let isNo = [.missing, .shape, .different].contains { counts[$0] != nil }
    let worst = differing.compactMap(\.relativeDifference).max() ?? 0
    if common.json {
      Console.shared.result([
        "type": "summary", "tensors": .int(count), "equal": .int(counts[.equal] ?? 0),
        "close": .int(counts[.close] ?? 0), "different": .int(counts[.different] ?? 0),
        "missing": .int(counts[.missing] ?? 0), "shape": .int(counts[.shape] ?? 0), "relative": .double(worst),
      ])
    } else {
      let parts = Self.statuses.compactMap { status in
        counts[status].map { "\($0) \(status.rawValue)" }
      }
      Console.shared.result("\(count) tensors: \(parts.joined(separator: ", "))")
    }
    try report.write(
      record.report(self, counts: counts, differing: differing, order: order).page, replacing: force.isGiven, common)
    if isNo { throw ExitCode.negative }
  }

  /// What can be found, in the order in which it is told.
  static let statuses: [TensorComparison.Status] = [.equal, .close, .different, .missing, .shape]

  private func show(_ result: TensorComparison) {
    if common.json {
      return Console.shared.result([
        "type": "tensor", "name": .string(result.name), "status": .string(result.status.rawValue),
        "max_abs": result.maximumDifference.map { .double($0) } ?? .null,
        "relative": result.relativeDifference.map { .double($0) } ?? .null, "detail": JSONValue(result.detail),
      ])
    }
    guard result.status != .equal else { return }
    var line = "\(displayName(result.name)): \(result.status.rawValue)"
    if let maximum = result.maximumDifference, let relative = result.relativeDifference {
      line += "  max \(Float(maximum))  relative \(Float(relative))"
    }
    if let detail = result.detail { line += "  (\(detail))" }
    Console.shared.result(line)
  }
}
