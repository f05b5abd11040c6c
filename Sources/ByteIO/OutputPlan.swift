// What a piece of work would write, as far as that is known before: what is told where nothing is to be written yet.

/// Files that would be written.
public struct OutputPlan: Sendable {
  /// One of them.
  public struct File: Sendable, Equatable {
    /// Its path.
    public let path: String
    /// Its bytes, without what a container adds to its tensors; nil where they are not known before.
    public let bytes: Int?

    /// A file.
    public init(_ path: String, bytes: Int?) { (self.path, self.bytes) = (path, bytes) }
  }

  /// The files, in the order in which they would appear.
  public let files: [File]
  /// The paths of files that would be replaced.
  public let replaced: [String]
  /// The paths of files that would be removed, because they would be taken for parts of the output.
  public let removed: [String]
  /// The bytes that are free where they would go; nil where the system does not say.
  public let free: Int?

  /// A plan.
  ///
  /// - Parameter folder: where the files would go.
  public init(_ files: [File], in folder: String, replaced: [String] = [], removed: [String] = []) {
    (self.files, self.replaced, self.removed) = (files, replaced, removed)
    free = Folder.availableSpace(folder)
  }

  /// The bytes of the files whose bytes are known.
  public var bytes: Int { files.reduce(0) { $0 + ($1.bytes ?? 0) } }
}
