// The small files of a merged model: the base's, but for what the merge changes in config.json, and what a delta or an
// adapter with a vocabulary of its own brings along.

import ByteIO
import Checkpoint
import Foundation
import Model

/// Small files that take the place of a model's own.
struct MergedFiles {
  /// The model whose files are copied: its path.
  private(set) var path: String
  /// The files in place of its own, by name.
  private(set) var files: [String: [UInt8]] = [:]

  private static let tokenizers = [
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja",
  ]

  /// The largest file that is taken along, in bytes.
  static let sizeLimit = 256 << 20

  /// Those of a model.
  ///
  /// - Parameter made: files that are made for it, by name, in place of its own.
  init(_ path: String, made files: [String: [UInt8]] = [:]) { (self.path, self.files) = (path, files) }

  private var folder: String? { Folder.kind(of: path) == .folder ? path : nil }

  private static func bytes(_ name: String, in folder: String) throws -> [UInt8]? {
    let path = Folder.join(folder, name)
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size <= sizeLimit else {
      throw MergeError(
        .result, file: path,
        reason: "\(file.size) bytes; of a small file beside a model \(sizeLimit) are taken along at most",
        remedy: "move it away, if it is not the model's")
    }
    return try file.bytes(count: file.size)
  }

  /// Takes a delta's own files first: where it has a configuration, it is the one of the result.
  ///
  /// - Returns: whether it has one.
  mutating func prefer(_ delta: String) throws -> Bool {
    guard Folder.kind(of: delta) == .folder else { return false }
    let before = (folder, files)
    if Folder.kind(of: Folder.join(delta, "config.json")) == .file {
      path = delta
      files = [:]
      for name in ModelOutput.companions where Folder.kind(of: Folder.join(delta, name)) != .file {
        files[name] = try before.1[name] ?? before.0.flatMap { try Self.bytes(name, in: $0) }
      }
    } else {
      for name in ModelOutput.companions { if let bytes = try Self.bytes(name, in: delta) { files[name] = bytes } }
      return false
    }
    return true
  }

  /// Takes the tokenizer of an adapter's folder, which knows the tokens that the base does not.
  ///
  /// - Returns: whether there is one.
  mutating func takeTokenizer(of adapter: String) throws -> Bool {
    let folder = Folder.home(of: adapter)
    var isThere = false
    for name in Self.tokenizers {
      guard let bytes = try Self.bytes(name, in: folder) else { continue }
      files[name] = bytes
      isThere = isThere || name == "tokenizer.model" || name == "tokenizer.json" || name == "vocab.json"
    }
    return isThere
  }

  /// Gives a member of the configuration a value; where it has that, the text stays as it is.
  ///
  /// - Returns: whether there is a configuration.
  mutating func set<Value: Equatable>(_ key: String, to value: Value) throws -> Bool {
    guard var object = try configuration() else { return false }
    if object[key] as? Value == value { return true }
    object[key] = value
    files["config.json"] = try jsonText(object)
    return true
  }

  private func has(_ key: String) throws -> Bool {
    try configuration()?[key] != nil
  }

  private func configuration() throws -> [String: Any]? {
    let name = "config.json"
    guard let text = try files[name] ?? folder.flatMap({ try Self.bytes(name, in: $0) }) else { return nil }
    return (try? boundedJSONObject(text)) as? [String: Any]
  }

  /// How many layers the configuration says that there are; nil where it says nothing, or is none.
  var layerCount: Int? {
    let name = "config.json"
    guard let text = try? files[name] ?? Self.bytes(name, in: Folder.home(of: path)),
      let object = (try? boundedJSONObject(text)) as? [String: Any]
    else { return nil }
    return ["num_hidden_layers", "n_layer", "num_layers"].lazy.compactMap { object[$0] as? Int }.first
  }

  /// Brings what the configuration says of the values' type in step.
  mutating func editType(_ type: DType) throws {
    for key in ["torch_dtype", "dtype"] where try has(key) { _ = try set(key, to: type.torchName ?? "") }
  }
}
