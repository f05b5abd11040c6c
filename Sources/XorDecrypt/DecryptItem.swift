// One encrypted file, looked at before anything is written: its name, size and header, held against what is known of it.

import ByteIO
import Checksum

/// One file of a plan.
package struct DecryptItem: Sendable {
  /// The encrypted file's path.
  package let input: String
  /// The name of the plain file; empty where the encrypted file's name does not tell.
  package private(set) var outputName = ""
  /// The plain file's size in bytes.
  package private(set) var plainSize = 0
  /// The bytes before the encrypted ones: 32, or 0 for the variant without header.
  package private(set) var headerSize = 32
  /// What the plain file must have; at least one digest.
  package private(set) var expected: [DigestAlgorithm: Digest] = [:]
  /// Whether the plain file becomes others and is not kept itself.
  package internal(set) var isConverted = false
  /// Why the file cannot be decrypted, where that is known already.
  package internal(set) var problem: (any ToolError)?
  /// Whether the problem is this file's name alone, and so no reason to leave the others.
  private(set) var isProblemOfName = false
  /// What is to be said of the name: it lost a part, which was taken from what is known.
  private(set) var nameNote: String?
  /// The paths of other copies of the same file, which are not used.
  var copies: [String] = []

  /// The largest plain file that counts as small: done in milliseconds, so it goes first.
  static let smallSize = 1 << 20

  /// Whether it is done in milliseconds.
  var isSmall: Bool { plainSize <= Self.smallSize }

  /// Whether it is done first: small, and nothing but itself comes of it.
  var goesFirst: Bool { isSmall && !isConverted }

  /// Looks at an encrypted file; what is wrong with it is the item's problem.
  ///
  /// - Parameter release: the release that it belongs to, where that is sure.
  init(inspecting path: String, release: KnownRelease?, options: DecryptOptions, registry: Registry) {
    input = path
    do { try inspect(release, options, registry) } catch { problem = toolError(error, file: path) }
  }

  /// A file whose name a download left unusable.
  init(_ path: String, plainName: String, problem: XorDecryptError) {
    (input, outputName, self.problem, isProblemOfName) = (path, plainName, problem, true)
  }

  private mutating func inspect(_ release: KnownRelease?, _ options: DecryptOptions, _ registry: Registry) throws {
    let name = try self.name(options, registry)
    outputName = name.plainName
    let file = try InputFile(input)
    let size = file.size
    plainSize = max(0, size - headerSize)
    if let complaint = try FileKind(of: file).complaint {
      throw XorDecryptError(.notDownloaded, file: input, reason: complaint.reason, remedy: complaint.remedy)
    }
    let header = try file.bytes(count: 32)
    if name.hasDigestOfNothing, !(size == 32 && header == name.digest.bytes) {
      (headerSize, plainSize) = (0, size)
    } else {
      expected[.sha256] = name.digest
    }
    // The same name with another digest is a version that nothing is known of.
    let known = release?.file(name.plainName).flatMap { file in
      file.encryptedName == nil || file.encryptedName == name.fileName ? file : nil
    }
    try Self.checkSize(input, size, known: known, release: release)
    if headerSize > 0 { try check(header, against: name, size) }
    try addDigests(known?.plain ?? [:])
    try addDigests(options.manifest?.digests(for: name.plainName) ?? [:])
    guard !expected.isEmpty else {
      throw XorDecryptError(
        .unverifiable, file: input,
        reason: "it has no header, and the digest in its name is that of an empty file: nothing could prove the result",
        remedy: "give the publisher's list of the decrypted files with \(.manifest)")
    }
  }

  /// The file's name; where it has another, the one that is known of it.
  private mutating func name(_ options: DecryptOptions, _ registry: Registry) throws -> EncryptedName {
    let recovery = RecoveredName(of: input, options: options, registry: registry)
    var name: EncryptedName
    do { name = try EncryptedName(Folder.name(of: input)) } catch {
      guard let recovered = try recovery.name() else {
        isProblemOfName = recovery.isHarmless
        outputName = recovery.withoutEnding?.plainName ?? ""
        guard let whole = recovery.withoutEnding else {
          throw XorDecryptError(.badName, file: input, reason: error.reason, remedy: error.remedy)
        }
        throw XorDecryptError(
          .badName, file: input,
          reason: "its name is that of an encrypted file without the ending .enc"
            + (whole.hasDigestOfNothing ? "" : ", and its header is not the digest in the name"),
          remedy: whole.hasDigestOfNothing
            ? "rename it to \(displayName(whole.fileName))"
            : "it is damaged, or something else: download it again, or move it away")
      }
      name = recovered
      nameNote =
        "the name is not <name>.<64 hexadecimal digits>.enc: taken for \(displayName(name.plainName)), "
        + "with the digest in its header"
    }
    guard let (right, isProven) = recovery.rightCase(of: name) else { return name }
    guard isProven else {
      isProblemOfName = true
      outputName = name.plainName
      throw XorDecryptError(
        .badName, file: input,
        reason: "the plain file would be called \(displayName(name.plainName)), and programs look for "
          + displayName(right),
        remedy: "rename it to \(displayName(EncryptedName(plainName: right, digest: name.digest).fileName))")
    }
    nameNote = "\(displayName(name.plainName)) is \(displayName(right)) in another case, and is called so"
    name = EncryptedName(plainName: right, digest: name.digest)
    return name
  }

  /// Holds the header against the digest in the name.
  private func check(_ header: [UInt8], against name: EncryptedName, _ size: Int) throws(XorDecryptError) {
    guard size >= headerSize else {
      throw XorDecryptError(
        .truncated, file: input, reason: "\(size) bytes are fewer than the header's 32",
        remedy: "the download is incomplete; download it again")
    }
    guard header == name.digest.bytes else {
      throw XorDecryptError(
        .headerMismatch, file: input, place: "byte 0",
        reason: "the digest in the header is not the one in the name",
        remedy: "the file is damaged or was renamed: download it again under the name its publisher gave it")
    }
  }

  /// Adds what the release or the manifest says, which must not contradict what is known already.
  private mutating func addDigests(_ digests: [DigestAlgorithm: Digest]) throws(XorDecryptError) {
    for (algorithm, digest) in digests {
      if let other = expected[algorithm], other != digest {
        throw XorDecryptError(
          .headerMismatch, file: input,
          reason: "its \(algorithm.title) should be \(other) by its name or release, and \(digest) by the manifest",
          remedy: "the manifest is of another release, or of the .enc files: give the list of the decrypted files")
      }
      expected[algorithm] = digest
    }
  }

  /// A size that the registry knows tells a broken download at once.
  private static func checkSize(
    _ path: String, _ size: Int, known: KnownFile?, release: KnownRelease?
  ) throws(XorDecryptError) {
    guard let release, let fault = known?.size(encrypted: true)?.fault(of: size, in: release.name) else { return }
    throw XorDecryptError(
      fault.isShort ? .truncated : .overlong, file: path, reason: fault.reason,
      remedy: "download it again from \(release.page)")
  }
}
