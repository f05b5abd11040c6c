// Which original a key is, and which one a release wants: from first bytes, sizes and digests that are known for sure.

import ByteIO
import Checksum

/// What is known of a key.
package struct KeyRecognition: Sendable {
  /// Finds out which original a key is.
  ///
  /// The first bytes decide. The size says whether the file is whole, where the original's is known.
  package static func identify(_ key: KeyFile, registry: Registry) throws -> KnownOriginal? {
    let longest = registry.originals.map(\.head.count).max() ?? 0
    let head = try key.file.bytes(count: longest)
    return registry.originals.first { !$0.head.isEmpty && head.starts(with: $0.head) }
  }

  /// What the first bytes, the size or the digest of a key say, in words.
  ///
  /// - Parameter original: what it was recognized as.
  package static func claim(_ original: KnownOriginal?, _ key: KeyFile, isProvenByDigest: Bool = false) -> String? {
    guard let original else { return nil }
    if isProvenByDigest { return "\(original.name) (by its digest)" }
    let note = original.headNote.map { ", \($0)" } ?? ""
    let hasSize = original.keyFile?.plainSize == key.file.size
    let made = key.isMade ? "; it is made of a model, and whether the values are the original's, digests will tell" : ""
    return
      "its first \(original.head.count) bytes are those of \(original.name)\(hasSize ? ", and so is its size" : note)\(made)"
  }

  /// Finds out which original a key is by its SHA-256, reading the whole file.
  package static func identifyByDigest(
    _ key: KeyFile, registry: Registry, progress: @escaping ProgressHandler, isCancelled: () -> Bool
  ) throws -> KnownOriginal? {
    let path = key.file.path
    progress(.started(file: path, bytes: key.file.size))
    defer { progress(.finished(file: path)) }
    // MD5 is known of all originals, SHA-256 only of the first LLaMA.
    let digests = try FileDigest.compute(
      Set(DigestAlgorithm.published), of: key.file,
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
  /// - Returns: the originals that fit what the files prove; none where no file is small enough to prove anything.
  package static func wanted(
    by files: [(body: [UInt8], expected: Digest)], registry: Registry
  ) throws -> [KnownOriginal] {
    var refuted: Set<String> = []
    // The longest proof of all: a key that decrypts n bytes to their digest begins with these n bytes.
    var proof: ArraySlice<UInt8> = []
    for file in files where !file.body.isEmpty {
      for original in registry.originals where file.body.count <= original.head.count {
        let plain = zip(file.body, original.head).map { $0 ^ $1 }
        let fits = try DigestStream.digest(file.expected.algorithm, of: plain) == file.expected
        if !fits {
          refuted.insert(original.name)
        } else if file.body.count > proof.count {
          proof = original.head.prefix(file.body.count)
        }
      }
    }
    guard !proof.isEmpty else { return [] }
    return registry.originals.filter { original in
      !original.head.isEmpty && !refuted.contains(original.name)
        && zip(original.head, proof).allSatisfy { $0 == $1 }
    }
  }

  /// What a key that is no known original looks like: a warning's words, or nil where nothing is odd about it.
  static func oddity(_ key: KeyFile) throws -> String? {
    let head = try key.file.bytes(count: FileKind.headSize)
    if FileKind(head: head, size: key.file.size) == .zip { return nil }
    let isText = head.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (0x09...0x0D).contains($0) }
    return isText ? "is a text file" : "does not begin as a PyTorch file"
  }
}
