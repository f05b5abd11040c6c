// report: the page of a quantized model, from what quantize left in its folder.

import ArgumentParser
import ByteIO
import Quantize
import Reports

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write a page on a quantized model: errors, sizes and bits, from its folder.",
    discussion: """
      Example: the errors of each layer and module, to look at in a browser:

        belle-tools report model-gptq-4bit-128g/ report.html

      The figures are those of quantize-log.jsonl, which `quantize` leaves beside the model. `quantize --report` writes \
      the same page with time, memory and the command. The page is one file, needs no network and runs nothing.
      """)

  @Argument(
    help: ArgumentHelp("A folder that quantize wrote.", valueName: "folder"), completion: .directory)
  var folder: String

  @Argument(
    help: ArgumentHelp(
      "The page to write; without it <folder>-report.html where you stand.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var output: String?

  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard let output, !ReportOption.isPage(output) else { return }
    throw ValidationError("The page is HTML: '\(displayName(output))' does not end in .html.")
  }

  func run() throws {
    if Folder.kind(of: folder) == .file {
      throw QuantizeError(
        .noLog, file: folder, reason: "a model in one file keeps no figures of its modules",
        remedy: "give --report to `belle-tools quantize`; \(.inspecting) shows the sizes and values of any model")
    }
    let path = output ?? Folder.name(of: Folder.absolute(folder)) + "-report.html"
    try ReportOption.check(path, replacing: force.isGiven)
    let report = try QuantizationPages.page(ofFolder: folder)
    if dry.dryRun {
      let file = OutputPlan.File(path, bytes: report.page.html.count)
      let replaced = [path].filter { Folder.kind(of: $0) != nil }
      return Console.shared.show(
        OutputPlan([file], in: Folder.parent(of: path), replaced: replaced), output: path, common)
    }
    try ReportOption.write(report.page.html, to: path, replacing: force.isGiven)
    if common.json {
      Console.shared.result([
        "type": "summary", "report": .string(path), "modules": .int(report.modules.count), "bytes": .int(report.bytes),
      ])
    } else {
      Console.shared.result("\(report.modules.count) modules, \(byteCount(report.bytes)): \(displayName(path))")
    }
  }
}
