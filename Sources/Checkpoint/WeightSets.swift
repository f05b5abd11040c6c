// Which sets of weights lie in a folder, and which of them is the model: by names alone, and by what an index names.
// transformers looks for model.safetensors, its index, pytorch_model.bin, its index, in this order; then come parts
// without an index, which vLLM and MLX read as one model, Meta's files, indexes and parts of other names, and last a file of
// any name. An index of which no file is there, because the other container was downloaded, makes way.
// Sources: transformers, modeling_utils.py (_get_resolved_checkpoint_files); vLLM, model_loader/default_loader.py.

import ByteIO

/// A set of weights: the files that are one model.
public struct WeightSet: Sendable, Equatable {
  /// What holds it together.
  public enum Form: Sendable, Equatable {
    /// It is one file, or a file that names its other parts itself.
    case file
    /// An index names its files.
    case index
    /// The names of its files say which part of how many they are.
    case parts
    /// Meta's `params.json` describes its shards.
    case meta
  }

  /// What holds it together.
  public let form: Form
  /// The name by which it is opened: the file, the index, the first part, or `params.json`.
  public let entry: String
  /// The names of its files that are there.
  public let files: [String]
  /// The names of its files that are not there.
  public let missing: [String]

  init(_ form: Form, _ entry: String, files: [String], missing: [String] = []) {
    (self.form, self.entry, self.files, self.missing) = (form, entry, files, missing)
  }

  /// Whether it is an index of files none of which is there.
  public var isLeftOver: Bool { form == .index && files.isEmpty && !missing.isEmpty }

  /// What it is, in words.
  public var title: String {
    switch form {
    case .file: displayName(entry)
    case .index where isLeftOver: displayName(entry)
    case .index:
      "\(displayName(entry)) with its \(files.count == 1 ? "file" : "\(files.count) files")"
    case .parts: "\(displayName(files.first ?? entry)) and its other \(files.count == 2 ? "part" : "parts")"
    case .meta:
      displayName(files.first ?? entry) + (files.count > 1 ? " and \(files.count - 1) more" : "")
        + " with \(entry)"
    }
  }
}

/// The sets of weights in a folder.
public struct WeightSets: Sendable {
  /// The folder.
  public let folder: String
  /// The sets that have a name which readers look for, or that an index or the names of parts hold together, in the order
  /// in which they are looked for.
  public let sets: [WeightSet]
  /// Files that are models by themselves, under names of their own.
  public let loose: [String]

  /// Looks at the names in a folder, and into its indexes.
  ///
  /// - Throws: `ByteIOError` where the folder cannot be listed.
  public init(_ folder: String) throws(ByteIOError) {
    self.folder = folder
    let names = try Folder.entries(of: folder).filter { $0.kind == .file }.map(\.name)
    let there = Set(names)
    var sets: [WeightSet] = []
    let containers = [Container.safetensors, .torch]
    func add(index name: String) {
      let files = ShardedFolder.fileNames(Folder.join(folder, name))
      sets.append(
        WeightSet(
          .index, name, files: files.filter(there.contains), missing: files.filter { !there.contains($0) }))
    }
    for container in containers {
      let whole = container.fileName(1, of: 1)
      if there.contains(whole) { sets.append(WeightSet(.file, whole, files: [whole])) }
      if there.contains(container.indexName) { add(index: container.indexName) }
    }
    var used = Set(sets.flatMap { [$0.entry] + $0.files })
    let parts = Self.parts(names)
    let isStandard = { (part: PartName) in
      containers.contains { part.stem == $0.stem + "-" && part.ending == $0.suffix }
    }
    func add(_ parts: [PartName]) {
      for part in parts where !used.contains(part.name(of: part.number)) {
        let files = part.all.filter(there.contains)
        used.formUnion(files)
        let missing = part.all.filter { !there.contains($0) }
        // A GGUF file opens its other parts.
        let form = part.ending == Container.gguf.suffix ? WeightSet.Form.file : .parts
        sets.append(WeightSet(form, files.first ?? part.name(of: 1), files: files, missing: missing))
      }
    }
    add(parts.filter(isStandard))
    if there.contains(MetaFolder.parametersName) {
      for files in MetaFolder.sets(names) { sets.append(WeightSet(.meta, MetaFolder.parametersName, files: files)) }
    }
    for name in names where ShardedFolder.isIndex(name) && !used.contains(name) { add(index: name) }
    used.formUnion(sets.flatMap(\.files))
    add(parts.filter { $0.ending != Container.gguf.suffix })
    loose = Self.loose(names.filter { !used.contains($0) }, in: folder)
    // A GGUF file beside another model is the same, made for another engine.
    if sets.isEmpty, loose.isEmpty || loose.allSatisfy({ $0.hasSuffix(Container.gguf.suffix) }) { add(parts) }
    self.sets = sets
  }

  /// One name of each set of parts, in order.
  private static func parts(_ names: [String]) -> [PartName] {
    var firsts: Set<String> = []
    return names.compactMap(PartName.init).filter { part in
      ModelFileName.isModel(part.name(of: part.number)) && firsts.insert(part.name(of: 1)).inserted
    }
  }

  /// Of files that belong to no set those that are models: an adapter beside a model is none, a GGUF file beside another
  /// one is that made for another engine, or says itself that it is an adapter, an importance matrix or a projector, and
  /// what trainers save under endings of their own counts where there is nothing else.
  private static func loose(_ names: [String], in folder: String) -> [String] {
    var models = names.filter(ModelFileName.isModel)
    let adapters = ModelFileName.adapters.filter(models.contains)
    let isNoAdapter = { (name: String) in !adapters.contains(name) }
    let isNoGGUF = { (name: String) in !name.hasSuffix(Container.gguf.suffix) }
    let isModelItself = { (name: String) in isNoGGUF(name) || saysModel(Folder.join(folder, name)) }
    for isOther in [{ $0 != ModelFileName.engineAdapter }, isModelItself, isNoAdapter, isNoGGUF] where models.count > 1
    {
      let others = models.filter(isOther)
      if !others.isEmpty { models = others }
    }
    if models.count > 1, models.allSatisfy(adapters.contains) { models = [adapters[0]] }
    guard models.isEmpty else { return models }
    return names.filter { name in
      [".ckpt", ".pth.tar", ".pt.tar"].contains(where: name.hasSuffix) && !ModelFileName.isTrainersOwn(name)
    }
  }

  /// Whether a GGUF file is a model by what it says of itself, or cannot be read: then it is opened, and the error told.
  private static func saysModel(_ path: String) -> Bool {
    let type = try? GGUFFile(InputFile(path, isInput: false)).values["general.type"]?.string
    return type == nil || type == "model"
  }

  /// The set that is the model.
  ///
  /// - Throws: ``CheckpointError`` where there is none, or several and nothing says which.
  public func read() throws -> WeightSet {
    let leftOver = sets.first(where: \.isLeftOver)
    let candidates = sets.filter { !$0.isLeftOver }
    if let first = candidates.first {
      // Parts of another number of parts than their index says: no reader puts them together, and what is missing is named.
      if first.form == .parts, let leftOver, leftOver.missing.contains(where: { isOfOneStem($0, first.entry) }) {
        return leftOver
      }
      let rank = Rank(first)
      guard rank == .parts || rank == .other else { return first }
      let rivals = candidates.filter { Rank($0) == rank }
      let whole = rivals.filter(\.missing.isEmpty)
      let isGGUF = first.entry.hasSuffix(Container.gguf.suffix)
      let others = isGGUF ? loose.filter { name in !rivals.contains { $0.files.contains(name) } } : []
      guard whole.count < 2, others.isEmpty else { throw several(rivals.map(\.entry) + others) }
      return whole.first ?? first
    }
    switch loose.count {
    case 1: return WeightSet(.file, loose[0], files: [loose[0]])
    case 0:
      if let leftOver { return leftOver }
      if let absence = try DownloadedFolder.absence(in: folder) { throw absence }
      if let absence = ForeignFolder.absence(in: folder) { throw absence }
      throw nothing()
    default:
      if loose.allSatisfy(MetaFolder.isShard) {
        throw CheckpointError(
          .badIndex, file: folder,
          reason: "these are shards of Meta's layout, and \(MetaFolder.parametersName) is not beside them",
          remedy: "download \(MetaFolder.parametersName) too")
      }
      throw several(loose)
    }
  }

  /// Whether readers look for a set's name, and so take one set and not another.
  private enum Rank: Equatable {
    case named, parts, meta, other

    init(_ set: WeightSet) {
      let containers = [Container.safetensors, .torch]
      let isNamed = containers.contains { $0.isModelFile(set.entry) }
      self =
        switch set.form {
        case .meta: .meta
        case .parts where isNamed: .parts
        case .file, .index, .parts: isNamed ? .named : .other
        }
    }
  }

  private func isOfOneStem(_ one: String, _ other: String) -> Bool {
    guard let one = PartName(one), let other = PartName(other) else { return false }
    return one.stem == other.stem && one.ending == other.ending
  }

  private func several(_ names: [String]) -> CheckpointError {
    CheckpointError(
      .unknownFormat, file: folder,
      reason: "there are several checkpoints in this folder and no index: "
        + names.map(displayName).joined(separator: ", "),
      remedy: "name one of them")
  }

  private func nothing() -> CheckpointError {
    CheckpointError(
      .unknownFormat, file: folder, reason: "there is no checkpoint in this folder",
      remedy: Self.below(folder).map { below in
        "a model lies below it: give \(below.map { displayName(Folder.join(folder, $0)) }.joined(separator: ", or "))"
      } ?? "give a .safetensors, .pt, .pth, .bin or .gguf file, or a folder that holds one")
  }

  /// Folders at most two levels below one that hold weights, the first few; nil where there is none.
  private static func below(_ folder: String) -> [String]? {
    var found: [String] = []
    let inner = { (path: String) in
      ((try? Folder.entries(of: path)) ?? []).filter { $0.kind == .folder && !$0.name.hasPrefix(".") }.prefix(64)
        .map(\.name)
    }
    for name in inner(folder) {
      for path in [name] + inner(Folder.join(folder, name)).map({ Folder.join(name, $0) }) {
        guard found.count < 3, let sets = try? WeightSets(Folder.join(folder, path)) else { continue }
        if !sets.sets.isEmpty || !sets.loose.isEmpty { found.append(path) }
      }
    }
    return found.isEmpty ? nil : found
  }

  /// The sets beside the one that is read, each told in words; none of what has a name of its own.
  public func others(than read: WeightSet) -> [(set: WeightSet, words: String)] {
    sets.filter { $0 != read }.map { set in
      let words =
        set.isLeftOver
        ? "\(set.title) is left over from another download: none of the \(set.missing.count) files that it names is there"
        : "\(read.title) is read; \(set.title) is another set of weights in the folder, and is not"
      return (set, words)
    }
  }
}
