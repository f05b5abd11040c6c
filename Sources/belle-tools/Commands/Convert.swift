// convert: a checkpoint in, the same in another container or layout out, with a proof that every value is the same.

import ArgumentParser
import ByteIO
import Checkpoint
import Foundation
import Transformer

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another container or layout.",
    discussion: """
      Example: a PyTorch model as safetensors, and LLaMA from Meta's layout to Hugging Face's and back:

        belle-tools convert model/ model-safetensors/
        belle-tools convert llama/ llama-hf/ --layout hf
        belle-tools convert llama-hf/ llama-again/ --layout meta
        belle-tools convert model/ model-bf16/ --dtype bf16

      For llama.cpp, as it is or rounded to blocks; and back:

        belle-tools convert model/ model.gguf
        belle-tools convert model/ model-q8.gguf --gguf-type q8_0
        belle-tools convert model.gguf model-again/

      A model that GPTQ has quantized keeps its integers: symmetric 4 bits are Q4_0 and symmetric 8 bits Q8_0, the same \
      numbers bit for bit. What would lose is refused, with the reason, unless --lossy says that it may.

        belle-tools convert model-gptq-4bit/ model-q4.gguf
        belle-tools convert model-gptq-4bit/ model-again/ --dequantize --dtype f16
        belle-tools convert model-gptq-4bit/ model-v2/ --checkpoint-format gptq_v2

      Reads what `inspect` reads. The result is read again and compared: the last line says whether every value is the \
      same. An output that ends in .safetensors, .pt, .pth, .bin or .gguf is one file of that kind; any other is a folder, with an \
      index where there are several files. Configuration and tokenizer files of a folder are copied along.
      """)

  /// Layouts that can be written.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case keep, hf, meta
  }

  /// Containers that can be written.
  enum Target: String, ExpressibleByArgument, CaseIterable {
    case auto, safetensors, torch, gguf

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

  @Argument(help: ArgumentHelp("A .safetensors, .pt, .pth, .bin or .gguf file, or a folder.", valueName: "output"))
  var output: String

  @Option(help: "The container: by the output's name and layout, or safetensors, PyTorch's, or GGUF.")
  var to = Target.auto

  @Option(help: "The names and row order: keep those of the model, or Hugging Face's, or Meta's.")
  var layout = Layout.keep

  @Option(help: "The type of the floating-point values: keep, or round to nearest in f32, f16 or bf16.")
  var dtype = Precision.keep

  @OptionGroup(title: "Quantized models and GGUF") var quantized: QuantizedOptions

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
    if isGGUF, dtype != .keep || layout != .keep {
      throw ValidationError("--dtype and --layout are not for GGUF: --gguf-type says what the values become.")
    }
    if !isGGUF, quantized.ggufType != nil || quantized.embeddingType != nil {
      throw ValidationError("--gguf-type and --embedding-type are for outputs in GGUF.")
    }
  }

  /// Whether a GGUF file is to be written.
  var isGGUF: Bool { to == .gguf || to == .auto && Container(fileName: output) == .gguf }

  /// The folder of the model, where its configuration and its tokenizer lie.
  var inputFolder: String { Folder.kind(of: input) == .folder ? input : Folder.parent(of: input) }

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
    if let type = dtype.type {
      model.original = model.source
      model.source = try ConvertedSource(model.source, dtype: type)
      try noteType(&model)
    }
    guard !model.source.tensors.isEmpty else {
      throw CheckpointError(.unknownFormat, file: input, reason: "there is no tensor in it")
    }
    let source = model.source
    let plan = ModelOutput(
      source, to: output, container: to.container ?? model.container, shardSize: maxShardSize.flatMap(Self.bytes),
      fileName: model.fileName ?? (model.container == .torch && to != .safetensors ? "consolidated.00.pth" : nil))
    if plan.container == .torch { warnAboutMetadata(source) }
    let omitted = model.isMeta ? ["config.json"] : model.replaced.union(model.files.keys)
    let takesFiles = plan.isFolder && plan.container != .gguf
    try plan.check(
      source,
      others: takesFiles
        ? model.files.keys + plan.companions(in: model.companionFolder ?? input, omitting: omitted) : [],
      replacing: force)

    // transformers wants to be told that the values are PyTorch's; what a safetensors file says of itself is kept.
    var metadata = ["format": "pt"]
    if source.format == "safetensors" { metadata.merge(source.metadata.map { ($0.name, $0.value) }) { $1 } }
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    let progress = Console.shared.showProgress(total: total, options: common)
    defer { Console.shared.clearProgress() }
    try plan.write(source, metadata: metadata, replacing: force, isChecked: true, progress: progress)
    if takesFiles {
      for (name, bytes) in model.files.sorted(by: { $0.key < $1.key }) {
        try plan.write(bytes, as: name, replacing: force)
      }
      try plan.copyCompanions(from: model.companionFolder ?? input, omitting: omitted, replacing: force)
    }
    try prove(model, plan)
  }

  /// A model in the layout that was asked for.
  struct Arranged {
    var source: any TensorSource
    /// The same tensors before their values were changed; nil where they are not.
    var original: (any TensorSource)?
    /// What the values became, in words.
    var change: String?
    /// The container that the layout comes in, where it has one.
    var container: Container?
    /// What describes the model, where the layout has it in another form.
    var files: [String: [UInt8]] = [:]
    /// Files that belong to the model as it was, and not as it becomes.
    var replaced: Set<String> = []
    var isMeta = false
    /// Where the small files lie that go along, where the input is a file of a folder and the output a whole model.
    var companionFolder: String?
    /// The name of the only file of a folder, where it has a fixed one.
    var fileName: String?
    /// How the result is looked at when it is held against the original.
    var view: (any TensorSource) throws -> any TensorSource = { $0 }
  }

  private func arranged(_ source: any TensorSource) throws -> Arranged {
    let folder = inputFolder
    if isGGUF { return try arrangedAsGGUF(source) }
    if let file = source as? GGUFFile { return try arrangedFromGGUF(file) }
    if GPTQTensorSource.isPacked(source) { return try arrangedPacked(source) }
    try quantized.refuseForPlain()
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
    guard !model.isMeta else { return }
    try edit("config.json", of: &model) { object in
      let keys = ["torch_dtype", "dtype"].filter { object[$0] != nil }
      for key in keys { object[key] = dtype.torchName }
      return !keys.isEmpty
    }
  }

  /// Changes a JSON file of the model, where there is one.
  ///
  /// - Parameter change: returns whether it changed anything; otherwise the file stays as it is, byte for byte.
  func edit(_ name: String, of model: inout Arranged, _ change: (inout [String: Any]) throws -> Bool) throws {
    let path = Folder.join(input, name)
    if model.files[name] == nil, Folder.kind(of: input) == .folder, Folder.kind(of: path) == .file {
      let file = try InputFile(path)
      model.files[name] = try file.bytes(count: file.size)
    }
    guard let text = model.files[name],
      var object = (try? boundedJSONObject(text)) as? [String: Any], try change(&object)
    else { return }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    model.files[name] = [UInt8](data) + [0x0A]
  }

  private func warnAboutMetadata(_ source: any TensorSource) {
    guard source.format == "safetensors", source.metadata.contains(where: { $0.name != "format" }) else { return }
    Console.shared.warning("a PyTorch file has no place for the metadata of \(displayName(input)); it is left out")
  }

  /// Says what became of the model. Each file was read again before it appeared; where values changed, they are compared
  /// with what they were.
  private func prove(_ model: Arranged, _ plan: ModelOutput) throws {
    let source = model.source
    let result: any TensorSource =
      plan.files.count == 1
      ? try Checkpoint.open(file: Folder.join(plan.folder, plan.files[0].name))
      : try ShardedFolder(index: Folder.join(plan.folder, plan.container.indexName))
    var (relative, maximum) = (0.0, 0.0)
    var worst: String?
    if let original = model.original {
      try Comparison(original, model.view(result), tolerance: .infinity).run { tensor in
        guard tensor.status != .equal else { return }
        maximum = max(maximum, tensor.maximumDifference ?? .infinity)
        if tensor.relativeDifference ?? .infinity > relative || worst == nil { worst = tensor.name }
        relative = max(relative, tensor.relativeDifference ?? .infinity)
      }
    }
    let overflows = (source as? ConvertedSource)?.overflowCount ?? (source as? GGUFExport)?.overflowCount ?? 0
    Console.shared.clearProgress()
    if overflows > 0 {
      let values = overflows == 1 ? "1 value was" : "\(overflows) values were"
      let type = dtype == .keep ? "the output's type" : dtype.rawValue
      Console.shared.warning("\(values) too large for \(type) and became infinite; bf16 or f32 would hold them")
    }
    if common.json {
      Console.shared.result([
        "type": "summary", "output": .string(output), "tensors": .int(result.tensors.count),
        "bytes": .int(result.tensors.reduce(0) { $0 + $1.byteCount }), "identical": .bool(relative == 0),
        "relative": .double(relative), "max_abs": .double(maximum), "worst": JSONValue(worst),
        "overflows": .int(overflows),
      ])
    } else {
      let change = model.change ?? (dtype == .keep ? nil : "rounded to \(dtype.rawValue)")
      let values =
        relative == 0
        ? "every value identical"
        : "\(change ?? "changed"), relative difference of the worst \(Float(relative)), largest \(Float(maximum))"
      Console.shared.result("\(result.tensors.count) tensors, \(values): \(displayName(output))")
    }
  }
}
