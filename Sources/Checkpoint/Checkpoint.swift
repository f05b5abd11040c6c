// The door: a path in, a source of tensors out, whatever the format.

import ByteIO
import Checksum

/// Opening checkpoints.
public enum Checkpoint {
  /// Opens a file or a folder.
  ///
  /// A folder may hold a file with the name that transformers gives to models, an index with its shards, shards whose names
  /// say that they are parts of one model, a model in Meta's layout, or one model file of any name: see ``WeightSets``. A
  /// folder of Hugging Face's cache stands for its snapshot.
  ///
  /// - Parameter skipped: takes the names in pickles that are not known, and tells what was left out for their sake: what
  ///   they make is passed over, and nothing is run. Without it a pickle that names what is not known is refused.
  /// - Throws: ``CheckpointError`` or ``ByteIOError``.
  public static func open(_ path: String, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    try opened(path, skipping: skipped).source
  }

  /// A checkpoint that is open, with what is to be told of it.
  public struct Opened: Sendable {
    /// Its tensors.
    public let source: any TensorSource
    /// Where it lies; see ``Checkpoint/located(_:)``.
    public let path: String
    /// What is to be told of it: other weights beside it, an index that does not fit.
    public let remarks: [Remark]
  }

  /// What is to be told of a checkpoint.
  public enum Remark: Sendable, Equatable {
    /// A thing worth knowing.
    case note(String)
    /// A thing that may matter, and stops nothing.
    case warning(String)
  }

  /// Opens a file or a folder as ``open(_:skipping:)`` does, and says what is to be told of it.
  ///
  /// - Throws: ``CheckpointError`` or ``ByteIOError``; also where a file of the model beside its weights is not whole, or has
  ///   a name by which programs do not find it.
  public static func opened(_ path: String, skipping skipped: SkippedNames? = nil) throws -> Opened {
    try opened(path, skipping: skipped, allowsFaults: false)
  }

  /// - Parameter allowsFaults: whether files of the model beside its weights may be unfinished or have other names.
  package static func opened(
    _ path: String, skipping skipped: SkippedNames? = nil, allowsFaults: Bool
  ) throws -> Opened {
    let path = try located(path)
    var remarks: [Remark] = []
    let source: any TensorSource
    if Folder.kind(of: path) == .folder {
      if let difference = BaseDifference.found(in: path) { throw difference }
      let sets = try WeightSets(path)
      let faults = try FolderFault.found(in: path)
      let read: WeightSet
      do { read = try sets.read() } catch let error as CheckpointError where error.code == .unknownFormat {
        // Where nothing says which file is the model, one that has its name in all but a detail does.
        throw faults.first { ModelFileName.isModel($0.original) }?.error ?? error
      }
      for fault in faults {
        if let remark = fault.remark(beside: read) {
          remarks.append(.warning(remark))
        } else if !allowsFaults {
          throw fault.error
        }
      }
      source = try open(read, in: path, skipping: skipped)
      remarks += sets.others(than: read).map { .note($0.words) }
    } else {
      source = try open(file: path, skipping: skipped)
    }
    let index = (source as? ShardedFolder)?.remarks ?? []
    return Opened(source: source, path: path, remarks: remarks + index.map { .warning($0) })
  }

  /// Opens a set of weights.
  ///
  /// - Parameter skipped: as in ``open(_:skipping:)``.
  public static func open(
    _ set: WeightSet, in folder: String, skipping skipped: SkippedNames? = nil
  ) throws -> any TensorSource {
    switch set.form {
    case .file, .index: try open(file: Folder.join(folder, set.entry), skipping: skipped)
    case .parts: try ShardedFolder(parts: set.files, missing: set.missing, in: folder, skipping: skipped)
    case .meta: try MetaFolder(folder, shards: set.files, skipping: skipped)
    }
  }

  /// The name of the file that a folder is opened by: an index, `params.json` for Meta's layout, the first of several parts,
  /// or the only model file.
  ///
  /// - Throws: ``CheckpointError`` where there is none, or several and nothing says which.
  public static func entry(of path: String) throws -> String { try WeightSets(path).read().entry }

  /// Where a model lies: the path itself; of a model's folder in Hugging Face's cache the snapshot.
  ///
  /// - Throws: ``CheckpointError`` where there are several snapshots and nothing says which.
  public static func located(_ path: String) throws -> String {
    guard Folder.kind(of: path) == .folder else { return path }
    let snapshots = Folder.join(path, "snapshots")
    guard Folder.kind(of: snapshots) == .folder else { return try placeInCache(path) }
    let sets = try WeightSets(path)
    guard sets.sets.isEmpty, sets.loose.isEmpty else { return path }
    let names = try Folder.entries(of: snapshots).filter { $0.kind == .folder }.map(\.name)
    let branch = Folder.join(path, "refs/main")
    if Folder.kind(of: branch) == .file, let text = try? InputFile(branch).bytes(count: 64),
      let name = names.first(where: { String(decoding: text, as: UTF8.self).hasPrefix($0) })
    {
      return Folder.join(snapshots, name)
    }
    guard names.count != 1 else { return Folder.join(snapshots, names[0]) }
    guard !names.isEmpty else { return path }
    throw CheckpointError(
      .unknownFormat, file: path, reason: "there are \(names.count) snapshots of a model in this folder",
      remedy:
        "give one of them: \(names.prefix(3).map { displayName(Folder.join(snapshots, $0)) }.joined(separator: ", "))")
  }

  /// The snapshot of the only model in a folder of Hugging Face's cache above models; the folder itself where it is none.
  private static func placeInCache(_ path: String) throws -> String {
    let place: String
    do { place = try HubDownload.place(of: path) } catch let error as ChecksumError {
      throw CheckpointError(.unknownFormat, file: path, reason: error.reason, remedy: error.remedy)
    }
    return place == path ? path : try located(place)
  }

  /// Which part of a model a file is, in words, by its name and what lies beside it; nil for one that is all of it.
  ///
  /// - Parameter source: what the file was opened as: a GGUF file opens its other parts, and an index all of its files.
  public static func part(_ path: String, _ source: any TensorSource) -> String? {
    guard Folder.kind(of: path) == .file, !(source is GGUFFile), !(source is ShardedFolder), !(source is MetaFolder)
    else { return nil }
    let name = Folder.name(of: path)
    if let part = PartName(name) { return part.words }
    guard let entries = try? Folder.entries(of: Folder.parent(of: path)),
      let shards = MetaFolder.sets(entries.map(\.name)).first(where: { $0.contains(name) }), shards.count > 1,
      let number = shards.firstIndex(of: name)
    else { return nil }
    return "part \(number + 1) of \(shards.count)"
  }

  /// The files of a folder that a loader may take for pickles, those that trainers leave included.
  public static func loadableFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { entry in
      entry.kind == .file
        && [".safetensors", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"].contains(where: entry.name.hasSuffix)
    }.map(\.name)
  }

  /// The files of a folder that look like checkpoints.
  public static func modelFiles(in folder: String) throws -> [String] {
    try Folder.entries(of: folder).filter { $0.kind == .file && ModelFileName.isModel($0.name) }.map(\.name)
  }

  /// Opens one file, by what it is and not by its name; but for an index, which is known by its name.
  ///
  /// - Parameter skipped: as in ``open(_:skipping:)``.
  public static func open(file path: String, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    if ShardedFolder.isIndex(Folder.name(of: path)) { return try ShardedFolder(index: path, skipping: skipped) }
    return try open(InputFile(path), skipping: skipped)
  }

  /// Opens one file, by what it is.
  ///
  /// - Parameter skipped: as in ``open(_:skipping:)``.
  public static func open(_ file: any ByteSource, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    try CheckpointFile.open(file, skipping: skipped)
  }
}
