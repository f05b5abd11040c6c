// Which known release a folder holds: told from file names, and from digests of its small files where names are shared.

import ByteIO

extension Registry {
  /// The releases that encrypted files of these names can belong to.
  ///
  /// A name holds a digest, so one that only one release has settles it. Names that several releases share (a tokenizer,
  /// an empty `special_tokens_map.json`) count only where nothing speaks against them.
  ///
  /// - Parameter names: names of `.enc` files.
  /// - Returns: one release where it is sure, several where the files are shared, none where they are unknown.
  public func releases(ofEncrypted names: [String]) -> [KnownRelease] {
    guard !names.isEmpty else { return [] }
    let owners = names.map { name in releases.filter { Self.holds($0, name) } }
    var sure: [KnownRelease] = []
    for owner in owners where owner.count == 1 && !sure.contains(owner[0]) { sure.append(owner[0]) }
    if !sure.isEmpty { return sure }
    return releases.filter { release in owners.allSatisfy { $0.contains(release) } }
  }

  private static func holds(_ release: KnownRelease, _ name: String) -> Bool {
    release.files.contains { file in
      if let known = file.encryptedName { return known == name }
      // A release without header carries the digest of nothing in every name.
      return !release.hasHeader && name == "\(file.name).\(digestOfNothing).enc"
    }
  }

  /// SHA-256 of no bytes: what TechGPT's file names hold.
  public static let digestOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  /// What is in a folder that is to be verified.
  public struct Recognized: Sendable {
    /// The release's or original's name.
    public let name: String
    /// What its files should have.
    public let manifest: Manifest
    /// All names that belong to it, also those without a known digest.
    public let names: Set<String>
  }

  /// Finds what a folder holds.
  ///
  /// - Parameters:
  ///   - entries: the folder's entries.
  ///   - folder: its path; small files are read where names alone leave a choice.
  /// - Returns: one where it is clear, several where it is not, none where nothing fits.
  public func recognize(_ entries: [FolderEntry], in folder: String) throws -> [Recognized] {
    let files = entries.filter { $0.kind == .file }
    let present = Set(files.map(\.name))
    let encrypted = releases(ofEncrypted: present.filter { $0.hasSuffix(".enc") }.sorted())
    if !encrypted.isEmpty { return encrypted.map { recognized($0, encrypted: true) } }

    let all = releases.map { recognized($0, encrypted: false) } + originals.map { recognized($0) }

    // Small files cost nothing and tell apart what has the same names.
    var digests: [String: [DigestAlgorithm: Digest]] = [:]
    for file in files where file.size <= 1 << 20 && all.contains(where: { $0.names.contains(file.name) }) {
      guard let input = try? InputFile(Folder.join(folder, file.name)) else { continue }
      digests[file.name] = try FileDigest.compute(Set(DigestAlgorithm.allCases), of: input)
    }
    var best: (score: Score, found: [Recognized])?
    for candidate in all {
      let shared = candidate.names.intersection(present)
      // At least half of its names, or it is another model that happens to have a config.json.
      guard !shared.isEmpty, shared.count * 2 >= candidate.names.count else { continue }
      let checked = shared.compactMap { name in
        digests[name].map { actual in
          candidate.manifest.digests(for: name).values.contains { actual[$0.algorithm] == $0 }
        }
      }
      let score = Score(
        matching: checked.count { $0 }, shared: shared.count, absent: candidate.names.count - shared.count)
      if let old = best, score < old.score { continue }
      if let old = best, score == old.score {
        best = (score, old.found + [candidate])
      } else {
        best = (score, [candidate])
      }
    }
    return best?.found ?? []
  }

  /// How well a release fits: digests that agree, then names that are there, then names that are not.
  private struct Score: Comparable {
    let matching: Int
    let shared: Int
    let absent: Int

    static func < (a: Score, b: Score) -> Bool {
      (a.matching, a.shared, -a.absent) < (b.matching, b.shared, -b.absent)
    }
  }
}
