// What is known while a plan is carried out: which files failed, and what those that came out right prove of the key.

extension ReleaseDecryptor {
  /// The course of the work.
  struct Course {
    var outcome = Outcome()
    var proof = KeyProof()
    var failures: [DecryptItem] = []

    /// Failures that stop the work: a name alone says nothing of the other files.
    var stopping: [DecryptItem] { failures.filter { !$0.isProblemOfName } }

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
