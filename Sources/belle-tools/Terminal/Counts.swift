// What decrypt and encrypt count: how many files ended how.

import XorDecrypt

/// How many files ended how.
struct Counts {
  var verified = 0
  var skipped = 0
  var planned = 0
  var failed = 0
  /// Bytes of what was written or checked.
  var bytes = 0

  /// What is left of a run that was interrupted.
  static let resumption = "files that were finished stay, and the same command goes on with the others"

  mutating func add(_ result: FileResult) {
    switch result.status {
    case .verified: verified += 1
    case .skipped: skipped += 1
    case .planned: planned += 1
    case .failed: failed += 1
    }
    if result.error == nil { bytes += result.bytes }
  }
}
