// Arranges a model for what it is to become: between layouts here, between quantized forms in the other parts. No values
// are read but where a form's limits have to be known.

import ByteIO
import Checkpoint

/// Arranges one model for one target.
struct Arranger {
  let model: Model
  let target: ConversionTarget
  let remark: (ConversionRemark) -> Void

  /// The model as it will be written.
  ///
  /// - Throws: ``ConversionMisfit`` for what the model cannot become; `CheckpointError` or ``ModelError`` with the reason
  ///   why this one cannot.
  func arranged() throws -> Arrangement {
    try noteAdapter()
    var result = try inLayout()
    guard !result.source.tensors.isEmpty else {
      throw CheckpointError(.unknownFormat, file: model.path, reason: "there is no tensor in it")
    }
    if let type = target.dtype {
      result.original = result.source
      result.source = try ConvertedSource(result.source, dtype: type)
      result.change = "rounded to \(type.rawValue.lowercased())"
      try result.companions.editType(type)
    }
    return result
  }

  /// The small files of a model that was given as a folder, all of which are copied.
  var companions: Companions { Companions(in: Folder.kind(of: model.path) == .folder ? model.path : nil) }

  func note(_ text: String) { remark(.note("\(displayName(model.path)): \(text)")) }

  /// Refuses a model whose tensors do not fit the configuration that its rows are put into another order by.
  func require(_ source: any TensorSource, fits configuration: ModelConfiguration) throws {
    _ = try ModelTensors(configuration, source, file: model.path)
  }

  private func inLayout() throws -> Arrangement {
    if target.isGGUF { return try asGGUF() }
    if case .gguf(let file) = model.layout { return try fromGGUF(file) }
    if model.form == .packed { return try packed() }
    try refuseForPlain()
    switch (target.layout, model.layout) {
    case (.huggingFace, .meta(let meta)):
      let described = try MetaModel(meta)
      try require(described.source, fits: described.configuration)
      if let text = try described.checkFrequencies() { note(text) }
      var companions = companions
      companions.make("config.json", try described.configurationText())
      return Arrangement(source: described.source, companions: companions)
    case (.huggingFace, _):
      if model.otherCount > 0 {
        remark(
          .note(
            (model.otherCount == 1 ? "1 tensor that is" : "\(model.otherCount) tensors that are")
              + " not the model's, but a trainer's, \(model.otherCount == 1 ? "is" : "are") left out"))
      }
      return Arrangement(source: try HuggingFaceNames.completed(model.tensors), companions: companions)
    case (.keep, .meta(let meta)), (.meta, .meta(let meta)):
      let file = try InputFile(Folder.join(model.folder, "params.json"))
      return inMeta(meta, parameters: try file.bytes(count: file.size))
    case (.meta, _):
      guard HuggingFaceNames.mayBeMeta(model.tensors) else {
        throw CheckpointError(
          .badTensor, file: model.path, reason: "this is no LLaMA model, and Meta's layout is LLaMA's only",
          remedy: "leave \(.layout(nil)) out")
      }
      let (configuration, _) = try model.configuration()
      try require(model.tensors, fits: configuration)
      let export = try MetaExport(model.tensors, configuration, file: model.path)
      let file = Folder.join(model.folder, "config.json")
      if let text = try configuration.checkFrequencies(model.tensors, file: file) { note(text) }
      return inMeta(export.source, parameters: export.parameters)
    case (.keep, _):
      // What only wraps the names is of use to nobody; but what lies beside the model is kept, too.
      return Arrangement(source: model.otherCount == 0 ? model.tensors : model.stored, companions: companions)
    }
  }

  /// Meta's layout: PyTorch's container, params.json and no config.json, unless another container is wanted.
  private func inMeta(_ source: any TensorSource, parameters: [UInt8]) -> Arrangement {
    var companions = Companions(in: companions.folder, omitting: ["config.json"])
    companions.make("params.json", parameters)
    let isTorch = target.wanted == .torch || target.wanted == nil && target.layout == .meta
    return Arrangement(
      source: source, container: isTorch ? .torch : nil, fileName: isTorch ? MetaFolder.shardName(0) : nil,
      companions: companions)
  }

  /// Refuses an adapter in place of a model, or unmerged in it; but an adapter alone may go into another container, as it
  /// is, where one file is asked for.
  private func noteAdapter() throws {
    guard let adapter = model.adapter else { return }
    let isFile = target.named != nil
    let isFromGGUF = if case .gguf = model.layout { true } else { false }
    if adapter.kind == .alone, isFile, target.layout == .keep, target.isGGUF == isFromGGUF, !target.changesQuantized {
      return note("\(adapter.reason); its tensors are copied as they are")
    }
    if adapter.kind == .alone, !isFile, !isFromGGUF {
      throw CheckpointError(
        .adapter, file: adapter.file, reason: adapter.reason,
        remedy: adapter.remedy
          + "; to change its container only, give a file as output, such as adapter_model.safetensors")
    }
    note(try adapter.refuse())
  }

  /// Refuses what means nothing for a model without packed integers.
  func refuseForPlain() throws {
    switch target.packing {
    case .keep: break
    case .dequantized: throw ConversionMisfit.dequantizedPlain
    case .gptq, .belle: throw ConversionMisfit.packingOfPlain
    }
  }
}
