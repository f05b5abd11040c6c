// Carries a decryption plan out: small files first, a look at the large ones' first bytes, then the large ones. A file
// gets its name only when every digest that is known of it agrees.

import ByteIO
import Checksum
import Synchronization

/// What the work on one file needs from those around it.
struct FileWork {
  let stream: ChunkStream
  let flag: CancellationFlag
  /// Told of the bytes done.
  let advance: (Int) -> Void
}

/// Decrypts what a plan says.
package struct ReleaseDecryptor: Sendable {
  /// The plan.
  package let plan: DecryptPlan

  /// Answers the paths of the files in the output folder that are no outputs and must make way for outputs of some names,
  /// because readers would take them for parts of the same model.
  package typealias Leftovers = @Sendable (_ outputs: [String]) throws -> [String]

  private let leftovers: Leftovers

  /// Prepares to carry a plan out.
  ///
  /// - Parameter leftovers: throws for what is not to be removed.
  package init(_ plan: DecryptPlan, leftovers: @escaping Leftovers = { _ in [] }) {
    (self.plan, self.leftovers) = (plan, leftovers)
  }

  /// What became of the whole work, beside the single files.
  package struct Outcome: Sendable {
    /// The paths of files that were removed when all others were done; see ``Leftovers``.
    package var removed: [String] = []
    /// Files that a decrypted index names, and that are neither outputs nor in the output folder.
    package var absent: [(name: String, index: String)] = []
    /// The names of the outputs, where all went well: files that are as they are in the release, and what others became.
    package var outputs: [String] = []
    /// How far the key is in doubt; nil where it is not.
    package var keyDoubt: KeyDoubt?

    /// Nothing yet.
    package init() {}
  }

  /// Decrypts the files.
  ///
  /// - Parameters:
  ///   - progress: told of the bytes, from several threads.
  ///   - receive: told of each result, as they come, on the calling thread.
  /// - Throws: ``ByteIOError`` where the output folder cannot be made, or has files in it that must make way and do not.
  @discardableResult
  package func run(progress: @escaping ProgressHandler, receive: (FileResult) -> Void) throws -> Outcome {
    try checkLeftovers()
    try Folder.create(plan.outputFolder)
    TemporaryFiles.removeAbandoned(in: plan.outputFolder)

    var course = Course()
    // What cannot be decrypted anyway.
    for item in plan.items {
      guard let problem = item.problem else { continue }
      receive(result(item, .failed(problem)))
      course.failures.append(item)
    }
    var waiting = plan.items.filter { $0.problem == nil }
    guard goesOn(course, waiting, receive) else { return course.outcome }

    // Small files, all of them: together they tell a wrong key from a damaged file.
    let small = waiting.filter(\.goesFirst)
    waiting.removeAll(where: \.goesFirst)
    let stream = ChunkStream(sharedBy: min(plan.options.jobs, max(1, plan.items.count)))
    decryptSmall(small, stream, progress, &course, receive)
    guard goesOn(course, waiting, receive) else { return course.outcome }

    try refuseGarbled(waiting, &course, receive)
    let garbled = Set(course.failures.map(\.input))
    waiting.removeAll { garbled.contains($0.input) }
    guard goesOn(course, waiting, receive) else { return course.outcome }

    let conversion = try conversion(of: plan.items)
    var outputs = plan.items.filter { $0.problem == nil && !$0.isConverted }.map(\.outputName)
    if let conversion {
      let names = conversion.outputNames
      try plan.refuse(names)
      outputs += names
      if !conversion.hasFailures { _ = try leftovers(outputs) }
    }
    var begun: Set<String> = []
    let items = self
    forEachConcurrently(waiting, jobs: plan.options.jobs) { item, flag in
      let wanted = item.isConverted ? conversion?.plans[item.outputName] : nil
      return (item, items.decrypt(item, as: wanted, stream: stream, progress: progress, flag: flag))
    } receive: { item, result in
      begun.insert(item.input)
      course.take(result, item)
      tell(result, item, &course, receive)
      // With a key whose beginning is right, another file's damage is no reason to stop.
      return course.stopping.isEmpty || course.proof.isAny || plan.options.keepGoing
    }
    refuse(waiting.filter { !begun.contains($0.input) }, because: course.stopping, receive)
    course.outcome.absent = try absentFiles(besides: course.failures)
    guard course.failures.isEmpty else { return course.outcome }
    if let index = conversion?.index { try write(index) }
    // Only now: with a failure on the way the old model would be lost, and the new one not there.
    course.outcome.removed = try leftovers(outputs)
    try FinalName.take([], removing: course.outcome.removed, replacing: plan.options.force)
    course.outcome.outputs = outputs
    return course.outcome
  }

  /// Whether the work goes on with what waits; otherwise each of these files is said to be left.
  private func goesOn(_ course: Course, _ waiting: [DecryptItem], _ receive: (FileResult) -> Void) -> Bool {
    guard !course.stopping.isEmpty, !plan.options.keepGoing else { return true }
    refuse(waiting, because: course.stopping, receive)
    return false
  }

  /// Tells of a result, with what the key's proof makes of a failure.
  func tell(
    _ result: FileResult, _ item: DecryptItem, _ course: inout Course, _ receive: (FileResult) -> Void
  ) {
    let (explained, doubt) = explained(result, item, course.proof)
    course.doubt(doubt, item.plainSize, of: plan.key)
    receive(explained)
  }

  private func decryptSmall(
    _ small: [DecryptItem], _ stream: ChunkStream, _ progress: @escaping ProgressHandler, _ course: inout Course,
    _ receive: (FileResult) -> Void
  ) {
    let items = self
    var results: [String: FileResult] = [:]
    forEachConcurrently(small, jobs: plan.options.jobs) { item, flag in
      (item, items.decrypt(item, as: nil, stream: stream, progress: progress, flag: flag))
    } receive: { item, result in
      course.take(result, item)
      results[item.input] = result
      return true
    }
    for item in small { if let result = results[item.input] { tell(result, item, &course, receive) } }
  }

  /// Looks at the large files' first bytes, with what the key makes of them.
  private func refuseGarbled(
    _ waiting: [DecryptItem], _ course: inout Course, _ receive: (FileResult) -> Void
  ) throws {
    for item in waiting where Folder.kind(of: Folder.join(plan.outputFolder, item.outputName)) == nil && !item.isSmall {
      guard let error = try garbled(item, &course) else { continue }
      receive(result(item, .failed(error)))
      course.failures.append(item)
    }
  }

  /// What is to be said of a large file whose beginning the key garbles; nil for another.
  func garbled(_ item: DecryptItem, _ course: inout Course) throws -> XorDecryptError? {
    guard case .garbled(let byte) = try head(of: item) else { return nil }
    let (cause, remedy, doubt) = course.proof.cause(upTo: byte + 1, plan)
    course.doubt(doubt, byte + 1, of: plan.key)
    return XorDecryptError(
      course.proof.isAny ? .digestMismatch : .wrongKey, file: item.input, place: "byte \(byte) of the plain file",
      reason: "\(cause): this begins as a PyTorch file, but its data.pkl is garbled", remedy: remedy)
  }

  /// The warning for large checkpoints that begin as nothing known; the digest decides.
  package func headWarnings() throws -> [String] {
    try plan.items.filter { $0.problem == nil && !$0.isSmall }.compactMap { item in
      let name = item.outputName
      guard [".bin", ".pt", ".pth"].contains(where: name.hasSuffix), try head(of: item) == .unknown else { return nil }
      let bytes = try plainBytes(of: item, count: 4)
      // A zip, or a pickle of protocol 2 or later.
      if bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.first == 0x80 { return nil }
      return "\(displayName(name)) does not begin as a PyTorch file with this key; its digest will tell"
    }
  }

  /// Whether what lies in the output folder lets the outputs be found. What files become that are converted is known later.
  package func checkLeftovers() throws {
    guard plan.options.converter == nil else { return }
    _ = try leftovers(plan.items.filter { $0.problem == nil }.map(\.outputName))
  }

  // MARK: One file

  func result(
    _ item: DecryptItem, _ status: FileResult.Status, digests: [DigestAlgorithm: Digest] = [:], note: String? = nil
  ) -> FileResult {
    FileResult(
      input: item.input, output: item.outputName.isEmpty ? nil : Folder.join(plan.outputFolder, item.outputName),
      bytes: item.plainSize, digests: digests, status: status, note: note)
  }

  private func refuse(_ items: [DecryptItem], because failures: [DecryptItem], _ receive: (FileResult) -> Void) {
    guard let first = failures.first else { return }
    for item in items {
      receive(
        result(
          item,
          .failed(
            XorDecryptError(
              .notStarted, file: item.input,
              reason: "not decrypted, because \(displayName(Folder.name(of: first.input))) failed",
              remedy: nil))))
    }
  }

  /// Decrypts one file, or finds it decrypted.
  private func decrypt(
    _ item: DecryptItem, as wanted: Result<ScatterPlan, any Error>?, stream: ChunkStream,
    progress: @escaping ProgressHandler, flag: CancellationFlag
  ) -> FileResult {
    progress(.started(file: item.outputName, bytes: item.plainSize))
    defer { progress(.finished(file: item.outputName)) }
    let work = FileWork(stream: stream, flag: flag) { progress(.advanced(file: item.outputName, bytes: $0)) }
    do {
      switch wanted {
      case .success(let scatter): return try convert(item, scatter, work)
      case .failure(let error): throw try failure(item, toConvert: error, work)
      case nil: return try decrypt(item, work)
      }
    } catch {
      return result(item, .failed(toolError(error, file: item.input)))
    }
  }

  private func decrypt(_ item: DecryptItem, _ work: FileWork) throws -> FileResult {
    let path = Folder.join(plan.outputFolder, item.outputName)
    if let existing = try existingFile(path) {
      let digests = try self.digests(of: existing, item, work)
      if agree(digests, item) { return result(item, .skipped, digests: digests) }
      guard plan.options.force else {
        throw DecryptPlan.existsError(path, "its digest is not the one it should have")
      }
    }
    let isThere = Folder.kind(of: path) != nil
    let writer = try AtomicFileWriter(in: plan.outputFolder)
    try writer.reserve(item.plainSize)
    let digests = try pass(item, work) { bytes, offset in try writer.write(bytes, at: offset) }
    // Names may have come to lead elsewhere while the file was decrypted.
    try plan.refuse([item.outputName])
    switch try writer.commit(as: item.outputName, size: item.plainSize, replacing: plan.options.force) {
    case .created:
      return result(
        item, .verified, digests: digests, note: isThere ? "replaced another file of this name" : nil)
    case .alreadyThere:
      // Another run was faster. What it left must be right too.
      let existing = try InputFile(path)
      let theirs = try self.digests(of: existing, item, work)
      guard agree(theirs, item) else {
        throw DecryptPlan.existsError(path, "it appeared while this file was decrypted, and its digest is wrong")
      }
      return result(item, .skipped, digests: theirs)
    }
  }

  /// Streams the plain file past its digests and a consumer.
  ///
  /// - Throws: what the consumer throws, and ``XorDecryptError`` with code `.digestMismatch`.
  func pass(_ item: DecryptItem, _ work: FileWork, _ consume: @escaping ChunkWork) throws -> [DigestAlgorithm: Digest] {
    let plain = try DecryptedFile(item, key: plan.key)
    guard plain.file.size == item.plainSize + item.headerSize else {
      throw XorDecryptError(
        .truncated, file: item.input, reason: "its size changed to \(plain.file.size) bytes since the work began",
        remedy: "wait until it is downloaded, and try again")
    }
    plain.file.adviseSequential()
    let keyStream = KeyStream(plan.key)
    let digestStreams = try DigestAlgorithm.allCases.filter { $0 == .sha256 || item.expected[$0] != nil }
      .map { try DigestStream($0) }
    try work.stream.run(
      count: item.plainSize,
      produce: { chunk, offset in
        try plain.read(into: &chunk, at: offset, with: keyStream)
        work.advance(chunk.byteCount)
      },
      consumers: digestStreams.map { digest in { bytes, _ in digest.update(bytes) } } + [consume],
      isCancelled: { work.flag.isSet })
    let digests = Dictionary(uniqueKeysWithValues: digestStreams.map { ($0.algorithm, $0.finish()) })
    guard agree(digests, item) else { throw mismatch(item, digests) }
    return digests
  }

  func existingFile(_ path: String) throws -> InputFile? {
    guard let kind = Folder.kind(of: path) else { return nil }
    guard kind == .file else {
      throw XorDecryptError(.outputExists, file: path, reason: "something that is not a file has the output's name")
    }
    return try InputFile(path)
  }

  private func digests(
    of file: InputFile, _ item: DecryptItem, _ work: FileWork
  ) throws -> [DigestAlgorithm: Digest] {
    // Another size is another file: reading it would only say so later.
    guard file.size == item.plainSize else { return [:] }
    return try FileDigest.compute(
      Set(item.expected.keys).union([.sha256]), of: file, stream: work.stream, progress: work.advance,
      isCancelled: { work.flag.isSet })
  }

  func agree(_ digests: [DigestAlgorithm: Digest], _ item: DecryptItem) -> Bool {
    !item.expected.isEmpty && item.expected.allSatisfy { digests[$0.key] == $0.value }
  }

  func mismatch(_ item: DecryptItem, _ digests: [DigestAlgorithm: Digest]) -> XorDecryptError {
    let wrong = DigestAlgorithm.allCases.compactMap { algorithm -> String? in
      guard let expected = item.expected[algorithm], let actual = digests[algorithm], expected != actual else {
        return nil
      }
      return "its \(algorithm.title) is \(actual) and should be \(expected)"
    }
    return XorDecryptError(.digestMismatch, file: item.input, reason: wrong.joined(separator: "; "), remedy: nil)
  }

  /// A mismatch with what the other files say about its cause, and how far that leaves the key in doubt.
  private func explained(
    _ result: FileResult, _ item: DecryptItem, _ proof: KeyProof
  ) -> (FileResult, KeyProof.Doubt) {
    guard let error = result.error as? XorDecryptError, error.code == .digestMismatch else { return (result, .none) }
    let (_, remedy, doubt) = proof.cause(upTo: item.plainSize, plan)
    let copies = item.copies.map { displayName(Folder.name(of: $0)) }.joined(separator: ", ")
    let name =
      (item.nameNote.map { "; " + $0 } ?? "") + (copies.isEmpty ? "" : "; another copy of it lies here: \(copies)")
    let explained = XorDecryptError(
      .digestMismatch, file: error.file, place: error.place, reason: error.reason + name, remedy: remedy)
    return (
      FileResult(
        input: result.input, output: result.output, bytes: result.bytes, digests: result.digests,
        status: .failed(explained)), doubt
    )
  }

  // MARK: First bytes

  func head(of item: DecryptItem) throws -> PickleHead.Verdict {
    PickleHead.judge(try plainBytes(of: item, count: PickleHead.size))
  }

  func plainBytes(of item: DecryptItem, count: Int) throws -> [UInt8] {
    var bytes = try InputFile(item.input).bytes(at: item.headerSize, count: min(count, item.plainSize))
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    try KeyStream(plan.key).apply(to: &raw, at: 0)
    return bytes
  }
}
