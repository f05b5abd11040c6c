// verify: files against published digests, for people and for CI.

import ArgumentParser
import ByteIO
import Checksum

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check files against MD5 and SHA-256 lists.",
    discussion: """
      Example: a decrypted release, against its publisher's list, and against what is known of it:

        belle-tools verify model/ --manifest belle.md5
        belle-tools verify model/

      Lists are those of md5sum and sha256sum in GNU or BSD form, and Meta's checklist.chk. Without an option the known \
      release whose file names fit is found; where none fits, lists that lie in the folder are used. Prints a line a file \
      as md5sum does. Exit status 2 where a file differs or is missing.
      """)

  @Argument(help: ArgumentHelp("A folder of files, or one file.", valueName: "folder"))
  var input: String

  @Option(help: ArgumentHelp("A list of digests; may be given several times.", valueName: "file"))
  var manifest: [String] = []

  @Option(help: ArgumentHelp("The known release or original to check against.", valueName: "name"))
  var release: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Exit with status 2 also where the folder holds files that are not listed.")
  var strict = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if release != nil, !manifest.isEmpty { throw ValidationError("--manifest and --release exclude each other.") }
  }

  func run() throws {
    guard let kind = Folder.kind(of: input) else {
      throw ByteIOError(.notFound, file: input, reason: "there is no such file or folder", remedy: "check the path")
    }
    let isFile = kind == .file
    let folder = isFile ? Folder.parent(of: input) : input
    let name = isFile ? Folder.name(of: input) : nil
    if let name, release == nil, manifest.isEmpty { return try identify(name) }

    var (list, source, lists, unlisted) = try self.list(for: folder)
    if let name {
      list = list.restricted(to: name)
      guard !list.entries.isEmpty else {
        throw ChecksumError(
          .unknownRelease, file: input, reason: "\(source) does not list a file of this name",
          remedy: "check the list; names in it are relative to the folder")
      }
    }
    common.note("checking against \(source)")

    let verifier = FolderVerifier(folder: folder, manifest: list, jobs: threads.count)
    var counts: [VerifyResult.Status: Int] = [:]
    var unreadable = 0
    try common.showingProgress(total: verifier.size) { progress in
      try verifier.run(ignoring: lists, progress: progress) { results in
        guard let first = results.first, !(first.status == .extra && isFile) else { return }
        let status = results.first { $0.status != .ok }?.status ?? .ok
        counts[status, default: 0] += 1
        if first.isUnreadable { unreadable += 1 }
        show(results, status, isKnown: unlisted.contains(first.path))
      }
    }
    summarize(counts, source: source)
    if unreadable > 0 { throw ExitCode.failure }
    let isNo = counts[.mismatch, default: 0] + counts[.missing, default: 0] > 0
    if isNo || strict && counts[.extra, default: 0] > 0 { throw ExitCode.negative }
  }

  /// The list to check against, what to call it, the lists' own names, and names that belong to the release but whose
  /// digests are not known.
  private func list(
    for folder: String
  ) throws -> (list: Manifest, source: String, lists: Set<String>, unlisted: Set<String>) {
    let registry = Registry.builtIn
    let entries = try Folder.entries(of: folder)
    let inFolder = Set(entries.map(\.name))
    if !manifest.isEmpty { return try read(manifest, in: folder) }
    let found: [Registry.Recognized]
    if let release {
      found = [try registry.contents(of: release, encrypted: inFolder.contains { $0.hasSuffix(".enc") })]
    } else {
      found = try registry.recognize(entries, in: folder)
    }
    if found.count == 1 {
      let known = found[0]
      guard !known.manifest.entries.isEmpty else {
        throw ChecksumError(
          .unknownRelease, file: folder, reason: "no digest of \(known.name)'s files in this form is known",
          remedy: "give the publisher's list with --manifest")
      }
      let listed = Set(known.manifest.entries.map(\.path))
      return (known.manifest, "the known digests of \(known.name)", [], known.names.subtracting(listed))
    }
    let lists = entries.filter { $0.kind == .file && Manifest.isListName($0.name) }.map(\.name)
    if !lists.isEmpty { return try read(lists.map { Folder.join(folder, $0) }, in: folder) }
    if found.count > 1 {
      throw ChecksumError(
        .ambiguousRelease, file: folder,
        reason: "the file names fit several releases: \(found.map(\.name).joined(separator: ", "))",
        remedy: "name one with --release, or give a list with --manifest")
    }
    throw ChecksumError(
      .unknownRelease, file: folder, reason: "the files in this folder fit no known release",
      remedy: "give the publisher's list with --manifest; `belle-tools releases` lists what is known")
  }

  private func read(
    _ paths: [String], in folder: String
  ) throws -> (list: Manifest, source: String, lists: Set<String>, unlisted: Set<String>) {
    var all = Manifest()
    for path in paths { try all.merge(try Manifest(contentsOf: path), named: path) }
    return (all, paths.map(displayName).joined(separator: ", "), Set(paths.map { Folder.name(of: $0) }), [])
  }

  /// One file and no list: whose is it?
  private func identify(_ name: String) throws {
    let console = Console.shared
    let file = try InputFile(input)
    let digests = try common.showingProgress(total: file.size) { progress in
      progress(.started(file: name, bytes: file.size))
      return try FileDigest.compute(
        Set(DigestAlgorithm.allCases), of: file, progress: { progress(.advanced(file: name, bytes: $0)) })
    }
    let owners = DigestAlgorithm.allCases.compactMap { digests[$0] }.flatMap { Registry.builtIn.owners(of: $0) }
    var names: [String] = []
    for owner in owners where !names.contains(owner.owner) { names.append(owner.owner) }
    if common.json {
      for algorithm in DigestAlgorithm.allCases {
        guard let digest = digests[algorithm] else { continue }
        let isKnown = !Registry.builtIn.owners(of: digest).isEmpty
        console.result([
          "type": "file", "path": .string(name), "algorithm": .string(algorithm.rawValue),
          "expected": isKnown ? .string(digest.hex) : nil, "actual": .string(digest.hex),
          "status": names.isEmpty ? "extra" : "ok",
        ])
      }
      console.result([
        "type": "summary", "ok": .int(names.isEmpty ? 0 : 1), "mismatch": 0, "missing": 0,
        "extra": .int(names.isEmpty ? 1 : 0), "releases": JSONValue(names),
      ])
    } else if names.isEmpty {
      for digest in DigestAlgorithm.allCases.compactMap({ digests[$0] }) {
        console.result("\(Manifest.line(digest, path: name))")
      }
    } else {
      let shown = Manifest.escaped(name)
      console.result("\(shown.isEscaped ? "\\" : "")\(shown.name): OK (\(names.joined(separator: ", ")))")
    }
    guard !names.isEmpty else {
      if let complaint = try FileKind(of: file).complaint {
        console.report(ByteIOError(.wrongKind, file: input, reason: complaint.reason, remedy: complaint.remedy))
      } else if !common.json {
        console.note("no known release has a file with these digests")
      }
      throw ExitCode.negative
    }
  }

  private func show(_ results: [VerifyResult], _ status: VerifyResult.Status, isKnown: Bool) {
    let console = Console.shared
    if common.json {
      for result in results {
        console.result([
          "type": "file", "path": .string(result.path), "algorithm": JSONValue(result.algorithm?.rawValue),
          "expected": JSONValue(result.expected?.hex), "actual": JSONValue(result.actual?.hex),
          "status": .string(result.status.rawValue), "error": JSONValue(result.error?.description),
        ])
      }
    } else {
      let (name, isEscaped) = Manifest.escaped(results[0].path)
      let verdict =
        switch status {
        case .ok: "OK"
        case .mismatch: results[0].isUnreadable ? "FAILED open or read" : "FAILED"
        case .missing: "MISSING"
        case .extra: isKnown ? "EXTRA (of this release, but no digest of it is known)" : "EXTRA (not listed)"
        }
      console.result("\(isEscaped ? "\\" : "")\(name): \(verdict)")
    }
    for error in results.compactMap(\.error).prefix(1) { console.report(error) }
  }

  private func summarize(_ counts: [VerifyResult.Status: Int], source: String) {
    let count = { (status: VerifyResult.Status) in counts[status, default: 0] }
    if common.json {
      Console.shared.result([
        "type": "summary", "ok": .int(count(.ok)), "mismatch": .int(count(.mismatch)),
        "missing": .int(count(.missing)), "extra": .int(count(.extra)), "source": .string(source),
      ])
    } else {
      common.note(
        "\(count(.ok)) OK, \(count(.mismatch)) failed, \(count(.missing)) missing, \(count(.extra)) not listed")
      if count(.ok) == 0, count(.mismatch) > 0, manifest.isEmpty, release == nil {
        common.note(
          "not one digest agrees: perhaps these files are of another model (see --manifest, --release)")
      }
    }
  }
}
