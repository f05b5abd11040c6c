// The error of this library: a file that cannot be read, written or listed.

/// A failure to read, write or list files.
public typealias ByteIOError = LibraryError<ByteIOErrorCode>

/// What kind of failure a ``ByteIOError`` is.
public enum ByteIOErrorCode: Sendable, Equatable {
  /// There is no such file or folder.
  case notFound
  /// It is there, but not a regular file (or not a folder, where one is wanted).
  case wrongKind
  /// The system refused to open it.
  case notPermitted
  /// The disk, the quota or the file size limit is exhausted.
  case noSpace
  /// The file became shorter while it was read.
  case shrank
  /// There is more in it than anything of its kind needs.
  case limit
  /// Something of the output's name exists already.
  case exists
  /// What would be written or removed is a file that the work is made from.
  case isInput
  /// An input is not what it was when it was opened.
  case changed
  /// The process is being stopped; nothing new is written.
  case interrupted
  /// A library of the system that the work needs is not there.
  case missingLibrary
  /// Any other failure; the value is `errno`.
  case system(Int32)
}

extension ByteIOError {
  /// The error for an `errno` value.
  ///
  /// - Parameters:
  ///   - number: the value, taken right after the call that failed.
  ///   - file: the path that the call was about.
  ///   - action: what was tried, as in "cannot <action>".
  public init(errno number: Int32, file: String, action: String) {
    let code: ByteIOErrorCode
    var remedy: Remedy?
    switch number {
    case ENOENT:
      code = .notFound
      remedy = "check the path"
    case ENOTDIR, EISDIR:
      code = .wrongKind
    case EACCES, EPERM, EROFS:
      code = .notPermitted
      remedy =
        number == EROFS
        ? "the file system is read-only: choose another folder" : "check the permissions of the file and of its folder"
    case ENOSPC, EDQUOT:
      code = .noSpace
      remedy = "free some space or choose another output folder; nothing half-written was left behind"
    case EFBIG:
      code = .noSpace
      remedy = "raise the file size limit (ulimit -f) or choose another file system"
    case EEXIST:
      code = .exists
    default:
      code = .system(number)
    }
    self.init(code, file: file, reason: "cannot \(action): \(systemMessage(number))", remedy: remedy)
  }
}
