// The door: a path in, a source of tensors out, whatever the format.

import ByteIO

/// Opening checkpoints.
public enum Checkpoint {
  /// Opens a file or a folder.
  ///
  /// A folder may hold an index with its shards, a model in Meta's layout, a file with the name that transformers gives
  /// to models, or one model file of any name.
  ///
  /// - Parameter skipped: takes the names in pickles that are not known, and tells what was left out for their sake: what
  ///   they make is passed over, and nothing is run. Without it a pickle that names what is not known is refused.
  /// - Throws: ``CheckpointError`` or ``ByteIOError``.
  public static func open(_ path: String, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    guard Folder.kind(of: path) == .folder else { return try open(file: path, skipping: skipped) }
    let name = try entry(of: path)
    return name == MetaFolder.parametersName
      ? try MetaFolder(path, skipping: skipped) : try open(file: Folder.join(path, name), skipping: skipped)
  }

  /// The name of the file that a folder is opened by: an index, `params.json` for Meta's layout, or the only model file.
  ///
  /// - Throws: ``CheckpointError`` where there is none, or several and nothing says which.
  public static func entry(of path: String) throws -> String {
    let isThere = { (name: String) in Folder.kind(of: Folder.join(path, name)) == .file }
    if let index = ShardedFolder.indexNames.first(where: isThere) { return index }
    if try !MetaFolder.shardNames(path).isEmpty { return MetaFolder.parametersName }
    // The names that transformers looks for, in its order: beside them other tensors may lie (tokens, an adapter).
    if let model = ["model.safetensors", "pytorch_model.bin"].first(where: isThere) { return model }
    var models = try modelFiles(in: path)
    // An adapter beside a model is not the model, and a GGUF file beside another one is that made for another engine.
    let adapters = adapterFiles.filter(models.contains)
    for isOther in [{ !adapters.contains($0) }, { !$0.hasSuffix(".gguf") }] as [(String) -> Bool] {
      let others = models.filter(isOther)
      if !others.isEmpty { models = others }
    }
    if models.count > 1, models.allSatisfy(adapters.contains) { models = [adapters[0]] }
    if models.isEmpty, let absence = try DownloadedFolder.absence(in: path) { throw absence }
    guard models.count == 1 else {
      throw CheckpointError(
        .unknownFormat, file: path,
        reason: models.isEmpty
          ? "there is no checkpoint in this folder"
          : "there are several checkpoints in this folder and no index: \(models.map(displayName).joined(separator: ", "))",
        remedy: models.isEmpty
          ? "give a .safetensors, .pt, .pth, .bin or .gguf file, or a folder that holds one" : "name one of them")
    }
    return models[0]
  }

  /// The files that peft writes, in the order in which it looks for them.
  public static let adapterFiles = ["adapter_model.safetensors", "adapter_model.bin"]

  /// The files of a folder that a loader may take for pickles, those that trainers leave included.
  public static func loadableFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { entry in
      entry.kind == .file
        && [".safetensors", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"].contains(where: entry.name.hasSuffix)
    }.map(\.name)
  }

  /// The files of a folder that look like checkpoints.
  public static func modelFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { $0.kind == .file && isModelFile($0.name) }.map(\.name)
  }

  /// Whether a file, by its name, looks like a checkpoint.
  static func isModelFile(_ name: String) -> Bool {
    Container(fileName: name) != nil && !CheckpointFile.isTrainersOwn(name)
  }

  /// Opens one file, by what it is and not by its name; but for an index, which is known by its name.
  ///
  /// - Parameter skipped: as in ``open(_:skipping:)``.
  public static func open(file path: String, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    if path.hasSuffix(ShardedFolder.indexSuffix) { return try ShardedFolder(index: path, skipping: skipped) }
    return try open(InputFile(path), skipping: skipped)
  }

  /// Opens one file, by what it is.
  ///
  /// - Parameter skipped: as in ``open(_:skipping:)``.
  public static func open(_ file: any ByteSource, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    try CheckpointFile.open(file, skipping: skipped)
  }
}
