// The door: a path in, a source of tensors out, whatever the format.

import ByteIO

/// Opening checkpoints.
public enum Checkpoint {
  /// Opens a file or a folder.
  ///
  /// A folder may hold an index with its shards, a model in Meta's layout, a file with the name that transformers gives
  /// to models, or one model file of any name.
  /// - Throws: ``CheckpointError`` or ``ByteIOError``.
  public static func open(_ path: String) throws -> any TensorSource {
    guard Folder.kind(of: path) == .folder else { return try open(file: path) }
    for name in ShardedFolder.indexNames where Folder.kind(of: Folder.join(path, name)) == .file {
      return try ShardedFolder(index: Folder.join(path, name))
    }
    if try !MetaFolder.shardNames(path).isEmpty { return try MetaFolder(path) }
    // The names that transformers looks for, in its order: beside them other tensors may lie (tokens, an adapter).
    for name in ["model.safetensors", "pytorch_model.bin"] where Folder.kind(of: Folder.join(path, name)) == .file {
      return try open(file: Folder.join(path, name))
    }
    var models = try modelFiles(in: path)
    // An adapter beside a model is not the model, and a GGUF file beside another one is that made for another engine.
    let adapters = adapterFiles.filter(models.contains)
    for isOther in [{ !adapters.contains($0) }, { !$0.hasSuffix(".gguf") }] as [(String) -> Bool] {
      let others = models.filter(isOther)
      if !others.isEmpty { models = others }
    }
    if models.count > 1, models.allSatisfy(adapters.contains) { models = [adapters[0]] }
    guard models.count == 1 else {
      throw CheckpointError(
        .unknownFormat, file: path,
        reason: models.isEmpty
          ? "there is no checkpoint in this folder"
          : "there are several checkpoints in this folder and no index: \(models.map(displayName).joined(separator: ", "))",
        remedy: models.isEmpty
          ? "give a .safetensors, .pt, .pth, .bin or .gguf file, or a folder that holds one" : "name one of them")
    }
    return try open(file: Folder.join(path, models[0]))
  }

  /// The files that peft writes, in the order in which it looks for them.
  public static let adapterFiles = ["adapter_model.safetensors", "adapter_model.bin"]

  /// Whether a file is one that trainers leave beside a model or an adapter, named like a checkpoint.
  static func isTrainersOwn(_ name: String) -> Bool {
    trainersFiles.contains(name) || name.hasPrefix("rng_state_") && name.hasSuffix(".pth")
  }

  private static let trainersFiles: Set<String> = [
    "training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin", "scaler.pt", "rng_state.pth",
  ]

  /// The files of a folder that a loader may take for pickles, those that trainers leave included.
  public static func loadableFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { entry in
      entry.kind == .file
        && [".safetensors", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"].contains(where: entry.name.hasSuffix)
    }.map(\.name)
  }

  /// The files of a folder that look like checkpoints.
  public static func modelFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { entry in
      entry.kind == .file && [".safetensors", ".pt", ".pth", ".bin", ".gguf"].contains(where: entry.name.hasSuffix)
        && !isTrainersOwn(entry.name)
    }.map(\.name)
  }

  /// Opens one file, by what it is and not by its name; but for an index, which is known by its name.
  public static func open(file path: String) throws -> any TensorSource {
    if path.hasSuffix(".index.json") { return try ShardedFolder(index: path) }
    return try open(InputFile(path))
  }

  /// Opens a checkpoint, by what it is.
  public static func open(_ file: any ByteSource) throws -> any TensorSource {
    let path = file.path
    let head = try file.bytes(count: FileKind.headSize)
    if let complaint = FileKind(head: head, size: file.size).complaint {
      throw CheckpointError(.notDownloaded, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    if head.starts(with: [0x50, 0x4B]) || TarArchive.isTar(head) { return try TorchFile(file) }
    if GGUFFile.isRecognized(head) { return try GGUFFile(file) }
    if head.starts(with: NpyFile.magic) { return try NpyFile(file) }
    if path.hasSuffix(".safetensors") || head.count > 8 && head[8] == UInt8(ascii: "{") {
      return try SafetensorsFile(file)
    }
    // What pickles begin with: PROTO, or in protocols 0 and 1 a mark, an empty container, a name or the magic number.
    if let first = head.first, first == 0x80 || "(}])cL".utf8.contains(first) { return try TorchFile(file) }
    throw CheckpointError(
      .unknownFormat, file: path, place: "byte 0", reason: "this is no checkpoint of a known format",
      remedy: "known are PyTorch's zip, legacy and tar files, safetensors, GGUF and NumPy's .npy")
  }
}
