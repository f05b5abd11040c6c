// How the scores of a head become weights: scaled, bent to a bound, less by distance, and no farther back than a window.

import CBelleKernels

/// The arithmetic of one head's scores.
struct AttentionScores: Sendable {
  /// What scores are multiplied by.
  let scale: Float
  /// The bound that they are bent to; nil for none.
  let cap: Float?
  /// What a distance of one takes from a score.
  let slope: Float
  /// How many tokens are seen, the query's own among them; nil for all.
  let window: Int?

  /// The first of some visible keys that is seen.
  func firstSeen(of visible: Int) -> Int { window.map { max(0, visible - $0) } ?? 0 }

  /// Softmax over the scores of a query, in place; those from `visible` on become 0.
  ///
  /// - Parameter scores: `count` numbers, of which the last that is visible is the query's own.
  func weigh(_ scores: UnsafeMutablePointer<Float>, visible: Int, count: Int) {
    precondition(visible >= 1 && visible <= count)
    // SAFETY: `count` numbers, as the caller says.
    if let cap { unsafe belle_soft_cap(Kernels.variant, scores, visible, scale, cap) }
    unsafe belle_softmax(Kernels.variant, scores, visible, count, cap == nil ? scale : 1, slope)
  }
}
