// From the work folder to the output: finished files are moved, so that no half of a model is ever under a final name
// longer than a few renames take.

import ByteIO
import Checkpoint
import Foundation

enum OutputFolder {
  /// Files that are moved last: without them nothing takes the folder for a model.
  private static let last = ["quantize_config.json", "config.json"]

  /// Whether two paths are one folder.
  static func isSame(_ one: String, _ other: String) -> Bool {
    let resolved = { (path: String) in URL(filePath: path).resolvingSymlinksInPath().standardizedFileURL.path }
    return resolved(one) == resolved(other)
  }

  /// Whether the output's names are free.
  ///
  /// - Throws: ``ByteIOError`` with code `.exists`.
  static func checkFree(_ output: String, isFolder: Bool) throws {
    if !isFolder {
      guard Folder.kind(of: output) == nil else { throw exists(output) }
      return
    }
    guard Folder.kind(of: output) == .folder else {
      if Folder.kind(of: output) != nil { throw exists(output) }
      return
    }
    if let entry = try Folder.entries(of: output).first(where: { $0.name != WorkFolder.name }) {
      throw exists(Folder.join(output, entry.name))
    }
  }

  /// Moves all files of a folder to the output.
  static func move(_ staging: String, to output: String, isFolder: Bool, replacing: Bool) throws {
    let names = try Folder.entries(of: staging).map(\.name)
    guard isFolder else {
      for name in names where name != "quantize-log.jsonl" { try rename(Folder.join(staging, name), output) }
      return
    }
    if replacing {
      // A model of other files must not be left half.
      for entry in try Folder.entries(of: output) where isPart(entry.name) && !names.contains(entry.name) {
        try FileManager.default.removeItem(atPath: Folder.join(output, entry.name))
      }
    }
    for name in names.filter({ !last.contains($0) }) + last.filter(names.contains) {
      try rename(Folder.join(staging, name), Folder.join(output, name))
    }
  }

  /// Whether a file is one that Checkpoint would take for the model or a part of it.
  private static func isPart(_ name: String) -> Bool {
    ShardedFolder.indexNames.contains(name) || name.hasPrefix("model") && name.hasSuffix(".safetensors")
      || name.hasPrefix("pytorch_model") && name.hasSuffix(".bin")
  }

  private static func rename(_ from: String, _ to: String) throws {
    guard unsafe ByteIO.rename(from, to) == 0 else {
      throw ByteIOError(errno: errno, file: to, action: "give the file its name")
    }
  }

  private static func exists(_ path: String) -> ByteIOError {
    ByteIOError(
      .exists, file: path, reason: "it is there already",
      remedy: "give another output, or --force to replace what has the same names")
  }
}
