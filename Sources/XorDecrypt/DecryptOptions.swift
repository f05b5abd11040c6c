// How a release is to be decrypted: what the caller may choose.

import ByteIO
import Checksum

/// How a release is to be decrypted.
package struct DecryptOptions: Sendable {
  /// Digests of the plain files, from the publisher.
  package var manifest: Manifest?
  /// The path of `manifest`.
  package var manifestName: String?
  /// Files at once.
  package var jobs: Int
  /// Whether other files under the outputs' names are replaced.
  package var force = false
  /// Whether the other files are decrypted although one failed.
  package var keepGoing = false
  /// Whether the key's digest is computed and compared with the originals'.
  package var checksKeyDigest = false
  /// Whether what files become is hashed while it is written.
  package var digestsOutputs = false

  /// What the files become, where they are not kept as they are.
  package var converter: (any FileConverting)?

  /// Options with their defaults.
  ///
  /// - Parameter jobs: files at once.
  package init(jobs: Int = processorCount) { self.jobs = max(1, jobs) }
}
