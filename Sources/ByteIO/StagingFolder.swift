// A hidden folder beside the output in which a model lies until all of it is finished and proven; then its files get their
// names together. Thrown away otherwise.

/// A folder for files that shall appear together, on the same file system as their places.
///
/// Not thread-safe.
public final class StagingFolder {
  /// Its path.
  public let path: String
  private let descriptor: Int32

  /// Makes a folder in another one, which must exist.
  public init(in folder: String) throws(ByteIOError) {
    (path, descriptor) = try TemporaryFiles.create(in: folder, isFolder: true)
  }

  deinit {
    TemporaryFiles.remove(path)
    close(descriptor)
  }

  /// Writes into the folder; an error is told of the output, which the user knows.
  public func standing(for output: String, _ body: () throws -> Void) throws {
    do { try body() } catch let error as ByteIOError where error.file?.hasPrefix(path) == true {
      throw ByteIOError(error.code, file: output, place: error.place, reason: error.reason, remedy: error.remedy)
    }
  }
}
