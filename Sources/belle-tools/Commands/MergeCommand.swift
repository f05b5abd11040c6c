// merge: a base and adapters or deltas in, one model out; and the delta of a tuned model.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Merging
import Model

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge LoRA adapters and deltas into their base.",
    discussion: """
      Example: an adapter that peft, BELLE's trainer or alpaca-lora wrote, two of them in turn, and llama.cpp's:

        belle-tools merge model/ adapter/ merged/
        belle-tools merge model/ chinese-llama-lora/ chinese-alpaca-lora/ merged/
        belle-tools merge model/ adapter.gguf merged.gguf

      A trainer's checkpoint that holds the model and an unmerged adapter merges with itself:

        belle-tools merge checkpoint-1000/ merged/

      Deltas of 2023: Vicuna's, Stanford Alpaca's, Ziya's and OpenAssistant's; and one made for publishing:

        belle-tools merge llama-7b-hf/ vicuna-7b-delta-v1.1/ vicuna-7b/
        belle-tools merge --reverse llama-7b-hf/ mine/ mine-delta/

      Products are summed in double precision and added with one rounding, tensor by tensor. Every tensor of an adapter \
      is used, or it is an error. A model is computed again and compared with what was written; of OpenAssistant's files \
      those with checksums inside, PyTorch's, are verified, and the others opened.
      """)

  /// How adapters and deltas go into a base.
  enum Scheme: String, ExpressibleByArgument, CaseIterable {
    case auto, lora, add, alpaca, ziya
    case xorFiles = "xor-files"

    var choice: MergeOptions.Scheme { MergeOptions.Scheme(rawValue: rawValue) ?? .auto }
  }

  @Argument(
    help: ArgumentHelp(
      "The base, then adapters or deltas in their order, then the output: a file or a folder, as convert has them. "
        + "With --reverse the base, the tuned model and the delta.", valueName: "base> <adapter-or-delta> … <output"),
    completion: .file())
  var paths: [String]

  @Option(help: "How they go in; auto tells it from their files.")
  var scheme = Scheme.auto

  @Option(
    name: .both(.format),
    help: "The container: safetensors, PyTorch's or GGUF; auto, or without it: by the output's name.")
  var format: Convert.Format?

  @Option(
    name: .both(.dtype),
    help: "The type that values are rounded to before they are merged, and have in the output; keep: the base's.")
  var dtype = Convert.Precision.keep

  @Option(help: ArgumentHelp("What an adapter's products are multiplied by besides.", valueName: "factor"))
  var scale: Double?

  @Option(
    name: .both(.manifest),
    help: ArgumentHelp("A list of MD5 or SHA-256 digests that the output's files must have.", valueName: "file"),
    completion: .file())
  var manifest: String?

  @Flag(help: "Make a delta: what must be added to the base to get the tuned model (add, alpaca, xor-files).")
  var reverse = false

  @Option(
    help: ArgumentHelp("The largest file of a folder: a number with kB, MB or GB.", valueName: "size"))
  var maxShardSize: ByteSize?

  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard paths.count >= 2 else {
      throw ValidationError("merge takes a base, adapters or deltas, and the output.")
    }
    guard !reverse || paths.count == 3 else {
      throw ValidationError("--reverse takes the base, the tuned model and the delta.")
    }
    guard !reverse || ![.lora, .ziya].contains(scheme) else {
      throw ValidationError("--reverse makes deltas of the schemes add, alpaca and xor-files.")
    }
    guard paths.count > 2 || [.auto, .lora].contains(scheme) else {
      throw ValidationError("a checkpoint that merges with itself has an adapter: leave --scheme out.")
    }
    if let scale, !scale.isFinite { throw ValidationError("--scale is a number.") }
    guard scale == nil || !reverse, scale == nil || [.auto, .lora].contains(scheme) else {
      throw ValidationError("--scale is for adapters: deltas are added as they are.")
    }
    guard scheme != .xorFiles || format == nil && dtype == .keep && maxShardSize == nil else {
      throw ValidationError("xor-files gives files as they are: leave --format, --dtype and --max-shard-size out.")
    }
    if maxShardSize != nil, Container(outputName: output) != nil || target.wantsOneFile {
      throw ValidationError(
        "--max-shard-size divides the files of a folder, and this output is one file: leave it out.")
    }
    do { try target.check() } catch {
      throw ValidationError(
        "--format does not fit the name \(displayName(output)): give another name, or leave --format out.")
    }
  }

  private var output: String { paths.last ?? "" }

  private var target: ConversionTarget {
    var target = ConversionTarget(output)
    target.container = format?.container
    target.shardSize = maxShardSize?.bytes
    return target
  }

  func run() throws {
    var options = MergeOptions()
    options.scheme = scheme.choice
    options.dtype = dtype.type
    options.factor = scale
    options.isReversed = reverse
    options.manifest = try manifest.map { try list($0) }
    let merge = try Merge(paths[0], Array(paths.dropFirst().dropLast()), to: target, options) { show($0) }
    if dry.dryRun {
      let plan = try merge.planned(replacing: force.isGiven, inputs: .opened)
      return Console.shared.show(plan, output: output, common)
    }
    let report = try common.showingProgress(total: merge.byteCount) {
      // Whatever was opened until now: all models, their configurations, the list.
      try merge.run(replacing: force.isGiven, inputs: .opened, progress: $0)
    }
    show(report)
    if !report.absent.isEmpty { throw ExitCode.negative }
  }

  private func list(_ path: String) throws -> Manifest {
    var list = try Manifest(contentsOf: path)
    let note = try list.settle(file: path) { !$0.contains("/") }
    if let note { common.note("\(displayName(path)): \(note)") }
    return list
  }

  private func show(_ remark: ConversionRemark) {
    switch remark {
    case .note(let text): common.note(text)
    case .warning(let text): Console.shared.warning(text)
    case .noChatTemplate: common.note("\(displayName(output)): \(ChatTemplateArgument.missing)")
    case .replaces(let paths): common.note("--force replaces \(paths.map(displayName).joined(separator: ", "))")
    }
  }

  /// Says what became of the base.
  private func show(_ report: MergeReport) {
    if report.overflows > 0 {
      Console.shared.warning(
        "\(report.overflows) value\(report.overflows == 1 ? " was" : "s were") too large for the output's type and "
          + "became infinite; --dtype bf16 or f32 would hold them")
    }
    Console.shared.warn(ofRemoved: report.removedFiles)
    for name in report.absent {
      common.note(
        "\(displayName(manifest ?? "")) lists \(displayName(name)), which is not in the output")
    }
    guard !common.json else { return showJSON(report) }
    let steps = report.steps.map { step in
      let what = (step.scheme == .xorFiles ? "file" : "tensor") + (step.changed == 1 ? "" : "s")
      let replaced = step.replaced > 0 && step.scheme != .xorFiles ? ", \(step.replaced) taken as they are" : ""
      return "\(step.scheme.rawValue): \(step.changed) \(what) changed\(replaced)"
    }
    let tensors = report.tensors.map { "\($0) tensors, " } ?? ""
    let verified = report.verified.isEmpty ? "" : "; \(report.verified.count) verified"
    let sum = report.sum.map { "; sum of all elements \($0)" } ?? ""
    let back =
      report.inexact.map {
        $0 == 0 ? "; added to the base it gives every value back" : "; \($0) values come back rounded"
      } ?? ""
    Console.shared.result(
      "\(steps.joined(separator: "; ")); \(tensors)\(byteCount(report.bytes))\(verified)\(sum)\(back): "
        + "\(displayName(output))")
  }

  private func showJSON(_ report: MergeReport) {
    for step in report.steps {
      Console.shared.result([
        "type": "step", "path": .string(step.path), "scheme": .string(step.scheme.rawValue),
        "changed": .int(step.changed), "replaced": .int(step.replaced),
      ])
    }
    Console.shared.result([
      "type": "summary", "output": .string(output), "tensors": JSONValue(report.tensors),
      "bytes": .int(report.bytes), "overflows": .int(report.overflows), "sum": report.sum.map { .double($0) } ?? .null,
      "inexact": JSONValue(report.inexact), "verified": JSONValue(report.verified),
      "absent": JSONValue(report.absent), "replaced": JSONValue(report.replacedFiles),
      "removed": JSONValue(report.removedFiles),
    ])
  }
}
