// encrypt: what a publisher runs: plain files and the original weights in, the release's .enc files out.

import ArgumentParser
import ByteIO
import Checksum
import XorDecrypt

struct Encrypt: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make the .enc files of a release from plain files.",
    discussion: """
      Example: a fine-tuned model in model/, made from LLaMA's original 7B weights:

        belle-tools encrypt model/ llama/7B/consolidated.00.pth enc/

      Writes <name>.<SHA-256>.enc for each file, byte for byte what BELLE's and point-alpaca's scripts write. Hidden \
      files, folders and .enc files are left alone.
      """)

  @Argument(
    help: ArgumentHelp("A plain file, or a folder of plain files.", valueName: "file-or-folder"), completion: .file())
  var input: String

  @Argument(
    help: ArgumentHelp(
      "The original weights that the model derives from: Meta's file, or the folder of a conversion of it.",
      valueName: "key"), completion: .file())
  var key: String

  @Argument(
    help: ArgumentHelp("Where the .enc files go; made if missing.", valueName: "output-folder"), completion: .directory)
  var output: String

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = Console.shared
    let start = ContinuousClock.now
    let encryptor = try ReleaseEncryptor(
      input: input, key: key, outputFolder: output, jobs: threads.count, force: force.isGiven,
      openKey: KeySource.open)
    let original = try KeyRecognition.identify(encryptor.key, registry: .builtIn)
    if let claim = KeyRecognition.claim(original, encryptor.key) { common.note("key: \(claim)") }
    if !encryptor.ignored.isEmpty {
      common.note("left alone: \(encryptor.ignored.map(displayName).joined(separator: ", "))")
    }
    if dry.dryRun { return console.show(encryptor.planned(), output: output, common) }
    console.remember(resumption: Counts.resumption)
    var counts = Counts()
    try common.showingProgress(total: encryptor.plainSize) { progress in
      try encryptor.run(progress: progress) { result in
        counts.add(result)
        show(result)
      }
    }
    let seconds = (ContinuousClock.now - start).seconds
    if common.json {
      console.result([
        "type": "summary", "encrypted": .int(counts.verified), "skipped": .int(counts.skipped),
        "failed": .int(counts.failed), "bytes": .int(counts.bytes), "seconds": .double(seconds),
        "ignored": JSONValue(encryptor.ignored), "output": .string(output),
      ])
    } else {
      let failed = counts.failed > 0 ? ", \(counts.failed) failed" : ""
      common.note(
        "\(counts.verified) encrypted, \(counts.skipped) skipped\(failed); \(byteCount(counts.bytes)) in \(fixed(seconds, 1)) s"
      )
    }
    if counts.failed > 0 { throw ExitCode.failure }
  }

  private func show(_ result: FileResult) {
    let console = Console.shared
    if common.json {
      guard case .object(var fields) = result.json else { return }
      if case .verified = result.status { fields["status"] = "encrypted" }
      console.result(.object(fields))
    } else if result.error != nil || !common.quiet {
      let name = displayName(Folder.name(of: result.output ?? result.input))
      switch result.status {
      case .skipped: console.result("skipped    \(name)  there already, the same")
      case .failed: console.result("failed     \(displayName(Folder.name(of: result.input)))")
      case .verified, .planned: console.result("encrypted  \(name)" + (result.note.map { "  (\($0))" } ?? ""))
      }
    }
    if let error = result.error { console.report(error) }
  }
}
