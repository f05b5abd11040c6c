// What is known of a key and of the one that a release wants, and what to tell the user of it.

import ByteIO
import Checksum

/// Which original the key is, which one is wanted, and what to do where they differ.
struct KeyAdvice: Sendable {
  /// The original that the key was recognized as.
  private(set) var original: KnownOriginal?
  /// The names of the originals that the release wants; none where that is unknown.
  let wanted: [String]
  /// What the user should know, and what does not stop the work.
  private(set) var warnings: [String] = []
  /// The original that the key is all but in its first bytes.
  private(set) var nearMiss: NearMiss?

  private let registry: Registry
  /// Whether the whole key was read, and its digest is the original's.
  private let isProvenByDigest: Bool
  /// Whether the key is made of a model.
  private let isMade: Bool

  /// Recognizes a key, and judges it.
  ///
  /// - Parameters:
  ///   - items: what is to be decrypted with it.
  ///   - releases: the known releases that the items belong to: one, where it is sure.
  ///   - checksDigest: whether the whole key is read and its digest compared with the originals'.
  ///   - registry: the originals that are known.
  /// - Throws: ``XorDecryptError`` with code `.wrongKey` or `.unusableKey` for a key that cannot be the one.
  init(
    on key: KeyFile, for items: [DecryptItem], of releases: [KnownRelease], checksDigest: Bool, registry: Registry,
    progress: @escaping ProgressHandler
  ) throws {
    self.registry = registry
    isProvenByDigest = checksDigest
    isMade = key.isMade
    original = try KeyRecognition.identify(key, registry: registry)
    if original == nil { nearMiss = try NearMiss(key, registry: registry) }
    wanted = try Self.wanted(by: items, of: releases, registry)
    if checksDigest {
      let found = try KeyRecognition.identifyByDigest(
        key, registry: registry, progress: progress, isCancelled: { false })
      guard let found else {
        throw XorDecryptError(
          .wrongKey, file: key.file.path,
          reason: (key.isMade ? "the digest of the file that it makes" : "its digest")
            + " is that of no known original" + (original.map { ", though it begins as \($0.name)" } ?? "")
            + (key.isMade ? ": \(Self.otherValues)" : ""),
          remedy: wanted.isEmpty ? nil : remedy)
      }
      original = found
    }
    try judge(key, items, releases, checksDigest: checksDigest)
  }

  /// The names of the originals that a release wants.
  private static func wanted(
    by items: [DecryptItem], of releases: [KnownRelease], _ registry: Registry
  ) throws -> [String] {
    let longest = registry.originals.map(\.head.count).max() ?? 0
    let small = items.compactMap { item -> (body: [UInt8], expected: Digest)? in
      guard item.problem == nil, item.plainSize <= longest, let file = try? InputFile(item.input),
        let body = try? file.bytes(at: item.headerSize, count: item.plainSize),
        let expected = item.expected[.sha256] ?? item.expected[.md5]
      else { return nil }
      return (body, expected)
    }
    let tried = try KeyRecognition.wanted(by: small, registry: registry).map(\.name)
    // What the release is known to want is better than what its smallest files fit, unless they contradict it.
    if releases.count == 1, tried.isEmpty || tried.contains(releases[0].key) { return [releases[0].key] }
    return tried.isEmpty ? Array(Set(releases.map(\.key))).sorted() : tried
  }

  /// Holds the key against what is wanted of it.
  private mutating func judge(
    _ key: KeyFile, _ items: [DecryptItem], _ releases: [KnownRelease], checksDigest: Bool
  ) throws {
    let owner = releases.count == 1 ? releases[0].name : "this release"
    if let original {
      guard wanted.isEmpty || wanted.contains(original.name) else {
        let note = checksDigest ? "" : original.headNote.map { " (\($0))" } ?? ""
        throw XorDecryptError(
          .wrongKey, file: key.file.path,
          reason: "this is \(original.name)\(note); \(owner) wants \(wanted.joined(separator: " or "))",
          remedy: remedy)
      }
      if let size = original.keyFile?.plainSize, size < key.file.size, !checksDigest {
        warnings.append(
          "the key begins as \(original.name), and has \(key.file.size - size) bytes more than its \(size): it is another file"
        )
      }
      if let size = original.keyFile?.plainSize, size > key.file.size {
        let missing = "\(size - key.file.size) of its \(size) bytes are missing"
        // A file that is longer meets bytes that are missing, whatever release it is of.
        if items.contains(where: { $0.problem == nil && $0.plainSize > key.file.size }) {
          throw XorDecryptError(
            .unusableKey, file: key.file.path, reason: "this is the beginning of \(original.name), but \(missing)",
            remedy: "the download of the key is incomplete; download it again")
        }
        warnings.append(
          "the key begins as \(original.name), but \(missing); the files here are short enough for it")
      }
    } else {
      let wanted = wanted.isEmpty ? "" : "\(owner) wants \(wanted.joined(separator: " or ")); "
      let oddity = try nearMiss?.words ?? KeyRecognition.oddity(key)
      if !wanted.isEmpty || oddity != nil {
        warnings.append("the key \(oddity ?? "is not an original that is known"); \(wanted)the digests will tell")
      }
    }
  }

  /// What is known of the key, in words: which original it is, and what says so.
  func claim(on key: KeyFile) -> String? { KeyRecognition.claim(original, key, isProvenByDigest: isProvenByDigest) }

  /// Why a model does not make the original's file.
  private static let otherValues = "it was trained further, merged or rounded on the way"

  /// How the key can be checked.
  var check: Remedy {
    if isMade {
      return "ask whether the folder is a conversion of \(original?.name ?? "the original") and nothing else: with "
        + "\(.checkingKey) what it makes is held against the original's digest"
    }
    guard let original, let file = original.keyFile else {
      return "compare the key's size and digest with its source's"
    }
    let size = file.plainSize.map { ", \($0) bytes" } ?? ""
    let md5 = file.plain[.md5].map { ", MD5 \($0)" } ?? ""
    return "check the key, which should be \(original.name)'s\(size)\(md5)"
  }

  /// What to do about a wrong key.
  var remedy: Remedy {
    let details = wanted.compactMap { registry.original(named: $0) }.map { original in
      let size = original.keyFile?.plainSize.map { ", \($0) bytes" } ?? ""
      let md5 = original.keyFile?.plain[.md5].map { ", MD5 \($0)" } ?? ""
      return "\(original.name)'s \(KnownOriginal.keyFileName)\(size)\(md5)"
    }
    return details.isEmpty
      ? "give the original \(KnownOriginal.keyFileName) that the release was made with (most want LLaMA-1 7B's)"
      : "give Meta's original: \(details.joined(separator: " or "))"
  }
}
