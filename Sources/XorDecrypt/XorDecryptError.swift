// The error of this library: a file or a key that cannot be what it should be.

import ByteIO

/// A failure to decrypt or encrypt.
package typealias XorDecryptError = LibraryError<XorDecryptErrorCode>

/// What kind of failure a ``XorDecryptError`` is.
package enum XorDecryptErrorCode: Sendable, Equatable {
  /// The file's name is not `<name>.<64 hex digits>.enc`, or would name no file.
  case badName
  /// The file's name says that its download is not finished, or left it under another name.
  case unfinished
  /// A Git LFS pointer, a web page or nothing, in place of the file.
  case notDownloaded
  /// Shorter than the release's file, or than its own header.
  case truncated
  /// Longer than the release's file.
  case overlong
  /// The digest in the header is not the one in the name.
  case headerMismatch
  /// There is no digest that the result could be held against.
  case unverifiable
  /// The result does not have the digest it should have.
  case digestMismatch
  /// The key is another one than the release wants.
  case wrongKey
  /// The key cannot be a key at all.
  case unusableKey
  /// The arguments seem to be in the wrong order, or the input is the wrong folder.
  case wrongInput
  /// Another file has the output's name.
  case outputExists
  /// There is not enough space for the outputs.
  case noSpace
  /// Not begun, because another file failed.
  case notStarted
}

/// Any error as one that names a file.
func toolError(_ error: any Error, file: String) -> any ToolError {
  if let error = error as? any ToolError { return error }
  if error is CancellationError {
    return XorDecryptError(.notStarted, file: file, reason: "stopped, because another file failed")
  }
  return XorDecryptError(.digestMismatch, file: file, reason: "\(error)")
}
