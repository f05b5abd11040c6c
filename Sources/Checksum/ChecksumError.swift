// The error of this library: a digest that cannot be computed, a list that cannot be read, a release nobody knows.

import ByteIO

/// A failure to compute or look up digests. A digest that does not match is a result, not an error.
public typealias ChecksumError = LibraryError<ChecksumErrorCode>

/// What kind of failure a ``ChecksumError`` is.
public enum ChecksumErrorCode: Sendable, Equatable {
  /// OpenSSL would not compute the digest (a FIPS policy may forbid MD5).
  case digestUnavailable
  /// A line of a list is no checksum line.
  case malformedLine
  /// A list names a digest that is neither MD5 nor SHA-256.
  case unsupportedAlgorithm
  /// A list gives one file two digests of one kind.
  case contradiction
  /// A list names a file outside its folder.
  case pathOutside
  /// A list holds nothing, or is too large to be one.
  case notAList
  /// An encrypted file's name is not `<name>.<64 hex digits>.enc`, or would name no file.
  case badName
  /// A file is not of the size that it should have, or its download is not finished.
  case unfinished
  /// No known release is called so, or fits.
  case unknownRelease
  /// More than one known release fits.
  case ambiguousRelease
}
