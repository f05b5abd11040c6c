// convert, where a quantized form is on one side or on both: GGUF, and GPTQ's packed integers.

import ArgumentParser
import ByteIO
import Checkpoint
import Foundation
import Model
import Packed
import Tokenizer
import Transformer

extension Convert {
  // MARK: To GGUF

  func arrangedAsGGUF(_ opened: Model) throws -> Arranged {
    if quantized.checkpointFormat != nil {
      throw ValidationError("--checkpoint-format is for outputs with packed integers, and GGUF has none.")
    }
    let types = GGUFTypes(quantized.ggufType?.type, embeddings: quantized.embeddingType?.type)
    if case .gguf(let file) = opened.layout {
      // Of any architecture, as long as nothing is to be changed.
      if quantized.ggufType == nil, quantized.embeddingType == nil, quantized.chatTemplate == .auto,
        !quantized.dequantize
      {
        return Arranged(source: file, container: .gguf)
      }
      let model = try GGUFModel(file, path: input)
      var vocabulary = try model.vocabulary()
      if quantized.chatTemplate == .none { vocabulary.chatTemplate = nil }
      let wanted = quantized.dequantize && quantized.ggufType == nil ? GGUFTypes(.f32) : types
      let export = try GGUFExport(
        model.source, model.configuration, vocabulary, types: wanted,
        // What has no template is no chat model as far as its maker is concerned.
        chatTemplate: quantized.chatTemplate == .belle ? .belle : vocabulary.chatTemplate == nil ? .none : .automatic,
        base: file.values, file: input)
      try refuseLoss(export)
      return Arranged(
        source: export, original: export.original, change: change(to: wanted.weights), container: .gguf)
    }
    let model = try TransformerModel(opened)
    // What is to be told of an adapter, which comes first, was told before.
    for note in model.notes.dropFirst(opened.adapter == nil ? 0 : 1) {
      Console.shared.note("\(displayName(input)): \(note)")
    }
    let vocabulary = try opened.vocabulary()
    let export = { (source: any TensorSource, types: GGUFTypes) in
      try GGUFExport(
        source, model.configuration, vocabulary, types: types, chatTemplate: quantized.chatTemplate.choice, file: input)
    }
    guard let packed = PackedCheckpoint.of(model.source) else {
      try quantized.refuseForPlain()
      let result = try export(model.source, types)
      return Arranged(
        source: result, original: result.original, change: change(to: types.weights), container: .gguf)
    }
    let original = try model.configuration.ggufLayout.arranged(packed, tiesHead: model.configuration.tiesHead)
    if quantized.dequantize || types.weights == .f32 {
      let result = try export(packed, types)
      guard types.weights ?? .f32 == .f32 || quantized.lossy else { throw loss(of: types.weights) }
      return Arranged(source: result, original: original, change: change(to: types.weights), container: .gguf)
    }
    do {
      let blocks = try BlockPackedSource(packed, type: types.weights)
      let result = try export(blocks, GGUFTypes(nil, embeddings: quantized.embeddingType?.type))
      return Arranged(
        source: result, original: original, change: "the same integers, \(blocks.type.rawValue) with rounded minima",
        container: .gguf)
    } catch let error as CheckpointError where error.code == .lossy && quantized.lossy {
      guard let type = types.weights else { throw error }
      Console.shared.warning("\(error.reason); the weights are rounded anew")
      return Arranged(source: try export(packed, types), original: original, change: change(to: type), container: .gguf)
    }
  }

  private func change(to type: DType?) -> String { type.map { "rounded to \($0.rawValue)" } ?? "rounded" }

  private func loss(of type: DType?) -> CheckpointError {
    CheckpointError(
      .lossy, file: input,
      reason: "a quantized model's weights would be rounded to \(type?.rawValue ?? "other values") anew",
      remedy: "--lossy does it all the same; f32 keeps every value, and the original model gives the better result")
  }

  private func refuseLoss(_ export: GGUFExport) throws {
    guard !quantized.lossy, let first = export.requantized.first else { return }
    throw CheckpointError(
      .lossy, file: input,
      reason:
        "\(displayName(first.name)) and \(export.requantized.count - 1) more are quantized already (\(first.dtype.rawValue))",
      remedy: "--lossy rounds them anew; f32 keeps every value, and the original model gives the better result")
  }

  // MARK: From GGUF

  func arrangedFromGGUF(_ file: GGUFFile) throws -> Arranged {
    guard layout != .meta else {
      throw ValidationError("a GGUF file becomes Hugging Face's layout first: convert it without --layout meta.")
    }
    if quantized.checkpointFormat != nil {
      throw ValidationError("--checkpoint-format is for models that GPTQ has quantized.")
    }
    let model = try GGUFModel(file, path: input)
    let source = try DequantizedSource(model.source)
    let type = dtype.type ?? source.tensors.first { $0.shape.count == 2 }?.dtype
    return Arranged(source: source, files: try model.companionFiles(type: type))
  }

  // MARK: GPTQ

  func arrangedPacked(_ source: any TensorSource) throws -> Arranged {
    guard layout != .meta else {
      throw ValidationError(
        "Meta's layout has no place for quantized weights: give --dequantize first, without --layout.")
    }
    let packed = try PackedCheckpoint.ofModel(source, folder: inputFolder)
    guard !quantized.dequantize else {
      var model = Arranged(source: packed, replaced: ["quantize_config.json"])
      try edit("config.json", of: &model) { object in
        object["quantization_config"] = nil
        for key in ["torch_dtype", "dtype"] where object[key] != nil { object[key] = DType.f32.torchName }
        return true
      }
      return model
    }
    guard dtype == .keep else {
      throw ValidationError("--dtype is for floating-point values: with --dequantize the packed ones become such.")
    }
    if quantized.checkpointFormat == .belle { return try arrangedForBELLE(source) }
    if isWithoutConfiguration(packed) { return try arrangedFromBELLE(packed) }
    guard let format = quantized.checkpointFormat else { return Arranged(source: source) }
    guard Container(fileName: output) == nil else {
      throw ValidationError("--checkpoint-format needs a folder as output: the configuration says which it is.")
    }
    let version: GPTQForm.Version = format == .gptq_v2 ? .second : .first
    let result = try GPTQForm(version: version).restated(source, packed)
    var model = Arranged(source: result, original: packed)
    let note = { (object: inout [String: Any]) in
      QuantizationSettings.setVersion(version, in: &object)
      return true
    }
    try edit("quantize_config.json", of: &model, note)
    try edit("config.json", of: &model) { object in
      guard var inner = object["quantization_config"] as? [String: Any] else { return false }
      _ = note(&inner)
      object["quantization_config"] = inner
      return true
    }
    guard !model.files.isEmpty else {
      throw CheckpointError(
        .malformed, file: input,
        reason: "no quantize_config.json and no config.json says how its zero points are stored",
        remedy: "put the model's quantize_config.json beside it")
    }
    model.view = { try PackedCheckpoint($0, folder: $1) }
    return model
  }

  // MARK: BELLE's .pt

  /// Whether a packed checkpoint is what BELLE's or GPTQ-for-LLaMA's scripts save, and shall become a GPTQ folder: zero
  /// points that are not packed, or nothing that says how it is quantized.
  private func isWithoutConfiguration(_ packed: PackedCheckpoint) -> Bool {
    guard container != .torch, Container(fileName: output) != .torch else { return false }
    return packed.isEarly || !packed.isDescribed
  }

  private func arrangedFromBELLE(_ packed: PackedCheckpoint) throws -> Arranged {
    let version: GPTQForm.Version? = quantized.checkpointFormat.map { $0 == .gptq_v2 ? .second : .first }
    let result = try RepackedModel(asGPTQ: packed, version: version)
    var model = Arranged(source: result.tensors, original: packed)
    // Biases of zeros and computed frequencies are left out: what stays is compared.
    let kept = try PackedCheckpoint(result.tensors, QuantizationSettings(version: result.version))
    model.original = TensorView(packed, namedAs: kept)
    model.view = { try PackedCheckpoint($0, folder: $1) }
    let settings = result.settings
    model.companionFolder = inputFolder
    model.files["quantize_config.json"] = try settings.text()
    if Folder.kind(of: Folder.join(inputFolder, "config.json")) == .file {
      let file = try InputFile(Folder.join(inputFolder, "config.json"))
      model.files["config.json"] = try file.bytes(count: file.size)
    }
    try edit("config.json", of: &model) { object in
      object["quantization_config"] = try settings.object()
      return true
    }
    if !result.survey.hasHalfScales {
      Console.shared.warning(
        "its scales are single-precision numbers that half precision does not have: they stay so, and programs that "
          + "load scales in half precision round them")
    }
    return model
  }

  private func arrangedForBELLE(_ source: any TensorSource) throws -> Arranged {
    guard container != .safetensors, Container(fileName: output) ?? .torch == .torch else {
      throw ValidationError("BELLE's form is a .pt file: give a folder, or a name that ends in .pt.")
    }
    let measures = try ModelConfiguration(file: Folder.join(inputFolder, "config.json"))
    let packed = try PackedCheckpoint.ofModel(
      HuggingFaceNames.completed(source, addsHead: true), folder: inputFolder)
    let result = try RepackedModel(
      asBELLE: packed, headSize: measures.headSize, rotaryBase: measures.rotaryBase)
    var model = Arranged(
      source: result.tensors, original: packed, container: .torch, replaced: ["quantize_config.json"])
    let group = result.survey.groupSize.map { $0 > 0 ? "-\($0)g" : "" } ?? ""
    model.fileName = "model-\(result.survey.bits)bit\(group).pt"
    model.view = { source, _ in
      TensorView(try PackedCheckpoint(source, nil), namedAs: packed)
    }
    try edit("config.json", of: &model) { object in object.removeValue(forKey: "quantization_config") != nil }
    return model
  }
}
