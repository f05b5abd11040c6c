// The error of this library: an adapter or a delta that cannot go into its base.

import ByteIO

/// A failure to merge.
package typealias MergeError = LibraryError<MergeErrorCode>

/// What kind of failure a ``MergeError`` is.
package enum MergeErrorCode: Sendable, Equatable {
  /// An adapter's configuration cannot be read, or says what is not known here.
  case configuration
  /// An adapter's tensors contradict each other or its configuration, or are not all there.
  case adapter
  /// A tensor of an adapter or a delta has no place in the base.
  case unused
  /// The base and what goes into it do not fit each other.
  case mismatch
  /// The base is of a form that nothing can be merged into.
  case form
  /// Nothing says how a delta goes into its base, or it is no delta.
  case scheme
  /// What was merged is not what it should be.
  case result
}
