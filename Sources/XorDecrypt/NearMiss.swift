// A key that is all but one of the originals in its first bytes: what that says, and what it does not. A damaged key is so,
// and so is another model that was saved by the same program.

import ByteIO
import Checksum

/// An original that a key is all but in its first bytes.
struct NearMiss: Sendable {
  /// The original.
  let original: KnownOriginal
  /// How many bytes were compared.
  let count: Int
  /// The first that differs; nil where the key ends before one does.
  let first: Int?
  /// How many differ.
  let differences: Int

  /// As few differ: the originals themselves differ in one of eight.
  private static let share = 32
  /// Fewer bytes than this say nothing.
  private static let least = 64

  /// Looks for an original; nil where none is near, or one is met.
  init?(_ key: KeyFile, registry: Registry) throws {
    let longest = registry.originals.map(\.head.count).max() ?? 0
    let head = try key.file.bytes(count: longest)
    let misses = registry.originals.compactMap { original -> Self? in
      let count = min(head.count, original.head.count)
      guard count >= Self.least else { return nil }
      let differing = (0..<count).filter { head[$0] != original.head[$0] }
      guard differing.count <= count / Self.share, !differing.isEmpty || count < original.head.count else { return nil }
      return Self(original: original, count: count, first: differing.first, differences: differing.count)
    }
    guard let nearest = misses.min(by: { $0.differences < $1.differences }) else { return nil }
    self = nearest
  }

  private init(original: KnownOriginal, count: Int, first: Int?, differences: Int) {
    (self.original, self.count, self.first, self.differences) = (original, count, first, differences)
  }

  /// What is known of the key by it, in words that follow "the key".
  var words: String {
    guard let first else { return "is the beginning of \(original.name), and \(count) bytes long: it was cut off" }
    return
      "has \(count - differences) of the first \(count) bytes of \(original.name), but not byte \(first)"
      + (differences > 1 ? " and \(differences - 1) more" : "")
      + ": it is damaged there, or another model that was saved by the same program"
  }
}
