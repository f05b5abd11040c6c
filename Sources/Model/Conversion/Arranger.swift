// Arranges a model for what it is to become: between layouts here, between quantized forms in the other parts. No values
// are read but where a form's limits have to be known.

import ByteIO
import Checkpoint
import Tokenizer

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
    tell(model.remarks)
    try noteAdapter()
    var result = try inLayout()
    guard !result.source.tensors.isEmpty else {
      throw CheckpointError(.unknownFormat, file: model.path, reason: "there is no tensor in it")
    }
    if let type = target.dtype {
      try model.refuseForeignQuantization()
      try refuseUnrounded(result.source)
      result.original = result.source
      result.source = try ConvertedSource(result.source, dtype: type)
      result.change = "rounded to \(type.rawValue.lowercased())"
      try result.companions.editType(type)
    }
    if target.shards > 1 {
      // The shards are read again as one model, and that is held against what was divided.
      result.original = result.original ?? result.source
      result.source = try MetaShards(result.source, count: target.shards, heads: headCounts(), file: model.path)
      result.shards = target.shards
    }
    return result
  }

  /// The small files of a model that was given as a folder, all of which are copied.
  var companions: Companions { Companions(in: Folder.kind(of: model.path) == .folder ? model.path : nil) }

  func tell(_ remarks: [Checkpoint.Remark]) {
    for text in remarks {
      switch text {
      case .note(let text): note(text)
      case .warning(let text): remark(.warning("\(displayName(model.path)): \(text)"))
      }
    }
  }

  func note(_ text: String) { remark(.note("\(displayName(model.path)): \(text)")) }

  /// Refuses a model whose tensors do not fit the configuration that its rows are put into another order by.
  func require(_ source: any TensorSource, fits configuration: ModelConfiguration) throws {
    _ = try ModelTensors(configuration, source, file: model.path)
  }

  /// Refuses to round a model some of whose weights keep their type: eight-bit floats have scales beside them, and to round
  /// those alone would change every weight.
  private func refuseUnrounded(_ source: any TensorSource) throws {
    let small: Set<DType> = [
      .f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ, .f8E8M0, .f4, .f6E2M3, .f6E3M2,
    ]
    guard let info = source.tensors.first(where: { small.contains($0.dtype) }) else { return }
    let scales = source.tensors.first { $0.name.contains("_scale") }
    throw CheckpointError(
      .unsupportedType, file: info.file,
      reason: "\(displayName(info.name)) is \(info.dtype.rawValue)"
        + (scales.map { ": this is an FP8 model with scales beside its weights (\(displayName($0.name)))" } ?? "")
        + ", and such values are not rounded to another type here",
      remedy: "leave \(.valueType) out, or take the model's release in 16 bits")
  }

  /// Says how many tensors beside the model are left out.
  func noteOthers() {
    let count = model.otherCount
    guard count > 0, let first = model.firstOther else { return }
    let names = displayName(first) + (count > 1 ? " and \(count - 1) more" : "")
    remark(
      .note(
        (count == 1 ? "1 tensor that is" : "\(count) tensors that are")
          + " not under \(displayName(model.wrapper ?? "")), where the model is, \(count == 1 ? "is" : "are") left out: \(names)"
      ))
  }

  /// Refuses to call Hugging Face's what has names of which nothing is known, and no configuration beside it.
  private func requireNames() throws {
    let names = model.tensors.tensors.map(\.name)
    let isMeta = names.contains("tok_embeddings.weight")
    guard isMeta || !HuggingFaceNames.areKnown(model.tensors), let first = names.first,
      isMeta || Folder.kind(of: Folder.join(model.folder, "config.json")) != .file
    else { return }
    throw CheckpointError(
      .badTensor, file: model.path,
      reason: isMeta
        ? "its names are Meta's, and \(MetaFolder.parametersName) is not beside all of its shards"
        : "what \(displayName(first)) is called in Hugging Face's layout is not known",
      remedy: isMeta
        ? "give the folder that holds \(MetaFolder.parametersName) and all shards"
        : "leave \(.layout(nil)) out")
  }

  private func inLayout() throws -> Arrangement {
    if target.isGGUF { return try asGGUF() }
    if case .ggml(let file) = model.layout { return try fromGGML(file) }
    guard target.tokenizer == nil else { throw ConversionMisfit.tokenizerOfFolder }
    if case .gguf(let file) = model.layout { return try fromGGUF(file) }
    if model.form == .packed { return try packed() }
    try refuseForPlain()
    if target.asOriginal { return try asOriginal() }
    switch (target.layout, model.layout) {
    case (.huggingFace, .meta(let meta)):
      let described = try MetaModel(meta)
      try require(described.source, fits: described.configuration)
      if let text = try described.checkFrequencies() { note(text) }
      var companions = companions
      let special = (try? model.tokenizer())?.special
      for (name, bytes) in try model.tokenizerFiles().files { companions.make(name, bytes) }
      companions.make("config.json", try described.configurationText(special: special))
      for text in described.gaps(special: special) { note(text) }
      return Arrangement(source: described.source, companions: companions)
    case (.huggingFace, _):
      try requireNames()
      noteOthers()
      return Arrangement(
        source: try HuggingFaceNames.completed(model.tensors), companions: companions, omitted: model.otherCount)
    case (.keep, .meta(let meta)), (.meta, .meta(let meta)):
      let file = try InputFile(Folder.join(model.folder, "params.json"))
      return inMeta(meta, parameters: try file.bytes(count: file.size))
    case (.meta, _):
      guard HuggingFaceNames.mayBeMeta(model.tensors) || HuggingFaceNames.hasHead(model.tensors) else {
        throw CheckpointError(
          .badTensor, file: model.path, reason: "this is not a LLaMA model, and only LLaMA models have Meta's layout",
          remedy: "leave \(.layout(nil)) out")
      }
      let description = try model.described()
      for text in description.notes { note(text) }
      noteOthers()
      try require(description.weights, fits: description.configuration)
      let places = try TensorPlaces(description.weights, description.configuration, in: .meta)
      for text in places.remarks { note(text) }
      let source = TensorView(description.weights) { !places.omitted.contains($0.name) }
      let export = try MetaExport(source, description.configuration, file: model.path)
      var result = inMeta(export.source, parameters: export.parameters)
      result.omitted = places.omitted.count + model.otherCount
      return result
    case (.keep, _):
      // What only wraps the names is of use to nobody; but what lies beside the model is kept, too.
      return Arrangement(source: model.everything, companions: companions)
    }
  }

  /// The file that Meta published, as far as the tensors are its.
  private func asOriginal() throws -> Arrangement {
    let original = try model.original()
    for text in original.notes { note(text) }
    noteOthers()
    remark(
      .note(
        "Meta's licence of LLaMA goes with the file: it allows and forbids what it does for the original weights"))
    // Beside Meta's weights lie its own text and its tokenizer, and nothing of Hugging Face's.
    var companions = Companions(
      in: companions.folder, omitting: Set(ModelOutput.companions).subtracting(["tokenizer.model"]))
    companions.make("params.json", original.parameters)
    var result = Arrangement(
      source: original.source, container: .torch, fileName: MetaFolder.shardName(0), companions: companions)
    result.omitted = original.omitted + model.otherCount
    result.metaOriginal = original
    return result
  }

  /// The heads of queries, and of keys and values.
  private func headCounts() throws -> (queries: Int, keys: Int) {
    let configuration = try model.described().configuration
    return (configuration.headCount, configuration.keyValueHeadCount)
  }

  /// Meta's layout: PyTorch's container, params.json and no config.json, unless another container is wanted.
  func inMeta(_ source: any TensorSource, parameters: [UInt8]) -> Arrangement {
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

extension Model {
  /// Its tensors with Hugging Face's names and orders of rows, and the small files that a folder of theirs has and that do
  /// not lie beside the model.
  ///
  /// - Parameter remark: takes what is to be told.
  /// - Throws: ``ModelError`` or `CheckpointError`.
  package func inHuggingFace(
    remark: @escaping (ConversionRemark) -> Void
  ) throws -> (source: any TensorSource, files: [String: [UInt8]]) {
    var target = ConversionTarget("")
    target.layout = .huggingFace
    let result = try Arranger(model: self, target: target, remark: remark).arranged()
    return (result.source, result.companions.made)
  }
}
