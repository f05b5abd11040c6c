// What something is merged into: a model whose weights are numbers, in Hugging Face's names. Others are refused, with
// the way.

import ByteIO
import Checkpoint
import Model

/// A base, open.
struct MergeBase {
  let model: Model
  /// The tensors, in the type that is asked for.
  let tensors: any TensorSource
  /// Whether its head is its embedding.
  let tiesHead: Bool

  /// Opens a model.
  ///
  /// - Parameter dtype: the type that its values are rounded to before anything is merged; nil keeps what they have.
  /// - Throws: ``MergeError`` for what nothing can be merged into.
  init(_ model: Model, dtype: DType?) throws {
    try Self.refuse(model)
    self.model = model
    tensors = try dtype.map { try ConvertedSource(model.tensors, dtype: $0) } ?? model.tensors
    tiesHead = (try? model.configuration().0.tiesHead) ?? !HuggingFaceNames.hasHead(model.tensors)
  }

  private static func refuse(_ model: Model) throws {
    func fault(_ reason: String, _ remedy: Remedy) -> MergeError {
      MergeError(.form, file: model.path, reason: reason, remedy: remedy)
    }
    switch model.layout {
    case .gguf, .ggml:
      let name = if case .gguf = model.layout { "GGUF file" } else { "ggml file of 2023" }
      throw model.form == .blocks
        ? fault(
          "its weights are quantized, in blocks, to which nothing can be added",
          "merge into the model in 16 bits, and quantize the result; \(.converting(.folder)) "
            + "makes a folder of this file")
        : fault("it is a \(name)", "make a folder of it first: \(.converting(.folder))")
    case .meta:
      throw fault(
        "it is in Meta's layout, and adapters and deltas have Hugging Face's names",
        "convert it first: \(.converting(.huggingFace(model.path)))")
    case .huggingFace: break
    }
    guard model.form == .plain else {
      throw fault(
        "its weights are quantized, to which nothing can be added",
        "merge into the model in 16 bits, and quantize the result; or \(.converting(.automatic)) with "
          + "\(.dequantizing), and merge into that")
    }
    try model.refuseForeignQuantization()
    switch model.adapter?.kind {
    case .alone, .empty:
      throw fault("it is an adapter, and no base", "the base comes first, then adapters and deltas, then the output")
    case .unmerged:
      throw fault(
        "an unmerged adapter is among its tensors already",
        "merge that first: given alone, such a checkpoint merges with itself")
    case .beside, nil: break
    }
  }
}

/// A checkpoint that holds a model with an unmerged adapter: both are taken apart.
struct SelfMerge {
  /// The model's own tensors, without what peft has put around their names.
  let base: Model
  /// The adapter.
  let adapter: AdapterSource

  /// Takes a trainer's checkpoint apart.
  ///
  /// - Throws: ``MergeError`` where there is no adapter among its tensors.
  init(_ path: String) throws {
    let model = try Model.open(path)
    guard model.adapter?.kind == .unmerged else {
      let isBeside = model.adapter?.kind == .beside
      throw MergeError(
        .scheme, file: path,
        reason: isBeside
          ? "an adapter lies beside the model, and which of both is meant is not clear"
          : "there is no adapter among its tensors",
        remedy: isBeside
          ? "give the folder twice, as base and as adapter, and then the output"
          : "give a base, an adapter or a delta, and the output")
    }
    let stored = model.stored
    var (models, adapters): ([TensorView.Entry], [TensorView.Entry]) = ([], [])
    let originals = Set(
      stored.tensors.compactMap { if case .original(let name) = AdapterKey($0.name) { name } else { nil } })
    for (index, info) in stored.tensors.enumerated() {
      let key = AdapterKey(info.name)
      switch key {
      case .whole(let name), .original(let name): models.append(TensorView.Entry(info.renamed(name), .stored(index)))
      case .saved, .part, .unknown: adapters.append(TensorView.Entry(info, .stored(index)))
      }
      // Where what it has replaced was not kept, the base has it already.
      if case .saved(let name, _) = key, !originals.contains(name) {
        models.append(TensorView.Entry(info.renamed(name), .stored(index)))
      }
    }
    base = Model(
      try TensorView(models, of: stored), path: model.path, remarks: model.remarks, looksForAdapter: false)
    adapter = AdapterSource(
      path: path, source: try TensorView(adapters, of: stored),
      configuration: try AdapterSource.configuration(beside: path))
  }
}
