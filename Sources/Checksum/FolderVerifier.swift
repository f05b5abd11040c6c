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
  /// Files at once.
  public let jobs: Int

  /// Prepares to verify a folder.
  public init(folder: String, manifest: Manifest, jobs: Int) {
    self.folder = folder
    self.manifest = manifest
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
    let stream = ChunkStream(sharedBy: min(jobs, max(1, manifest.entries.count)))
    let verifier = self
    var ready: [Int: [VerifyResult]] = [:]
    var next = 0
    forEachConcurrently(Array(manifest.entries.enumerated()), jobs: jobs) { element, flag in
      (element.offset, verifier.verify(element.element, stream: stream, progress: progress, flag: flag))
    } receive: { index, results in
      ready[index] = results
      while let results = ready.removeValue(forKey: next) {
        receive(results)
        next += 1
      }
      return true
    }

    let listed = Set(manifest.entries.map { String($0.path.split(separator: "/").first ?? "") })
    for entry in present where !listed.contains(entry.name) && !ignoring.contains(entry.name) {
      let name = entry.kind == .folder ? entry.name + "/" : entry.name
      receive([
        VerifyResult(
          path: name, algorithm: nil, expected: nil, actual: nil, status: .extra, error: nil, isUnreadable: false)
      ])
    }
  }

  private func verify(
    _ entry: Manifest.Entry, stream: ChunkStream, progress: @escaping ProgressHandler, flag: CancellationFlag
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
    guard Folder.kind(of: path) != nil else { return results(.missing) }
    do {
      let file = try InputFile(path)
      progress(.started(file: entry.path, bytes: file.size))
      defer { progress(.finished(file: entry.path)) }
      let actual = try FileDigest.compute(
        Set(expected.map(\.algorithm)), of: file, stream: stream,
        progress: { progress(.advanced(file: entry.path, bytes: $0)) }, isCancelled: { flag.isSet })
      let cause = try FileKind(of: file).complaint.map {
        ByteIOError(.wrongKind, file: path, reason: $0.reason, remedy: $0.remedy)
      }
      return results(.mismatch, actual: actual, error: cause)
    } catch {
      let reason = error as? any ToolError ?? ByteIOError(.interrupted, file: path, reason: "\(error)")
      return results(.mismatch, error: reason, isUnreadable: true)
    }
  }
}
