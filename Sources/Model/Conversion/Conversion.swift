// A model on its way to another container, layout, type or quantized form: arranged, written beside its place, read again
// and compared with what it was, and then given its names, all files together.

import ByteIO
import Checkpoint
import Foundation

/// A conversion of one model.
package struct Conversion {
  private let model: Model
  private let target: ConversionTarget
  private let arrangement: Arrangement
  private let output: ModelOutput
  /// The model's own files, as they were.
  private let own: InputRecord
  private let remark: (ConversionRemark) -> Void

  /// Arranges a model for a target. Few values are read, and nothing is written.
  ///
  /// - Parameters:
  ///   - files: small files, by name, that take the place of the model's own beside it.
  ///   - remark: takes what is to be told, now and while the conversion runs.
  /// - Throws: ``ConversionMisfit`` for a target that does not fit itself or the model; `CheckpointError`, ``ModelError`` or
  ///   `TokenizerError` for a model that cannot become that.
  package init(
    _ model: Model, to target: ConversionTarget, files: [String: [UInt8]] = [:],
    remark: @escaping (ConversionRemark) -> Void = { _ in }
  ) throws {
    try target.check()
    var arrangement = try Arranger(model: model, target: target, remark: remark).arranged()
    for (name, bytes) in files { arrangement.companions.make(name, bytes) }
    try self.init(model, arrangement, to: target, remark: remark)
  }

  /// Arranges a model in GGUF or Meta's layout, whose tensors have other values now, as a GGUF file.
  ///
  /// - Parameter source: all of its tensors, with Hugging Face's names.
  /// - Throws: as the others.
  package init(
    _ model: Model, holding source: any TensorSource, asGGUF target: ConversionTarget,
    remark: @escaping (ConversionRemark) -> Void
  ) throws {
    try target.check()
    let arranger = Arranger(model: model, target: target, remark: remark)
    try self.init(model, arranger.asGGUF(holding: source), to: target, remark: remark)
  }

  /// Writes what describes itself: an adapter, which is no model.
  ///
  /// - Parameters:
  ///   - source: its tensors, and what a GGUF file says besides.
  ///   - original: the same tensors before their values were rounded; nil where they were not.
  ///   - change: what the values became, in words.
  /// - Throws: as the others.
  package init(
    _ model: Model, describedBy source: any GGUFDescribed, rounding original: (any TensorSource)?, change: String?,
    to target: ConversionTarget, remark: @escaping (ConversionRemark) -> Void
  ) throws {
    try target.check()
    let arrangement = Arrangement(
      source: source, original: original, change: change, container: .gguf, companions: Companions(in: nil))
    try self.init(model, arrangement, to: target, remark: remark)
  }

  /// Takes a model that is arranged already.
  ///
  /// - Throws: `CheckpointError` for a tensor that is not read.
  init(
    _ model: Model, _ arrangement: Arrangement, to target: ConversionTarget,
    remark: @escaping (ConversionRemark) -> Void
  ) throws {
    for info in arrangement.source.tensors { try info.checkIsRead() }
    (self.model, self.target, self.arrangement, self.remark) = (model, target, arrangement, remark)
    output = ModelOutput(
      arrangement.source, to: target.path, container: target.wanted ?? arrangement.container,
      shardSize: target.shardSize, fileName: arrangement.fileName,
      shards: (arrangement.source as? MetaShards)?.files,
      torchLayout: arrangement.metaOriginal == nil ? .current : MetaOriginal.layout)
    var own = InputRecord(Set(arrangement.source.tensors.map(\.file)))
    own.add(ModelOutput.companions(in: arrangement.companions.folder ?? model.path))
    self.own = own
  }

  /// The original that the tensors are laid out as; nil where none was asked for.
  package var metaOriginal: MetaOriginal? { arrangement.metaOriginal }

  /// The bytes of the tensors that will be written.
  package var byteCount: Int { arrangement.source.tensors.reduce(0) { $0 + $1.byteCount } }

  /// Writes the model, reads it again, and gives its files their names: all of them, or none.
  ///
  /// - Parameters:
  ///   - replacing: whether other files that have the outputs' names are replaced, and parts of another model that lie
  ///     there removed.
  ///   - inputs: what it is made from besides the model's tensors and small files, or all of it: neither is replaced, and a
  ///     change of either is an error.
  ///   - check: looks at the finished files, in the folder that it gets, before they have their names.
  /// - Returns: what became of the values.
  /// - Throws: `ByteIOError` for an output that cannot be written, or must not; `CheckpointError` for tensors that cannot
  ///   be read, or were not written as they are.
  @discardableResult
  package func run(
    replacing: Bool = false, inputs: InputRecord = InputRecord(), progress: ProgressHandler = { _ in },
    checking check: (String) throws -> Void = { _ in }
  ) throws -> ConversionProof {
    // What killed runs left is tidied up also where this one is refused.
    TemporaryFiles.removeAbandoned(in: output.folder)
    let work = try prepared(replacing: replacing, inputs: inputs)
    let isNew = Folder.kind(of: output.folder) == nil
    try Folder.create(output.folder)
    do {
      return try written(work, replacing: replacing, progress: progress, checking: check)
    } catch {
      // A folder that was made for the output is not left behind without one; rmdir removes only what is empty.
      if isNew { unsafe rmdir(output.folder) }
      throw error
    }
  }

  /// What a run would write, and what would make way. Whatever a run would refuse before it writes is refused.
  ///
  /// - Throws: as ``run(replacing:inputs:progress:checking:)``.
  package func planned(replacing: Bool, inputs: InputRecord) throws -> OutputPlan {
    let work = try prepared(replacing: replacing, inputs: inputs)
    let sizes = Dictionary(output.files.map { ($0.name, bytes(of: $0)) }) { one, _ in one }
    let files = work.place.names.map { name in
      let copied = work.copied.contains(name) ? Folder.size(of: Folder.join(work.folder, name)) : nil
      return OutputPlan.File(
        Folder.join(output.folder, name), bytes: sizes[name] ?? work.made[name]?.count ?? copied)
    }
    return OutputPlan(
      files, in: output.folder, replaced: work.replaced, removed: output.isFolder ? work.leftovers : [])
  }

  /// The bytes of a file's tensors.
  private func bytes(of file: ModelOutput.File) -> Int {
    file.indices.reduce(0) { $0 + arrangement.source.tensors[$1].byteCount }
  }

  /// What is known when everything was checked and nothing is written.
  private struct Work {
    /// Small files, by name.
    let made: [String: [UInt8]]
    /// Names of small files, of those in ``folder``.
    let copied: [String]
    let folder: String
    let place: ModelPlace
    let inputs: InputRecord
    let replaced: [String]
    let leftovers: [String]
  }

  /// Checks whatever can be checked before anything is written, and tells of it.
  private func prepared(replacing: Bool, inputs given: InputRecord) throws -> Work {
    let source = arrangement.source
    warnAboutMetadata()
    let takesFiles = output.isFolder && output.container != .gguf
    let made = takesFiles ? arrangement.companions.made : [:]
    let copied = takesFiles ? arrangement.companions.copied(to: output) : []
    let folder = arrangement.companions.folder ?? model.path
    let others = made.keys.sorted() + copied
    // What was first given was seen first.
    var inputs = given
    inputs.add(own)
    inputs.add(InputRecord(copied.map { Folder.join(folder, $0) }))
    let place = ModelPlace(output.folder, names: output.names(others: others), kind: output.isFolder ? .model : .file)
    let replaced = try output.check(source, others: others, inputs: inputs, replacing: replacing)
    let leftovers = try place.leftovers(inputs: inputs, replacing: replacing)
    if !replaced.isEmpty { remark(.replaces(replaced)) }
    if !output.isFolder, !leftovers.isEmpty {
      let names = leftovers.map(displayName).joined(separator: ", ")
      remark(.warning("\(names) stay beside the output: programs that read the folder may take parts of two models"))
    }
    return Work(
      made: made, copied: copied, folder: folder, place: place, inputs: inputs, replaced: replaced,
      leftovers: leftovers)
  }

  /// Writes all files beside their place, and gives them their names.
  private func written(
    _ work: Work, replacing: Bool, progress: ProgressHandler, checking check: (String) throws -> Void
  ) throws -> ConversionProof {
    // All files are finished and proven before the first has its name.
    let staging = try StagingFolder(in: output.folder)
    let staged = output.staged(in: staging.path)
    try staging.standing(for: target.path) {
      try staged.write(arrangement.source, metadata: metadata, replacing: true, isChecked: true, progress: progress)
      for (name, bytes) in work.made { try staged.write(bytes, as: name, replacing: true) }
      try staged.copyCompanions(work.copied, from: work.folder, replacing: true)
    }
    var proof = try ConversionProof(of: arrangement, part: model.part, writtenTo: staged)
    try check(staging.path)
    try work.inputs.checkUnchanged(toleratesRemoval: true)
    (proof.replaced, proof.removed) = try work.place.take(
      from: staging.path, inputs: work.inputs, replacing: replacing)
    return proof
  }

  /// What a safetensors file says of itself: what its source says, or the settings of a PyTorch file.
  private var metadata: [String: String] {
    var kept = KeptSettings(of: arrangement.source).metadata
    // A model in several PyTorch files holds those of each.
    for (name, value) in (model.stored as? ShardedFolder)?.settings ?? [] where kept[name] == nil { kept[name] = value }
    return kept
  }

  /// Says what besides tensors has no place in the output.
  private func warnAboutMetadata() {
    let source = arrangement.source
    let path = displayName(model.path)
    if source.format == "safetensors" {
      guard output.container == .torch, source.metadata.contains(where: { $0.name != "format" }) else { return }
      return remark(.warning("a PyTorch file has no place for the metadata of \(path); it is left out"))
    }
    // What a GGUF file says beside its tensors is its own.
    guard !(source is any GGUFDescribed) else { return }
    // Meta's shards have each their own.
    let inShards = (model.stored as? MetaFolder)?.settingCount ?? 0
    guard inShards == 0 else {
      let what =
        inShards == 1 ? "1 setting in the shards of \(path) is" : "\(inShards) settings in the shards of \(path) are"
      return remark(.warning(what + " left out"))
    }
    let torch = model.stored as? TorchFile
    let shards = model.stored as? ShardedFolder
    guard torch != nil || source.holdsSettings || shards != nil else { return }
    let settings = shards?.settings ?? source.metadata
    // A view of the file does not tell of those that the file itself does not tell.
    let untold = torch?.omittedSettings ?? shards?.omittedSettings ?? 0
    let kept = KeptSettings(of: source).omittedCount + (source is TorchFile ? 0 : untold)
    let all = settings.count + untold
    let omitted = output.container == .safetensors ? kept : all
    guard omitted > 0 else { return }
    let examples = settings.prefix(3).map { displayName($0.name) }.joined(separator: ", ")
    let which = omitted == all && !examples.isEmpty ? " (\(examples)\(all > 3 ? ", …" : ""))" : ""
    remark(
      .warning(
        (omitted == 1 ? "1 setting" : "\(omitted) settings") + which
          + " of \(path) \(omitted == 1 ? "is" : "are") left out"
          + (output.container == .safetensors ? "" : ": as safetensors they are kept as metadata")))
  }
}
