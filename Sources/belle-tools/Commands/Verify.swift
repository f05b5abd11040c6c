// verify: files against published digests, for people and for CI.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Foundation

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check files against MD5 and SHA-256 lists.",
    discussion: """
      Example: a decrypted release, against its publisher's list, and against what is known of it:

        belle-tools verify model/ --manifest belle.md5
        belle-tools verify model/

      Lists are those of md5sum and sha256sum in GNU or BSD form, of PowerShell and certutil, Meta's checklist.chk, a model \
      card with a table or a block of code, JSON (what Hugging Face's and ModelScope's sites answer of a repository's files, \
      a map of names to digests, the lines of `hash --json`), a Git LFS pointer, or the folder of a repository that was \
      cloned without its large files.

      Without an option the known release that the files are is found; where they are none, lists that lie in the folder \
      are used, and the digests that Hugging Face's programs keep in their cache and below a folder that they downloaded \
      to. Prints a line a file as md5sum does. Exit status 2 where a file differs, is missing or not finished, an index in \
      the folder names one that is not there, or a line of the list cannot be read.
      """)

  @Argument(help: ArgumentHelp("A folder of files, or one file.", valueName: "folder"), completion: .file())
  var input: String

  @Option(
    name: .both(.manifest),
    help: ArgumentHelp("A list of digests, or - for standard input; may be given several times.", valueName: "file"),
    completion: .file())
  var manifest: [String] = []

  @Option(
    help: ArgumentHelp("The MD5 or SHA-256 that one file should have, where there is no list.", valueName: "hex"))
  var digest: String?

  @Option(
    help: ArgumentHelp("The known release or original to check against.", valueName: "name"), completion: Releases.names
  )
  var release: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Exit with status 2 also where the folder holds files that are not listed.")
  var strict = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if release != nil, !manifest.isEmpty { throw ValidationError("--manifest and --release exclude each other.") }
    if digest != nil, release != nil || !manifest.isEmpty {
      throw ValidationError("--digest takes the place of --manifest and --release: give one of them.")
    }
  }

  func run() throws {
    guard let kind = Folder.kind(of: input) else {
      throw ByteIOError(.notFound, file: input, reason: "there is no such file or folder", remedy: "check the path")
    }
    let isFile = kind == .file
    let folder = isFile ? Folder.parent(of: input) : try place()
    let name = isFile ? Folder.name(of: input) : nil
    var found: Source?
    if let name, release == nil, manifest.isEmpty, digest == nil, try noted(name, in: folder) == nil {
      found = try lying(in: folder, beside: name)
      // What this program noted itself proves less than what is known.
      if found == nil || found?.isOwn == true, try identify(name, isLast: found == nil) { return }
    }

    var source = try found ?? self.source(for: folder, name)
    if let name {
      source.list = source.list.restricted(to: name)
      guard !source.list.entries.isEmpty else {
        throw ChecksumError(
          .unknownRelease, file: input, reason: "\(source.name) does not list a file of this name",
          remedy: "check the list; names in it are relative to the folder")
      }
    }
    common.note("checking against \(source.name)")
    for problem in source.list.problems { Console.shared.report(problem) }

    let verifier = FolderVerifier(
      folder: folder, manifest: source.list, sizes: source.sizes, owner: source.owner, jobs: threads.count)
    var counts: [VerifyResult.Status: Int] = [:]
    var unreadable = 0
    try common.showingProgress(total: verifier.size) { progress in
      try verifier.run(ignoring: source.lists, progress: progress) { results in
        guard let first = results.first, !(isFile && first.algorithm == nil) else { return }
        let status = results.first { $0.status != .ok }?.status ?? .ok
        counts[status, default: 0] += 1
        if first.isUnreadable { unreadable += 1 }
        guard common.json || !common.quiet || status != .ok && (status != .extra || strict) else { return }
        show(results, status, isKnown: source.unlisted.contains(first.path))
      }
    }
    if !isFile, manifest.isEmpty, digest == nil {
      for name in unheld(by: folder, besides: source.list) {
        counts[.missing, default: 0] += 1
        show(unheld: name, in: folder)
      }
    }
    summarize(counts, source: source)
    if !isFile { try explain(counts, source.list, in: folder) }
    if unreadable > 0 { throw ExitCode.failure }
    let isNo =
      [.mismatch, .missing, .unfinished].contains { counts[$0, default: 0] > 0 } || !source.list.problems.isEmpty
    if isNo || strict && counts[.extra, default: 0] > 0 { throw ExitCode.negative }
  }

  /// The folder that is verified: of a folder of Hugging Face's cache that of the only model in it. Paths in a list that is
  /// given begin in the folder that is given.
  private func place() throws -> String {
    guard manifest.isEmpty else { return input }
    let place = try HubDownload.place(of: input)
    if place != input { common.note("\(displayName(place)) is the only model in \(displayName(input))") }
    return place
  }

  /// The files that a model in a folder wants by its index or the names of its parts, that are not there, and that no list
  /// names.
  private func unheld(by folder: String, besides list: Manifest) -> [String] {
    guard let place = try? Checkpoint.located(folder), let read = try? WeightSets(place).read() else { return [] }
    return read.missing.filter { list.digests(for: $0).isEmpty }
  }

  private func show(unheld name: String, in folder: String) {
    let reason = "the index, or the names of other parts, say that there must be such a file"
    if common.json {
      return Console.shared.result([
        "type": "file", "path": .string(name), "algorithm": nil, "expected": nil, "actual": nil,
        "status": .string(VerifyResult.Status.missing.rawValue), "error": .string(reason),
      ])
    }
    Console.shared.result("\(Manifest.escaped(name).name): MISSING (\(reason))")
  }

  /// One file and no list: whose is it?
  ///
  /// - Parameter isLast: whether nothing else can tell of it.
  /// - Returns: whether anything was told.
  private func identify(_ name: String, isLast: Bool) throws -> Bool {
    let console = Console.shared
    let file = try InputFile(input)
    let digests = try common.showingProgress(total: file.size) { progress in
      progress(.started(file: name, bytes: file.size))
      return try FileDigest.compute(
        Set(DigestAlgorithm.published), of: file, progress: { progress(.advanced(file: name, bytes: $0)) })
    }
    let owners = DigestAlgorithm.published.compactMap { digests[$0] }.flatMap { Registry.builtIn.owners(of: $0) }
    var names: [String] = []
    for owner in owners where !names.contains(owner.owner) { names.append(owner.owner) }
    guard isLast || !names.isEmpty else { return false }
    if common.json {
      for algorithm in DigestAlgorithm.published {
        guard let digest = digests[algorithm] else { continue }
        let isKnown = !Registry.builtIn.owners(of: digest).isEmpty
        console.result([
          "type": "file", "path": .string(name), "algorithm": .string(algorithm.rawValue),
          "expected": isKnown ? .string(digest.hex) : nil, "actual": .string(digest.hex),
          "status": names.isEmpty ? "extra" : "ok", "error": nil,
        ])
      }
      console.result([
        "type": "summary", "ok": .int(names.isEmpty ? 0 : 1), "mismatch": 0, "missing": 0,
        "extra": .int(names.isEmpty ? 1 : 0), "unfinished": 0, "bad_lines": 0, "source": nil,
        "releases": JSONValue(names),
      ])
    } else if names.isEmpty {
      for digest in DigestAlgorithm.published.compactMap({ digests[$0] }) {
        console.result("\(Manifest.line(digest, path: name))")
      }
    } else {
      let shown = Manifest.escaped(name)
      console.result("\(shown.isEscaped ? "\\" : "")\(shown.name): OK (\(names.joined(separator: ", ")))")
    }
    guard !names.isEmpty else {
      if let download = DownloadName.unfinished(at: input) {
        console.report(ChecksumError(.unfinished, file: input, reason: download.reason, remedy: download.remedy))
      } else if let complaint = try FileKind(of: file).complaint {
        console.report(ByteIOError(.wrongKind, file: input, reason: complaint.reason, remedy: complaint.remedy))
      } else if !common.json {
        console.note("no known release has a file with these digests")
      }
      throw ExitCode.negative
    }
    return true
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
        case .unfinished: "UNFINISHED (a download that was not completed)"
        case .extra: isKnown ? "EXTRA (of this release, but no digest of it is known)" : "EXTRA (not listed)"
        }
      console.result("\(isEscaped ? "\\" : "")\(name): \(verdict)")
    }
    let errors = results.compactMap(\.error)
    for error in errors.prefix(1) { console.report(error) }
    guard errors.isEmpty, status != .ok, status != .extra || strict else { return }
    let wrong = results.first { $0.status != .ok }
    let found = wrong?.actual.map { " its \($0.algorithm.title) is \($0)" } ?? ""
    let wanted = wrong?.expected.map { ", and should be \($0)" } ?? ""
    let difference = found.isEmpty ? "" : ":" + found + wanted
    console.annotate(.error, status.rawValue + difference, file: path(results[0].path))
  }

  /// The path of a file by its name in the list.
  private func path(_ name: String) -> String {
    Folder.kind(of: input) == .folder ? Folder.join(input, name) : input
  }

  private func summarize(_ counts: [VerifyResult.Status: Int], source: Source) {
    let count = { (status: VerifyResult.Status) in counts[status, default: 0] }
    if common.json {
      Console.shared.result([
        "type": "summary", "ok": .int(count(.ok)), "mismatch": .int(count(.mismatch)),
        "missing": .int(count(.missing)), "extra": .int(count(.extra)), "unfinished": .int(count(.unfinished)),
        "bad_lines": .int(source.list.problems.count), "source": .string(source.name),
        "releases": JSONValue(source.owner == Source.unknownOwner ? [] : [source.owner]),
      ])
    } else {
      let more = [(count(.unfinished), "not finished"), (source.list.problems.count, "lines of the list not read")]
        .filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
      common.note(
        "\(count(.ok)) OK, \(count(.mismatch)) failed, \(count(.missing)) missing, \(count(.extra)) not listed\(more)")
      if count(.ok) == 0, count(.mismatch) > 0, source.isByName {
        common.note(
          "not one digest agrees: perhaps these files are of another model (see --manifest, --release)")
      }
    }
  }

  /// Why a list and a folder have no name in common.
  private func explain(_ counts: [VerifyResult.Status: Int], _ list: Manifest, in folder: String) throws {
    guard counts[.ok, default: 0] + counts[.mismatch, default: 0] == 0, counts[.missing, default: 0] > 0 else { return }
    let there = Set(try Folder.entries(of: folder).map(\.name))
    let listed = list.entries.map(\.path)
    let plain = Set(there.compactMap { (try? EncryptedName($0))?.plainName })
    if listed.contains(where: plain.contains) {
      common.note("this is a list of decrypted files, and the folder holds the encrypted ones")
    } else if listed.contains(where: { (try? EncryptedName($0)).map { there.contains($0.plainName) } ?? false }) {
      common.note("this is a list of encrypted files, and the folder holds the decrypted ones")
    } else if let path = listed.first(where: { $0.contains("/") && there.contains(Folder.name(of: $0)) }) {
      common.note(
        "paths in the list begin with \(displayName(Folder.parent(of: path)))/: give the folder that holds it, or a list "
          + "whose paths begin in this one")
    }
  }
}
