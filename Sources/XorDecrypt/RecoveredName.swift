// The name of an encrypted file that lost its own: browsers and net disks shorten it. The header holds the digest of the
// plain file, so its contents prove themselves; what they are called tells the registry, the publisher's list, or what is
// left of the name.

import ByteIO
import Checksum

/// Finds the name that a file had.
struct RecoveredName {
  private let path: String
  private let options: DecryptOptions
  private let registry: Registry

  init(of path: String, options: DecryptOptions, registry: Registry) {
    (self.path, self.options, self.registry) = (path, options, registry)
  }

  /// Endings of what releases consist of.
  private static let endings = [
    ".json", ".model", ".bin", ".pt", ".pth", ".safetensors", ".txt", ".md", ".py", ".jinja", ".tiktoken", ".yaml",
  ]

  /// Whether the name only lost something, and does not try to be a path or a file of ours.
  var isHarmless: Bool {
    let name = Folder.name(of: path)
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return !name.hasPrefix(".") && !parts.dropFirst().contains { $0.utf8.count == 64 && Digest(hex: $0) != nil }
      || DownloadName(name)?.fault == .copy || withoutEnding != nil
      || withEndingOnce != nil
  }

  /// The name with its ending, where only that is missing: `config.json.<64 digits>`.
  var withoutEnding: EncryptedName? { Self.withoutEnding(Folder.name(of: path)) }

  static func withoutEnding(_ name: String) -> EncryptedName? {
    guard !name.lowercased().hasSuffix(EncryptedName.suffix) else { return nil }
    return try? EncryptedName(name + EncryptedName.suffix)
  }

  /// The name where its ending is there more than once: `config.json.<64 digits>.enc.enc`.
  private var withEndingOnce: EncryptedName? {
    var name = Folder.name(of: path)
    guard name.hasSuffix(EncryptedName.suffix + EncryptedName.suffix) else { return nil }
    while name.hasSuffix(EncryptedName.suffix + EncryptedName.suffix) { name.removeLast(EncryptedName.suffix.count) }
    return try? EncryptedName(name)
  }

  /// The name that the digest in the header proves, whatever the file is called now: the registry or the publisher's list
  /// knows a file of that digest, or the digits in the name are the header's.
  func provenName() throws -> EncryptedName? {
    // What lies beside encrypted files is no input for that.
    let file = try InputFile(path, isInput: false)
    guard file.size >= 32, let digest = Digest(.sha256, bytes: try file.bytes(count: 32)) else { return nil }
    return provenName(digest)
  }

  private func provenName(_ digest: Digest) -> EncryptedName? {
    if let whole = withoutEnding ?? withEndingOnce, whole.digest == digest { return whole }
    let known = names(of: digest)
    guard known.count == 1, let name = known.first, !name.hasSuffix(EncryptedName.suffix) else { return nil }
    return EncryptedName(plainName: name, digest: digest)
  }

  /// The names of the plain files that are known to have a digest.
  func names(of digest: Digest) -> Set<String> {
    Set(
      registry.owners(of: digest).map(\.file)
        + (options.manifest?.entries.filter { $0.digests[.sha256] == digest }.map { Folder.name(of: $0.path) } ?? []))
  }

  /// The name; nil where it cannot be told.
  func name() throws -> EncryptedName? {
    guard isHarmless else { return nil }
    let file = try InputFile(path)
    guard file.size >= 32, let digest = Digest(.sha256, bytes: try file.bytes(count: 32)) else { return nil }
    if let proven = provenName(digest) { return proven }
    let name = Folder.name(of: path)
    // The number of a second copy may stand before the ending.
    if let copy = DownloadName(name), copy.fault == .copy, let whole = try? EncryptedName(copy.original) {
      return whole.digest == digest ? whole : nil
    }
    guard name.hasSuffix(EncryptedName.suffix) else { return nil }
    var stem = String(name.dropLast(EncryptedName.suffix.count))
    if let copy = DownloadName(stem), copy.fault == .copy { stem = copy.original }
    // What is left of the digits must be the header's.
    if let dot = stem.lastIndex(of: "."), case let rest = stem[stem.index(after: dot)...], rest.utf8.count >= 8,
      rest.allSatisfy({ $0.isASCII && $0.isHexDigit })
    {
      guard digest.hex.hasPrefix(rest.lowercased()) else { return nil }
      stem = String(stem[..<dot])
    }
    guard Self.endings.contains(where: stem.hasSuffix) else { return nil }
    return EncryptedName(plainName: stem, digest: digest)
  }

  /// The right form of a plain file's name that came in another case: as the registry or the list has the file, which
  /// proves it, or as programs look for it, which does not; nil where it is right.
  func rightCase(of name: EncryptedName) -> (name: String, isProven: Bool)? {
    let isOther = { (other: String) in other != name.plainName && other.lowercased() == name.plainName.lowercased() }
    // The digest of nothing is everybody's.
    let known = name.hasDigestOfNothing ? [] : names(of: name.digest)
    guard !known.contains(name.plainName) else { return nil }
    let listed = options.manifest?.entries.map { Folder.name(of: $0.path) } ?? []
    let candidates = Array(known.filter(isOther)) + (listed.contains(name.plainName) ? [] : listed.filter(isOther))
    if Set(candidates).count == 1 { return (candidates[0], true) }
    return DownloadName.usual(name.plainName).map { ($0, false) }
  }
}
