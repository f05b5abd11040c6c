// convert: a checkpoint in, the same in another container or layout out, with a proof that every value is the same.

import ArgumentParser
import ByteIO
import Checkpoint
import Foundation
import Model
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
      same. An output that ends in .safetensors, .pt, .pth, .bin or .gguf is one file of that kind; any other, and \
      one that ends in a slash, is a folder, with an index where there are several files. Configuration and tokenizer files of a folder are copied along.
      """)

  /// Layouts that can be written.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case keep, hf, meta
  }

  /// Containers that can be written.
  enum Format: String, ExpressibleByArgument, CaseIterable {
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

  @Option(
    help: "The container: safetensors, PyTorch's or GGUF; auto, or without it: by the output's name and the layout.")
  var format: Format?

  /// The former name of --format.
  @Option(help: .hidden)
  var to: Format?

  @Option(help: "The names and row order: keep those of the model, or Hugging Face's, or Meta's.")
  var layout = Layout.keep

  @Option(help: "The type of the floating-point values: keep, or round to nearest in f32, f16 or bf16.")
  var dtype = Precision.keep

  @OptionGroup(title: "Quantized models and GGUF") var quantized: QuantizedOptions

  @Option(
    help: ArgumentHelp(
      "The largest file of a folder: a number with kB, MB or GB. Without it the model's own files are kept apart, and "
        + "those beyond 5 GB are divided.", valueName: "size"))
  var maxShardSize: ByteSize?

  @OptionGroup var force: ForceOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard format == nil || to == nil else {
      throw ValidationError("--to is another name of --format: give one of them.")
    }
    if isGGUF, dtype != .keep || layout != .keep {
      throw ValidationError("--dtype and --layout are not for GGUF: --gguf-type says what the values become.")
    }
    if !isGGUF, quantized.ggufType != nil || quantized.embeddingType != nil {
      throw ValidationError("--gguf-type and --embedding-type are for outputs in GGUF.")
    }
  }

  /// The container that was asked for; nil where the output's name and the layout say it.
  var container: Container? { (format ?? to)?.container }

  /// Whether a GGUF file is to be written.
  var isGGUF: Bool { (container ?? Container(fileName: output)) == .gguf }

  /// The folder of the model, where its configuration and its tokenizer lie.
  var inputFolder: String { Folder.home(of: input) }

  func run() throws {
    let opened = try Model.open(input)
    try noteAdapter(in: opened)
    var model = try arranged(opened)
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
      source, to: output, container: container ?? model.container, shardSize: maxShardSize?.bytes,
      fileName: model.fileName ?? (model.container == .torch && container != .safetensors ? "consolidated.00.pth" : nil)
    )
    if plan.container == .torch { warnAboutMetadata(source) }
    let omitted = model.isMeta ? ["config.json"] : model.replaced.union(model.files.keys)
    let takesFiles = plan.isFolder && plan.container != .gguf
    let companionFolder = model.companionFolder ?? input
    let companions = takesFiles ? plan.companions(in: companionFolder, omitting: omitted) : []
    let others = takesFiles ? model.files.keys.sorted() + companions : []
    // Whatever was opened until now, and what belongs to the model or will be copied.
    var inputs = InputRecord.opened
    inputs.add(ModelOutput.companions(in: input))
    inputs.add(InputRecord(companions.map { Folder.join(companionFolder, $0) }))
    let replaced = try plan.check(source, others: others, inputs: inputs, replacing: force.isGiven)
    if !replaced.isEmpty {
      common.note("--force replaces \(replaced.map(displayName).joined(separator: ", "))")
    }

    // transformers wants to be told that the values are PyTorch's; what a safetensors file says of itself is kept.
    var metadata = ["format": "pt"]
    if source.format == "safetensors" { metadata.merge(source.metadata.map { ($0.name, $0.value) }) { $1 } }
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    let progress = Console.shared.showProgress(total: total, isBytes: true, isShown: !common.quiet)
    defer { Console.shared.clearProgress() }
    try Folder.create(plan.folder)
    TemporaryFiles.removeAbandoned(in: plan.folder)
    // All files are finished and proven before the first has its name.
    let staging = try StagingFolder(in: plan.folder)
    let staged = plan.staged(in: staging.path)
    try staging.standing(for: output) {
      try staged.write(source, metadata: metadata, replacing: true, isChecked: true, progress: progress)
      if takesFiles {
        for (name, bytes) in model.files { try staged.write(bytes, as: name, replacing: true) }
        try staged.copyCompanions(companions, from: companionFolder, replacing: true)
      }
    }
    let proof = try prove(model, staged)
    try inputs.checkUnchanged(toleratesRemoval: true)
    let names = plan.names(others: others)
    try inputs.refuse(names.map { Folder.join(plan.folder, $0) })
    try staging.move(names, to: plan.folder, replacing: force.isGiven)
    show(proof, of: model, replaced: replaced)
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
    /// How the result, and the folder that it lies in, is looked at when it is held against the original.
    var view: (any TensorSource, String) throws -> any TensorSource = { source, _ in source }
  }

  private func arranged(_ opened: Model) throws -> Arranged {
    if isGGUF { return try arrangedAsGGUF(opened) }
    if case .gguf(let file) = opened.layout { return try arrangedFromGGUF(file) }
    if opened.form == .packed { return try arrangedPacked(opened.tensors) }
    try quantized.refuseForPlain()
    switch (layout, opened.layout) {
    case (.hf, .meta(let meta)):
      let model = try MetaModel(meta)
      if let note = try model.checkFrequencies() { Console.shared.note("\(displayName(input)): \(note)") }
      return Arranged(source: model.source, files: ["config.json": try model.configurationText()])
    case (.hf, _):
      if opened.otherCount > 0 {
        Console.shared.note("\(opened.otherCount) tensors that are not the model's, but a trainer's, are left out")
      }
      return Arranged(source: try HuggingFaceNames.completed(opened.tensors))
    case (.keep, .meta(let meta)), (.meta, .meta(let meta)):
      let file = try InputFile(Folder.join(opened.folder, "params.json"))
      let parameters = try file.bytes(count: file.size)
      let container: Container? = layout == .meta || self.container == .torch ? .torch : nil
      return Arranged(source: meta, container: container, files: ["params.json": parameters], isMeta: true)
    case (.meta, _):
      guard HuggingFaceNames.mayBeMeta(opened.tensors) else {
        throw CheckpointError(
          .badTensor, file: input, reason: "this is no LLaMA model, and Meta's layout is LLaMA's only",
          remedy: "leave --layout out")
      }
      let (configuration, _) = try opened.configuration()
      let model = try MetaExport(opened.tensors, configuration, file: input)
      if let note = try configuration.checkFrequencies(
        opened.tensors, file: Folder.join(opened.folder, "config.json"))
      {
        Console.shared.note("\(displayName(input)): \(note)")
      }
      return Arranged(
        source: model.source, container: .torch, files: ["params.json": model.parameters], isMeta: true)
    case (.keep, _):
      // What only wraps the names is of use to nobody; but what lies beside the model is kept, too.
      return Arranged(source: opened.otherCount == 0 ? opened.tensors : opened.stored)
    }
  }

  /// Refuses an adapter in place of a model, or unmerged in it; but an adapter alone may go into another container, as it
  /// is, where one file is asked for.
  private func noteAdapter(in opened: Model) throws {
    guard let adapter = opened.adapter else { return }
    let isFile = Container(fileName: output) != nil
    let isFromGGUF = if case .gguf = opened.layout { true } else { false }
    if adapter.kind == .alone, isFile, layout == .keep, isGGUF == isFromGGUF, !quantized.isAsked {
      return Console.shared.note("\(displayName(input)): \(adapter.reason); its tensors are copied as they are")
    }
    if adapter.kind == .alone, !isFile, !isFromGGUF {
      throw CheckpointError(
        .adapter, file: adapter.file, reason: adapter.reason,
        remedy: adapter.remedy
          + "; to change its container only, give a file as output, such as adapter_model.safetensors")
    }
    Console.shared.note("\(displayName(input)): \(try adapter.refuse())")
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

  /// What became of the values.
  private struct Proof {
    let tensors: Int
    let bytes: Int
    var relative = 0.0
    var maximum = 0.0
    var worst: String?
  }

  /// Reads the finished files once more as a model. Each was read again before; where values changed, they are compared
  /// with what they were.
  private func prove(_ model: Arranged, _ plan: ModelOutput) throws -> Proof {
    let result: any TensorSource =
      plan.files.count == 1
      ? try Checkpoint.open(file: Folder.join(plan.folder, plan.files[0].name))
      : try ShardedFolder(index: Folder.join(plan.folder, plan.container.indexName))
    var proof = Proof(
      tensors: result.tensors.count, bytes: result.tensors.reduce(0) { $0 + $1.byteCount })
    guard let original = model.original else { return proof }
    try Comparison(original, model.view(result, plan.folder), tolerance: .infinity).run { tensor in
      guard tensor.status != .equal else { return }
      proof.maximum = max(proof.maximum, tensor.maximumDifference ?? .infinity)
      if tensor.relativeDifference ?? .infinity > proof.relative || proof.worst == nil { proof.worst = tensor.name }
      proof.relative = max(proof.relative, tensor.relativeDifference ?? .infinity)
    }
    return proof
  }

  /// Says what became of the model.
  private func show(_ proof: Proof, of model: Arranged, replaced: [String]) {
    let source = model.source
    let (relative, maximum) = (proof.relative, proof.maximum)
    let overflows = (source as? ConvertedSource)?.overflowCount ?? (source as? GGUFExport)?.overflowCount ?? 0
    Console.shared.clearProgress()
    if overflows > 0 {
      let values = overflows == 1 ? "1 value was" : "\(overflows) values were"
      let type = dtype == .keep ? "the output's type" : dtype.rawValue
      Console.shared.warning("\(values) too large for \(type) and became infinite; bf16 or f32 would hold them")
    }
    if common.json {
      Console.shared.result([
        "type": "summary", "output": .string(output), "tensors": .int(proof.tensors), "bytes": .int(proof.bytes),
        "identical": .bool(relative == 0), "relative": .double(relative), "max_abs": .double(maximum),
        "worst": JSONValue(proof.worst),
        "overflows": .int(overflows), "replaced": JSONValue(replaced),
      ])
    } else {
      let change = model.change ?? (dtype == .keep ? nil : "rounded to \(dtype.rawValue)")
      let values =
        relative == 0
        ? "every value identical"
        : "\(change ?? "changed"), relative difference of the worst \(Float(relative)), largest \(Float(maximum))"
      Console.shared.result("\(proof.tensors) tensors, \(values): \(displayName(output))")
    }
  }
}
