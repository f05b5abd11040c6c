// The error of this library: a tokenizer that cannot be read, or a text that it cannot take.

import ByteIO

/// A failure to read or use a tokenizer.
package typealias TokenizerError = LibraryError<TokenizerErrorCode>

/// What kind of failure a ``TokenizerError`` is.
package enum TokenizerErrorCode: Sendable, Equatable {
  /// There is no tokenizer where one is wanted.
  case missing
  /// A rule of the format is broken.
  case malformed
  /// A limit is exceeded that no honest file comes near.
  case limit
  /// A kind of tokenizer, or a part of one, that is not known here.
  case unsupported
  /// An id that the vocabulary does not have.
  case unknownID
  /// A text that the tokenizer cannot take.
  case badText
}
