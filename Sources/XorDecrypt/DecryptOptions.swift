// How a release is to be decrypted: what the caller may choose.

import ByteIO
import Checksum

/// How a release is to be decrypted.
public struct DecryptOptions: Sendable {
  /// Digests of the plain files, from the publisher.
  public var manifest: Manifest?
  /// The path of `manifest`.
  public var manifestName: String?
  /// Files at once.
  public var jobs: Int
  /// Whether other files under the outputs' names are replaced.
  public var force = false
  /// Whether the other files are decrypted although one failed.
  public var keepGoing = false
  /// Whether the key's digest is computed and compared with the originals'.
  public var checksKeyDigest = false

  /// What the files become, where they are not kept as they are.
  public var converter: (any FileConverting)?

  /// Options with their defaults.
  ///
  /// - Parameter jobs: files at once.
  public init(jobs: Int = processorCount) { self.jobs = max(1, jobs) }
}
