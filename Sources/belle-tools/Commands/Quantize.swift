// quantize: a model in, the same with 2, 3, 4 or 8 bits a weight out.

import ArgumentParser
import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Quantize
import Ranks
import Tokenizer
import Transformer

struct QuantizeCommand: ParsableCommand, WorksOnRanks {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Quantize a model with GPTQ, on the CPU, in bounded memory.",
    discussion: """
      Example: the model in this folder, with 4 bits a weight, to ../<model>-gptq-4bit-128g:

        belle-tools quantize --bits 4

      and with texts like those that it will see, interrupted or not, to a folder of one's own choice:

        belle-tools quantize model/ model-4bit/ --bits 4 --calibration texts.jsonl

      Models are \(ModelFamily.titles), in Hugging Face's or Meta's layout, in any container \
      that `inspect` reads. The output is a GPTQ folder as transformers, GPTQModel and vLLM load it; with --format belle the \
      .pt of BELLE's scripts; with --format gguf a file for llama.cpp, whose blocks GPTQ works on directly. Before the work begins \
      everything that can fail is checked, and the time is predicted. Work that was interrupted goes on where it was when \
      the same command is given again. The same model, data and options give the same bytes, on any number of threads.

      Recipes: `best` gives a better model than others at the same bits and format; `guided` a better one still, by gradients \
      of the model's own predictions, in two to three times the time and with disk for them; `fast` takes about half of `best`'s \
      time; `reference` is GPTQ as it was published. --act-order, --static-groups, --mse and --damping change single steps of them.
      """)

  @Argument(
    help: ArgumentHelp(
      "A folder, or a file with its config.json beside it; without it the current folder.", valueName: "model"),
    completion: .file())
  var input: String?

  @Argument(
    help: ArgumentHelp(
      "The folder to write, or with --format gguf or belle a .gguf or .pt file; without it a "
        + "new one in the current folder, named after the model, the bits and the group.", valueName: "output"),
    completion: .file()
  )
  var output: String?

  @Option(name: .both(.bits), help: ArgumentHelp("Bits a weight: 2, 3, 4 or 8.", valueName: "n"))
  var bits = 4

  @Option(
    name: .both(.groupSize), parsing: .unconditional,
    help: ArgumentHelp("Weights that share a scale; -1 for a whole row.", valueName: "n"))
  var groupSize = 128

  @OptionGroup var demand: SizeOptions

  @Flag(help: "Zero points in the middle, or wherever they fit best.")
  var symmetry = Symmetry.symmetric

  @Option(help: "How integers are found: with error feedback, or each weight to its nearest value.")
  var method = QuantizationOptions.Method.gptq

  @Option(help: "The steps of the solver.")
  var recipe = RecipeName.best

  @Flag(help: "Columns by descending activation; groups in that order too, unless --static-groups is given.")
  var actOrder = false

  @Flag(help: "Grids fixed before the first column, on groups of neighbouring columns.")
  var staticGroups = false

  @Flag(help: "Grids by a search for the least error, as in the reference.")
  var mse = false

  @Flag(help: "With --recipe reference: later modules of a layer see the earlier ones quantized, as in other recipes.")
  var trueSequential = false

  @Option(help: .hidden)
  var alpha: Float?

  @Option(help: .hidden)
  var beta: Float?

  @Option(help: .hidden)
  var sweeps: Int?

  @Option(help: .hidden, transform: Self.guidance)
  var guidance: Guidance?

  @Option(help: ArgumentHelp("What is added to the Hessian's diagonal, as a fraction of its mean.", valueName: "x"))
  var damping = 0.01

  @Option(
    name: .both(.format),
    help: """
      What to write: a GPTQ folder, the .pt that BELLE's scripts load, or GGUF; without it by the output's name and \
      --gguf-type, else gptq.
      """)
  var givenFormat: Format?

  @Option(
    name: .both(.calibration),
    help: ArgumentHelp(
      "A text, JSON, JSON Lines or token file to calibrate with; may be given several times. Without it: a corpus of "
        + "Chinese and English that comes with the program.", valueName: "file"), completion: .file())
  var calibration: [String] = []

  @Option(help: ArgumentHelp("Samples to draw; 128, or as many as the texts fill.", valueName: "n"))
  var samples: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens in a sample; 2048, or what the model can take; of a token file its rows' length.", valueName: "n"))
  var sequenceLength: Int?

  @Option(name: .both(.seed), help: ArgumentHelp("Another seed draws other samples.", valueName: "n"))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "Quantize only modules whose names fit: '*.mlp.*'. May be given several times.", valueName: "pattern"))
  var only: [String] = []

  @Option(
    help: ArgumentHelp("Leave modules whose names fit as they are. May be given several times.", valueName: "pattern"))
  var skip: [String] = []

  @Flag(help: "Quantize the head too.")
  var quantizeHead = false

  @OptionGroup var blocks: BlockOptions
  @OptionGroup var importance: ImportanceOptions

  @Option(
    help: """
      The chat template, of a GGUF file and for conversations in --calibration: the model's own (auto; of a model that a \
      digest says is BELLE's, else BELLE's), BELLE's first or second form, none, that of a file, or another one of the \
      model's by its name.
      """)
  var chatTemplate = ChatTemplateArgument.auto

  @Option(
    help:
      "Passes and sums in bfloat16 by oneDNN (bf16), in single precision (f32), or in bfloat16 where oneDNN is installed and the processor has AVX512-BF16 (auto; the recipe reference: f32); the solver keeps single precision."
  )
  var compute = ArithmeticArgument.auto

  @Option(
    help: ArgumentHelp(
      "Memory that may be used, with kB, MB or GB: hidden states go to disk beyond it. By default three quarters of the "
        + "machine's.", valueName: "size"))
  var maxMemory: ByteSize?

  @Flag(inversion: .prefixedNo, help: "Go on with interrupted work, or throw it away.")
  var resume = true

  @Flag(
    name: .customLong("no-fallback"),
    help:
      "Refuse groups and blocks that do not divide a module's inputs, where otherwise the nearest that do are taken.")
  var refusesFallback = false

  @Flag(help: "End with status 0 even where a module could only be rounded to nearest.")
  var allowFallback = false

  @Option(help: ArgumentHelp("The largest file of the output: a number with kB, MB or GB; 5GB.", valueName: "size"))
  var maxShardSize: ByteSize?

  @Option(
    help: ArgumentHelp(
      "Also write a model card: Markdown with source, licence, options, errors and how to load it. Folders get one as "
        + "README.md in any case, unless there is one that this program did not write.", valueName: "file.md"),
    completion: .file(extensions: ["md"]))
  var card: String?

  @OptionGroup var report: ReportOption
  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  enum Symmetry: String, EnumerableFlag {
    case symmetric, asymmetric

    static func name(for value: Symmetry) -> NameSpecification {
      value == .symmetric
        ? [.customLong("symmetric"), .customLong("sym")] : [.customLong("asymmetric"), .customLong("asym")]
    }
  }

  enum Format: String, ExpressibleByArgument, CaseIterable { case gptq, belle, gguf }

  func validate() throws {
    guard output != "" else { throw ValidationError("The output's name is empty.") }
    guard [2, 3, 4, 8].contains(bits) else { throw ValidationError("--bits must be 2, 3, 4 or 8.") }
    guard groupSize == -1 || groupSize >= 1 else { throw ValidationError("--group-size must be at least 1, or -1.") }
    guard damping >= 0, damping.isFinite else { throw ValidationError("--damping must not be negative.") }
    guard (1...1 << 24).contains(samples ?? 1) else {
      throw ValidationError("--samples must be between 1 and \(1 << 24).")
    }
    guard (2...1 << 20).contains(sequenceLength ?? 2) else {
      throw ValidationError("--sequence-length must be between 2 and \(1 << 20).")
    }
    try importance.check(method, hasCalibration: !calibration.isEmpty, isGuided: recipe == .guided || guidance != nil)
    try demand.check(
      method, hasImportance: importance.given != nil, choosesTypes: blocks.ggufType != nil || blocks.pure.isGiven,
      isBELLE: format == .belle)
    if format == .gguf {
      guard maxShardSize == nil else { throw ValidationError("--max-shard-size is not for GGUF, which is one file.") }
    } else if blocks.isAsked {
      throw ValidationError("--gguf-type and --embedding-type go with --format gguf.")
    } else if chatTemplate.isAsked, calibration.isEmpty {
      throw ValidationError("--chat-template goes with --format gguf, or with --calibration.")
    }
    guard card.map({ $0.lowercased().hasSuffix(".md") && Folder.name(of: $0).count > 3 }) ?? true else {
      throw ValidationError("--card writes Markdown: give a name that ends in .md.")
    }
    if let output, let container = namedContainer,
      format == .gptq || format == .belle && container != .torch
    {
      throw ValidationError(
        "--format \(format.rawValue) writes a folder\(format == .belle ? " or a .pt file" : ""), and \(displayName(output)) is "
          + "the name of another file: give the name of a folder"
          + (container == .gguf ? ", or --format gguf." : container == .torch ? ", or --format belle." : "."))
    }
  }

  func run() throws {
    let ranks = try joinRanks()
    try report.check(replacing: force.isGiven)
    for path in [card, importance.written].compactMap(\.self) {
      try ReportOption.check(path, replacing: force.isGiven)
    }
    let files = try open()
    let opened = try TransformerModel(files)
    Console.shared.notes(on: opened)
    var options = options
    options.threads = threads.count(of: ranks)
    options.skip += misfits(opened)
    if format != .gguf {
      let lack = try files.tokenizerFiles().lack
      Console.shared.notes([lack].compactMap(\.self) + (try files.configurationGaps()), on: files.path)
    }
    let given = try givenImportance()
    let data = method == .gptq && given == nil ? try calibrationData(opened, files) : nil
    let quantizer = try ModelQuantizer(
      opened, calibration: data, format: try quantizedFormat(opened, files), output: output ?? defaultOutput(),
      options: options, ranks: ranks)
    quantizer.importance = given
    if let given { tell(of: given, quantizer) }
    // The model, its tokenizer, the calibration data; and what was named and not opened, for this method does not need it.
    quantizer.inputs.add(.opened)
    for path in namedInputs { quantizer.inputs.add(named: path) }
    let words = data.map { dataWords($0) }
    let run = QuantizationRun(
      quantizer, model: model, common: common, card: try ModelCard(quantizer, of: files, data: words), data: words,
      extras: QuantizationRun.Extras(
        report: report, card: card, importance: importance.written, replacing: force.isGiven))
    if dry.dryRun { return try run.plan() }
    let isFallenBack = try run.run()
    if isFallenBack, !allowFallback { throw ExitCode.negative }
  }

  var model: String { input ?? "." }

  /// Every path among the arguments that is read; a part of a token file is named behind a colon.
  private var namedInputs: [String] {
    (tokenizer.path.map { [$0] } ?? [])
      + calibration.flatMap { [$0, $0.split(separator: ":").dropLast().joined(separator: ":")] }
  }

  private func open() throws -> Model {
    do { return try facts.open(model, unknown, tokenizer: tokenizer.path) } catch let error as CheckpointError
      where error.code == .unknownFormat && input == nil
    {
      throw CheckpointError(
        .unknownFormat, file: error.file, reason: error.reason,
        remedy: "without a name the model is the current folder: go to the model's, or name a folder or file, as in "
          + "`belle-tools quantize model/ --bits \(bits)`")
    }
  }

  private func quantizedFormat(_ model: TransformerModel, _ files: Model) throws -> any QuantizedFormat {
    let size = chosenGroupSize(model)
    switch format {
    case .gptq:
      return GPTQFormat(bits: bits, groupSize: size, isSymmetric: symmetry == .symmetric, storesGroupIndex: true)
    case .belle:
      return BELLEFormat(
        bits: bits, groupSize: size, isSymmetric: symmetry == .symmetric,
        writesFolder: output.flatMap(Container.init(fileName:)) != .torch)
    case .gguf:
      let gguf = try GGUFFormat(
        model, blocks: blockType, mixture: mixture, embeddings: blocks.embeddingType?.type, tokenizer: tokenizer.path,
        chatTemplate: chatTemplate.choice(for: files, common), fallsBack: !refusesFallback)
      if demand.target == nil {
        tellOfBlocks()
        tellOfOthers(gguf, modules(of: model))
      }
      Console.shared.remarks(gguf.remarks, on: files.path)
      if !gguf.hasChatTemplate, !chatTemplate.isAsked {
        common.note("\(displayName(files.path)): \(ChatTemplateArgument.missing)")
      }
      return gguf
    }
  }

  /// The modules that are to be quantized.
  func modules(of model: TransformerModel) -> [LinearModule] {
    let options = options
    let layers = (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }
    let head = options.quantizesHead ? model.headModule : nil
    return layers.filter { options.includes($0.name) } + [head].compactMap(\.self)
  }

  /// Inputs of a group: as wanted, or the most below it that divide the inputs of all modules; nil for whole rows.
  private func chosenGroupSize(_ model: TransformerModel) -> Int? {
    guard groupSize != -1 else { return nil }
    // What divides them is chosen among.
    guard demand.target == nil else { return groupSize }
    let widths = Set(modules(of: model).map(\.inFeatures))
    guard !refusesFallback, let odd = widths.filter({ $0 % groupSize != 0 }).min(),
      let size = [128, 64, 32, 16].first(where: { size in size < groupSize && widths.allSatisfy { $0 % size == 0 } })
    else { return groupSize }
    common.note("groups of \(size) in place of \(groupSize), which do not divide \(odd) inputs")
    return size
  }

  private var options: QuantizationOptions {
    var options = QuantizationOptions()
    options.method = method
    options.recipe = recipe.recipe
    options.recipeName = recipe.rawValue
    options.target = demand.target
    options.isTrueSequential = recipe != .reference || trueSequential
    changeSteps(of: &options.recipe)
    // No states run through the model where there is no text.
    if importance.given != nil { (options.recipe.inputCorrection, options.recipe.residualCorrection) = (0, 0) }
    options.keepsImportance = importance.written != nil
    (options.only, options.skip, options.quantizesHead) = (only, skip, quantizeHead)
    options.arithmetic = compute.arithmetic ?? .single
    options.choosesArithmetic = compute == .auto && recipe != .reference && method == .gptq
    options.maximumMemory = maxMemory?.bytes
    options.resumes = resume
    options.replaces = force.isGiven
    options.shardSize = maxShardSize?.bytes
    options.program = Program.version
    return options
  }

  private func calibrationData(_ model: TransformerModel, _ files: Model) throws -> Calibration {
    let configuration = model.configuration
    let length = min(2048, configuration.contextLength ?? 2048)
    var opened: (any Tokenizer)?
    let open = { () throws -> any Tokenizer in
      let tokens = try opened ?? tokenizer.open(for: files)
      opened = tokens
      return tokens
    }
    let data =
      calibration.isEmpty
      ? try Calibration.builtIn(
        tokenizer: open, vocabularySize: configuration.vocabularySize, samples: samples,
        length: sequenceLength ?? length, seed: seed)
      : try Calibration.drawn(
        from: calibration, tokenizer: open, vocabularySize: configuration.vocabularySize, samples: samples,
        length: sequenceLength, defaultLength: length, seed: seed,
        template: { try chatTemplate.dataTemplate(for: files, open(), common) })
    for note in data.notes { common.note(note) }
    let windows = data.windows
    if let limit = configuration.contextLength, windows.length > limit {
      Console.shared.warning(
        "samples of \(windows.length) tokens are longer than the \(limit) that the model was made for")
    }
    let widest = max(configuration.hiddenSize, configuration.intermediateSize)
    if windows.tokens.count < widest {
      Console.shared.warning(
        "the calibration data has \(windows.tokens.count) tokens, fewer than the \(widest) inputs of the widest modules: "
          + "more of it gives a better model")
    }
    common.note(
      "calibration: \(windows.count) samples of \(windows.length) tokens from "
        + (calibration.isEmpty ? "the built-in corpus" : calibration.map(displayName).joined(separator: ", ")))
    return data
  }
}
