// What decrypting a release will do, worked out and checked before the first byte is written: which files, under which
// names, held against which digests, with which key. What can be known in the first second fails in the first second.

import ByteIO
import Checksum

/// How a release is to be decrypted.
public struct DecryptOptions: Sendable {
  /// Digests of the plain files, from the publisher.
  public var manifest: Manifest?
  /// The path of `manifest`.
  public var manifestName: String?
  /// Files at once.
  public var jobs: Int
  /// Whether other files under the outputs' names are replaced.
  public var force = false
  /// Whether the other files are decrypted although one failed.
  public var keepGoing = false
  /// Whether the key's digest is computed and compared with the originals'.
  public var checksKeyDigest = false

  /// What the files become, where they are not kept as they are.
  public var converter: FileConverter?

  /// Options with their defaults.
  ///
  /// - Parameter jobs: files at once.
  public init(jobs: Int = processorCount) { self.jobs = max(1, jobs) }
}

/// Makes plans for files that become others as they are decrypted.
public struct FileConverter: Sendable {
  /// Whether a file of this name takes part.
  public let takesPart: @Sendable (_ name: String) -> Bool
  /// What a file of this name is called afterwards, when it becomes one file; nil for one that is replaced.
  public let convertedName: @Sendable (_ name: String) -> String?
  /// Plans the files that take part, by their names and plain bytes, which nothing has proven yet.
  public let plan: @Sendable (_ files: [(name: String, bytes: any ByteSource)]) -> ReleaseConversion

  /// A converter.
  public init(
    takesPart: @escaping @Sendable (_ name: String) -> Bool,
    convertedName: @escaping @Sendable (_ name: String) -> String?,
    plan: @escaping @Sendable (_ files: [(name: String, bytes: any ByteSource)]) -> ReleaseConversion
  ) {
    self.takesPart = takesPart
    self.convertedName = convertedName
    self.plan = plan
  }
}

/// One file of a plan.
public struct DecryptItem: Sendable {
  /// The encrypted file's path.
  public let input: String
  /// The name of the plain file; empty where the encrypted file's name does not tell.
  public let outputName: String
  /// The plain file's size in bytes.
  public let plainSize: Int
  /// The bytes before the encrypted ones: 32, or 0 for the variant without header.
  public let headerSize: Int
  /// What the plain file must have; at least one digest.
  public let expected: [DigestAlgorithm: Digest]
  /// Whether the plain file becomes others and is not kept itself.
  public internal(set) var isConverted = false
  /// Why the file cannot be decrypted, where that is known already.
  public internal(set) var problem: (any ToolError)?

  /// The largest plain file that counts as small: done in milliseconds, so it goes first.
  static let smallSize = 1 << 20

  /// Whether it is done in milliseconds.
  var isSmall: Bool { plainSize <= Self.smallSize }

  /// Whether it is done first: small, and nothing but itself comes of it.
  var goesFirst: Bool { isSmall && !isConverted }
}

/// What decrypting a file or folder will do.
public struct DecryptPlan: Sendable {
  /// The files, small ones first, then the largest first.
  public internal(set) var items: [DecryptItem]
  /// Names in the folder that are no encrypted files, and are left alone.
  public internal(set) var ignored: [String] = []
  /// The known releases that the files belong to: one, where it is sure.
  public internal(set) var releases: [KnownRelease] = []
  /// The original that the key was recognized as.
  public internal(set) var keyOriginal: KnownOriginal?
  /// The names of the originals that the release wants; none where that is unknown.
  public internal(set) var wantedKeys: [String] = []
  /// What the user should know, and what does not stop the work.
  public internal(set) var warnings: [String] = []
  /// Files that the release or the manifest has, and the input has not.
  public internal(set) var absent: [String] = []
  /// The key.
  public let key: KeyFile
  /// What no output may replace: the encrypted files, the key and the manifest.
  public private(set) var inputs = InputRecord()
  /// Where the plain files go.
  public let outputFolder: String
  /// How.
  public let options: DecryptOptions

  /// Works a plan out.
  ///
  /// - Parameters:
  ///   - input: an `.enc` file, or a folder that holds some.
  ///   - keyPath: the base model's `consolidated.00.pth`.
  ///   - outputFolder: made when the work begins.
  /// - Throws: ``XorDecryptError``, ``ByteIOError`` or ``ChecksumError`` for what makes the whole work pointless; what
  ///   is wrong with one file is its item's problem.
  public init(
    input: String, key keyPath: String, outputFolder: String, options: DecryptOptions,
    registry: Registry = .builtIn, progress: @escaping ProgressHandler = { _ in }
  ) throws {
    let (paths, ignored) = try Self.inputs(input, keyPath: keyPath, registry: registry)
    key = try KeyFile(keyPath)
    self.outputFolder = outputFolder
    self.options = options
    self.ignored = ignored
    items = []
    try Self.checkOutputFolder(outputFolder)

    releases = registry.releases(ofEncrypted: paths.map { Folder.name(of: $0) })
    let release = releases.count == 1 ? releases[0] : nil
    items = paths.map { Self.item($0, release: release, options: options) }
    if let converter = options.converter {
      for index in items.indices where converter.takesPart(items[index].outputName) { items[index].isConverted = true }
    }
    checkOutputs()
    items.sort { a, b in
      if a.isSmall != b.isSmall { return a.isSmall }
      return a.isSmall ? a.plainSize < b.plainSize : a.plainSize > b.plainSize
    }

    try recognizeKey(registry, progress)
    try checkSpace()
    noteAbsentFiles(isFolder: Folder.kind(of: input) == .folder)
  }

  /// The bytes of all plain files.
  public var plainSize: Int { items.reduce(0) { $0 + $1.plainSize } }

  // MARK: Input

  private static func inputs(
    _ input: String, keyPath: String, registry: Registry
  ) throws -> (paths: [String], ignored: [String]) {
    guard let kind = Folder.kind(of: input) else {
      throw ByteIOError(.notFound, file: input, reason: "there is no such file or folder", remedy: "check the path")
    }
    let keyLooksEncrypted =
      Folder.kind(of: keyPath) == .folder
      ? (try? Folder.entries(of: keyPath))?.contains { $0.name.hasSuffix(EncryptedName.suffix) } == true
      : keyPath.hasSuffix(EncryptedName.suffix)
    let order: Remedy = "the order is: \(.decrypting)"
    if kind != .folder {
      let name = Folder.name(of: input)
      if keyLooksEncrypted, !name.hasSuffix(EncryptedName.suffix) {
        throw XorDecryptError(
          .wrongInput, file: input, reason: "input and key seem to be swapped: the key that was given is encrypted",
          remedy: order)
      }
      return ([input], [])
    }

    let entries = try Folder.entries(of: input)
    let encrypted = entries.filter { $0.name.hasSuffix(EncryptedName.suffix) && $0.kind != .folder }
    guard !encrypted.isEmpty else {
      if keyLooksEncrypted {
        throw XorDecryptError(
          .wrongInput, file: input,
          reason: "input and key seem to be swapped: the input holds no .enc file, the key does",
          remedy: order)
      }
      let names = Set(entries.map(\.name))
      if names.contains("config.json") || names.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") }) {
        let found = try registry.recognize(entries, in: input)
        let fits = found.count == 1 ? " as \(found[0].name) has when it is decrypted" : ""
        throw XorDecryptError(
          .wrongInput, file: input,
          reason: "there is no .enc file in this folder; it holds plain files\(fits)",
          remedy: "decrypting is done already, it seems: check it with \(.verifying(input))")
      }
      throw XorDecryptError(
        .wrongInput, file: input, reason: "there is no .enc file in this folder",
        remedy: "give the folder that the release was downloaded to; \(order)")
    }
    let isEncrypted = Set(encrypted.map(\.name))
    let ignored = entries.filter { !isEncrypted.contains($0.name) && !TemporaryFiles.isTemporary($0.name) }
    return (encrypted.map { Folder.join(input, $0.name) }, ignored.map { $0.name + ($0.kind == .folder ? "/" : "") })
  }

  /// Looks at one encrypted file.
  private static func item(_ path: String, release: KnownRelease?, options: DecryptOptions) -> DecryptItem {
    var outputName = ""
    var size = 0
    var headerSize = 32
    var expected: [DigestAlgorithm: Digest] = [:]
    do {
      let name = try naming(path) { try EncryptedName(Folder.name(of: path)) }
      outputName = name.plainName
      let file = try InputFile(path)
      size = file.size
      if let complaint = try FileKind(of: file).complaint {
        throw XorDecryptError(.notDownloaded, file: path, reason: complaint.reason, remedy: complaint.remedy)
      }
      let header = try file.bytes(count: 32)
      if name.hasDigestOfNothing, !(size == 32 && header == name.digest.bytes) {
        headerSize = 0
      } else {
        expected[.sha256] = name.digest
      }
      // The same name with another digest is a version that nothing is known of.
      let known = release?.file(name.plainName).flatMap { file in
        file.encryptedName == nil || file.encryptedName == Folder.name(of: path) ? file : nil
      }
      try checkSize(path, size, known: known, release: release)
      if headerSize > 0 {
        guard size >= headerSize else {
          throw XorDecryptError(
            .truncated, file: path, reason: "\(size) bytes are fewer than the header's 32",
            remedy: "the download is incomplete; download it again")
        }
        guard header == name.digest.bytes else {
          throw XorDecryptError(
            .headerMismatch, file: path, place: "byte 0",
            reason: "the digest in the header is not the one in the name",
            remedy: "the file is damaged or was renamed: download it again under the name its publisher gave it")
        }
      }
      for digests in [known?.plain ?? [:], options.manifest?.digests(for: name.plainName) ?? [:]] {
        for (algorithm, digest) in digests {
          if let other = expected[algorithm], other != digest {
            throw XorDecryptError(
              .headerMismatch, file: path,
              reason: "its \(algorithm.title) should be \(other) by its name or release, and \(digest) by the manifest",
              remedy: "the manifest is of another release, or of the .enc files: give the list of the decrypted files")
          }
          expected[algorithm] = digest
        }
      }
      guard !expected.isEmpty else {
        throw XorDecryptError(
          .unverifiable, file: path,
          reason: "it has no header and its name holds the digest of nothing, so nothing could prove the result",
          remedy: "give the publisher's list of the decrypted files with \(.manifest)")
      }
      return DecryptItem(
        input: path, outputName: outputName, plainSize: size - headerSize, headerSize: headerSize, expected: expected)
    } catch {
      return DecryptItem(
        input: path, outputName: outputName, plainSize: max(0, size - headerSize), headerSize: headerSize,
        expected: expected, problem: toolError(error, file: path))
    }
  }

  /// A size that the registry knows tells a broken download at once.
  private static func checkSize(
    _ path: String, _ size: Int, known: KnownFile?, release: KnownRelease?
  ) throws(XorDecryptError) {
    guard let known, let release else { return }
    let again: Remedy = "download it again from \(release.page)"
    if let exact = known.encryptedSize, exact != size {
      throw XorDecryptError(
        size < exact ? .truncated : .overlong, file: path,
        reason: size < exact
          ? "\(size) bytes: \(exact - size) of the \(exact) that it has in \(release.name) are missing"
          : "\(size) bytes: \(size - exact) more than the \(exact) that it has in \(release.name)",
        remedy: again)
    }
    // Pages round to three digits; two percent is far beyond that.
    if let about = known.approximateEncryptedSize, size < about - about / 50 {
      throw XorDecryptError(
        .truncated, file: path,
        reason: "\(size) bytes: about \(byteCount(about - size)) of the \(byteCount(about)) that it has in "
          + "\(release.name) are missing",
        remedy: again)
    }
  }

  // MARK: Output

  private static func checkOutputFolder(_ folder: String) throws {
    if let kind = Folder.kind(of: folder), kind != .folder {
      throw ByteIOError(
        .wrongKind, file: folder, reason: "the output must be a folder; a file of this name is in the way",
        remedy: "give another output folder")
    }
    guard Folder.isWritable(folder) else {
      throw ByteIOError(
        .notPermitted, file: folder, reason: "cannot write into the output folder",
        remedy: "give a folder that you may write to")
    }
  }

  /// Two inputs of one output, an output that is the key or an input, and outputs of another size.
  private mutating func checkOutputs() {
    var seen: Set<String> = []
    inputs.add(key.file)
    inputs.add(InputRecord(items.map(\.input) + (options.manifestName.map { [$0] } ?? [])))
    for index in items.indices where items[index].problem == nil {
      let item = items[index]
      let path = Folder.join(outputFolder, item.outputName)
      if !seen.insert(item.outputName).inserted {
        items[index].problem = XorDecryptError(
          .badName, file: item.input,
          reason: "another file of the folder decrypts to \(displayName(item.outputName)) too",
          remedy: "two versions of the release lie in one folder: keep one of them")
        continue
      }
      // What a converted file becomes is known when its pickle was read; its usual names show already now.
      let converted = item.isConverted ? options.converter?.convertedName(item.outputName) : item.outputName
      do { try refuse(converted.map { [$0] } ?? []) } catch { items[index].problem = error }
      if item.isConverted || items[index].problem != nil { continue }
      guard let kind = Folder.kind(of: path) else { continue }
      guard kind == .file else {
        items[index].problem = XorDecryptError(
          .outputExists, file: path, reason: "something that is no file has the output's name",
          remedy: "move it away, or give another output folder")
        continue
      }
      guard let existing = try? InputFile(path) else { continue }
      if existing.size != item.plainSize, !options.force {
        items[index].problem = Self.existsError(path, "\(existing.size) bytes instead of \(item.plainSize)")
      }
    }
  }

  /// Refuses names of outputs that are the key or an input.
  func refuse(_ names: [String]) throws(XorDecryptError) {
    do { try inputs.refuse(names.map { Folder.join(outputFolder, $0) }) } catch {
      throw XorDecryptError(
        .outputExists, file: error.file,
        reason: "the output would replace the key or an input: "
          + displayName(error.file.flatMap { inputs.input(at: $0) } ?? ""),
        remedy: "give another output folder")
    }
  }

  static func existsError(_ path: String, _ difference: String) -> XorDecryptError {
    XorDecryptError(
      .outputExists, file: path, reason: "another file has this name already (\(difference))",
      remedy: "move it away, or give \(.replacing) to replace it")
  }

  private func checkSpace() throws {
    let needed = items.reduce(0) { sum, item in
      let name = item.isConverted ? options.converter?.convertedName(item.outputName) : item.outputName
      guard let path = name.map({ Folder.join(outputFolder, $0) }) else { return sum }
      return item.problem == nil && Folder.kind(of: path) == nil ? sum + item.plainSize : sum
    }
    guard let available = Folder.availableSpace(outputFolder), available < needed else { return }
    throw XorDecryptError(
      .noSpace, file: outputFolder,
      reason: "\(byteCount(needed)) are needed, and \(byteCount(available)) are free",
      remedy: "free \(byteCount(needed - available)), or give an output folder on another disk")
  }

  private mutating func noteAbsentFiles(isFolder: Bool) {
    guard isFolder else { return }
    let present = Set(items.map(\.outputName) + ignored)
    if let manifest = options.manifest {
      let listed = manifest.entries.map(\.path)
      absent = listed.filter { !present.contains($0) }
      if !items.contains(where: { !manifest.digests(for: $0.outputName).isEmpty }) {
        let isEncrypted = listed.contains { $0.hasSuffix(EncryptedName.suffix) }
        warnings.append(
          "\(displayName(options.manifestName ?? "the manifest")) lists none of these files"
            + (isEncrypted ? "; it lists .enc files, not what they decrypt to" : ""))
        absent = []
      }
    } else if releases.count == 1 {
      absent = releases[0].files.map(\.name).filter { !present.contains($0) }
    }
    if !absent.isEmpty {
      let owner = options.manifest == nil ? releases[0].name : displayName(options.manifestName ?? "the manifest")
      warnings.append("\(owner) also has \(absent.map(displayName).joined(separator: ", ")), not in this folder")
    }
  }

  // MARK: Key

  private mutating func recognizeKey(_ registry: Registry, _ progress: @escaping ProgressHandler) throws {
    keyOriginal = try KeyRecognition.identify(key, registry: registry)
    let longest = registry.originals.map(\.head.count).max() ?? 0
    let small = items.compactMap { item -> (body: [UInt8], expected: Digest)? in
      guard item.problem == nil, item.plainSize <= longest, let file = try? InputFile(item.input),
        let body = try? file.bytes(at: item.headerSize, count: item.plainSize),
        let expected = item.expected[.sha256] ?? item.expected[.md5]
      else { return nil }
      return (body, expected)
    }
    let tried = try KeyRecognition.wanted(by: small, registry: registry).map(\.name)
    wantedKeys = tried.isEmpty ? Array(Set(releases.map(\.key))).sorted() : tried
    // What the release is known to want is better than what its smallest files fit, unless they contradict it.
    if releases.count == 1, tried.isEmpty || tried.contains(releases[0].key) { wantedKeys = [releases[0].key] }

    if options.checksKeyDigest {
      let original = try KeyRecognition.identifyByDigest(
        key, registry: registry, progress: progress, isCancelled: { false })
      guard let original else {
        throw XorDecryptError(
          .wrongKey, file: key.file.path,
          reason: "its digest is that of no known original"
            + (keyOriginal.map { ", though it begins as \($0.name)" } ?? ""),
          remedy: wantedKeys.isEmpty ? nil : keyRemedy)
      }
      keyOriginal = original
    }

    let owner = releases.count == 1 ? releases[0].name : "this release"
    if let original = keyOriginal {
      guard wantedKeys.isEmpty || wantedKeys.contains(original.name) else {
        let note = options.checksKeyDigest ? "" : original.headNote.map { " (\($0))" } ?? ""
        throw XorDecryptError(
          .wrongKey, file: key.file.path,
          reason: "this is \(original.name)\(note); \(owner) wants \(wantedKeys.joined(separator: " or "))",
          remedy: keyRemedy)
      }
      if let size = original.keyFile?.plainSize, size > key.file.size, releases.count == 1 {
        let missing = "\(size - key.file.size) of its \(size) bytes are missing"
        if items.contains(where: { $0.problem == nil && $0.plainSize > key.file.size }) {
          throw XorDecryptError(
            .unusableKey, file: key.file.path, reason: "this is the beginning of \(original.name), but \(missing)",
            remedy: "the download of the key is incomplete; download it again")
        }
        warnings.append("the key is \(original.name), but \(missing); the files here are short enough for it")
      }
    } else {
      let wanted = wantedKeys.isEmpty ? "" : "\(owner) wants \(wantedKeys.joined(separator: " or ")); "
      let oddity = try KeyRecognition.oddity(key)
      if !wanted.isEmpty || oddity != nil {
        warnings.append("the key \(oddity ?? "is no original that is known"); \(wanted)the digests will tell")
      }
    }
  }

  /// What to do about a wrong key.
  var keyRemedy: Remedy {
    let registry = Registry.builtIn
    let details = wantedKeys.compactMap { registry.original(named: $0) }.map { original in
      let size = original.keyFile?.plainSize.map { ", \($0) bytes" } ?? ""
      let md5 = original.keyFile?.plain[.md5].map { ", MD5 \($0)" } ?? ""
      return "\(original.name)'s \(KnownOriginal.keyFileName)\(size)\(md5)"
    }
    return details.isEmpty
      ? "give the original \(KnownOriginal.keyFileName) that the release was made with (most want LLaMA-1 7B's)"
      : "give Meta's original: \(details.joined(separator: " or "))"
  }
}

/// Runs a body and names the file in its error.
private func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
  do { return try body() } catch let error as XorDecryptError {
    throw XorDecryptError(error.code, file: path, place: error.place, reason: error.reason, remedy: error.remedy)
  }
}

/// Any error as one that names a file.
func toolError(_ error: any Error, file: String) -> any ToolError {
  if let error = error as? any ToolError { return error }
  if error is CancellationError {
    return XorDecryptError(.notStarted, file: file, reason: "stopped, because another file failed")
  }
  return XorDecryptError(.digestMismatch, file: file, reason: "\(error)")
}
