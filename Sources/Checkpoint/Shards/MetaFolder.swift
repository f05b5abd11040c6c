// A model in Meta's layout: `params.json` and `consolidated.NN.pth`, one or several model-parallel shards, merged lazily; and
// as Mistral publishes it, in `consolidated.safetensors`.
// Rows are split for wq, wk, wv, w1, w3 and output; columns for wo, w2 and tok_embeddings; norms are repeated and must be
// equal. A vocabulary that the number of shards does not divide gives shards of unequal rows, as merge scripts write them.
// Sources: github.com/meta-llama/llama, model.py (ColumnParallelLinear, RowParallelLinear, ParallelEmbedding);
// mistral-inference, transformer.py; Chinese-LLaMA-Alpaca, scripts/merge_llama_with_chinese_lora.py.

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

  private enum Merge: Sendable {
    case only
    case rows
    case columns
    case repeated
  }

  /// How many settings the shards hold besides tensors, where they are PyTorch's.
  package var settingCount: Int { shards.reduce(0) { $0 + $1.settingCount } }

  private let shards: [any TensorSource]
  private let places: [(indices: [Int], merge: Merge)]

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

  /// What to do about shards that do not fit together.
  private static let different: Remedy =
    "the shards may be of different models, or damaged: download all of them from one place"

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
    let indices = shards.map { $0.indicesByName() }
    var tensors: [TensorInfo] = []
    var places: [(indices: [Int], merge: Merge)] = []
    for (place, info) in first.tensors.enumerated() {
      if info.unread != nil {
        skipped?.leaveOut(unread: [info])
        if skipped == nil {
          tensors.append(info)
          places.append(([place], .only))
        }
        continue
      }
      // What is computed is the same in every shard, or is in one of them only: the first one's does.
      if ComputedTensors.contains(info) {
        tensors.append(info)
        places.append(([place], .only))
        continue
      }
      var parts: [Int] = []
      for (number, shard) in indices.enumerated() {
        guard let index = shard[info.name] else {
          throw failure(
            "the shard \(names[number]) has no tensor \(displayName(info.name))", Self.different)
        }
        parts.append(index)
      }
      let merge = Self.merge(info, shards: shards.count, dim: dim)
      let all = zip(shards, parts).map { $0.tensors[$1] }
      guard let shape = Self.shape(of: all, merge) else {
        throw failure(
          "tensor \(displayName(info.name)) has different shapes or types in the shards: "
            + all.map { "\($0.dtype.rawValue) \($0.shape)" }.joined(separator: ", "),
          Self.different)
      }
      if info.name == "tok_embeddings.weight", shape.last != dim {
        throw failure(
          "the shards have embeddings of width \(shape.last ?? 0) together, and params.json says \(dim)",
          "params.json and the shards may be of different models, or shards are missing")
      }
      guard let size = TensorInfo.size(of: shape, info.dtype) else {
        throw failure("tensor \(displayName(info.name)) overflows", nil)
      }
      tensors.append(
        TensorInfo(name: info.name, dtype: info.dtype, shape: shape, file: info.file, byteCount: size.bytes))
      places.append((parts, merge))
    }
    let counts = shards.map { shard in shard.tensors.count { !ComputedTensors.contains($0) && $0.unread == nil } }
    for (number, count) in counts.enumerated() where count != counts[0] {
      throw failure("the shard \(names[number]) has \(count) tensors, and the first \(counts[0])", nil)
    }
    self.tensors = tensors
    self.places = places
    metadata = first.metadata
  }

  /// The shape of a tensor whose parts lie in all shards; nil where they do not fit together, or it overflows. Only of the
  /// vocabulary's rows there may be more in one shard than in another.
  private static func shape(of parts: [TensorInfo], _ merge: Merge) -> [Int]? {
    let first = parts[0]
    let mayDiffer = merge == .rows && ["output.weight", "tok_embeddings.weight"].contains(first.name)
    for part in parts {
      guard part.dtype == first.dtype, part.shape.count == first.shape.count,
        mayDiffer ? part.shape.dropFirst() == first.shape.dropFirst() : part.shape == first.shape
      else { return nil }
    }
    let axis: Int
    switch merge {
    case .only, .repeated: return first.shape
    case .rows: axis = 0
    case .columns: axis = 1
    }
    var (shape, length) = (first.shape, 0)
    for part in parts {
      let (sum, overflow) = length.addingReportingOverflow(part.shape[axis])
      guard !overflow else { return nil }
      length = sum
    }
    shape[axis] = length
    return shape
  }

  private static func merge(_ info: TensorInfo, shards: Int, dim: Int) -> Merge {
    if shards == 1 { return .only }
    guard info.shape.count == 2 else { return .repeated }
    // Embeddings are split by columns in LLaMA 1 and 2, by rows later: the width tells.
    if info.name == "tok_embeddings.weight", info.shape[1] == dim { return .rows }
    return isDividedByColumns(info.name) ? .columns : .rows
  }

  /// Whether shards have columns of a matrix, and not rows; as LLaMA 1 and 2 divide it.
  package static func isDividedByColumns(_ name: String) -> Bool {
    name.hasSuffix(".wo.weight") || name.hasSuffix(".w2.weight") || name == "tok_embeddings.weight"
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
  public func cursor(_ index: Int) throws -> any TensorCursor {
    let (indices, merge) = places[index]
    switch merge {
    case .only: return try shards[0].cursor(indices[0])
    case .rows: return JoinedCursor(try zip(shards, indices).map { try $0.cursor($1) })
    case .repeated:
      let copies = try zip(shards, indices).map { try $0.allBytes($1) }
      for (number, copy) in copies.enumerated() where copy != copies[0] {
        throw CheckpointError(
          .badTensor, file: shards[number].tensors[indices[number]].file,
          reason: "tensor \(displayName(tensors[index].name)) must be equal in all shards, and is not",
          remedy: Self.different)
      }
      return BytesCursor(copies[0])
    case .columns:
      let info = tensors[index]
      let parts = try zip(shards, indices).map { try $0.allBytes($1) }
      guard info.byteCount > 0 else { return BytesCursor([]) }
      let rowSize = info.byteCount / info.shape[0]
      let shareSize = rowSize / parts.count
      return PartCursor(byteCount: info.byteCount, partSize: max(1, streamPartSize / rowSize) * rowSize) {
        range, bytes in
        for at in stride(from: 0, to: range.count, by: rowSize) {
          let row = (range.lowerBound + at) / rowSize
          for (number, part) in parts.enumerated() {
            unsafe bytes.replace(
              from: at + number * shareSize,
              with: part.span.bytes.extracting(row * shareSize..<(row + 1) * shareSize))
          }
        }
      }
    }
  }

  /// Where a tensor's values lie in its file: those of a model in one shard, and what is taken from the first.
  public func storedRange(_ index: Int) -> Range<Int>? {
    let (indices, merge) = places[index]
    return merge == .only ? shards[0].storedRange(indices[0]) : nil
  }

  /// Verifies each shard.
  public func verifyChecksums() throws {
    for shard in shards { try shard.verifyChecksums() }
  }
}
