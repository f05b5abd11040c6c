// What lies in an output's folder besides the files that are written there, and would be taken for the model or a part of
// it: by Checkpoint.open, by transformers, or by AutoGPTQ. Told by names alone.
// Sources: transformers, modeling_utils.py (the order of names; adapter_config.json leads to another base model) and the
// tokenizers' files; AutoGPTQ, modeling/_base.py (gptq_model-… comes before model).

/// Files beside an output that readers would take for its own.
struct ModelNeighbours {
  /// Names under which this program writes models: where files are replaced they are removed.
  private(set) var own: [String] = []
  /// Names that this program never writes: they are somebody's, and never removed.
  private(set) var others: [String] = []

  private let new: Set<String>
  /// Whether the folder is the model's own.
  private let isWhole: Bool
  /// Whether the output has names that readers look for, and so is found beside others.
  private let isStandard: Bool
  private let isGGUF: Bool
  /// Whether Meta's layout is written.
  private let isMeta: Bool
  private let isPacked: Bool
  /// How many parts each kind of container has, where parts are written.
  private let partCounts: [Container: Int]

  private static let parts = [Container.safetensors, .torch]

  /// Looks for them.
  ///
  /// - Parameters:
  ///   - there: the names of the files in the folder.
  ///   - written: the names of the files that are written there.
  ///   - isWhole: whether they are a whole model, whose own the folder is.
  init(among there: [String], besides written: [String], isWhole: Bool) {
    self.isWhole = isWhole
    new = Set(written)
    let weights = written.filter { ModelFileName.isModel($0) && !ModelFileName.adapters.contains($0) }
    isStandard = written.contains { name in Self.parts.contains { $0.isModelFile(name) } }
    isGGUF = weights.allSatisfy { Container(fileName: $0) == .gguf }
    isMeta = weights.contains(where: MetaFolder.isShard)
    isPacked = written.contains(Self.packedSettings)
    let counts = Self.parts.compactMap { kind in written.lazy.compactMap(kind.partCount).first.map { (kind, $0) } }
    partCounts = Dictionary(uniqueKeysWithValues: counts)
    guard !weights.isEmpty else { return }
    let hasParameters = there.contains(MetaFolder.parametersName) || new.contains(MetaFolder.parametersName)
    let hasShards = (there + written).contains(where: MetaFolder.isShard)
    for name in there where !new.contains(name) {
      switch meaning(of: name, isBesideMeta: hasParameters && hasShards) {
      case .own: own.append(name)
      case .others: others.append(name)
      case nil: break
      }
    }
  }

  private enum Meaning { case own, others }

  /// Whose a file is that would be taken for the model or a part of it; nil for one that would not.
  private func meaning(of name: String, isBesideMeta: Bool) -> Meaning? {
    let isWeights = ModelFileName.isModel(name) && !ModelFileName.adapters.contains(name)
    // A GGUF file makes no other model go: engines are given its name. A folder that has only that must have only that.
    if isGGUF { return isWhole && (isWeights || isIndex(name)) ? .others : nil }
    guard isWhole || isStandard else { return nil }
    if let kind = Self.parts.first(where: { $0.isModelFile(name) }) { return isSibling(name, of: kind) ? nil : .own }
    // Meta's originals are hard to come by.
    if isBesideMeta, name == MetaFolder.parametersName || MetaFolder.isShard(name) { return .others }
    guard isWhole else { return nil }
    if ModelOutput.companions.contains(name) { return .own }
    if name == "adapter_config.json" || isPacked && name.hasPrefix("gptq_model-") { return .others }
    // Where readers look for none of the names, any other model file makes them doubt.
    guard !isStandard, !isMeta, isWeights || ShardedFolder.isIndex(name), Container(fileName: name) != .gguf else {
      return nil
    }
    return Self.isBELLEName(name) ? .own : .others
  }

  private func isIndex(_ name: String) -> Bool { Self.parts.contains { $0.indexName == name } }

  /// Whether a file is another part of the set of which some parts are written, or its index.
  private func isSibling(_ name: String, of kind: Container) -> Bool {
    guard !isWhole, let count = partCounts[kind] else { return false }
    return name == kind.indexName || kind.partCount(of: name) == count
  }

  /// Whether a name is one under which this program writes a model in a folder.
  static func isOwn(_ name: String) -> Bool {
    parts.contains { $0.isModelFile(name) } || ModelOutput.companions.contains(name) || isBELLEName(name)
  }

  private static let packedSettings = "quantize_config.json"

  /// `model-4bit-128g.pt`, `model-4bit.pt`.
  private static func isBELLEName(_ name: String) -> Bool {
    name.hasPrefix("model-") && name.wholeMatch(of: /model-[0-9]+bit(-[0-9]+g)?\.pt/) != nil
  }
}
