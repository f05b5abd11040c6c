// How far a key is known to be right: a file that came out right proves the bytes that it met, and none beyond them.

import ByteIO

/// What the files that came out right prove of the key.
struct KeyProof {
  /// How many bytes from its beginning are right.
  private(set) var byteCount = 0
  /// The name of the file that proves them.
  private(set) var name = ""

  /// A wrong key that agrees with the right one in its first 156 bytes decrypts the shortest files well: only a longer
  /// one says that the key is no other one.
  private static let least = 256

  /// Whether the key is the right one at its beginning.
  var isAny: Bool { byteCount >= Self.least }

  /// Takes a file that came out right.
  mutating func add(_ item: DecryptItem) {
    guard item.plainSize > byteCount else { return }
    (byteCount, name) = (item.plainSize, item.outputName)
  }

  /// What a file that did not come out right says of the key.
  enum Doubt: Sendable {
    /// Nothing: the bytes that it met are proven.
    case none
    /// The key's beginning is proven, and not as far as the file needs it.
    case beyondProof
    /// Nothing proves the key, which may be another one.
    case all
  }

  /// What is at fault where a file did not come out right.
  ///
  /// - Parameters:
  ///   - count: how many of its bytes are in question, from its beginning.
  ///   - plan: what the file is a part of.
  /// - Returns: the cause, what to do, and how far the key is in doubt.
  func cause(upTo count: Int, _ plan: DecryptPlan) -> (cause: String, remedy: Remedy, doubt: Doubt) {
    let keySize = plan.key.file.size
    guard isAny else {
      let miss = plan.keyAdvice.nearMiss.map { "the key \($0.words); " } ?? ""
      return (
        "the key is wrong or the file is damaged",
        "\(miss)the key is wrong or the file is damaged: \(plan.keyAdvice.remedy); \(.verifying(nil)) checks the .enc files",
        .all
      )
    }
    if count <= byteCount || byteCount >= keySize {
      let part = byteCount >= keySize ? "the key is right" : "the key is right as far as this file needs it"
      return (
        "the file is damaged",
        "\(part), for \(displayName(name)) came out right: this file is damaged; download it again",
        .none
      )
    }
    return (
      "the file or the key is damaged",
      "this file is damaged, or the key is beyond its first \(byteCount) bytes, which \(displayName(name)) proves: "
        + "\(plan.keyAdvice.check); \(.verifying(nil)) checks the .enc files",
      .beyondProof
    )
  }
}
