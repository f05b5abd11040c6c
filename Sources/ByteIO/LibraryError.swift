// The error of every library here: one shape, and the library's own code.

/// An error with a code, a file, a place in it, a reason and a remedy.
///
/// Each library names its own: `ByteIOError`, `ChecksumError`, …
public struct LibraryError<Code: Sendable & Equatable>: ToolError, Equatable {
  /// What kind of failure it was.
  public let code: Code
  /// The file or folder that the error is about, as the user named it.
  public let file: String?
  /// The place in the file: `byte 812`, `line 3`.
  public let place: String?
  /// What is wrong, without the file's name.
  public let reason: String
  /// What to do about it, where something can be done.
  public let remedy: Remedy?

  /// Makes an error from its parts.
  public init(_ code: Code, file: String? = nil, place: String? = nil, reason: String, remedy: Remedy? = nil) {
    self.code = code
    self.file = file
    self.place = place
    self.reason = reason
    self.remedy = remedy
  }
}
