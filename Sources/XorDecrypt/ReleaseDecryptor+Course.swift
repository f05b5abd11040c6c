// What is known while a plan is carried out: which files failed, and what those that came out right prove of the key.

import ByteIO

/// How far a key is in doubt, where a file came out wrong and nothing says if itself or the key is at fault.
package struct KeyDoubt: Sendable {
  /// How many of its bytes, from its beginning, files met that came out wrong.
  package let byteCount: Int
  /// Whether files that came out right prove its beginning, so that it is no other key.
  package let isBeginningProven: Bool
}

extension ReleaseDecryptor {
  /// The course of the work.
  struct Course {
    var outcome = Outcome()
    var proof = KeyProof()
    var failures: [DecryptItem] = []

    /// Failures that stop the work: a name alone says nothing of the other files.
    var stopping: [DecryptItem] { failures.filter { !$0.isProblemOfName } }

    /// Notes that the key is in doubt, as far as an item needs it.
    mutating func doubt(_ doubt: KeyProof.Doubt, _ count: Int, of key: KeyFile) {
      if case .none = doubt { return }
      let isBeginningProven = if case .beyondProof = doubt { true } else { false }
      let other = outcome.keyDoubt
      outcome.keyDoubt = KeyDoubt(
        byteCount: max(min(count, key.file.size), other?.byteCount ?? 0),
        isBeginningProven: isBeginningProven && other?.isBeginningProven != false)
    }

    /// Takes a result.
    mutating func take(_ result: FileResult, _ item: DecryptItem) {
      if result.error != nil {
        failures.append(item)
      } else if case .verified = result.status {
        proof.add(item)
      }
    }
  }
}
