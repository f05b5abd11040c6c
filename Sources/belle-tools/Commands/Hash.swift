// hash: the checksum list of files, as sha256sum and md5sum write it.

import ArgumentParser
import ByteIO
import Checksum

struct Hash: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the checksum list of a folder or of files.",
    discussion: """
      Example: the list that a publisher puts beside a release, and what its users do with it:

        belle-tools hash model/ > model.sha256
        belle-tools verify model/ --manifest model.sha256

      The lines are those of sha256sum and md5sum, in the order of the names, and paths begin in the folder. Hidden files, \
      .git and .cache among them, are left out. With several algorithms each file has a line of each, read once.

      With --lists MD5SUMS, SHA256SUMS and checksums.md, the same for a model card, are written into the folder instead.
      """)

  @Argument(
    help: ArgumentHelp("A folder, or files.", valueName: "file-or-folder"), completion: .file())
  var paths: [String]

  @Option(help: "The digest: sha256, as without it, or md5; may be given several times.")
  var algorithm: [Algorithm] = []

  @Flag(
    help: "Write the lists that a publisher puts beside the files, and a block for the model card, into the folder.")
  var lists = false

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  enum Algorithm: String, ExpressibleByArgument, CaseIterable {
    case sha256, md5

    var digest: DigestAlgorithm { self == .md5 ? .md5 : .sha256 }
  }

  func validate() throws {
    if lists, paths.count > 1 {
      throw ValidationError("--lists writes into the folder that is hashed: give one folder, without other files.")
    }
    if lists, !algorithm.isEmpty { throw ValidationError("--lists writes both lists: leave --algorithm out.") }
  }

  func run() throws {
    guard !lists || Folder.kind(of: paths[0]) == .folder else {
      throw ByteIOError(
        .wrongKind, file: paths[0], reason: "this is no folder that lists could be written into",
        remedy: "give the folder of the files, or leave --lists out")
    }
    let files = try FolderDigests(paths)
    guard !files.items.isEmpty else {
      throw ByteIOError(.notFound, file: paths[0], reason: "there is no file in this folder", remedy: "check the path")
    }
    let own = files.ignored.filter(PublishedLists.isOwn)
    let hidden = files.ignored.filter { !own.contains($0) }
    for (names, reason) in [(hidden, "hidden"), (own, "lists of the others")] where !names.isEmpty {
      common.note(
        "left out, \(reason): \(names.prefix(5).map(displayName).joined(separator: ", "))"
          + (names.count > 5 ? " and \(names.count - 5) more" : ""))
    }
    let algorithms =
      lists
      ? DigestAlgorithm.published
      : algorithm.isEmpty ? [.sha256] : Algorithm.allCases.filter(algorithm.contains).map(\.digest)
    let record = InputRecord(files.items.map(\.path))
    // What the lists cannot replace is refused before hours of reading, as far as it is known then.
    let plan =
      try lists
      ? PublishedLists(placeholdersFor: files.items.map(\.name))
        .planned(in: paths[0], replacing: force.isGiven, inputs: record) : OutputPlan([], in: paths[0])
    if dry.dryRun {
      return Console.shared.show(
        plan, output: lists ? paths[0] : nil, common,
        what: "\(files.items.count) files would be read, \(byteCount(files.size))",
        more: ["hashed_files": .int(files.items.count), "hashed_bytes": .int(files.size)])
    }
    var (failed, bytes) = (0, 0)
    var published = PublishedLists()
    common.showingProgress(total: files.size) { progress in
      files.run(Set(algorithms), jobs: threads.count, progress: progress) { found in
        if found.error == nil { bytes += found.item.size } else { failed += 1 }
        published.files[found.item.name] = found.digests
        show(found, lists ? [] : algorithms)
      }
    }
    var written: [String] = []
    if lists, failed == 0 {
      written = try published.write(in: paths[0], replacing: force.isGiven, inputs: record)
      for path in written where !common.json && !common.quiet { Console.shared.result("written  \(displayName(path))") }
    }
    if common.json {
      Console.shared.result([
        "type": "summary", "files": .int(files.items.count), "failed": .int(failed), "bytes": .int(bytes),
        "lists": JSONValue(written),
      ])
    }
    if failed > 0 { throw ExitCode.failure }
  }

  private func show(_ found: FolderDigests.Found, _ algorithms: [DigestAlgorithm]) {
    let console = Console.shared
    if common.json {
      console.result([
        "type": "file", "path": .string(found.item.name), "bytes": .int(found.item.size),
        "sha256": JSONValue(found.digests[.sha256]?.hex), "md5": JSONValue(found.digests[.md5]?.hex),
        "error": JSONValue(found.error?.description),
      ])
    } else {
      for digest in algorithms.compactMap({ found.digests[$0] }) {
        console.result(Manifest.line(digest, path: found.item.name))
      }
    }
    if let error = found.error { return console.report(error) }
    warn(of: found.item)
  }

  /// Says which files are not what their names say: a list of them would be right, and of no use.
  private func warn(of item: FolderDigests.Item) {
    if let download = DownloadName.unfinished(at: item.path) {
      Console.shared.warning("\(displayName(item.name)): \(download.reason)")
    } else if let file = try? InputFile(item.path), let complaint = try? FileKind(of: file).complaint {
      Console.shared.warning("\(displayName(item.name)): \(complaint.reason)")
    }
  }
}
