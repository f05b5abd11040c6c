// Which of BELLE's releases a file of weights is from: told from its name and size, and proven by its digest. Small files
// prove nothing: many models share them.

import ByteIO

extension KnownRelease {
  /// Whether it is of the project BELLE.
  var isBELLE: Bool { name.hasPrefix("BELLE") }
}

extension Registry {
  /// The release of BELLE's that one of a model's files of weights is from; nil where none is.
  ///
  /// - Parameter paths: the files; the smallest that may be one is read.
  /// - Throws: ``ByteIOError`` for a file that cannot be read.
  public func release(ofWeights paths: Set<String>) throws -> KnownRelease? {
    var candidates: [(path: String, size: Int, owners: [(release: KnownRelease, file: KnownFile)])] = []
    for path in paths.sorted() {
      let name = Folder.name(of: path)
      let owners = releases.filter(\.isBELLE).compactMap { release in
        release.file(name).flatMap { $0.plain.isEmpty ? nil : (release, $0) }
      }
      guard !owners.isEmpty else { continue }
      let size = try InputFile(path).size
      let fitting = owners.filter { Self.mayHave($0.1, size: size) }
      if !fitting.isEmpty { candidates.append((path, size, fitting)) }
    }
    guard let smallest = candidates.min(by: { $0.size < $1.size }) else { return nil }
    let algorithms = Set(smallest.owners.flatMap(\.file.plain.keys))
    let digests = try FileDigest.compute(algorithms, of: InputFile(smallest.path))
    return smallest.owners.first { owner in digests.contains { owner.file.plain[$0.key] == $0.value } }?.release
  }

  /// Whether a file may be a known one by its size: pages round sizes to two or three digits.
  private static func mayHave(_ file: KnownFile, size: Int) -> Bool {
    if let known = file.plainSize { return known == size }
    if let about = file.approximateSize { return abs(size - about) <= about / 40 }
    return true
  }
}
