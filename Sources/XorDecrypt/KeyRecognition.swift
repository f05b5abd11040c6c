// Which original a key is, and which one a release wants: from first bytes, sizes and digests that are known for sure.

import ByteIO
import Checksum

/// What is known of a key.
public struct KeyRecognition: Sendable {
  /// Finds out which original a key is.
  ///
  /// The first bytes decide. The size says whether the file is whole, where the original's is known.
  public static func identify(_ key: KeyFile, registry: Registry) throws -> KnownOriginal? {
    let longest = registry.originals.map(\.head.count).max() ?? 0
    let head = try key.file.bytes(count: longest)
    return registry.originals.first { !$0.head.isEmpty && head.starts(with: $0.head) }
  }

  /// Finds out which original a key is by its SHA-256, reading the whole file.
  public static func identifyByDigest(
    _ key: KeyFile, registry: Registry, progress: @escaping ProgressHandler, isCancelled: () -> Bool
  ) throws -> KnownOriginal? {
    let path = key.file.path
    progress(.started(file: path, bytes: key.file.size))
    defer { progress(.finished(file: path)) }
    // MD5 is known of all originals, SHA-256 only of the first LLaMA.
    let digests = try FileDigest.compute(
      Set(DigestAlgorithm.allCases), of: key.file,
      progress: { progress(.advanced(file: path, bytes: $0)) }, isCancelled: isCancelled)
    return registry.originals.first { original in
      guard let known = original.keyFile?.plain, !known.isEmpty else { return false }
      return known.allSatisfy { digests[$0.key] == $0.value }
    }
  }

  /// The originals whose known first bytes decrypt small files to their digests: what a release wants, without having
  /// the key, and without knowing the release.
  ///
  /// - Parameter files: small encrypted files: the bytes after the header, and what the plain file should have.
  /// - Returns: the originals that fit every file they could be tried on, and at least one.
  public static func wanted(
    by files: [(body: [UInt8], expected: Digest)], registry: Registry
  ) throws -> [KnownOriginal] {
    var confirmed: Set<String> = []
    var refuted: Set<String> = []
    for file in files where !file.body.isEmpty {
      for original in registry.originals where file.body.count <= original.head.count {
        let plain = zip(file.body, original.head).map { $0 ^ $1 }
        let fits = try DigestStream.digest(file.expected.algorithm, of: plain) == file.expected
        if fits { confirmed.insert(original.name) } else { refuted.insert(original.name) }
      }
    }
    return registry.originals.filter { confirmed.contains($0.name) && !refuted.contains($0.name) }
  }
}
