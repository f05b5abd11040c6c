// Holds the files of a folder against a list: what agrees, what does not, what is missing, what is there besides.

import ByteIO

/// What was found of one file and one digest.
public struct VerifyResult: Sendable {
  /// How a file stands to the list.
  public enum Status: String, Sendable {
    /// The digest agrees.
    case ok
    /// It does not.
    case mismatch
    /// The list has the file, the folder has not.
    case missing
    /// The folder has the file, the list has not.
    case extra
    /// The folder has a part of a file: its download is not finished.
    case unfinished
  }

  /// The path as the list has it; the name in the folder for what is extra.
  public let path: String
  /// Which digest; nil for what is extra.
  public let algorithm: DigestAlgorithm?
  /// What the list says.
  public let expected: Digest?
  /// What the file has.
  public let actual: Digest?
  /// How the two stand.
  public let status: Status
  /// Why a mismatch is no wonder (an empty file, a Git LFS pointer, …), or why the file could not be read.
  public let error: (any ToolError)?
  /// Whether the file could not be read at all.
  public let isUnreadable: Bool
}

/// Verifies the files of a folder.
public struct FolderVerifier: Sendable {
  /// The folder.
  public let folder: String
  /// What its files should have.
  public let manifest: Manifest
  /// The sizes that its files should have, as far as they are known; a file of another size is not read.
  public let sizes: [String: KnownSize]
  /// Whose files they should be: what errors say.
  public let owner: String
  /// Files at once.
  public let jobs: Int

  /// Prepares to verify a folder.
  public init(
    folder: String, manifest: Manifest, sizes: [String: KnownSize] = [:], owner: String = "the list", jobs: Int
  ) {
    (self.folder, self.manifest, self.owner) = (folder, manifest, owner)
    self.sizes = sizes.merging(manifest.sizes.mapValues { .exactly($0) }) { known, _ in known }
    self.jobs = max(1, jobs)
  }

  /// The bytes that will be read.
  public var size: Int {
    manifest.entries.reduce(0) { sum, entry in
      guard Folder.linkedFolder(on: entry.path, outOf: folder) == nil else { return sum }
      return sum + ((try? InputFile(Folder.join(folder, entry.path)).size) ?? 0)
    }
  }

  /// Verifies the files. The results come in the order of the list, whatever the number of jobs; extra files last.
  ///
  /// - Parameters:
  ///   - ignoring: names in the folder that are not reported as extra: the list itself, mostly.
  ///   - progress: told of the bytes, from several threads.
  ///   - receive: told of each file: one result for each digest that is listed.
  /// - Throws: ``ByteIOError`` where the folder cannot be listed.
  public func run(
    ignoring: Set<String> = [], progress: @escaping ProgressHandler, receive: ([VerifyResult]) -> Void
  ) throws {
    let present = try Folder.entries(of: folder)
    let names = present.map(\.name)
    let stream = ChunkStream(sharedBy: min(jobs, max(1, manifest.entries.count)))
    let verifier = self
    var ready: [Int: [VerifyResult]] = [:]
    var next = 0
    forEachConcurrently(Array(manifest.entries.enumerated()), jobs: jobs) { element, flag in
      (element.offset, verifier.verify(element.element, among: names, stream: stream, progress: progress, flag: flag))
    } receive: { index, results in
      ready[index] = results
      while let results = ready.removeValue(forKey: next) {
        receive(results)
        next += 1
      }
      return true
    }

    let listed = Set(manifest.entries.map { String($0.path.split(separator: "/").first ?? "") })
    let hub = try HubDownload.unfinished(in: folder)
    for path in hub { receive([besides(path, .unfinished, unfinished(path))]) }
    for entry in present where !listed.contains(entry.name) && !ignoring.contains(entry.name) {
      if HubDownload.isBookkeeping(entry.name, in: folder) || hub.contains(entry.name) { continue }
      if entry.name == WrittenList.name, entry.kind == .file { continue }
      let name = entry.kind == .folder ? entry.name + "/" : entry.name
      if let fault = sizes[entry.name]?.fault(of: entry.size, in: owner) {
        let error = ChecksumError(
          .unfinished, file: path(entry.name), reason: fault.reason, remedy: "download it again")
        receive([besides(name, .mismatch, error)])
      } else if let download = DownloadName(entry.name), download.isSurelyUnfinished,
        !(names.contains(download.original) && (download.fault == .unfinished || listed.contains(download.original)))
      {
        // Where the list has the file, it is missing and that was said already; and where its digest agrees, a note beside
        // it is left over.
        receive([besides(name, .unfinished, listed.contains(download.original) ? nil : unfinished(entry.name))])
      } else {
        receive([besides(name, .extra, nil)])
      }
    }
  }

  private func path(_ name: String) -> String { Folder.join(folder, name) }

  private func besides(_ path: String, _ status: VerifyResult.Status, _ error: (any ToolError)?) -> VerifyResult {
    VerifyResult(
      path: path, algorithm: nil, expected: nil, actual: nil, status: status, error: error, isUnreadable: false)
  }

  private func unfinished(_ name: String) -> ChecksumError {
    ChecksumError(
      .unfinished, file: path(name), reason: "the download of this file is not finished",
      remedy: "let it finish, or download the file again")
  }

  private func verify(
    _ entry: Manifest.Entry, among names: [String], stream: ChunkStream, progress: @escaping ProgressHandler,
    flag: CancellationFlag
  ) -> [VerifyResult] {
    let path = Folder.join(folder, entry.path)
    let expected = DigestAlgorithm.allCases.compactMap { entry.digests[$0] }
    func results(
      _ status: VerifyResult.Status, actual: [DigestAlgorithm: Digest] = [:], error: (any ToolError)? = nil,
      isUnreadable: Bool = false
    ) -> [VerifyResult] {
      expected.map { digest in
        let found = actual[digest.algorithm]
        return VerifyResult(
          path: entry.path, algorithm: digest.algorithm, expected: digest, actual: found,
          status: found == digest ? .ok : status, error: found == digest ? nil : error, isUnreadable: isUnreadable)
      }
    }
    if let link = Folder.linkedFolder(on: entry.path, outOf: folder) {
      let error = ChecksumError(
        .pathOutside, file: path,
        reason: "\(displayName(link)) is a link to a folder outside of \(displayName(folder))",
        remedy: "verify that folder by itself, or put the files where the list has them")
      return results(.mismatch, error: error, isUnreadable: true)
    }
    let kind = Folder.kind(of: path)
    // A link to nothing is a file that is missing, too.
    guard kind != nil, kind != .other || Folder.linkTarget(of: path) == nil else {
      return results(.missing, error: substitute(for: entry.path, among: names))
    }
    do {
      let file = try InputFile(path)
      // Before gigabytes are read.
      if let fault = sizes[entry.path]?.fault(of: file.size, in: owner) {
        return results(
          .mismatch,
          error: try complaint(of: file)
            ?? ChecksumError(.unfinished, file: path, reason: fault.reason, remedy: "download it again"))
      }
      progress(.started(file: entry.path, bytes: file.size))
      defer { progress(.finished(file: entry.path)) }
      let actual = try FileDigest.compute(
        Set(expected.map(\.algorithm)), of: file, stream: stream,
        progress: { progress(.advanced(file: entry.path, bytes: $0)) }, isCancelled: { flag.isSet })
      if expected.allSatisfy({ actual[$0.algorithm] == $0 }) { return results(.ok, actual: actual) }
      return results(.mismatch, actual: actual, error: try cause(of: file, entry.path, among: names))
    } catch {
      let reason = error as? any ToolError ?? ByteIOError(.interrupted, file: path, reason: "\(error)")
      return results(.mismatch, error: reason, isUnreadable: true)
    }
  }

  // MARK: Why

  /// What was not downloaded at all.
  private func complaint(of file: InputFile) throws -> (any ToolError)? {
    try FileKind(of: file).complaint.map {
      ByteIOError(.wrongKind, file: file.path, reason: $0.reason, remedy: $0.remedy)
    }
  }

  /// Why a file's digest is another one, as far as the file and its neighbours tell.
  private func cause(of file: InputFile, _ name: String, among names: [String]) throws -> (any ToolError)? {
    if let complaint = try complaint(of: file) { return complaint }
    if let control = DownloadName.isUnfinished(name, among: names) {
      return ChecksumError(
        .unfinished, file: file.path,
        reason: "the download is not finished: \(displayName(control)) lies beside it",
        remedy: "let it finish, or download the file again")
    }
    guard let encrypted = try? EncryptedName(Folder.name(of: name)), !encrypted.hasDigestOfNothing else { return nil }
    let header = encrypted.digest.bytes
    let head = try file.bytes(count: header.count)
    let reason =
      head == header
      ? "it begins as it should: it was truncated, or is damaged further on"
      : head.count < header.count
        ? "\(file.size) bytes are fewer than the header's \(header.count): it was truncated"
        : "its header is not the digest in its name: it is another file, or is damaged from the beginning"
    return ChecksumError(.unfinished, file: file.path, reason: reason, remedy: "download it again")
  }

  /// What lies there in place of a file that is missing.
  private func substitute(for path: String, among names: [String]) -> ChecksumError? {
    // Below the folder itself nobody looked.
    let neighbours =
      path.contains("/") ? ((try? Folder.entries(of: Folder.parent(of: self.path(path)))) ?? []).map(\.name) : names
    return DownloadName.standIn(for: Folder.name(of: path), among: neighbours).map {
      ChecksumError(.unfinished, file: self.path(path), reason: "it is missing, and \($0.reason)", remedy: $0.remedy)
    }
  }
}
