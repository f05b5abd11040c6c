// What something is merged into: a model whose weights are numbers, shown under Hugging Face's names, whatever its layout.
// Quantized ones are refused, with the way.

import ByteIO
import Checkpoint
import Model

/// A base, open.
struct MergeBase {
  /// As it was opened.
  let model: Model
  /// The tensors under Hugging Face's names, in the type that is asked for.
  let tensors: any TensorSource
  /// Whether its head is its embedding.
  let tiesHead: Bool
  /// The small files of a result.
  let files: MergedFiles

  /// Opens a model.
  ///
  /// - Parameters:
  ///   - dtype: the type that its values are rounded to before anything is merged; nil keeps what they have.
  ///   - remark: takes what is to be told.
  /// - Throws: ``MergeError`` for what nothing can be merged into; `CheckpointError` or `ModelError`.
  init(_ model: Model, dtype: DType?, remark: @escaping MergeRemark) throws {
    try Self.refuse(model)
    self.model = model
    let stored: any TensorSource
    if case .huggingFace = model.layout {
      (stored, files) = (model.tensors, MergedFiles(model.path))
      tiesHead = (try? model.configuration().0.tiesHead) ?? !HuggingFaceNames.hasHead(model.tensors)
    } else {
      let (source, made) = try model.inHuggingFace(remark: remark)
      (stored, files) = (source, MergedFiles(model.path, made: made))
      tiesHead = try model.measures().tiesHead
    }
    tensors = try dtype.map { try ConvertedSource(stored, dtype: $0) } ?? stored
  }

  private static func refuse(_ model: Model) throws {
    func fault(_ reason: String, _ remedy: Remedy) -> MergeError {
      MergeError(.form, file: model.path, reason: reason, remedy: remedy)
    }
    switch model.adapter?.kind {
    case .alone, .empty:
      throw fault("it is an adapter, and no base", "the base comes first, then adapters and deltas, then the output")
    case .unmerged:
      throw fault(
        "an unmerged adapter is among its tensors already",
        "merge that first: given alone, such a checkpoint merges with itself")
    case .beside, nil: break
    }
    let isGGML =
      switch model.layout {
      case .gguf, .ggml: true
      case .meta, .huggingFace: false
      }
    if isGGML, let info = model.tensors.tensors.first(where: { $0.dtype.block != nil }) {
      throw fault(
        "\(displayName(info.name)) is \(info.dtype.rawValue): its weights are quantized in blocks, to which nothing can be "
          + "added",
        "merge into the model in 16 bits, and quantize the result; or make a folder of this file's values, "
          + "\(.converting(.folder)), and merge into that")
    }
    guard model.form == .plain else {
      throw fault(
        "its weights are quantized, to which nothing can be added",
        "merge into the model in 16 bits, and quantize the result; or \(.converting(.automatic)) with "
          + "\(.dequantizing), and merge into that")
    }
    try model.refuseForeignQuantization()
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
