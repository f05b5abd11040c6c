// What long work says of itself while it runs. The libraries say it; only the command line shows it.

/// A step of work on one file.
public enum ProgressEvent: Sendable {
  /// Work on a file begins; `bytes` is what will be read of it.
  case started(file: String, bytes: Int)
  /// Some bytes more were read.
  case advanced(file: String, bytes: Int)
  /// Work on the file has ended, well or not.
  case finished(file: String)
}

/// Takes progress from several threads at once.
public typealias ProgressHandler = @Sendable (ProgressEvent) -> Void
