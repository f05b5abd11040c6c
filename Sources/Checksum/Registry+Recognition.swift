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
    // A name may have got other letters on the way, which its parts do not show.
    let names = names.map { (try? EncryptedName($0))?.fileName ?? $0 }
    let owners = names.map { name in releases.filter { Self.holds($0, name) } }
    let telling = zip(names, owners).filter { Self.isTelling(EncryptedName.plainPart(of: $0.0)) }
    // Weights are a release's own; where there are some, they decide.
    let weights = telling.filter { Self.isWeights(EncryptedName.plainPart(of: $0.0)) }
    var sure: [KnownRelease] = []
    for (_, owner) in weights.isEmpty ? telling : weights where owner.count == 1 && !sure.contains(owner[0]) {
      sure.append(owner[0])
    }
    if !sure.isEmpty { return sure }
    return releases.filter { release in owners.allSatisfy { $0.contains(release) } }
  }

  /// Whether a file's digest says whose it is. An empty map, generation settings and LLaMA's tokenizer are everybody's.
  private static func isTelling(_ name: String) -> Bool {
    ![
      "special_tokens_map.json", "generation_config.json", "tokenizer_config.json", "tokenizer.model",
      "added_tokens.json",
      "params.json", "README.md", "LICENSE",
    ].contains(name)
  }

  fileprivate static func isWeights(_ name: String) -> Bool {
    [".bin", ".pt", ".pth", ".safetensors"].contains(where: name.hasSuffix)
  }

  /// Whether weights have a name that most models' have.
  private static func isUsualName(_ name: String) -> Bool {
    ["pytorch_model", "model", "consolidated"].contains { name.hasPrefix($0 + ".") || name.hasPrefix($0 + "-0") }
  }

  private static func holds(_ release: KnownRelease, _ name: String) -> Bool {
    release.files.contains { file in
      if let known = file.encryptedName { return known == name }
      // A release without header carries the digest of nothing in every name.
      return !release.hasHeader && name == "\(file.name).\(Digest.hexOfNothing).enc"
    }
  }

  /// What is in a folder that is to be verified.
  public struct Recognized: Sendable {
    /// The release's or original's name.
    public let name: String
    /// What its files should have.
    public let manifest: Manifest
    /// All names that belong to it, also those without a known digest.
    public let names: Set<String>
    /// The sizes of its files, as far as they are known.
    public let sizes: [String: KnownSize]
    /// Whether nothing but a digest of weights says that files are its: all its names are those of others too.
    var needsWeights = false

    /// Whether some of its names, or weights whose digests are known, are among others.
    fileprivate func mayBe(among present: Set<String>) -> Bool {
      let shared = names.intersection(present)
      // At least half of its names, or it is another model that happens to have a config.json.
      guard needsWeights else { return !shared.isEmpty && shared.count * 2 >= names.count }
      return shared.contains { Registry.isWeights($0) && !manifest.digests(for: $0).isEmpty }
    }
  }

  /// Finds what a folder holds.
  ///
  /// Names that most models have prove nothing, nor do small files that many have. What does: names with digests in them;
  /// weights of an unusual name; a list of Meta's; all small files that are known, the configuration among them; and the
  /// digest of weights, which is computed only where the names fit and nothing smaller decides.
  /// - Parameters:
  ///   - entries: the folder's entries.
  ///   - folder: its path.
  ///   - progress: told of the bytes of large files that are read.
  /// - Returns: what was recognized, one where it is clear; and the names of those that the files' names would fit, where
  ///   nothing was.
  public func recognize(
    _ entries: [FolderEntry], in folder: String, progress: @escaping ProgressHandler = { _ in }
  ) throws -> (found: [Recognized], fitting: [String]) {
    let files = entries.filter { $0.kind == .file }
    let present = Set(files.map(\.name))
    let encrypted = releases(ofEncrypted: present.filter { $0.hasSuffix(EncryptedName.suffix) }.sorted())
    if !encrypted.isEmpty { return (encrypted.map { recognized($0, encrypted: true) }, []) }

    var candidates = releases.map { recognized($0, encrypted: false) }
    for original in originals { candidates.append(recognized(original)) }
    for model in models { candidates.append(recognized(model)) }
    candidates.removeAll { !$0.mayBe(among: present) }
    guard !candidates.isEmpty else { return ([], []) }
    var digests: [String: [DigestAlgorithm: Digest]] = [:]
    func compute(_ file: FolderEntry) throws {
      guard let input = try? InputFile(Folder.join(folder, file.name)) else { return }
      progress(.started(file: file.name, bytes: file.size))
      defer { progress(.finished(file: file.name)) }
      digests[file.name] = try FileDigest.compute(
        Set(DigestAlgorithm.published), of: input, progress: { progress(.advanced(file: file.name, bytes: $0)) })
    }
    let wanted = files.filter { file in candidates.contains { $0.names.contains(file.name) } }
    for file in wanted where file.size <= Self.smallSize { try compute(file) }
    let small = candidates.filter { Self.fits($0, present, digests) }
    if !small.isEmpty { return (small.count == 1 ? small : [], small.count == 1 ? [] : small.map(\.name)) }
    // The smallest first: one that agrees is enough.
    for file in wanted.filter({ $0.size > Self.smallSize && Self.isWeights($0.name) }).sorted(by: { $0.size < $1.size })
    {
      let owners = candidates.filter { !$0.manifest.digests(for: file.name).isEmpty }
      let sizes = owners.compactMap { $0.sizes[file.name] }
      // Where all sizes are known, another one settles it without reading; without a digest nothing does.
      if sizes.count == owners.count, sizes.allSatisfy({ $0.fault(of: file.size, in: "") != nil }) { continue }
      try compute(file)
      let found = candidates.filter { Self.agrees(digests[file.name], $0.manifest.digests(for: file.name)) == true }
      if found.count == 1 { return (found, []) }
    }
    return ([], candidates.filter { !$0.needsWeights }.map(\.name))
  }

  /// What is read for recognizing alone, in bytes.
  private static let smallSize = 1 << 20

  /// Whether names and small files are enough to say that a folder holds this.
  private static func fits(
    _ candidate: Recognized, _ present: Set<String>, _ digests: [String: [DigestAlgorithm: Digest]]
  ) -> Bool {
    if candidate.needsWeights { return false }
    let weights = candidate.names.filter(isWeights)
    if !weights.isEmpty, weights.isSubset(of: present), !weights.contains(where: isUsualName) { return true }
    let verdicts = candidate.names.compactMap { name in
      agrees(digests[name], candidate.manifest.digests(for: name)).map { (name, $0) }
    }
    // Meta's list holds the digests of all its other files.
    if verdicts.contains(where: { $0.0 == "checklist.chk" && $0.1 }) { return true }
    return candidate.names.isSubset(of: present) && verdicts.contains { $0.0 == "config.json" }
      && verdicts.allSatisfy(\.1)
  }

  /// Whether a file has one of the digests that are known of it; nil where none is, or the file was not read.
  private static func agrees(_ actual: [DigestAlgorithm: Digest]?, _ known: [DigestAlgorithm: Digest]) -> Bool? {
    guard let actual, !known.isEmpty else { return nil }
    return known.values.contains { actual[$0.algorithm] == $0 }
  }
}
