// Makes the encrypted form of plain files, byte for byte what point-alpaca's encrypt.py writes.

import ByteIO
import Checksum

/// Encrypts files with a key.
package struct ReleaseEncryptor: Sendable {
  /// The key.
  package let key: KeyFile
  /// The plain files' paths; small ones first, then the largest first.
  package let inputs: [String]
  /// Names in the folder that are left alone: folders, hidden files, and what is encrypted already.
  package let ignored: [String]
  /// Where the encrypted files go.
  package let outputFolder: String
  /// Whether other files under the outputs' names are replaced.
  package let force: Bool
  /// Files at once.
  package let jobs: Int
  /// Whether all digests are computed that lists want, of the plain and of the encrypted files. The encrypted file begins with
  /// the plain one's digest, so the plain file is read once more for that, before.
  package let wantsAllDigests: Bool

  private let sizes: [String: Int]
  /// What no output may replace: the plain files and the key.
  private let record: InputRecord

  /// Looks at what is to be encrypted.
  ///
  /// - Parameters:
  ///   - input: a file, or a folder whose files are taken (hidden ones, folders and `.enc` files are not).
  ///   - keyPath: the base model's `consolidated.00.pth`, or what `openKey` makes it of.
  ///   - outputFolder: made when the work begins.
  ///   - wantsAllDigests: see there.
  ///   - openKey: opens the key.
  /// - Throws: ``XorDecryptError`` or ``ByteIOError`` for what makes the whole work pointless.
  package init(
    input: String, key keyPath: String, outputFolder: String, jobs: Int = processorCount, force: Bool = false,
    wantsAllDigests: Bool = false, openKey: (String) throws -> KeyFile = KeyFile.init(_:)
  ) throws {
    guard let kind = Folder.kind(of: input) else {
      throw ByteIOError(.notFound, file: input, reason: "there is no such file or folder", remedy: "check the path")
    }
    key = try openKey(keyPath)
    var paths = [input]
    var ignored: [String] = []
    if kind == .folder {
      let entries = try Folder.entries(of: input)
      let chosen = entries.filter { entry in
        entry.kind == .file && !entry.name.hasPrefix(".") && !entry.name.lowercased().hasSuffix(EncryptedName.suffix)
          && !PublishedLists.isOwn(entry.name)
      }
      let names = Set(chosen.map(\.name))
      ignored = entries.filter { !names.contains($0.name) }.map { $0.name + ($0.kind == .folder ? "/" : "") }
      paths = chosen.map { Folder.join(input, $0.name) }
      guard !paths.isEmpty else {
        throw XorDecryptError(
          .wrongInput, file: input, reason: "there is no plain file to encrypt in this folder",
          remedy: ignored.isEmpty ? nil : "it holds only \(ignored.map(displayName).joined(separator: ", "))")
      }
    }
    var sizes: [String: Int] = [:]
    for path in paths {
      let file = try InputFile(path)
      guard key.isMade || !key.files.contains(where: { $0.identity == file.identity }) else {
        throw XorDecryptError(
          .wrongInput, file: path, reason: "this is the key itself; encrypted with itself it would be all zeros",
          remedy: "move the key out of the folder")
      }
      try Self.refuseUnfinished(file)
      sizes[path] = file.size
    }
    if let kind = Folder.kind(of: outputFolder), kind != .folder {
      throw ByteIOError(
        .wrongKind, file: outputFolder, reason: "the output must be a folder; a file of this name is in the way")
    }
    guard Folder.isWritable(outputFolder) else {
      throw ByteIOError(
        .notPermitted, file: outputFolder, reason: "cannot write into the output folder",
        remedy: "give a folder that you may write to")
    }
    var record = InputRecord(paths + key.files.map(\.path))
    if key.isMade { record.add(.opened) }
    self.record = record
    // The digest in an output's name is not known yet: any file that has the rest of the name is looked at.
    if Folder.kind(of: outputFolder) == .folder {
      let names = Set(paths.map { Folder.name(of: $0) })
      let taken = try Folder.entries(of: outputFolder).map(\.name).filter { name in
        (try? EncryptedName(name)).map { names.contains($0.plainName) } ?? false
      }
      try record.refuse(taken.map { Folder.join(outputFolder, $0) })
    }
    let needed = sizes.values.reduce(0) { $0 + $1 + 32 }
    if let available = Folder.availableSpace(outputFolder), available < needed {
      throw XorDecryptError(
        .noSpace, file: outputFolder,
        reason: "\(byteCount(needed)) are needed, and \(byteCount(available)) are free",
        remedy: "free \(byteCount(needed - available)), or give an output folder on another disk")
    }
    self.sizes = sizes
    inputs = paths.sorted { sizes[$0, default: 0] > sizes[$1, default: 0] }
    self.ignored = ignored
    self.outputFolder = outputFolder
    self.force = force
    self.wantsAllDigests = wantsAllDigests
    self.jobs = max(1, jobs)
  }

  /// Refuses what was not downloaded: it would be published under the digest of something else.
  private static func refuseUnfinished(_ file: InputFile) throws {
    if let download = DownloadName.unfinished(at: file.path) {
      throw XorDecryptError(
        .unfinished, file: file.path, reason: "its download is not finished, as \(displayName(download.name)) says",
        remedy: "let the download finish, or move the file away")
    }
    if case .gitLFSPointer = try FileKind(of: file), let complaint = try FileKind(of: file).complaint {
      throw XorDecryptError(.notDownloaded, file: file.path, reason: complaint.reason, remedy: complaint.remedy)
    }
  }

  /// The bytes that will be read.
  package var size: Int { sizes.values.reduce(0, +) * (wantsAllDigests ? 2 : 1) }

  /// What its outputs must not replace.
  package var inputRecord: InputRecord { record }

  /// What a run would write: the digest in each name is known when the file was read.
  package func planned() -> OutputPlan {
    OutputPlan(
      inputs.map { path in
        let name = "\(Folder.name(of: path)).<SHA-256>\(EncryptedName.suffix)"
        return OutputPlan.File(Folder.join(outputFolder, name), bytes: sizes[path].map { $0 + 32 })
      }, in: outputFolder)
  }

  /// The lists of what a run would write, with placeholders for the digests.
  package var plannedLists: PublishedLists {
    let names = inputs.map(Folder.name)
    let digits = String(repeating: "0", count: 2 * DigestAlgorithm.sha256.byteCount)
    return PublishedLists(
      placeholdersFor: names.map { "\($0).\(digits)\(EncryptedName.suffix)" }, decrypted: names)
  }

  /// Encrypts the files.
  ///
  /// - Parameters:
  ///   - progress: told of the bytes, from several threads.
  ///   - receive: told of each result, as they come.
  /// - Throws: ``ByteIOError`` where the output folder cannot be made.
  package func run(progress: @escaping ProgressHandler, receive: (FileResult) -> Void) throws {
    try Folder.create(outputFolder)
    TemporaryFiles.removeAbandoned(in: outputFolder)
    let stream = ChunkStream(sharedBy: min(jobs, inputs.count))
    let encryptor = self
    forEachConcurrently(inputs, jobs: jobs) { path, flag in
      encryptor.encrypt(path, stream: stream, progress: progress, flag: flag)
    } receive: { result in
      receive(result)
      return true
    }
  }

  private func encrypt(
    _ path: String, stream: ChunkStream, progress: @escaping ProgressHandler, flag: CancellationFlag
  ) -> FileResult {
    let name = Folder.name(of: path)
    let size = sizes[path] ?? 0
    progress(.started(file: name, bytes: wantsAllDigests ? 2 * size : size))
    defer { progress(.finished(file: name)) }
    var digests: [DigestAlgorithm: Digest] = [:]
    var encryptedDigests: [DigestAlgorithm: Digest] = [:]
    var output: String?
    do {
      let input = try InputFile(path)
      var source = InputRecord()
      source.add(input)
      input.adviseSequential()
      if wantsAllDigests {
        digests = try FileDigest.compute(
          Set(DigestAlgorithm.published), of: input, stream: stream,
          progress: { progress(.advanced(file: name, bytes: $0)) }, isCancelled: { flag.isSet })
      }
      let encryptedStreams = try digests[.sha256].map { header in
        try DigestAlgorithm.published.map { algorithm in
          let stream = try DigestStream(algorithm)
          stream.update(header.bytes)
          return stream
        }
      }
      let writer = try AtomicFileWriter(in: outputFolder)
      try writer.reserve(32 + input.size)
      let keyStream = KeyStream(key)
      let digest = try DigestStream(.sha256)
      // The digest is of the plain bytes, so the producer takes it before the XOR.
      try stream.run(
        count: input.size,
        produce: { chunk, offset in
          try input.read(into: &chunk, at: offset)
          digest.update(chunk.bytes)
          try keyStream.apply(to: &chunk, at: offset)
          progress(.advanced(file: name, bytes: chunk.byteCount))
        },
        consumers: [{ bytes, offset in try writer.write(bytes, at: 32 + offset) }]
          + (encryptedStreams ?? []).map { digest in { bytes, _ in digest.update(bytes) } },
        isCancelled: { flag.isSet })
      let plainDigest = digest.finish()
      guard [nil, plainDigest].contains(digests[.sha256]) else {
        throw ByteIOError(
          .changed, file: path, reason: "it changed while it was read", remedy: "wait until nothing writes it any more")
      }
      digests[.sha256] = plainDigest
      for digest in encryptedStreams ?? [] { encryptedDigests[digest.algorithm] = digest.finish() }
      try writer.write(plainDigest.bytes, at: 0)
      let encrypted = EncryptedName(plainName: name, digest: plainDigest)
      let target = Folder.join(outputFolder, encrypted.fileName)
      output = target
      try source.checkUnchanged(toleratesRemoval: true)
      try record.refuse([target])
      let isThere = Folder.kind(of: target) != nil
      let outcome = try writer.commit(as: encrypted.fileName, size: 32 + input.size, replacing: force)
      if outcome == .alreadyThere {
        guard try holds(target, plain: plainDigest, size: input.size, stream: stream) else {
          throw XorDecryptError(
            .outputExists, file: target,
            reason: "another file has this name already, and it does not decrypt to this one",
            remedy: "move it away, or give \(.replacing) to replace it")
        }
        return FileResult(
          input: path, output: target, bytes: size, digests: digests, encrypted: encryptedDigests, status: .skipped)
      }
      return FileResult(
        input: path, output: target, bytes: size, digests: digests, encrypted: encryptedDigests, status: .verified,
        note: isThere ? "replaced another file of this name" : nil)
    } catch {
      return FileResult(
        input: path, output: output, bytes: size, digests: digests, status: .failed(toolError(error, file: path)))
    }
  }

  /// Whether an encrypted file decrypts to a plain one.
  private func holds(_ path: String, plain: Digest, size: Int, stream: ChunkStream) throws -> Bool {
    let file = try InputFile(path)
    guard file.size == size + 32, try file.bytes(count: 32) == plain.bytes else { return false }
    let keyStream = KeyStream(key)
    let digest = try DigestStream(.sha256)
    try stream.run(
      count: size,
      produce: { chunk, offset in
        try file.read(into: &chunk, at: 32 + offset)
        try keyStream.apply(to: &chunk, at: offset)
      },
      consumers: [{ bytes, _ in digest.update(bytes) }])
    return digest.finish() == plain
  }
}
