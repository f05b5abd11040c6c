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

      With --lists the folder also gets MD5SUMS and SHA256SUMS of the .enc files, decrypted.md5 and decrypted.sha256 of the \
      plain ones, and checksums.md, the same for a model card: all that `verify` reads.
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

  @Flag(help: "Write the lists of digests that a publisher puts beside the files, and a block for the model card.")
  var lists = false

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = Console.shared
    let start = ContinuousClock.now
    let encryptor = try ReleaseEncryptor(
      input: input, key: key, outputFolder: output, jobs: threads.count, force: force.isGiven,
      wantsAllDigests: lists, openKey: KeySource.open)
    let original = try KeyRecognition.identify(encryptor.key, registry: .builtIn)
    if let claim = KeyRecognition.claim(original, encryptor.key) { common.note("key: \(claim)") }
    if !encryptor.ignored.isEmpty {
      common.note("left alone: \(encryptor.ignored.map(displayName).joined(separator: ", "))")
    }
    // What the lists cannot replace is refused before the files are read, as far as it is known then.
    let listsPlan =
      try lists
      ? encryptor.plannedLists.planned(in: output, replacing: force.isGiven, inputs: encryptor.inputRecord) : nil
    if dry.dryRun {
      let plan = OutputPlan(
        encryptor.planned().files + (listsPlan?.files ?? []), in: output, replaced: listsPlan?.replaced ?? [])
      return console.show(plan, output: output, common)
    }
    console.remember(resumption: Counts.resumption)
    var counts = Counts()
    var published = PublishedLists()
    try common.showingProgress(total: encryptor.size) { progress in
      try encryptor.run(progress: progress) { result in
        counts.add(result)
        show(result)
        guard result.error == nil, let output = result.output else { return }
        published.files[Folder.name(of: output)] = result.encrypted
        published.decrypted[Folder.name(of: result.input)] = result.digests
      }
    }
    var written: [String] = []
    if lists, counts.failed == 0 {
      written = try published.write(in: output, replacing: force.isGiven, inputs: encryptor.inputRecord)
      for path in written where !common.json && !common.quiet {
        console.result("written    \(displayName(Folder.name(of: path)))")
      }
    }
    let seconds = (ContinuousClock.now - start).seconds
    if common.json {
      console.result([
        "type": "summary", "encrypted": .int(counts.verified), "skipped": .int(counts.skipped),
        "failed": .int(counts.failed), "bytes": .int(counts.bytes), "seconds": .double(seconds),
        "ignored": JSONValue(encryptor.ignored), "output": .string(output), "lists": JSONValue(written),
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
      fields["encrypted_sha256"] = JSONValue(result.encrypted[.sha256]?.hex)
      fields["encrypted_md5"] = JSONValue(result.encrypted[.md5]?.hex)
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
