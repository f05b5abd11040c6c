// The error of this library: a checkpoint that breaks a rule of its format, or does what no weight file needs.

import ByteIO

/// A failure to read a checkpoint.
public typealias CheckpointError = LibraryError<CheckpointErrorCode>

/// What kind of failure a ``CheckpointError`` is.
public enum CheckpointErrorCode: Sendable, Equatable {
  /// No format that is known.
  case unknownFormat
  /// A Git LFS pointer, a web page or nothing, in place of the file.
  case notDownloaded
  /// The file ends before what it announces.
  case truncated
  /// A rule of the container is broken.
  case malformed
  /// A limit is exceeded that no honest file comes near.
  case limit
  /// A pickle does something that no weight file needs: it names what does something, or calls what it made.
  case unsafeGlobal
  /// A pickle names something that is not known here.
  case unknownName
  /// A pickle is none: no unpickler reads past the place.
  case malformedPickle
  /// A pickle does something that weight files do not do.
  case unsupportedPickle
  /// A tensor's shape, strides or offset do not fit its storage.
  case badTensor
  /// A file or tensor that an index names is not there, or is somewhere else.
  case badIndex
  /// Stored bytes do not have their checksum.
  case badChecksum
  /// Values of a type that cannot be converted.
  case unsupportedType
  /// An adapter where a model is wanted, or one that is not merged into its model.
  case adapter
  /// What was asked for would change values, and that was not asked for.
  case lossy
  /// No tensor has a name that was asked for.
  case noSuchTensor
}
