// A model in several files: with an index that says which tensor lies in which, `model.safetensors.index.json` and
// `pytorch_model.bin.index.json`, {metadata: {total_size}, weight_map: {tensor: file}}; or without one, where the files'
// names say that they are the parts of one model.
// Read all the same, as transformers does, and told: tensors that the index does not list, or lists and no file holds.
// Refused: names of files with path parts (`./` before a name is none), missing files, tensors that lie in two files.

import ByteIO

/// A sharded model, open.
public struct ShardedFolder: TensorSource {
  /// What the container is.
  public var format: String { "hf-sharded" }
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors.
  public let metadata: [(name: String, value: String)]
  /// What is to be told of an index that its files do not fit.
  public let remarks: [String]

  /// The settings in its PyTorch files, each once; of those that differ by file, under the file's name.
  package let settings: [(name: String, value: String)]
  /// How many settings these files hold besides, which they do not tell.
  package let omittedSettings: Int

  private let shards: [any TensorSource]
  /// For each tensor: its shard, and its number there.
  private let places: [(shard: Int, index: Int)]

  /// The names of the indexes that transformers looks for.
  public static let indexNames = ["model.safetensors.index.json", "pytorch_model.bin.index.json"]
  private static let indexLimit = 256 << 20

  /// Whether a name is one of an index: of the usual ones, of one with a base name of its own, as AutoGPTQ writes it, or of
  /// a variant (`model.safetensors.index.fp16.json`).
  public static func isIndex(_ name: String) -> Bool {
    guard name.hasSuffix(".json") else { return false }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).suffix(5).map(String.init)
    if parts.count >= 3, parts[parts.count - 2] == "index" { return true }
    return parts.count == 5 && ["safetensors", "bin"].contains(parts[1]) && parts[2] == "index" && !parts[3].isEmpty
  }

  /// The tensors that an index places in each file, and the files in their order.
  private struct Map {
    var files: [String] = []
    var wanted: [String: Set<String>] = [:]

    /// Reads an index.
    ///
    /// - Throws: ``CheckpointError`` with code `.badIndex`.
    init(_ path: String) throws {
      let failure = { (reason: String, remedy: Remedy?) in
        CheckpointError(.badIndex, file: path, reason: reason, remedy: remedy)
      }
      if let unfinished = DownloadedFolder.unfinished(path) { throw unfinished }
      let input = try InputFile(path)
      let kind = BaseDifference.isCompressed(input) ? FileKind.zeros : try FileKind(of: input)
      if let naming = kind.naming(isWeights: true) { throw failure(naming.reason, naming.remedy) }
      guard input.size <= indexLimit else { throw failure("\(input.size) bytes are too many for an index", nil) }
      let text = try input.bytes(count: input.size)
      var (files, wanted): ([String], [String: Set<String>]) = ([], [:])
      var hasMap = false
      do {
        var json = try JSONReader(text, depthLimit: 16)
        guard json.peek() == UInt8(ascii: "{") else { throw failure("there is no weight_map in it", nil) }
        try json.object { json, name in
          guard name == "weight_map", json.peek() == UInt8(ascii: "{") else { return try json.skip() }
          hasMap = true
          try json.object { json, tensor in
            guard case .string(let stated) = try json.scalar() else {
              throw failure("the file of \(displayName(tensor)) is not a text", nil)
            }
            let name = ShardedFolder.plainName(stated)
            guard !name.isEmpty, !name.contains("/"), !name.contains("\\"), name != ".", name != ".." else {
              throw failure(
                "the file \(displayName(stated)) is not in the index's own folder", ShardedFolder.outsideRemedy)
            }
            if wanted[name] == nil {
              // An index among the files could name itself, and so on without end.
              guard !isIndex(name) else {
                throw failure(
                  "the file \(displayName(name)) is an index itself", "name the files that hold its tensors")
              }
              files.append(name)
            }
            wanted[name, default: []].insert(tensor)
          }
        }
        try json.end()
      } catch let error as JSONReader.Failure {
        throw CheckpointError(.badIndex, file: path, place: "byte \(error.offset)", reason: error.reason)
      }
      guard hasMap else { throw failure("there is no weight_map in it", nil) }
      (self.files, self.wanted) = (files.sorted(), wanted)
    }
  }

  /// A file's name as an index has it, without `./`, however often: it says nothing.
  package static func plainName(_ stated: String) -> String {
    var name = stated[...]
    while name.hasPrefix("./") { name = name.dropFirst(2) }
    return String(name)
  }

  /// What to do about an index whose files lie elsewhere.
  package static let outsideRemedy: Remedy =
    "put the files beside the index and correct their names; where you did not expect such names, do not use it"

  /// The files that an index names; none where it cannot be read.
  static func fileNames(_ index: String) -> [String] { (try? Map(index))?.files ?? [] }

  /// Opens the files of an index.
  ///
  /// - Parameter skipped: as in ``Checkpoint/open(_:skipping:)``.
  /// - Throws: ``CheckpointError`` with code `.badIndex`, and what is wrong with a file.
  public init(index path: String, skipping skipped: SkippedNames? = nil) throws {
    let map = try Map(path)
    let folder = Folder.parent(of: path)
    let missing = map.files.filter { Folder.kind(of: Folder.join(folder, $0)) != .file }
    guard missing.isEmpty else { throw Self.incomplete(path, missing, of: map.files.count) }
    try self.init(map.files, in: folder, map: map, index: path, skipping: skipped)
  }

  /// Opens the parts of a model that has no index.
  ///
  /// - Parameters:
  ///   - files: the names of the parts.
  ///   - missing: the names of parts that are not there.
  ///   - skipped: as in ``Checkpoint/open(_:skipping:)``.
  /// - Throws: ``CheckpointError`` with code `.badIndex` where one is missing.
  init(
    parts files: [String], missing: [String], in folder: String, skipping skipped: SkippedNames? = nil
  ) throws {
    guard missing.isEmpty else { throw Self.incomplete(folder, missing, of: files.count + missing.count) }
    try self.init(files, in: folder, map: nil, index: folder, skipping: skipped)
  }

  /// Parts in a folder that are of another number of parts than some others: of another version of the model.
  public static func strangers(beside files: [String], in folder: String) -> [String] {
    let parts = files.compactMap(PartName.init)
    return ((try? Folder.entries(of: folder)) ?? []).map(\.name).filter { name in
      guard let part = PartName(name) else { return false }
      return parts.contains { $0.stem == part.stem && $0.ending == part.ending && $0.count != part.count }
    }
  }

  private static func incomplete(_ path: String, _ missing: [String], of count: Int) -> CheckpointError {
    let folder = Folder.home(of: path)
    let strangers = strangers(beside: missing, in: folder)
    // Each is looked for among all names of the folder.
    let substitute = missing.prefix(16).lazy.compactMap { DownloadedFolder.substitute(for: $0, in: folder) }.first
    let all = missing.prefix(16).map(displayName).joined(separator: ", ")
    return CheckpointError(
      .badIndex, file: path,
      reason: "\(missing.count) of its \(count) files are missing: \(all)"
        + (missing.count > 16 ? " and \(missing.count - 16) more" : "")
        + (strangers.isEmpty
          ? "" : "; shards of another count lie here: \(strangers.prefix(16).map(displayName).joined(separator: ", "))")
        + (substitute.map { "; \($0.reason)" } ?? ""),
      remedy: strangers.isEmpty
        ? substitute?.remedy ?? "download them too"
        : "the index and the shards may be of different versions of the model: download the index of the shards that are "
          + "here, or move it away to read them without one")
  }

  private init(
    _ files: [String], in folder: String, map: Map?, index path: String, skipping skipped: SkippedNames?
  ) throws {
    var shards: [any TensorSource] = []
    var tensors: [TensorInfo] = []
    var places: [(shard: Int, index: Int)] = []
    var metadata: [(name: String, value: String)] = []
    var settings: [String: [(file: String, value: String)]] = [:]
    var holders: [String: String] = [:]
    var (unlisted, misplaced): ([TensorInfo], [TensorInfo]) = ([], [])
    let listed = map?.wanted.values.reduce(into: Set<String>()) { $0.formUnion($1) } ?? []
    for name in files {
      let shard = try CheckpointFile.open(InputFile(Folder.join(folder, name)), skipping: skipped)
      for (index, info) in shard.tensors.enumerated() {
        if let other = holders.updateValue(name, forKey: info.name) {
          throw CheckpointError(
            .badIndex, file: path,
            reason: "\(displayName(info.name)) is in \(displayName(other)) and in \(displayName(name))",
            remedy: "the files may be of different versions: download all of them from one place")
        }
        if let map, map.wanted[name]?.contains(info.name) != true {
          if listed.contains(info.name) {
            misplaced.append(info)
          } else if !ComputedTensors.contains(info) {
            unlisted.append(info)
          }
        }
        tensors.append(info)
        places.append((shards.count, index))
      }
      metadata += shard.metadata.map { ("\(name): \($0.name)", $0.value) }
      if shard.holdsSettings {
        for setting in shard.metadata { settings[setting.name, default: []].append((name, setting.value)) }
      }
      shards.append(shard)
    }
    let absent = listed.filter { holders[$0] == nil }.sorted()
    self.shards = shards
    self.tensors = tensors
    self.places = places
    self.metadata = metadata
    self.settings = settings.sorted { $0.key < $1.key }.flatMap { name, said in
      Set(said.map(\.value)).count == 1 ? [(name, said[0].value)] : said.map { ("\($0.file): \(name)", $0.value) }
    }
    omittedSettings = shards.reduce(0) { $0 + (($1 as? TorchFile)?.omittedSettings ?? 0) }
    remarks = Self.remarks(absent: absent, unlisted: unlisted.map(\.name), misplaced: misplaced.map(\.name), path)
  }

  private static func remarks(
    absent: [String], unlisted: [String], misplaced: [String], _ path: String
  ) -> [String] {
    let index = displayName(Folder.name(of: path))
    let names = { (names: [String]) in
      displayName(names[0]) + (names.count > 1 ? " and \(names.count - 1) more" : "")
    }
    return [
      absent.isEmpty ? nil : "\(index) lists \(names(absent)), which no file holds: the model is read without",
      unlisted.isEmpty ? nil : "\(index) does not list \(names(unlisted)), which the files hold: read all the same",
      misplaced.isEmpty ? nil : "\(index) places \(names(misplaced)) in another file than the one that holds it",
    ].compactMap(\.self)
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
