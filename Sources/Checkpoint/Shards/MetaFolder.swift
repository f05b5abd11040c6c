// A model in Meta's layout: `params.json` and `consolidated.NN.pth`, one or several model-parallel shards; and as Mistral
// publishes it, in `consolidated.safetensors`. How the shards' tensors are merged: MergedShards.
// Sources: github.com/meta-llama/llama; mistral-inference, transformer.py.

import ByteIO
import Foundation

/// A model in Meta's layout, open.
public struct MetaFolder: TensorSource {
  /// What `params.json` says of the shards: the width by which they are told to be split.
  private struct Width: Decodable {
    private struct Inner: Decodable {
      let dim: Int
    }

    let dim: Int

    private enum Key: CodingKey {
      case dim, model
    }

    /// Some of Meta's files have the measures in an object `model`.
    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: Key.self)
      dim = try fields.decodeIfPresent(Int.self, forKey: .dim) ?? fields.decode(Inner.self, forKey: .model).dim
    }
  }

  /// What the container is.
  public var format: String { "meta" }
  /// The tensors, merged.
  public let tensors: [TensorInfo]
  /// What the shards hold besides tensors.
  public let metadata: [(name: String, value: String)]
  /// `params.json`, which has the model's measures.
  public let parametersPath: String
  /// Its text.
  public let parameters: [UInt8]

  /// How many settings the shards hold besides tensors, where they are PyTorch's.
  package var settingCount: Int { shards.reduce(0) { $0 + $1.settingCount } }

  private let shards: [any TensorSource]
  private let merged: MergedShards

  /// The files of each set of weights in Meta's layout among the names of a folder, the one that is read first: what
  /// Mistral writes, then numbered shards, then a single file without a number.
  static func sets(_ names: [String]) -> [[String]] {
    let endings = ["safetensors", "pth", "pt"]
    var sets: [[String]] = []
    for ending in endings {
      let numbered = names.filter { isShard($0) && $0.hasSuffix("." + ending) && $0.contains(/\.[0-9]+\./) }.sorted()
      let single = names.filter { $0 == "consolidated." + ending }
      sets += (ending == endings[0] ? [single, numbered] : [numbered, single]).filter { !$0.isEmpty }
    }
    return sets
  }

  /// Opens the first set of shards in a folder.
  ///
  /// - Parameter skipped: as in ``Checkpoint/open(_:skipping:)``; tensors that are no ordinary ones are left out with it.
  /// - Throws: ``CheckpointError`` for shards that are missing or do not fit together.
  public init(_ folder: String, skipping skipped: SkippedNames? = nil) throws {
    let names = try Folder.entries(of: folder).filter { $0.kind == .file }.map(\.name)
    try self.init(folder, shards: Self.sets(names).first ?? [], skipping: skipped)
  }

  /// Opens shards.
  ///
  /// - Parameters:
  ///   - folder: where they lie, with `params.json`.
  ///   - names: their names, in order.
  ///   - skipped: as in ``Checkpoint/open(_:skipping:)``; tensors that are no ordinary ones are left out with it.
  /// - Throws: ``CheckpointError`` for shards that are missing or do not fit together.
  public init(_ folder: String, shards names: [String], skipping skipped: SkippedNames? = nil) throws {
    let failure = { (reason: String, remedy: Remedy?) in
      CheckpointError(.badIndex, file: folder, reason: reason, remedy: remedy)
    }
    for (number, name) in names.enumerated() where name.contains(/\.[0-9]+\./) {
      let expected = Self.shardName(number, like: name)
      guard name == expected else { throw failure("the shard \(expected) is missing", "download it too") }
    }
    parametersPath = Folder.join(folder, Self.parametersName)
    parameters = try InputFile(parametersPath).bytes(count: 1 << 20)
    guard let dim = try? decodeBoundedJSON(Width.self, from: parameters).dim, (1...1 << 24).contains(dim) else {
      throw CheckpointError(
        .malformed, file: parametersPath, reason: "it does not have dim, the width of the model, as a whole number")
    }
    shards = try names.map { try CheckpointFile.open(InputFile(Folder.join(folder, $0)), skipping: skipped) }
    guard let first = shards.first else { throw failure("there is no consolidated.00.pth in it", nil) }
    var leaveOut: ((TensorInfo) -> Void)?
    if let skipped { leaveOut = { skipped.leaveOut(unread: [$0]) } }
    merged = try MergedShards(shards, names: names, width: dim, file: folder, leavingOut: leaveOut)
    tensors = merged.tensors
    metadata = first.metadata
    if let embedding = tensors.first(where: { $0.name == "tok_embeddings.weight" && $0.unread == nil }),
      embedding.shape.last != dim
    {
      throw failure(
        "the shards have embeddings of width \(embedding.shape.last ?? 0) together, and params.json says \(dim)",
        "params.json and the shards may be of different models, or shards are missing")
    }
  }

  /// What the file with the model's measures is called.
  public static let parametersName = "params.json"

  /// Whether a name is one of a shard, or of the only file.
  static func isShard(_ name: String) -> Bool {
    name.hasPrefix("consolidated.") && name.wholeMatch(of: /consolidated(\.[0-9]+)?\.(pth|pt|safetensors)/) != nil
  }

  /// Whether a file is all of a model in Meta's layout: there is no other shard beside it, and params.json describes it.
  public static func isWhole(_ path: String) -> Bool {
    let (folder, name) = (Folder.parent(of: path), Folder.name(of: path))
    guard isShard(name), Folder.kind(of: path) == .file, let entries = try? Folder.entries(of: folder) else {
      return false
    }
    let names = entries.filter { $0.kind == .file }.map(\.name)
    return names.contains(parametersName) && sets(names).contains([name])
  }

  /// What a shard is called: `consolidated.00.pth`.
  public static func shardName(_ number: Int) -> String { "consolidated.\(number < 10 ? "0" : "")\(number).pth" }

  /// What a shard is called beside another one.
  private static func shardName(_ number: Int, like name: String) -> String {
    String(shardName(number).dropLast("pth".count)) + String(name.split(separator: ".").last ?? "pth")
  }

  /// What a tensor's values are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor { try merged.cursor(index) }

  /// Where a tensor's values lie in its file: those of a model in one shard, and what is taken from the first.
  public func storedRange(_ index: Int) -> Range<Int>? { merged.storedRange(index) }

  /// Verifies each shard.
  public func verifyChecksums() throws {
    for shard in shards { try shard.verifyChecksums() }
  }
}
