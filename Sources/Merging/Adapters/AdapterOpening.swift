// Opens an adapter: peft's folder or file, a trainer's checkpoint with an adapter among the model's tensors, or
// llama.cpp's GGUF and ggla files; all become tensors with peft's names, and a configuration.
// Source: peft, utils/save_and_load.py (which file is taken).

import ByteIO
import Checkpoint
import Model

extension AdapterSource {
  /// Opens an adapter.
  ///
  /// - Parameter base: what it goes into: llama.cpp's adapters have names and orders of rows by its configuration.
  /// - Throws: ``MergeError``, `CheckpointError`, `ModelError` or `ByteIOError`.
  init(_ path: String, base: Model) throws {
    let (file, others) = Self.file(at: path)
    if try Folder.kind(of: file) == .file && LlamaAdapter.isOld(InputFile(file)) {
      self = try LlamaAdapter(old: InputFile(file), base: base).adapter
      return
    }
    let source = try Self.open(file)
    if let gguf = AdapterPresence.gguf(source) {
      self = try LlamaAdapter(gguf, path: file, base: base).adapter
      return
    }
    try self.init(path, source, of: file, others)
  }

  /// Opens an adapter of peft's.
  ///
  /// - Throws: as the other.
  init(ofPeft path: String) throws {
    let (file, others) = Self.file(at: path)
    try self.init(path, Self.open(file), of: file, others)
  }

  private init(_ path: String, _ source: any TensorSource, of file: String, _ others: [String]) throws {
    guard !source.tensors.isEmpty else { throw Self.empty(source, at: path, file) }
    let remarks = others.map { "\(displayName($0)) is not read: \(displayName(Folder.name(of: file))) is taken" }
    self.init(
      path: path, source: source, configuration: try Self.configuration(beside: path), remarks: remarks)
  }

  /// The file of an adapter's folder, and others that are not read; the path itself where it is no such folder.
  private static func file(at path: String) -> (file: String, others: [String]) {
    guard Folder.kind(of: path) == .folder else { return (path, []) }
    let files = ModelFileName.adapters.map { Folder.join(path, $0) }.filter { Folder.kind(of: $0) == .file }
    return (files.first ?? path, Array(files.dropFirst()))
  }

  private static func open(_ file: String) throws -> any TensorSource {
    Folder.kind(of: file) == .folder ? try Checkpoint.open(file) : try Checkpoint.open(file: file)
  }

  private static func empty(_ source: any TensorSource, at path: String, _ file: String) -> any Error {
    guard let presence = AdapterPresence(in: source, at: file), presence.kind == .empty else {
      return MergeError(.adapter, file: file, reason: "there is no tensor in it")
    }
    return CheckpointError(.adapter, file: presence.file, reason: presence.reason, remedy: presence.remedy)
  }

  /// Whether what lies at a path is an adapter, or has one among its tensors.
  ///
  /// - Throws: what opening it throws.
  static func isAdapter(_ path: String) throws -> Bool {
    let (file, _) = file(at: path)
    guard Folder.kind(of: file) == .file else {
      return try Folder.kind(of: Folder.join(path, configurationName)) == .file || hasAdapter(path)
    }
    if ModelFileName.adapters.contains(Folder.name(of: file)) { return true }
    return try LlamaAdapter.isOld(InputFile(file)) || hasAdapter(file)
  }

  private static func hasAdapter(_ path: String) throws -> Bool {
    guard let presence = AdapterPresence(in: try open(path), at: path) else { return false }
    return presence.kind != .beside
  }
}
