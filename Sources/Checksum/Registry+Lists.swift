// Lists for a folder: a release's by name, lists that lie in the folder, and whose file a digest is.

import ByteIO

extension Registry {
  /// What a release's or original's files should have.
  ///
  /// - Parameters:
  ///   - name: of a release, an original or a model, in any case.
  ///   - isEncrypted: of a release's encrypted files, or of its plain ones.
  /// - Throws: ``ChecksumError`` with code `.unknownRelease`.
  public func contents(of name: String, encrypted isEncrypted: Bool) throws(ChecksumError) -> Recognized {
    if let original = original(named: name) { return recognized(original) }
    if let model = model(named: name) { return recognized(model) }
    return recognized(try release(named: name), encrypted: isEncrypted)
  }

  /// The release, original or model that has a file of a digest, and the file's name there.
  public func owners(of digest: Digest) -> [(owner: String, file: String)] {
    var owners: [(owner: String, file: String)] = []
    for release in releases {
      for file in release.files {
        if file.plain[digest.algorithm] == digest {
          owners.append((release.name, file.name))
        } else if file.encrypted[digest.algorithm] == digest {
          owners.append((release.name, file.encryptedName ?? file.name))
        }
      }
    }
    for (name, files) in originals.map({ ($0.name, $0.files) }) + models.map({ ($0.name, $0.files) }) {
      for file in files where file.plain[digest.algorithm] == digest { owners.append((name, file.name)) }
    }
    return owners
  }

  func recognized(_ release: KnownRelease, encrypted: Bool) -> Recognized {
    let named = release.files.compactMap { file in (encrypted ? file.encryptedName : file.name).map { ($0, file) } }
    return Recognized(
      name: release.name, manifest: release.manifest(encrypted: encrypted), names: Set(named.map(\.0)),
      sizes: Self.sizes(named, encrypted: encrypted))
  }

  func recognized(_ original: KnownOriginal) -> Recognized { Self.plain(original.name, original.files) }

  func recognized(_ model: KnownModel) -> Recognized {
    Self.plain(model.name, model.files, needsWeights: true)
  }

  private static func plain(_ name: String, _ files: [KnownFile], needsWeights: Bool = false) -> Recognized {
    var manifest = Manifest()
    for file in files {
      for digest in file.plain.values { _ = manifest.insert(digest, for: file.name) }
    }
    return Recognized(
      name: name, manifest: manifest, names: Set(files.map(\.name)),
      sizes: sizes(files.map { ($0.name, $0) }, encrypted: false), needsWeights: needsWeights)
  }

  private static func sizes(_ files: [(String, KnownFile)], encrypted: Bool) -> [String: KnownSize] {
    let known = files.compactMap { name, file in file.size(encrypted: encrypted).map { (name, $0) } }
    return Dictionary(known, uniquingKeysWith: { one, _ in one })
  }
}

extension Manifest {
  /// Names of lists that publishers put beside their files.
  ///
  /// - Parameter name: a file's name.
  public static func isListName(_ name: String) -> Bool { isSureListName(name) || isProbableListName(name) }

  /// Names that nothing else has.
  static func isSureListName(_ name: String) -> Bool {
    let lower = name.lowercased()
    let whole = lower.hasSuffix(".txt") ? String(lower.dropLast(4)) : lower
    return ["checklist.chk", "md5sums", "sha256sums", "md5sum", "sha256sum", "shasums256"].contains(whole)
      || [".md5", ".sha256", ".md5sum", ".sha256sum", ".md5sums", ".sha256sums", ".chk"].contains {
        whole.hasSuffix($0) && whole != $0
      }
  }

  /// Names that something else may have as well.
  static func isProbableListName(_ name: String) -> Bool {
    let stems = ["checksums", "checksum", "hashes", "md5", "sha256", "digests"]
    return stems.flatMap { [$0 + ".txt", $0 + ".json"] }.contains(name.lowercased())
      || ["checksums", "checksums.md"].contains(name.lowercased())
  }

  /// Adds what another list says.
  ///
  /// - Throws: ``ChecksumError`` with code `.contradiction`.
  public mutating func merge(_ other: Manifest, named name: String) throws(ChecksumError) {
    problems += other.problems
    absolutes += other.absolutes
    sizes.merge(other.sizes) { one, _ in one }
    for entry in other.entries {
      for digest in entry.digests.values where !insert(digest, for: entry.path) {
        throw ChecksumError(
          .contradiction, file: name,
          reason: "another list has a different \(digest.algorithm.title) for \(displayName(entry.path))",
          remedy: "one of the two lists is of another release")
      }
    }
  }

  /// Adds digests that another list has, and this one has no others for.
  public mutating func complete(from other: Manifest) {
    for entry in other.entries { for digest in entry.digests.values { _ = insert(digest, for: entry.path) } }
  }

  /// The part of the list that is about one file.
  public func restricted(to name: String) -> Manifest {
    var result = Manifest()
    for digest in digests(for: name).values { _ = result.insert(digest, for: name) }
    result.sizes = sizes.filter { $0.key == name }
    return result
  }
}
