// convert: a checkpoint in, the same in another container or layout out, with a proof that every value is the same.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Merging
import Model

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another container or layout.",
    discussion: """
      Example: a PyTorch model as safetensors, and LLaMA from Meta's layout to Hugging Face's and back:

        belle-tools convert model/ model-safetensors/
        belle-tools convert llama/ llama-hf/ --layout hf
        belle-tools convert llama-hf/ llama-again/ --layout meta
        belle-tools convert llama-hf/ llama-parts/ --layout meta --shards 2
        belle-tools convert model/ model-bf16/ --dtype bf16

      Meta's own file of LLaMA-1 7B, the key of most encrypted releases, to the byte and held against its published \
      digests, from a conversion of it in half precision; nothing is left where the values are not the original's:

        belle-tools convert llama-7b-hf/ 7B/ --layout meta --as-original

      For llama.cpp, as it is or rounded to blocks; and back:

        belle-tools convert model/ model.gguf
        belle-tools convert model/ model-q8.gguf --gguf-type q8_0
        belle-tools convert model.gguf model-again/
        belle-tools convert ggml-model-q4_0.bin model.gguf
        belle-tools convert adapter/ adapter.gguf --base model/

      A model that GPTQ has quantized keeps its integers: symmetric 4 bits are Q4_0 and symmetric 8 bits Q8_0, the same \
      numbers bit for bit. What would lose is refused, with the reason, unless --lossy says that it may.

        belle-tools convert model-gptq-4bit/ model-q4.gguf
        belle-tools convert model-gptq-4bit/ model-again/ --dequantize --dtype f16
        belle-tools convert model-gptq-4bit/ model-v2/ --checkpoint-format gptq_v2

      Reads what `inspect` reads. The result is read again and compared: the last line says whether every value is the \
      same. An output that ends in .safetensors, .pt, .pth, .bin or .gguf is one file of that kind; any other, and one \
      that ends in a slash, is a folder, with an index where there are several files. Configuration and tokenizer files of \
      a folder are copied along.
      """)

  /// Layouts that can be written.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case keep, hf, meta

    var choice: ConversionTarget.Layout {
      switch self {
      case .keep: .keep
      case .hf: .huggingFace
      case .meta: .meta
      }
    }
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
  }

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "model"), completion: .file())
  var input: String

  @Argument(
    help: ArgumentHelp("A .safetensors, .pt, .pth, .bin or .gguf file, or a folder.", valueName: "output"),
    completion: .file())
  var output: String

  @Option(
    name: .both(.format),
    help: "The container: safetensors, PyTorch's or GGUF; auto, or without it: by the output's name and the layout.")
  var format: Format?

  @Option(help: ArgumentHelp("The former name of --format.", visibility: .hidden))
  var to: Format?

  @Option(name: .both(.layout), help: "The names and row order: keep those of the model, or Hugging Face's, or Meta's.")
  var layout = Layout.keep

  @Option(
    help: ArgumentHelp(
      "The files of Meta's layout: one for each of so many processors, as Meta's programs divide a model.",
      valueName: "count"))
  var shards = 1

  @Flag(help: "Write the file that Meta published, to the byte, and hold it against the published digests.")
  var asOriginal = false

  @Option(
    name: .both(.dtype), help: "The type of the floating-point values: keep, or round to nearest in f32, f16 or bf16.")
  var dtype = Precision.keep

  @Option(
    help: ArgumentHelp(
      "The base of an adapter that becomes GGUF: a model, or its config.json; without it the one that the adapter names, "
        + "where that is a folder here.", valueName: "model"), completion: .file())
  var base: String?

  @OptionGroup(title: "Quantized models and GGUF") var quantized: QuantizedOptions

  @Option(
    help: ArgumentHelp(
      "The largest file of a folder: a number with kB, MB or GB. Without it the model's own files are kept apart, and "
        + "those beyond 5 GB are divided.", valueName: "size"))
  var maxShardSize: ByteSize?

  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if maxShardSize != nil, Container(outputName: output) != nil || target.wantsOneFile {
      throw ValidationError(
        "--max-shard-size divides the files of a folder, and this output is one file: leave it out.")
    }
    guard format == nil || to == nil else {
      throw ValidationError("--to is another name of --format: give one of them.")
    }
    guard !quantized.dequantize || quantized.checkpointFormat == nil else {
      throw ValidationError("--dequantize and --checkpoint-format exclude each other.")
    }
    guard shards > 0 else { throw ValidationError("--shards must be 1 or more.") }
    do { try target.check() } catch { throw ValidationError(explanation(error)) }
  }

  /// What the options ask for.
  private var target: ConversionTarget {
    var target = ConversionTarget(output)
    target.container = (format ?? to)?.container
    target.layout = layout.choice
    target.shards = shards
    target.asOriginal = asOriginal
    target.dtype = dtype.type
    target.shardSize = maxShardSize?.bytes
    target.tokenizer = tokenizer.path
    quantized.add(to: &target)
    return target
  }

  func run() throws {
    do {
      let model = try facts.open(input, unknown, tokenizer: tokenizer.path)
      var target = target
      if target.isGGUF, model.isForeignAdapter { return try convert(adapter: model, to: target) }
      guard base == nil else { throw ConversionMisfit.baseOfModel }
      if target.isGGUF { target.chatTemplate = try quantized.chatTemplate.choice(for: model, common) }
      let conversion = try Conversion(model, to: target) { show($0) }
      if dry.dryRun { return try show(conversion) }
      let original = conversion.metaOriginal.map { OriginalCheck($0, of: input) }
      var identity: String?
      let total = conversion.byteCount * (original?.isPossible == true ? 2 : 1)
      let proof = try common.showingProgress(total: total) { progress in
        // Whatever was opened until now: the model, its configuration, its tokenizer.
        try conversion.run(replacing: force.isGiven, inputs: .opened, progress: progress) { folder in
          let name = Container(outputName: output) == nil ? KnownOriginal.keyFileName : Folder.name(of: output)
          identity = try original?.identify(Folder.join(folder, name), progress)
        }
      }
      show(proof, original, identity)
    } catch let misfit as ConversionMisfit {
      throw ValidationError(explanation(misfit))
    }
  }

  /// Writes an adapter of peft's as llama.cpp reads it.
  private func convert(adapter model: Model, to target: ConversionTarget) throws {
    guard !target.asksForModel else { throw ConversionMisfit.modelsOnly }
    let export = try AdapterExport(input, base: base, dtype: target.weights)
    for text in export.notes { common.note("\(displayName(input)): \(text)") }
    let change = target.weights.map { "rounded to \($0.rawValue.lowercased())" }
    let conversion = try Conversion(
      model, describedBy: export.source, rounding: export.original, change: change, to: target
    ) { show($0) }
    if dry.dryRun { return try show(conversion) }
    let proof = try common.showingProgress(total: conversion.byteCount) {
      try conversion.run(replacing: force.isGiven, inputs: .opened, progress: $0)
    }
    show(proof, nil, nil)
  }

  /// Says what would be written.
  private func show(_ conversion: Conversion) throws {
    Console.shared.show(
      try conversion.planned(replacing: force.isGiven, inputs: .opened), output: output, common)
  }

  private func show(_ remark: ConversionRemark) {
    switch remark {
    case .note(let text): Console.shared.note(text)
    case .warning(let text): Console.shared.warning(text)
    case .noChatTemplate: common.note("\(displayName(input)): \(ChatTemplateArgument.missing)")
    case .replaces(let paths): common.note("--force replaces \(paths.map(displayName).joined(separator: ", "))")
    }
  }

  /// Says what became of the model.
  ///
  /// - Parameters:
  ///   - original: where the output was to be Meta's own file.
  ///   - identity: whose file it is by its digests.
  private func show(_ proof: ConversionProof, _ original: OriginalCheck?, _ identity: String?) {
    let overflows = proof.overflows
    if overflows > 0 {
      let values = overflows == 1 ? "1 value was" : "\(overflows) values were"
      let type = dtype == .keep ? "the output's type" : dtype.rawValue
      Console.shared.warning("\(values) too large for \(type) and became infinite; bf16 or f32 would hold them")
    }
    Console.shared.warn(ofRemoved: proof.removed)
    if common.json {
      var summary: [String: JSONValue] = [
        "type": "summary", "output": .string(output), "tensors": .int(proof.tensors), "bytes": .int(proof.bytes),
        "omitted": .int(proof.omitted), "part": JSONValue(proof.part),
        "identical": .bool(proof.isIdentical), "relative": .double(proof.relative),
        "max_abs": .double(proof.maximum), "worst": JSONValue(proof.worst), "overflows": .int(overflows),
        "replaced": JSONValue(proof.replaced), "removed": JSONValue(proof.removed),
      ]
      if original != nil { summary["original"] = JSONValue(identity) }
      Console.shared.result(.object(summary))
    } else {
      let values =
        proof.isIdentical
        ? "every value identical"
        : "\(proof.change ?? "changed"), relative difference of the worst \(Float(proof.relative)), largest "
          + "\(Float(proof.maximum))"
      let part = proof.part.map { " of \($0)" } ?? ""
      let omitted = proof.omitted > 0 ? ", \(proof.omitted) left out" : ""
      Console.shared.result("\(proof.tensors) tensors\(part)\(omitted), \(values): \(displayName(output))")
      if let original { Console.shared.result(original.words(identity)) }
    }
  }

  /// What does not fit, in the terms of the options.
  private func explanation(_ misfit: ConversionMisfit) -> String {
    switch misfit {
    case .otherName(let named, let wanted):
      "--format \(wanted.rawValue) does not fit the name \(displayName(output)), which is that of a \(named.title) "
        + "file: give another name, or leave --format out."
    case .valuesOfGGUF: "--dtype and --layout are not for GGUF: --gguf-type says what the values become."
    case .blocksOutsideGGUF: "--gguf-type and --embedding-type are for outputs in GGUF."
    case .templateOutsideGGUF: "--chat-template is for outputs in GGUF."
    case .packingInGGUF: "--checkpoint-format is for outputs with packed integers, and GGUF has none."
    case .dequantizedPlain: "--dequantize is for quantized models, and this is not one."
    case .packingOfPlain: "--checkpoint-format is for models that GPTQ has quantized."
    case .metaOfGGUF: "a GGUF file becomes Hugging Face's layout first: convert it without --layout meta."
    case .metaOfPacked:
      "Meta's layout has no place for quantized weights: convert with --dequantize alone, and its output with --layout meta."
    case .typeOfPacked: "--dtype is for floating-point values: with --dequantize the packed ones become such."
    case .packingOfFile: "--checkpoint-format needs a folder as output: the configuration says which it is."
    case .modelsOnly:
      "--embedding-type, --chat-template, --dequantize and --lossy are for models, and this is an adapter: leave them out."
    case .baseOfModel: "--base is for an adapter that becomes a GGUF file: leave it out."
    case .shardsOutsideMeta: "--shards divides what --layout meta writes as PyTorch files: give that layout, too."
    case .shardsInOneFile: "--shards writes several files: give a folder as output."
    case .originalOutsideMeta: "--as-original is for --layout meta, and PyTorch's container: Meta published no other."
    case .changedOriginal: "--as-original writes Meta's one file with its own values: leave --dtype and --shards out."
    case .tokenizerOfFolder:
      "--tokenizer is for outputs in GGUF that are no copies, and for ggml's files of 2023: put the tokenizer's files into the folder."
    case .belleOfBlocks:
      "--checkpoint-format belle is for packed integers: write --checkpoint-format gptq first, and convert that."
    case .belleOutsideTorch: "BELLE's form is a .pt file: give a folder, or a name that ends in .pt."
    }
  }
}

extension Container {
  /// What people call it.
  fileprivate var title: String {
    switch self {
    case .safetensors: "safetensors"
    case .torch: "PyTorch"
    case .gguf: "GGUF"
    }
  }
}
