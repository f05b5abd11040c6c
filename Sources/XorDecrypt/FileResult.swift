// What is told of each file of a release: written, there already, or why not.

import ByteIO
import Checksum

/// What became of one file.
package struct FileResult: Sendable {
  /// How it ended.
  package enum Status: Sendable {
    /// Written, and every digest agrees.
    case verified
    /// It was there already, and every digest agrees.
    case skipped
    /// It would be written; only a dry run says so.
    case planned
    /// It was not written.
    case failed(any ToolError)
  }

  /// The input's path.
  package let input: String
  /// The output's path; nil where the input's name does not tell, and for a file that something else takes the place of.
  package let output: String?
  /// The paths of all files that it became.
  package let outputs: [String]
  /// What is there to say besides.
  package let note: String?
  /// The plain file's size in bytes.
  package let bytes: Int
  /// The digests that were computed of the plain file.
  package let digests: [DigestAlgorithm: Digest]
  /// SHA-256 of what the file became, by the names of outputs, as far as it was computed.
  package let outputDigests: [String: Digest]
  /// The digests that were computed of the encrypted file.
  package let encrypted: [DigestAlgorithm: Digest]
  /// How it ended.
  package let status: Status

  init(
    input: String, output: String?, outputs: [String]? = nil, bytes: Int, digests: [DigestAlgorithm: Digest],
    outputDigests: [String: Digest] = [:], encrypted: [DigestAlgorithm: Digest] = [:], status: Status,
    note: String? = nil
  ) {
    self.input = input
    self.output = output
    self.outputs = outputs ?? output.map { [$0] } ?? []
    self.bytes = bytes
    self.digests = digests
    self.outputDigests = outputDigests
    self.encrypted = encrypted
    self.status = status
    self.note = note
  }

  /// The error, where it failed.
  package var error: (any ToolError)? {
    if case .failed(let error) = status { error } else { nil }
  }
}
