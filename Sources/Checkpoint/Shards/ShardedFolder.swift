// A model in several files with an index that says which tensor lies in which: `model.safetensors.index.json` and
// `pytorch_model.bin.index.json`, {metadata: {total_size}, weight_map: {tensor: file}}.
// Refused: names of files with path parts, missing files and tensors, tensors that lie elsewhere or in two files.

import ByteIO

/// A sharded model, open.
public struct ShardedFolder: TensorSource {
  /// What the container is.
  public var format: String { "hf-sharded" }
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors.
  public let metadata: [(name: String, value: String)]

  private let shards: [any TensorSource]
  /// For each tensor: its shard, and its number there.
  private let places: [(shard: Int, index: Int)]

  /// How the name of an index ends.
  static let indexSuffix = ".index.json"
  /// The names that an index may have.
  public static let indexNames = ["model.safetensors.index.json", "pytorch_model.bin.index.json"]
  private static let indexLimit = 256 << 20

  /// Opens the files of an index.
  ///
  /// - Parameter skipped: as in ``Checkpoint/open(_:skipping:)``.
  /// - Throws: ``CheckpointError`` with code `.badIndex`, and what is wrong with a file.
  public init(index path: String, skipping skipped: SkippedNames? = nil) throws {
    let folder = Folder.parent(of: path)
    let failure = { (reason: String, remedy: Remedy?) in
      CheckpointError(.badIndex, file: path, reason: reason, remedy: remedy)
    }
    let input = try InputFile(path)
    guard input.size <= Self.indexLimit else { throw failure("\(input.size) bytes are too many for an index", nil) }
    let text = try input.bytes(count: input.size)
    var files: [String] = []
    var wanted: [String: Set<String>] = [:]
    var hasMap = false
    do {
      var json = try JSONReader(text, depthLimit: 16)
      guard json.peek() == UInt8(ascii: "{") else { throw failure("there is no weight_map in it", nil) }
      try json.object { json, name in
        guard name == "weight_map", json.peek() == UInt8(ascii: "{") else { return try json.skip() }
        hasMap = true
        try json.object { json, tensor in
          guard case .string(let name) = try json.scalar() else {
            throw failure("the file of \(displayName(tensor)) is no name", nil)
          }
          guard !name.isEmpty, !name.contains("/"), !name.contains("\\"), name != ".", name != ".." else {
            throw failure(
              "the file \(displayName(name)) is not in the index's own folder", "treat the index as hostile")
          }
          // An index among the files could name itself, and so on without end.
          guard !name.hasSuffix(Self.indexSuffix) else {
            throw failure("the file \(displayName(name)) is an index itself", "treat the index as hostile")
          }
          if wanted[name] == nil { files.append(name) }
          wanted[name, default: []].insert(tensor)
        }
      }
      try json.end()
    } catch let error as JSONReader.Failure {
      throw CheckpointError(.badIndex, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
    guard hasMap else { throw failure("there is no weight_map in it", nil) }
    let missing = files.filter { Folder.kind(of: Folder.join(folder, $0)) != .file }
    guard missing.isEmpty else {
      let substitute = missing.lazy.compactMap { DownloadedFolder.substitute(for: $0, in: folder) }.first
      throw failure(
        "\(missing.count) of its \(files.count) files are missing: \(missing.sorted().map(displayName).joined(separator: ", "))"
          + (substitute.map { "; \($0.reason)" } ?? ""),
        substitute?.remedy ?? "download them too")
    }
    var shards: [any TensorSource] = []
    var tensors: [TensorInfo] = []
    var places: [(shard: Int, index: Int)] = []
    var metadata: [(name: String, value: String)] = []
    for name in files.sorted() {
      let shard = try CheckpointFile.open(InputFile(Folder.join(folder, name)), skipping: skipped)
      var left = wanted[name] ?? []
      for (index, info) in shard.tensors.enumerated() {
        guard left.remove(info.name) != nil else {
          throw failure(
            "\(displayName(name)) holds \(displayName(info.name)), which the index does not place there",
            "the files are of different versions: download them again")
        }
        tensors.append(info)
        places.append((shards.count, index))
      }
      guard left.isEmpty else {
        throw failure(
          "\(displayName(name)) does not hold \(left.sorted().prefix(5).map(displayName).joined(separator: ", "))",
          "the files are of different versions: download them again")
      }
      metadata += shard.metadata.map { ("\(name): \($0.name)", $0.value) }
      shards.append(shard)
    }
    self.shards = shards
    self.tensors = tensors
    self.places = places
    self.metadata = metadata
  }

  /// What a tensor's values are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    try shards[places[index].shard].cursor(places[index].index)
  }

  /// Where a tensor's values lie in its file.
  public func storedRange(_ index: Int) -> Range<Int>? {
    shards[places[index].shard].storedRange(places[index].index)
  }

  /// Verifies each file.
  public func verifyChecksums() throws {
    for shard in shards { try shard.verifyChecksums() }
  }
}
