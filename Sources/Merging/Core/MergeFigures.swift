// What was found while tensors were merged: each is known when all of it has been read, and counts once, however often
// that is done: for writing, and for the comparison with what was written.

import Synchronization

/// Figures of merged tensors.
final class MergeFigures: Sendable {
  /// Figures of one tensor.
  struct Tensor: Sendable, Equatable {
    /// The sum of squares of what was there.
    var weight = 0.0
    /// The sum of squares of what was added.
    var delta = 0.0
    /// The sum of the results.
    var sum = 0.0
    /// Whether a result is no finite number.
    var isBroken = false
    /// How many finite results are too large for the type.
    var overflows = 0
    /// Whether nothing was added: the adapter's tensor alone.
    var isWhole = false
    /// Whether outputs got trained lengths.
    var isStretched = false
    /// How many values of a tuned model its delta does not give back.
    var inexact = 0
  }

  private let tensors = Mutex<[String: Tensor]>([:])

  /// Takes a tensor that has been read to its end.
  func take(_ tensor: Tensor, of name: String) { tensors.withLock { $0[name] = tensor } }

  /// All that were read, by name.
  var all: [String: Tensor] { tensors.withLock { $0 } }
}
