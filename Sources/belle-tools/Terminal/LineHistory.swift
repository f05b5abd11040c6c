// The lines that were typed in talks, in a file of the user's: $XDG_STATE_HOME/belle-tools/history, which nobody else may
// read. Source: XDG Base Directory Specification 0.8 (state, and that relative paths are ignored).

import ByteIO
import Foundation

/// The lines of earlier talks.
struct LineHistory {
  /// Lines that are kept, and the bytes at which the file is cut to them.
  private static let (kept, size) = (1000, 1 << 20)

  /// The lines, the last one last.
  private(set) var lines: [String] = []
  private var file: AppendedFile?

  /// Where it is; nil where the user has no home.
  static var path: String? {
    let environment = ProcessInfo.processInfo.environment
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return state + "/belle-tools/history" }
    guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
    return home + "/.local/state/belle-tools/history"
  }

  /// Opens it, and makes it where it is missing.
  ///
  /// - Throws: ``ByteIOError`` where it can be neither.
  init?() throws {
    guard let path = Self.path else { return nil }
    try Folder.create(Folder.parent(of: path))
    guard let file = try AppendedFile(path, isPrivate: true, isLocked: false) else { return nil }
    let bytes = try file.contents(limit: 64 << 20)
    let all = bytes.split(separator: 0x0A).compactMap { String(validating: $0, as: UTF8.self) }
    lines = Array(all.suffix(Self.kept))
    if bytes.count > Self.size {
      try file.truncate(to: 0)
      try file.append(Array((lines.joined(separator: "\n") + "\n").utf8))
    }
    self.file = file
  }

  /// Keeps a line. What cannot be written is lost, and no reason to stop talking.
  mutating func add(_ line: String) {
    guard line != lines.last else { return }
    lines.append(line)
    try? file?.append(Array((line + "\n").utf8))
  }
}
