// The error of this library: a layer that cannot be quantized as asked, or packed integers that break a rule.

import ByteIO

/// A failure to quantize; `place` names the layer.
package typealias QuantizeError = LibraryError<QuantizeErrorCode>

/// What kind of failure a ``QuantizeError`` is.
package enum QuantizeErrorCode: Sendable, Equatable {
  /// NaN or infinity among the weights or in the Hessian.
  case notFinite
  /// Shapes that do not fit each other.
  case shape
  /// Bits, group size or another option that means nothing.
  case badOption
  /// No damping up to the cap makes the Hessian positive definite.
  case notPositiveDefinite
  /// An integer or a zero point that the stored form has no room for.
  case notStorable
  /// Unfinished work with other inputs or options, or that cannot be read.
  case otherPlan
  /// Another process is at work on the same output.
  case busy
  /// Too little memory or disk space for what is asked.
  case noRoom
  /// A model that is quantized already, or has nothing to quantize.
  case wrongModel
  /// No log of an earlier run, or one that cannot be read.
  case noLog
}
