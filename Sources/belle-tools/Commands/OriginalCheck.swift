// Whether a file that was laid out as Meta published it is Meta's: its digests say so, and nothing else does.

import ByteIO
import Checksum
import Model

/// Holds a file against what is known of an original.
struct OriginalCheck {
  private let original: MetaOriginal
  private let input: String
  private let known: [KnownOriginal]

  /// - Parameter input: the model that it is made of.
  init(_ original: MetaOriginal, of input: String) {
    (self.original, self.input) = (original, input)
    known = original.candidates.compactMap { Registry.builtIn.original(named: $0) }
  }

  /// Whether there are digests that the file can have.
  var isPossible: Bool { !known.isEmpty }

  /// Reads the file, and says which original it is.
  ///
  /// - Returns: its name; nil where no digest is known.
  /// - Throws: `ModelError` with code `.mismatch` where it is none of those that it should be.
  func identify(_ path: String, _ progress: ProgressHandler) throws -> String? {
    guard isPossible else { return nil }
    let file = try InputFile(path, isInput: false)
    let name = Folder.name(of: path)
    progress(.started(file: name, bytes: file.size))
    let digests = try FileDigest.compute(Set(DigestAlgorithm.published), of: file) {
      progress(.advanced(file: name, bytes: $0))
    }
    progress(.finished(file: name))
    let found = known.first { original in
      let plain = original.keyFile?.plain ?? [:]
      return !plain.isEmpty && plain.allSatisfy { digests[$0.key] == $0.value }
    }
    if let found { return found.name }
    let wanted = known.compactMap { original in
      original.keyFile?.plain[.md5].map { "\(original.name)'s \($0.hex)" }
    }
    let sign =
      try original.signOfRounding() ?? "the model was trained further, merged with an adapter, or rounded on the way"
    throw ModelError(
      .mismatch, file: input,
      reason: "its values are not the original's: the file has MD5 \(digests[.md5]?.hex ?? "unknown"), which should be "
        + "\(wanted.joined(separator: " or ")); \(sign)",
      remedy: "give a conversion of the original itself, in its own precision; nothing was written. "
        + "\(.verifying(input)) says whether the files are those of a known one")
  }

  /// What is known of the file, in words.
  func words(_ identity: String?) -> String {
    guard let identity, let file = known.first(where: { $0.name == identity })?.keyFile else {
      return "laid out as LLaMA-1 7B's file; no digest is known of a model of this size: not verified"
    }
    let digests = file.plain.values.map(\.algorithm.title).sorted().joined(separator: ", ")
    return "verified: \(KnownOriginal.keyFileName) of \(identity), by its published digests (\(digests))"
  }
}
