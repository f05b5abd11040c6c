// The small files beside a model's tensors, while it is converted: which are copied, which are made anew or edited, and
// which belong to the model as it was and stay behind.

import ByteIO
import Checkpoint
import Foundation

/// The small files of a model.
struct Companions {
  /// The folder that they lie in; nil where none go along.
  var folder: String?
  /// Files that are written from here, by name.
  private(set) var made: [String: [UInt8]]
  /// Names of files that are not copied.
  private var omitted: Set<String>

  init(in folder: String?, made: [String: [UInt8]] = [:], omitting omitted: Set<String> = []) {
    (self.folder, self.made, self.omitted) = (folder, made, omitted)
  }

  /// Puts a file in place of the model's own.
  mutating func make(_ name: String, _ bytes: [UInt8]) { made[name] = bytes }

  /// Changes a JSON file, where there is one that goes along.
  ///
  /// - Parameter change: returns whether it changed anything; otherwise the file stays as it is, byte for byte.
  mutating func edit(_ name: String, _ change: (inout [String: Any]) throws -> Bool) throws {
    guard !omitted.contains(name) else { return }
    if made[name] == nil, let folder {
      let path = Folder.join(folder, name)
      guard Folder.kind(of: path) == .file else { return }
      let file = try InputFile(path)
      made[name] = try file.bytes(count: file.size)
    }
    guard let text = made[name], var object = (try? boundedJSONObject(text)) as? [String: Any], try change(&object)
    else { return }
    made[name] = try jsonText(object)
  }

  /// Brings what config.json says of the values' type in step.
  mutating func editType(_ type: DType) throws {
    try edit("config.json") { object in
      let keys = ["torch_dtype", "dtype"].filter { object[$0] != nil }
      for key in keys { object[key] = type.torchName }
      return !keys.isEmpty
    }
  }

  /// The names of the files that are copied to an output.
  func copied(to output: ModelOutput) -> [String] {
    folder.map { output.companions(in: $0, omitting: omitted.union(made.keys)) } ?? []
  }
}
