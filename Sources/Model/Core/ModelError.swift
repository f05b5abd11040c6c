// The error of this library: a model that is not known here, or whose parts do not fit each other.

import ByteIO

/// A failure to open or run a model.
package typealias ModelError = LibraryError<ModelErrorCode>

/// What kind of failure a ``ModelError`` is.
package enum ModelErrorCode: Sendable, Equatable {
  /// There is no configuration where one is wanted.
  case missing
  /// The configuration cannot be read.
  case malformed
  /// An architecture, or a part of one, that is not known here.
  case unsupported
  /// Two parts of the configuration say different things.
  case contradictory
  /// The configuration and the tensors do not fit each other.
  case mismatch
  /// A token that the vocabulary does not have, or windows that do not fit the model.
  case badTokens
}
