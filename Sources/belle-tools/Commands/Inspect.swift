// inspect: what is in a checkpoint, without running any of it.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Model
import Packed
import Reports

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the tensors of checkpoints, without running anything in them.",
    discussion: """
      Example: what a file holds, its values' figures, and whether its pickle names only what weight files need:

        belle-tools inspect model/pytorch_model-00001-of-00002.bin
        belle-tools inspect model/ --filter up_proj --histogram
        belle-tools inspect model/ --stats
        belle-tools inspect model/ --safety
        belle-tools inspect model/ --report model.html

      Reads PyTorch checkpoints (zip, tar and legacy), safetensors, GGUF and NumPy files, folders with one of them or \
      with an index, and Meta's folders. Tensors of one type and shape whose names differ in numbers only are one line; \
      --all lists each. A pickle is read as data. --safety looks at every file of a folder, whatever it is \
      called, and is as strict with --skip-unknown. Exit status 2 where it finds what no weight file needs, or what it does not understand.
      """)

  @Argument(
    help: ArgumentHelp("A checkpoint, or a folder that holds one; or several.", valueName: "file-or-folder"),
    completion: .file())
  var inputs: [String]

  @Flag(help: "Read all values: minimum, maximum, mean, NaN and infinity counts, and SHA-256 of each tensor.")
  var stats = false

  @Flag(help: "Read the values, and show how they are spread.")
  var histogram = false

  @Flag(help: "Read everything and hold it against the CRC-32 of a PyTorch zip's members.")
  var crc = false

  @Flag(help: "Show every name that pickles hold, where, and whether loading runs more than a weight file needs.")
  var safety = false

  @Option(
    help: ArgumentHelp(
      "Only tensors whose names fit: '*.mlp.*'; a text without * ? [ fits names that it stands in. May be given several "
        + "times.", valueName: "pattern"))
  var filter: [String] = []

  @Option(help: "Order by name, by size (the largest first), or by type; without it as in the file.")
  var sort: TensorList.Order?

  @Flag(
    name: [.customLong("all"), .customLong("no-fold")], help: "A line for each tensor, also where layers have the same.")
  var listsAll = false

  @OptionGroup var report: ReportOption
  @OptionGroup var force: ForceOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if safety, stats || histogram || report.path != nil || !filter.isEmpty || sort != nil {
      throw ValidationError("--safety looks at files, not at tensors: it goes with no option about these.")
    }
    if report.path != nil, inputs.count > 1 { throw ValidationError("--report is of one checkpoint.") }
  }

  /// What a checkpoint's tensors come to, for the summary of all.
  struct Totals {
    var (tensors, parameters, bytes, unread) = (0, 0, 0, 0)
    var formats: [String] = []
    var skippedNames: Int?
    var leftOut: Int?

    /// The fields of a summary.
    var fields: [String: JSONValue] {
      let format = Set(formats).count == 1 ? formats.first : "several"
      var fields: [String: JSONValue] = [
        "tensors": .int(tensors), "parameters": .int(parameters), "bytes": .int(bytes), "format": JSONValue(format),
        "unread": .int(unread),
      ]
      if let skippedNames { fields["skipped_names"] = .int(skippedNames) }
      if let leftOut { fields["left_out"] = .int(leftOut) }
      return fields
    }

    static func += (one: inout Totals, other: Totals) {
      one.tensors += other.tensors
      one.parameters += other.parameters
      one.bytes += other.bytes
      one.unread += other.unread
      one.formats += other.formats
      if let names = other.skippedNames { one.skippedNames = (one.skippedNames ?? 0) + names }
      if let count = other.leftOut { one.leftOut = (one.leftOut ?? 0) + count }
    }
  }

  func run() throws {
    try report.check(replacing: force.isGiven)
    if safety { return try runSafety() }
    var totals = Totals()
    var failure: (any ToolError)?
    for (number, input) in inputs.enumerated() {
      do {
        if inputs.count > 1, !common.json {
          Console.shared.result((number > 0 ? "\n" : "") + displayName(input) + ":")
        }
        let own = try inspect(input)
        if inputs.count > 1, common.json {
          Console.shared.result(.object(own.fields.merging(["type": "checkpoint", "path": .string(input)]) { one, _ in one }))
        }
        totals += own
      } catch let error as any ToolError where inputs.count > 1 {
        // The others are shown all the same.
        if failure != nil { Console.shared.report(error) }
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    guard common.json else { return }
    Console.shared.result(.object(totals.fields.merging(["type": "summary"]) { one, _ in one }))
  }

  private func inspect(_ input: String) throws -> Totals {
    let skipped = unknown.names
    let opened = try Checkpoint.opened(input, skipping: skipped)
    let source = opened.source
    Console.shared.tell(skipped, of: input)
    Console.shared.remarks(opened.remarks, on: opened.path)
    if let adapter = AdapterPresence(in: source, at: opened.path) {
      Console.shared.note("\(displayName(adapter.file)): \(adapter.reason); \(adapter.remedy.words)")
    }
    if crc { try source.verifyChecksums() }
    let list = TensorList(source, patterns: filter, folds: !listsAll && !stats && !common.json, order: sort)
    guard list.count > 0 || filter.isEmpty else { throw misfit(source, input) }
    try show(list, of: source, input)
    let indices = list.count == source.tensors.count ? Array(source.tensors.indices) : list.lines.flatMap(\.indices)
    var totals = Totals()
    totals.tensors = list.count
    totals.parameters = parameters(source, indices, opened.path)
    totals.bytes = indices.reduce(0) { $0 + source.tensors[$1].byteCount }
    let unread = indices.count { source.tensors[$0].unread != nil }
    totals.unread = unread + (common.json ? skipped?.unread.count ?? 0 : 0)
    totals.formats = [source.format]
    (totals.skippedNames, totals.leftOut) = (skipped?.names.count, skipped?.leftOutCount)
    if common.json { tellJSON(source, skipped) } else { tell(source, totals, skipped) }
    try report.write(
      pageOf(source, list, totals, opened.path, input).page, replacing: force.isGiven, common)
    return totals
  }

  private func misfit(_ source: any TensorSource, _ input: String) -> CheckpointError {
    CheckpointError(
      .noSuchTensor, file: input,
      reason: "the pattern\(filter.count > 1 ? "s fit" : " \(displayName(filter[0])) fits") none of its "
        + "\(source.tensors.count) tensors",
      remedy: "they are called \(source.tensors.first.map { displayName($0.name) } ?? "nothing") …; * stands for anything")
  }

  /// How many weights there are: of packed modules what their integers stand for.
  private func parameters(_ source: any TensorSource, _ indices: [Int], _ path: String) -> Int {
    let stored = indices.reduce(0) { $0 + source.tensors[$1].elementCount }
    guard indices.count == source.tensors.count, PackedCheckpoint.isPacked(source),
      let packed = try? PackedCheckpoint.ofModel(source, folder: Folder.home(of: path))
    else { return stored }
    return packed.tensors.reduce(0) { $0 + $1.elementCount }
  }

  private func tellJSON(_ source: any TensorSource, _ skipped: SkippedNames?) {
    for (name, value) in source.metadata {
      Console.shared.result(["type": "metadata", "name": .string(name), "value": .string(value)])
    }
    for global in skipped?.names ?? [] {
      Console.shared.result([
        "type": "skipped", "name": .string("\(global.module).\(global.name)"), "offset": .int(global.offset),
        "count": .int(global.count), "deed": JSONValue(global.deed),
      ])
    }
  }

  private func tell(_ source: any TensorSource, _ totals: Totals, _ skipped: SkippedNames?) {
    for (name, value) in source.metadata {
      Console.shared.result("# \(displayName(name)) = \(displayName(String(value.prefix(500))))")
    }
    let all = totals.tensors == source.tensors.count ? "" : " of \(source.tensors.count)"
    let unread = totals.unread
    Console.shared.result(
      "\(totals.tensors)\(all) tensors, \(totals.parameters) parameters, \(byteCount(totals.bytes)), \(source.format)"
        + (unread > 0 ? "; \(unread) of them \(unread == 1 ? "is" : "are") not read" : "")
        + (skipped.map { "; \($0.names.count) name\($0.names.count == 1 ? " was" : "s were") not looked at" } ?? ""))
  }
}

extension TensorList.Order: ExpressibleByArgument {}
