// A model on its way to the disk: which tensors go into which file, whether there is room for them, the files, their
// index, and the small files that belong to a model.

import ByteIO
import Foundation

/// Where a model is written.
public struct ModelOutput: Sendable {
  /// One file, and the tensors that it holds: numbers of the source's.
  public struct File: Sendable, Equatable {
    /// Its name in the folder.
    public let name: String
    /// Its tensors.
    public let indices: [Int]

    /// A file.
    package init(name: String, indices: [Int]) { (self.name, self.indices) = (name, indices) }
  }

  /// The folder.
  public private(set) var folder: String
  /// What kind the files are.
  public let container: Container
  /// The files.
  public let files: [File]
  /// Whether the output is a folder of its own, with all that belongs to a model, and not one file somewhere.
  public let isFolder: Bool
  /// Whether an index says which file holds which tensor.
  private let hasIndex: Bool
  /// How PyTorch files are laid out.
  private let torchLayout: TorchLayout

  /// What a shard holds at most, where nothing else is asked for.
  public static let defaultShardSize = 5_000_000_000

  /// The small files that belong to a model and say nothing of its container.
  public static let companions = [
    "config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "chat_template.jinja",
    "quantize_config.json",
  ]

  /// Plans a model's files.
  ///
  /// - Parameters:
  ///   - source: the tensors.
  ///   - path: a file, or a folder for a whole model: what ends in a slash or has no ending of a container's.
  ///   - container: what to write; where nil, what the path's name asks for, or else safetensors.
  ///   - shardSize: what a file holds at most, in bytes; where nil, the source's own files are kept apart, and those of
  ///     more than ``defaultShardSize`` are divided.
  ///   - fileName: the name of the only file, where it has a fixed one.
  public init(
    _ source: any TensorSource, to path: String, container: Container?, shardSize: Int?, fileName: String? = nil
  ) {
    self.init(
      source, to: path, container: container, shardSize: shardSize, fileName: fileName, shards: nil,
      torchLayout: .current)
  }

  /// Plans a model's files, some of which are fixed.
  ///
  /// - Parameters:
  ///   - shards: the files of a folder that has no index, where they are fixed.
  ///   - torchLayout: how PyTorch files are laid out.
  package init(
    _ source: any TensorSource, to path: String, container: Container?, shardSize: Int?, fileName: String?,
    shards: [File]?, torchLayout: TorchLayout
  ) {
    self.torchLayout = torchLayout
    let asked = Container(outputName: path)
    self.container = container ?? asked ?? .safetensors
    isFolder = asked == nil
    let all = Array(source.tensors.indices)
    if asked == nil, let shards {
      (folder, files) = (path, shards)
    } else if asked != nil || fileName != nil {
      folder = asked == nil ? path : Folder.parent(of: path)
      files = [File(name: asked == nil ? fileName ?? "" : Folder.name(of: path), indices: all)]
    } else {
      folder = path
      files = Self.divide(source.tensors, container: self.container, shardSize: shardSize)
    }
    hasIndex = shards == nil && files.count > 1
  }

  /// Divides tensors among files.
  public static func divide(_ tensors: [TensorInfo], container: Container, shardSize: Int?) -> [File] {
    if container == .gguf { return [File(name: container.fileName(1, of: 1), indices: Array(tensors.indices))] }
    let limit = shardSize ?? defaultShardSize
    var groups: [[Int]] = []
    var size = 0
    for (index, info) in tensors.enumerated() {
      let isNewFile = shardSize == nil && index > 0 && info.file != tensors[index - 1].file
      if groups.isEmpty || isNewFile || size + info.byteCount > limit {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(index)
      size += info.byteCount
    }
    return groups.enumerated().map { number, indices in
      File(name: container.fileName(number + 1, of: groups.count), indices: indices)
    }
  }

  /// The names of all files: the model's, their index, and others.
  ///
  /// - Parameter others: names of the small files that will be written too.
  public func names(others: [String] = []) -> [String] {
    Self.ordered(files.map(\.name) + (hasIndex ? [container.indexName] : []) + others)
  }

  /// Names in the order in which files appear: the configuration last, for without it nothing takes a folder for a model.
  public static func ordered(_ names: [String]) -> [String] {
    let last = ["quantize_config.json", "config.json"]
    return names.filter { !last.contains($0) } + last.filter(names.contains)
  }

  /// The same files in another folder, until they are finished.
  public func staged(in folder: String) -> ModelOutput {
    var result = self
    result.folder = folder
    return result
  }

  /// Whether everything can be written, as far as that can be known before.
  ///
  /// - Parameters:
  ///   - others: names of the small files that will be written too.
  ///   - inputs: what the output is made from besides the source's own files.
  /// - Returns: the paths of the files that will be replaced.
  /// - Throws: ``ByteIOError`` for a folder that is not writable, files that are there, inputs that would be replaced, and
  ///   a disk that is too full.
  @discardableResult
  public func check(
    _ source: any TensorSource, others: [String] = [], inputs: InputRecord = InputRecord(), replacing: Bool
  ) throws -> [String] {
    try checkKind()
    guard Folder.isWritable(folder) else {
      throw ByteIOError(.notPermitted, file: folder, reason: "cannot write into the output folder")
    }
    var inputs = inputs
    inputs.add(InputRecord(Set(source.tensors.map(\.file))))
    let paths = names(others: others).map { Folder.join(folder, $0) }
    try inputs.refuse(paths)
    let existing = paths.filter { Folder.kind(of: $0) != nil }
    if let folder = existing.first(where: { Folder.kind(of: $0) == .folder }) {
      throw ByteIOError(
        .exists, file: folder, reason: "a folder has the output's name", remedy: "move it away, or give another output")
    }
    if !replacing, let first = existing.first { throw Self.exists(first) }
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    if let available = Folder.availableSpace(folder), available < total {
      throw ByteIOError(
        .noSpace, file: folder, reason: "\(byteCount(total)) are needed, and \(byteCount(available)) are free",
        remedy: "free \(byteCount(total - available)), or give an output folder on another disk")
    }
    return existing
  }

  /// Whether what is there is of the kind that the output is: a folder for a whole model, and none for a file.
  private func checkKind() throws {
    if !isFolder, let path = files.first.map({ Folder.join(folder, $0.name) }), Folder.kind(of: path) == .folder {
      throw ByteIOError(
        .wrongKind, file: path, reason: "the output is one file, and this is a folder",
        remedy: "give the name of a file in it, or let it end in a slash to write a whole model there")
    }
    if let file = Folder.obstacle(to: folder) {
      throw ByteIOError(
        .wrongKind, file: file, reason: "a folder is to be written here, and this is a file",
        remedy: isFolder && file == folder
          ? "give another name; one that ends in .safetensors, .pt, .pth, .bin or .gguf writes a file"
          : "give another name")
    }
  }

  /// Writes the files and, where there are several, their index.
  ///
  /// - Parameter isChecked: whether everything is read again and compared before it appears; see ``TensorSink``.
  public func write(
    _ source: any TensorSource, metadata: [String: String], replacing: Bool, isChecked: Bool = false,
    progress: ProgressHandler
  ) throws {
    try Folder.create(folder)
    TemporaryFiles.removeAbandoned(in: folder)
    for file in files {
      progress(.started(file: file.name, bytes: file.indices.reduce(0) { $0 + source.tensors[$1].byteCount }))
      let isWritten = try container.write(
        source, file.indices, metadata: metadata, as: file.name, in: folder, replacing: replacing,
        isChecked: isChecked, torchLayout: torchLayout
      ) { progress(.advanced(file: file.name, bytes: $0)) }
      progress(.finished(file: file.name))
      guard isWritten else { throw Self.exists(Folder.join(folder, file.name)) }
    }
    guard hasIndex else { return }
    let pairs = files.flatMap { file in file.indices.map { (source.tensors[$0].name, file.name) } }
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    try write(
      try Self.index(Dictionary(pairs) { one, _ in one }, total: total), as: container.indexName, replacing: replacing)
  }

  /// The index of a model in several files.
  public static func index(_ map: [String: String], total: Int) throws -> [UInt8] {
    let object: [String: Any] = ["metadata": ["total_size": total], "weight_map": map]
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }

  /// Writes one small file.
  public func write(_ bytes: [UInt8], as name: String, replacing: Bool) throws {
    let writer = try AtomicFileWriter(in: folder)
    try writer.write(bytes, at: 0)
    guard try writer.commit(as: name, size: bytes.count, replacing: replacing) == .created else {
      throw Self.exists(Folder.join(folder, name))
    }
  }

  /// The small files of a model that is given as a folder, as inputs, be they read or not; none of a file.
  public static func companions(in model: String) -> InputRecord {
    InputRecord(Folder.kind(of: model) == .folder ? companions.map { Folder.join(model, $0) } : [])
  }

  /// The small files of a model's folder that go along; not those that `omitting` names.
  public func companions(in model: String, omitting: Set<String>) -> [String] {
    guard isFolder, Folder.kind(of: model) == .folder else { return [] }
    return Self.companions.filter { !omitting.contains($0) && Folder.kind(of: Folder.join(model, $0)) == .file }
  }

  /// Copies small files of a model's folder.
  public func copyCompanions(_ names: [String], from model: String, replacing: Bool) throws {
    for name in names {
      let file = try InputFile(Folder.join(model, name))
      try write(try file.bytes(count: file.size), as: name, replacing: replacing)
    }
  }

  private static func exists(_ path: String) -> ByteIOError {
    ByteIOError(
      .exists, file: path, reason: "it is there already", remedy: "move it away, or give \(.replacing) to replace it")
  }
}
