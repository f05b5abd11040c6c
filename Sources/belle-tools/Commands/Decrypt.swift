// decrypt: encrypted files and the original weights in, verified plain files out.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import XorDecrypt

struct Decrypt: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Recover released weights from their .enc files, verified.",
    discussion: """
      Example: a release that was downloaded to enc/, LLaMA's original 7B weights, and the publisher's MD5 list:

        belle-tools decrypt enc/ llama/consolidated.00.pth model/ --manifest belle.md5
        belle-tools decrypt enc/ llama/consolidated.00.pth model/ --format safetensors

      Every file is held against the SHA-256 in its name and in its header, and against the MD5 that the manifest or the \
      known release has of it. Exit status 2 where all went well and the manifest, the release or a decrypted index names files \
      that are not there. A file gets its name only when all of them agree; a file that is there already and agrees \
      is skipped. Small files go first: with a wrong key they fail in the first second, and nothing else is begun.

      Without Meta's file, the folder of a Hugging Face conversion of it in half precision is a key, too: the bytes of the \
      file are made from it as they are read.

        belle-tools decrypt enc/ llama-7b-hf/ model/ --check-key

      Where all went well, belle-tools.sha256 beside the files lists them, in the form of sha256sum; `verify` finds it, and \
      --no-list leaves it out.

      With --format safetensors the PyTorch files become safetensors in the same pass, byte for byte what `convert` would \
      make of them, and no pickle is written.
      """)

  /// What the PyTorch files of a release can become.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case safetensors
  }

  @Argument(
    help: ArgumentHelp("An .enc file, or a folder that holds some.", valueName: "enc-file-or-folder"),
    completion: .file())
  var input: String

  @Argument(
    help: ArgumentHelp(
      "The original weights that the release was made with: Meta's file, or the folder of a conversion of it.",
      valueName: "key"), completion: .file())
  var key: String

  @Argument(
    help: ArgumentHelp("Where the plain files go; made if missing.", valueName: "output-folder"), completion: .directory
  )
  var output: String

  @Option(
    name: .both(.manifest),
    help: ArgumentHelp("A list of MD5 or SHA-256 digests of the plain files.", valueName: "file"), completion: .file())
  var manifest: String?

  @Option(name: .both(.format), help: "What PyTorch files become on the way; without it they stay as they are.")
  var format: Format?

  @Option(help: ArgumentHelp("The former name of --format.", visibility: .hidden))
  var to: Format?

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var force: ForceOption

  @Flag(name: .both(.keepGoing), help: "Go on with the other files when one fails.")
  var keepGoing = false

  @Flag(help: "Read the whole key first and hold its digest against the known originals.")
  var checkKey = false

  @OptionGroup var dry: DryRunOption

  @Flag(help: "Leave no list of the files beside them.")
  var noList = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard format == nil || to == nil else {
      throw ValidationError("--to is another name of --format: give one of them.")
    }
  }

  func run() throws {
    let start = ContinuousClock.now
    var options = DecryptOptions(jobs: threads.count)
    try refuseDifference()
    options.manifest = try manifest.map { try list($0) }
    options.manifestName = manifest
    options.force = force.isGiven
    options.keepGoing = keepGoing
    options.checksKeyDigest = checkKey
    options.digestsOutputs = !noList
    if (format ?? to) == .safetensors { options.converter = ReleaseConverter() }

    let keySize = checkKey ? (try? KeySource.open(key).file.size) ?? 0 : 0
    let plan = try common.showingProgress(total: keySize) {
      try DecryptPlan(
        input: input, key: key, outputFolder: output, options: options, openKey: KeySource.open, progress: $0)
    }
    let decryptor = ReleaseDecryptor(plan) { [output, isForced = force.isGiven] names in
      try ModelPlace(output, names: names, kind: .release).leftovers(inputs: plan.inputs, replacing: isForced)
    }
    try announce(plan, warnings: plan.warnings + (dry.dryRun ? decryptor.headWarnings() : []))

    if !dry.dryRun {
      Console.shared.remember(resumption: Counts.resumption)
    }
    var counts = Counts()
    // Of what files became: a converted one has another digest than the plain one that it was.
    var digests: [String: Digest] = [:]
    let converted = Set(plan.items.filter(\.isConverted).map(\.input))
    let receive = { (result: FileResult) in
      counts.add(result)
      digests.merge(result.outputDigests) { $1 }
      if let output = result.output, !converted.contains(result.input) {
        digests[Folder.name(of: output)] = result.digests[.sha256]
      }
      show(result)
    }
    for problem in options.manifest?.problems ?? [] { Console.shared.report(problem) }
    var outcome = ReleaseDecryptor.Outcome()
    if dry.dryRun {
      try decryptor.checkLeftovers()
      outcome = try decryptor.dryRun(isCut: KeyJudgement.cut, receive: receive)
    } else {
      outcome = try common.showingProgress(total: plan.plainSize) { try decryptor.run(progress: $0, receive: receive) }
    }
    let absent: [(name: String, lister: String)] =
      plan.absent.map { ($0, plan.lister) } + outcome.absent.map { ($0.name, displayName($0.index)) }
    for (name, lister) in absent { show(absent: name, listedBy: lister) }
    if let doubt = outcome.keyDoubt { KeyJudgement.tell(of: plan.key, doubt, common) }
    Console.shared.warn(ofRemoved: outcome.removed)
    let listPath = noList ? nil : leaveList(outcome.outputs, digests, plan)
    let seconds = (ContinuousClock.now - start).seconds
    summarize(plan, counts, listPath, outcome.removed, absent.map(\.name), seconds: seconds)
    if counts.failed > 0 { throw ExitCode.failure }
    if !absent.isEmpty || options.manifest?.problems.isEmpty == false { throw ExitCode.negative }
  }

  /// Names the XOR folders of other projects, which have no .enc files.
  private func refuseDifference() throws {
    guard let names = try? Folder.entries(of: input).map(\.name),
      !names.contains(where: { $0.lowercased().hasSuffix(EncryptedName.suffix) }),
      let difference = BaseDifference.found(in: input)
    else { return }
    throw difference
  }

  /// Reads the list; files that it names by absolute paths are those of their names.
  private func list(_ path: String) throws -> Manifest {
    var list = try Manifest(contentsOf: path, keepsGoodLines: true)
    let names = ((try? Folder.entries(of: Folder.home(of: input))) ?? []).map(\.name)
    let single = Folder.kind(of: input) == .folder ? nil : (try? EncryptedName(Folder.name(of: input)))?.plainName
    let note = try list.settle(file: path, of: single) { name in
      !name.contains("/")
        && (EncryptedName.form(of: name, among: names) != nil || Folder.kind(of: Folder.join(output, name)) == .file)
    }
    if let note { common.note("\(displayName(path)): \(note)") }
    return list
  }

  /// Leaves a list of the outputs beside them. What nobody has hashed yet is read for it.
  ///
  /// - Returns: the list's path; nil where there is none, for the files are right without it.
  private func leaveList(_ names: [String], _ known: [String: Digest], _ plan: DecryptPlan) -> String? {
    guard !names.isEmpty else { return nil }
    do {
      var digests: [String: Digest] = [:]
      for name in names { digests[name] = known[name] }
      let files = try FolderDigests(names.filter { known[$0] == nil }.map { Folder.join(output, $0) })
      common.showingProgress(total: files.size) { progress in
        files.run([.sha256], jobs: threads.count, progress: progress) { found in
          digests[Folder.name(of: found.item.path)] = found.digests[.sha256]
        }
      }
      _ = try WrittenList.update(digests, in: output, inputs: plan.inputs)
      return Folder.join(output, WrittenList.name)
    } catch {
      let reason = (error as? any ToolError)?.description ?? "\(error)"
      Console.shared.warning("the files are complete, but no list of them is left: \(reason)")
      return nil
    }
  }

  private func show(absent name: String, listedBy lister: String) {
    if common.json {
      return Console.shared.result([
        "type": "file", "input": nil, "output": .string(Folder.join(output, name)), "status": "missing",
        "error": .string("\(lister) lists it, and it is not in \(displayName(input))"),
      ])
    }
    Console.shared.result("missing   \(displayName(name))  (\(lister) lists it; it is not here)")
  }

  private func announce(_ plan: DecryptPlan, warnings: [String]) throws {
    for warning in warnings { Console.shared.warning(warning) }
    let release = plan.releases.count == 1 ? plan.releases[0].name : nil
    if let release { common.note("release \(release)") }
    if let claim = plan.keyClaim { common.note("key: \(claim)") }
    for note in plan.notes { common.note(note) }
    if !plan.ignored.isEmpty {
      common.note("left alone, no .enc files: \(plan.ignored.map(displayName).joined(separator: ", "))")
    }
  }

  private func show(_ result: FileResult) {
    let console = Console.shared
    let input = Folder.name(of: result.input)
    let plainName = result.outputs.isEmpty ? (try? EncryptedName(input))?.plainName : nil
    let name = displayName(result.output.map { Folder.name(of: $0) } ?? plainName ?? input)
    if common.json {
      console.result(result.json)
    } else if result.error != nil || !common.quiet {
      switch result.status {
      case .verified:
        let digests = result.digests.keys.sorted { $0.title > $1.title }.map(\.title).joined(separator: ", ")
        let replaced = result.outputs.isEmpty ? "  (the index of the safetensors takes its place)" : ""
        let note = result.note.map { "  (\($0))" } ?? ""
        console.result("verified  \(name)  \(byteCount(result.bytes))  \(digests)\(replaced)\(note)")
      case .skipped:
        console.result("skipped   \(name)  \(byteCount(result.bytes))  there already, verified")
      case .planned:
        let isThere = result.output.map { Folder.kind(of: $0) != nil } ?? false
        console.result(
          "planned   \(name)  \(byteCount(result.bytes))  \(isThere ? "there already, would be checked" : "would be decrypted")"
        )
      case .failed(let error):
        let isBegun = (error as? XorDecryptError)?.code != .notStarted
        console.result(isBegun ? "failed    \(name)" : "not done  \(name)")
      }
    }
    if let error = result.error, (error as? XorDecryptError)?.code != .notStarted { console.report(error) }
  }

  private func summarize(
    _ plan: DecryptPlan, _ counts: Counts, _ list: String?, _ removed: [String], _ absent: [String], seconds: Double
  ) {
    if common.json {
      Console.shared.result([
        "type": "summary", "verified": .int(counts.verified), "skipped": .int(counts.skipped),
        "failed": .int(counts.failed), "planned": .int(counts.planned), "bytes": .int(counts.bytes),
        "seconds": .double(seconds), "ignored": JSONValue(plan.ignored), "absent": JSONValue(absent),
        "release": JSONValue(plan.releases.count == 1 ? plan.releases[0].name : nil),
        "key": JSONValue(plan.keyOriginal?.name), "key_claim": JSONValue(plan.keyClaim),
        "wanted_keys": JSONValue(plan.wantedKeys),
        "output": .string(output), "dry_run": .bool(dry.dryRun), "removed": JSONValue(removed), "list": JSONValue(list),
      ])
    } else if counts.failed > 0 {
      common.note(
        "\(counts.failed) of \(plan.items.count) files failed or were not begun; \(counts.verified) verified, "
          + "\(counts.skipped) skipped")
    } else if dry.dryRun {
      let free = Folder.availableSpace(output).map { ", and \(byteCount($0)) are free there" } ?? ""
      common.note("nothing was written: \(counts.planned) files would be there, \(byteCount(counts.bytes))\(free)")
    } else {
      let rate = seconds > 0 ? ", \(byteCount(Int(Double(counts.bytes) / seconds)))/s" : ""
      common.note(
        "\(counts.verified) verified, \(counts.skipped) skipped; \(byteCount(counts.bytes)) in \(fixed(seconds, 1)) s\(rate)"
      )
    }
  }
}
