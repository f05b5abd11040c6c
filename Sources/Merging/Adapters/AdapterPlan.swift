// What an adapter's tensors do to which tensors of a base: told by their names, held against the base's names and
// shapes and against the configuration. Every tensor is used, or it is an error: what has no place, halves, other
// ranks, two adapters in one file.

import ByteIO
import Checkpoint
import Model

/// An adapter, matched with a base.
struct AdapterPlan {
  /// By the base's names.
  private(set) var changes: [String: AdapterChange] = [:]
  /// How many of the adapter's tensors have no use: what saved ones have replaced, and computed ones.
  private(set) var unusedCount = 0
  /// Modules whose names say that they are stored as `[out, in]` though the configuration says otherwise.
  private(set) var untransposed = 0
  /// Modules that are stored as `[in, out]` though the configuration does not say so.
  private(set) var transposed = 0
  /// What is to be told of what the configuration names.
  private(set) var notes: [String] = []

  private let adapter: AdapterSource
  private let base: BaseNames
  private let factor: Double

  /// Matches an adapter with a base.
  ///
  /// - Parameters:
  ///   - tensors: the base's.
  ///   - layerCount: how many layers the base's configuration says that it has; nil where it says nothing.
  ///   - factor: what products are multiplied by besides.
  /// - Throws: ``MergeError``.
  init(_ adapter: AdapterSource, onto tensors: [TensorInfo], layerCount: Int?, factor: Double) throws {
    (self.adapter, self.factor, base) = (adapter, factor, BaseNames(tensors))
    let parts = try sorted()
    try adapter.configuration.checkWork(for: parts.modules.keys)
    for (module, parts) in parts.modules.sorted(by: { $0.key < $1.key }) { try add(parts, to: module) }
    for (name, index) in parts.wholes.sorted(by: { $0.key < $1.key }) { try replace(name, by: index) }
    for (name, change) in changes where change.product != nil { try check(change, of: name) }
    notes = try AdapterCompleteness(
      base: base, configuration: adapter.configuration, changes: changes, layerCount: layerCount, path: adapter.path
    ).check()
  }

  // MARK: - Names

  private typealias Parts = [AdapterKey.Part: Int]

  /// The adapter's tensors by what they are.
  private mutating func sorted() throws -> (modules: [String: Parts], wholes: [String: Int]) {
    var modules: [String: Parts] = [:]
    var (wholes, saved): ([String: Int], [String: Int]) = ([:], [:])
    var inner: String?
    var originals: [String: Int] = [:]
    func note(_ name: String?, of info: TensorInfo) throws {
      guard let name else { return }
      if let inner, inner != name {
        throw fault(
          .adapter, "there are two adapters in it, \(displayName(inner)) and \(displayName(name))",
          "save the one that is wanted alone")
      }
      inner = name
    }
    func put(_ index: Int, into place: inout Int?, _ info: TensorInfo) throws {
      guard place == nil else {
        throw fault(.adapter, "two tensors of it are the same thing: \(displayName(info.name)) and another")
      }
      place = index
    }
    for (index, info) in adapter.source.tensors.enumerated() {
      switch AdapterKey(info.name) {
      case .part(let part, let module, let name):
        try note(name, of: info)
        try put(index, into: &modules[module, default: [:]][part], info)
      case .whole(let name): try put(index, into: &wholes[name], info)
      case .saved(let name, let adapterName):
        try note(adapterName, of: info)
        try put(index, into: &saved[name], info)
      case .original(let name): try put(index, into: &originals[name], info)
      case .unknown:
        throw fault(
          .unused, "what \(displayName(info.name)) stands for is not known here", AdapterConfiguration.withPeft)
      }
    }
    if let name = saved.keys.filter({ wholes[$0] != nil }).min() {
      throw fault(.adapter, "two tensors of it are for the base's \(displayName(name)), one of them in modules_to_save")
    }
    // What was trained whole wins; where nothing was, what was there stays.
    unusedCount = originals.keys.count { saved[$0] != nil || wholes[$0] != nil }
    wholes.merge(saved) { _, saved in saved }
    wholes.merge(originals) { whole, _ in whole }
    return (modules, wholes)
  }

  private func fault(_ code: MergeErrorCode, _ reason: String, _ remedy: Remedy? = nil) -> MergeError {
    MergeError(code, file: adapter.path, reason: reason, remedy: remedy)
  }

  // MARK: - Products

  /// Takes what an adapter has for one module.
  private mutating func add(_ parts: Parts, to module: String) throws {
    guard let weight = base.place(of: module + ".weight") else { throw foreign(module) }
    let isEmbedding = parts[.embeddingDown] != nil || parts[.embeddingUp] != nil
    guard !isEmbedding || parts[.down] == nil && parts[.up] == nil else {
      throw fault(.adapter, "\(displayName(module)) has a product of a layer and one of an embedding")
    }
    guard let down = parts[isEmbedding ? .embeddingDown : .down], let up = parts[isEmbedding ? .embeddingUp : .up]
    else {
      throw half(module, parts)
    }
    for index in parts.values { try adapter.source.tensors[index].checkIsRead() }
    let (rankRows, shape) = (adapter.source.tensors[down].shape, adapter.source.tensors[up].shape)
    guard rankRows.count == 2, shape.count == 2, rankRows[0] > 0, rankRows[0] == shape[1] else {
      throw fault(
        .adapter, "the two matrices of \(displayName(module)) do not fit each other: \(rankRows) and \(shape)",
        "they may be of different adapters: take both of one training")
    }
    guard changes[weight]?.product == nil else {
      throw fault(.adapter, "two products of it are for the base's \(displayName(weight))")
    }
    let scale = factor * (try adapter.configuration.scale(of: module, rows: rankRows[0]))
    let turns = isEmbedding || isTransposed(module)
    changes[weight, default: AdapterChange()].product = LowRank(
      left: Factor(source: adapter.source, index: turns ? down : up, isTransposed: turns),
      right: Factor(source: adapter.source, index: turns ? up : down, isTransposed: turns), scale: scale)
    try addMagnitude(parts[.magnitude], of: module, to: weight, isTurned: turns)
    try addBias(parts[.upBias], of: module, scale)
  }

  /// Whether a module's weight is stored as `[in, out]`. peft takes the configuration's word for neither Linear nor
  /// Conv1D.
  private mutating func isTransposed(_ module: String) -> Bool {
    guard adapter.configuration.isTransposed else {
      guard base.isConv1D(module) else { return false }
      transposed += 1
      return true
    }
    guard HuggingFaceNames.isLinear(module) else { return true }
    untransposed += 1
    return false
  }

  private mutating func addMagnitude(_ index: Int?, of module: String, to weight: String, isTurned: Bool) throws {
    guard let index else {
      guard adapter.configuration.isDecomposed else { return }
      throw fault(
        .adapter, "\(displayName(module)) has no lora_magnitude_vector, and the configuration says use_dora",
        "write or download the adapter again")
    }
    guard adapter.configuration.isDecomposed else {
      throw fault(
        .adapter, "\(displayName(module)) has a lora_magnitude_vector, and the configuration does not say use_dora",
        "take the configuration and the tensors of one training")
    }
    // The user's factor scales a difference, and this is none.
    guard factor == 1 else {
      throw fault(.adapter, "DoRA's rows have trained lengths, which no factor scales", "leave the factor out")
    }
    changes[weight, default: AdapterChange()].lengths = MergedTensor.Lengths(
      factor: Factor(source: adapter.source, index: index), areOfColumns: isTurned)
  }

  private mutating func addBias(_ index: Int?, of module: String, _ scale: Double) throws {
    guard let index else {
      guard adapter.configuration.addsBias else { return }
      throw fault(
        .adapter, "\(displayName(module)) has no lora_B.bias, and the configuration says lora_bias",
        "write or download the adapter again")
    }
    guard let bias = base.place(of: module + ".bias") else {
      throw fault(
        .mismatch, "\(displayName(module)) has a lora_B.bias, and the base has no bias there that it could be added to",
        "peft cannot merge such an adapter either")
    }
    changes[bias, default: AdapterChange()].product = LowRank(
      left: Factor(source: adapter.source, index: index), right: nil, scale: scale)
  }

  private func half(_ module: String, _ parts: Parts) -> MergeError {
    let names = parts.values.sorted().map { displayName(adapter.source.tensors[$0].name) }
    return fault(
      .adapter, "of \(displayName(module)) there is \(names.joined(separator: ", ")) alone: A or B is missing",
      "a part of the file may be missing: write or download it again")
  }

  /// What to do about a tensor that the base does not have.
  private func otherModel(_ name: String) -> Remedy {
    VocabularyNames.containHead(name)
      ? "the base's head may be its embedding, of a family whose names are not known here: \(AdapterConfiguration.withPeft)"
      : trainingBase
  }

  /// The way out where names or shapes are not the base's.
  private var trainingBase: Remedy {
    let name = adapter.configuration.baseName.map { ", which it calls \(displayName($0))" } ?? ""
    return "the adapter may be another model's: give the base that it was trained on\(name)"
  }

  private func foreign(_ module: String) -> MergeError {
    fault(
      .unused, "the base has no \(displayName(module)).weight, which the adapter changes",
      otherModel(module + ".weight"))
  }

  // MARK: - Whole tensors

  private mutating func replace(_ name: String, by index: Int) throws {
    let info = adapter.source.tensors[index]
    try info.checkIsRead()
    guard let place = base.place(of: name) else {
      if ComputedTensors.contains(info.renamed(name)) { return unusedCount += 1 }
      throw fault(
        .unused, "the base has no tensor that \(displayName(info.name)) could take the place of", otherModel(name))
    }
    let there = base.info(place)
    let isTable =
      VocabularyNames.contain(place) && info.shape.count == 2 && there.shape.count == 2
      && info.shape[1] == there.shape[1]
    let grows = isTable && info.shape[0] > there.shape[0]
    guard info.shape == there.shape || grows else {
      throw fault(
        .mismatch, "\(displayName(info.name)) is \(info.shape), and the base's tensor is \(there.shape)",
        isTable
          ? "rows were cut off in training, or the base is another: \(AdapterConfiguration.withPeft)"
          : trainingBase)
    }
    guard info.dtype == there.dtype || [info, there].allSatisfy({ DTypeConversion.isConvertible($0.dtype) }) else {
      throw fault(
        .mismatch,
        "\(displayName(info.name)) is \(info.typeName), and the base's tensor is \(there.typeName)", trainingBase)
    }
    guard changes[place]?.replacement == nil else {
      throw fault(.adapter, "two tensors of it are for the base's \(displayName(place))")
    }
    changes[place, default: AdapterChange()].replacement = index
  }

  // MARK: - Checks

  /// What a tensor's shape is once the adapter's own takes its place.
  func shape(of name: String) -> [Int] {
    changes[name]?.replacement.map { adapter.source.tensors[$0].shape } ?? base.info(name).shape
  }

  private func check(_ change: AdapterChange, of name: String) throws {
    guard let product = change.product else { return }
    let (info, shape) = (base.info(name), shape(of: name))
    guard DTypeConversion.isConvertible(info.dtype) else {
      throw MergeError(
        .form, file: info.file, reason: "\(displayName(name)) is \(info.typeName), to which no product can be added",
        remedy: "take the model's release in 16 bits")
    }
    let wanted = product.right == nil ? [product.rows] : [product.rows, product.columns]
    guard shape == wanted, product.columns > 0 else {
      throw fault(
        .mismatch, "the product for \(displayName(name)) is \(wanted), and the weight is \(shape)",
        trainingBase)
    }
    guard product.right?.rows ?? 1 == product.rank else {
      throw fault(.adapter, "the bias for \(displayName(name)) is no vector")
    }
    guard let lengths = change.lengths else { return }
    let outputs = lengths.areOfColumns ? product.columns : product.rows
    guard lengths.factor.rows == outputs, lengths.factor.columns == 1 else {
      throw fault(
        .adapter, "there are \(lengths.factor.rows) lengths for \(displayName(name)), which has \(outputs) outputs",
        "they may be of different adapters: take both of one training")
    }
  }
}
