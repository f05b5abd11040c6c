// What the system tells of a file without reading it.

import CSystemCalls

/// Which file it is, whatever its name: two paths with equal identities are one file.
public struct FileIdentity: Hashable, Sendable {
  let device: UInt64
  let number: UInt64

  /// What a path leads to, links followed; nil where that is nothing.
  public init?(ofFileAt path: String) {
    guard let state = FileState(ofFileAt: path) else { return nil }
    self = state.identity
  }

  fileprivate init(_ status: stat) {
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
  }
}

/// What a file is at a moment, as far as the system tells without reading it.
struct FileState: Equatable, Sendable {
  let identity: FileIdentity
  let size: Int
  /// In nanoseconds since 1970.
  let modificationTime: Int64

  init(_ status: stat) {
    identity = FileIdentity(status)
    size = Int(status.st_size)
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    modificationTime = Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// What a path leads to, links followed; nil where that is nothing.
  init?(ofFileAt path: String) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    self.init(status)
  }
}

extension Folder {
  /// The size of a file in bytes, links followed; nil where there is nothing.
  public static func size(of path: String) -> Int? { FileState(ofFileAt: path)?.size }

  /// When a file was last written, in nanoseconds since 1970, links followed; nil where there is nothing.
  package static func modificationTime(of path: String) -> Int64? { FileState(ofFileAt: path)?.modificationTime }
}
