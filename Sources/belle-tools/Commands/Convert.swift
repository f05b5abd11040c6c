// convert: a checkpoint in, the same in another container or layout out, with a proof that every value is the same.

import ArgumentParser
import ByteIO
import Checkpoint
import Foundation

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another container or layout.",
    discussion: """
      Example: a PyTorch model as safetensors, and LLaMA from Meta's layout to Hugging Face's and back:

        belle-tools convert model/ model-safetensors/
        belle-tools convert llama/ llama-hf/ --layout hf
        belle-tools convert llama-hf/ llama-again/ --layout meta
        belle-tools convert model/ model-bf16/ --dtype bf16

      Reads what `inspect` reads. The result is read again and compared: the last line says whether every value is the \
      same. An output that ends in .safetensors, .pt, .pth or .bin is one file of that kind; any other is a folder, with an index \
      where there are several files. Configuration and tokenizer files of a folder are copied along.
      """)

  /// Layouts that can be written.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case keep, hf, meta
  }

  /// Containers that can be written.
  enum Target: String, ExpressibleByArgument, CaseIterable {
    case auto, safetensors, torch

    var container: Container? { Container(rawValue: rawValue) }
  }

  /// Types that values can be written in.
  enum Precision: String, ExpressibleByArgument, CaseIterable {
    case keep, f32, f16, bf16

    var type: DType? { DType(rawValue: rawValue.uppercased()) }
    /// What config.json calls it.
    var torchName: String? { type?.torchName }
  }

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "model"))
  var input: String

  @Argument(help: ArgumentHelp("A .safetensors, .pt, .pth or .bin file, or a folder.", valueName: "output"))
  var output: String

  @Option(help: "The container: by the output's name and layout, or safetensors, or PyTorch's.")
  var to = Target.auto

  @Option(help: "The names and row order: keep those of the model, or Hugging Face's, or Meta's.")
  var layout = Layout.keep

  @Option(help: "The type of the floating-point values: keep, or round to nearest in f32, f16 or bf16.")
  var dtype = Precision.keep

  @Option(
    help: ArgumentHelp(
      "The largest file of a folder: a number with kB, MB or GB. Without it the model's own files are kept apart, and "
        + "those beyond 5 GB are divided.", valueName: "size"))
  var maxShardSize: String?

  @Flag(help: "Replace files that have the outputs' names.")
  var force = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard maxShardSize.map({ Self.bytes($0) != nil }) ?? true else {
      throw ValidationError("--max-shard-size takes a size such as 5GB.")
    }
  }

  /// A size in decimal units; nil for what is none.
  static func bytes(_ text: String) -> Int? {
    let upper = text.uppercased()
    for (suffix, factor) in [
      ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ]
    where upper.hasSuffix(suffix) {
      guard let value = Int(upper.dropLast(suffix.count)), value > 0 else { return nil }
      let (bytes, overflow) = value.multipliedReportingOverflow(by: factor)
      return overflow ? nil : bytes
    }
    return nil
  }

  func run() throws {
    var model = try arranged(try Checkpoint.open(input))
    let original = model.source
    if let type = dtype.type {
      model.source = try ConvertedSource(original, dtype: type)
      try noteType(&model)
    }
    guard !model.source.tensors.isEmpty else {
      throw CheckpointError(.unknownFormat, file: input, reason: "there is no tensor in it")
    }
    let source = model.source
    let plan = ModelOutput(
      source, to: output, container: to.container ?? model.container, shardSize: maxShardSize.flatMap(Self.bytes),
      fileName: model.container == .torch && to != .safetensors ? "consolidated.00.pth" : nil)
    if plan.container == .torch { warnAboutMetadata(source) }
    try plan.check(source, replacing: force)

    // transformers wants to be told that the values are PyTorch's; what a safetensors file says of itself is kept.
    var metadata = ["format": "pt"]
    if source.format == "safetensors" { metadata.merge(source.metadata.map { ($0.name, $0.value) }) { $1 } }
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    let progress = Console.shared.showProgress(total: total, options: common)
    defer { Console.shared.clearProgress() }
    try plan.write(source, metadata: metadata, replacing: force, progress: progress)
    if plan.isFolder {
      for (name, bytes) in model.files { try plan.write(bytes, as: name, replacing: force) }
      try plan.copyCompanions(
        from: input, omitting: model.isMeta ? ["config.json"] : Set(model.files.keys), replacing: force)
    }
    try prove(source, plan, original: original)
  }

  /// A model in the layout that was asked for.
  private struct Arranged {
    var source: any TensorSource
    /// The container that the layout comes in, where it has one.
    var container: Container?
    /// What describes the model, where the layout has it in another form.
    var files: [String: [UInt8]] = [:]
    var isMeta = false
  }

  private func arranged(_ source: any TensorSource) throws -> Arranged {
    let folder = Folder.kind(of: input) == .folder ? input : Folder.parent(of: input)
    switch (layout, source) {
    case (.hf, let meta as MetaFolder):
      let model = try HuggingFaceLlama(meta)
      return Arranged(source: model, files: ["config.json": try model.configuration()])
    case (.hf, _): return Arranged(source: HuggingFaceNames(source))
    case (.keep, is MetaFolder), (.meta, is MetaFolder):
      let file = try InputFile(Folder.join(folder, "params.json"))
      let parameters = try file.bytes(count: file.size)
      let container: Container? = layout == .meta || to == .torch ? .torch : nil
      return Arranged(source: source, container: container, files: ["params.json": parameters], isMeta: true)
    case (.meta, _):
      guard HuggingFaceNames.isLlama(source) else {
        throw CheckpointError(
          .badTensor, file: input, reason: "this is no LLaMA model, and Meta's layout is LLaMA's only",
          remedy: "leave --layout out")
      }
      let model = try MetaLlama(source, configuration: HuggingFaceConfiguration.read(in: folder))
      return Arranged(source: model, container: .torch, files: ["params.json": try model.parameters()], isMeta: true)
    case (.keep, _): return Arranged(source: source)
    }
  }

  /// The configuration says which type the values have; what it says is brought in step.
  private func noteType(_ model: inout Arranged) throws {
    let path = Folder.join(input, "config.json")
    if model.files["config.json"] == nil, !model.isMeta, Folder.kind(of: input) == .folder,
      Folder.kind(of: path) == .file
    {
      let file = try InputFile(path)
      model.files["config.json"] = try file.bytes(count: file.size)
    }
    guard let text = model.files["config.json"],
      var object = (try? JSONSerialization.jsonObject(with: Data(text))) as? [String: Any]
    else { return }
    let keys = ["torch_dtype", "dtype"].filter { object[$0] != nil }
    guard !keys.isEmpty else { return }
    for key in keys { object[key] = dtype.torchName }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    model.files["config.json"] = [UInt8](data) + [0x0A]
  }

  private func warnAboutMetadata(_ source: any TensorSource) {
    guard source.format == "safetensors", source.metadata.contains(where: { $0.name != "format" }) else { return }
    Console.shared.warning("a PyTorch file has no place for the metadata of \(displayName(input)); it is left out")
  }

  /// Reads the result again and compares: with what was to be written, and where the type changed also with the original.
  private func prove(_ source: any TensorSource, _ plan: ModelOutput, original: any TensorSource) throws {
    let result: any TensorSource =
      plan.files.count == 1
      ? try Checkpoint.open(file: Folder.join(plan.folder, plan.files[0].name))
      : try ShardedFolder(index: Folder.join(plan.folder, plan.container.indexName))
    var differing: [String] = []
    try Comparison(source, result, tolerance: 0).run { tensor in
      if tensor.status != .equal { differing.append(tensor.name) }
    }
    guard differing.isEmpty else {
      throw CheckpointError(
        .badTensor, file: output,
        reason: "the result does not read as it was written: \(differing.prefix(5).joined(separator: ", "))",
        remedy: "the disk may be failing; do not use the result")
    }
    var relative = 0.0
    if dtype != .keep {
      try Comparison(original, result, tolerance: .infinity).run { tensor in
        if tensor.status != .equal { relative = max(relative, tensor.relativeDifference ?? 0) }
      }
    }
    let overflows = (source as? ConvertedSource)?.overflowCount ?? 0
    Console.shared.clearProgress()
    if overflows > 0 {
      Console.shared.warning(
        "\(overflows) values were too large for \(dtype.rawValue) and became infinite; bf16 or f32 would hold them")
    }
    if common.json {
      Console.shared.result([
        "type": "summary", "output": .string(output), "tensors": .int(result.tensors.count),
        "bytes": .int(result.tensors.reduce(0) { $0 + $1.byteCount }), "identical": .bool(relative == 0),
        "relative": .double(relative), "overflows": .int(overflows),
      ])
    } else {
      let values =
        relative == 0
        ? "every value identical" : "rounded to \(dtype.rawValue), relative difference of the worst \(Float(relative))"
      Console.shared.result("\(result.tensors.count) tensors, \(values): \(displayName(output))")
    }
  }
}
