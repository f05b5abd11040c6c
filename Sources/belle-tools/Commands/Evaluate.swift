// evaluate: how well models predict a text or answer questions, and how near they are to another model.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Model
import Quantize
import Ranks
import Tokenizer
import Transformer

struct Evaluate: ParsableCommand, WorksOnRanks {
  static let configuration = CommandConfiguration(
    abstract: "Perplexity of models on a text or accuracy on questions, and their distance from a reference.",
    discussion: """
      Example: quantized models against the one that they were made from, in one table:

        belle-tools evaluate model-4bit/ model-q4.gguf --text wiki.txt --reference model/
        belle-tools evaluate model-4bit/ --text wiki.txt --reference model/ --report evaluation.html

      Models are \(ModelFamily.titles), in Hugging Face's or Meta's layout, in any container \
      that `inspect` reads, packed by GPTQ, or in GGUF. The text is encoded as a whole and cut into windows of --sequence-length \
      tokens; each token of a window but the first is predicted from those before it. With --stride windows overlap, and \
      each predicts what the ones before it did not. --max-tokens takes as many whole windows as it allows, or a shorter one \
      where it allows none. JSON, JSON Lines and token files (safetensors or npy, an integer tensor [rows, length], \
      FILE:NAME where there are several) are read too; a row of a token file is a window.

      With --reference: the mean Kullback-Leibler divergence of the model's predictions from the reference's, in nats, and \
      how often both find the same token likeliest. Divergence tells more than perplexity, which can fall by luck; \
      --kl-windows shows where it is largest. What follows ± is a standard error.

      With --choices: how often the likeliest choice of a question is the right one, by log-likelihood and by \
      log-likelihood a character, as lm-evaluation-harness counts acc and acc_norm.

        belle-tools evaluate model/ --choices ceval/val --dev ceval/dev
      """)

  @Argument(
    help: ArgumentHelp("Folders, GGUF files, or files with their config.json beside them.", valueName: "model"),
    completion: .file())
  var models: [String]

  @Option(
    help: ArgumentHelp(
      "A text, JSON, JSON Lines or token file; without it a short text of English, Chinese and code that comes with the "
        + "program, and is not among what it calibrates with.", valueName: "file"), completion: .file())
  var text: String?

  @OptionGroup(title: "Questions") var choices: ChoiceOptions

  @Option(
    name: .both(.reference),
    help: ArgumentHelp("The model to hold the others against.", valueName: "model"), completion: .file())
  var reference: String?

  @Option(
    help: ArgumentHelp(
      "Tokens in a window; 2048, or what the models can take; of a token file its rows' length.", valueName: "n"))
  var sequenceLength: Int?

  @Option(
    help: ArgumentHelp(
      "Begin a window so many tokens after the one before; without it where that one ends.", valueName: "n"))
  var stride: Int?

  @Option(help: ArgumentHelp("Predict at most so many tokens, in the first windows.", valueName: "n"))
  var maxTokens: Int?

  @Option(
    name: .customLong("kl-windows"),
    help: ArgumentHelp("Show so many windows with the largest divergence, and their text.", valueName: "n"))
  var worstWindows: Int?

  @Option(
    help: """
      The form of conversations in the text: the model's own chat template (auto; BELLE's first form where it has none), \
      BELLE's (belle, belle2, none), that of a file, or another one of the model's by its name.
      """)
  var chatTemplate = ChatTemplateArgument.auto

  @OptionGroup var report: ReportOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard text == nil || choices.choices.isEmpty else {
      throw ValidationError("--text and --choices are two kinds of evaluation: give one of them.")
    }
    guard predictsText || sequenceLength == nil && stride == nil && maxTokens == nil && !chatTemplate.isAsked else {
      throw ValidationError("--sequence-length, --stride, --max-tokens and --chat-template go with a text.")
    }
    guard (2...1 << 20).contains(sequenceLength ?? 2) else {
      throw ValidationError("--sequence-length must be between 2 and \(1 << 20).")
    }
    guard (1...(sequenceLength ?? 1 << 20)).contains(stride ?? 1) else {
      throw ValidationError("--stride must be at least 1, and at most --sequence-length.")
    }
    guard maxTokens ?? 1 >= 1 else { throw ValidationError("--max-tokens must be at least 1.") }
    guard report.path == nil || predictsText && models.count == 1 else {
      throw ValidationError("--report is of one model and a text: give one model, and no --choices.")
    }
    guard worstWindows == nil || predictsText && reference != nil else {
      throw ValidationError("--kl-windows goes with a text and --reference.")
    }
    guard (1...1 << 20).contains(worstWindows ?? 1) else {
      throw ValidationError("--kl-windows must be between 1 and \(1 << 20).")
    }
  }

  /// Whether models predict a text, and answer no questions.
  private var predictsText: Bool { choices.choices.isEmpty }

  /// A model that is evaluated.
  struct Candidate {
    let path: String
    let files: Model
    let model: TransformerModel
    /// Its tokenizer, opened when it is asked for.
    let tokenizer: Opened<any Tokenizer>
  }

  /// Something that is opened once, when it is asked for.
  final class Opened<Value> {
    private let open: () throws -> Value
    private var found: Value?

    init(_ open: @escaping () throws -> Value) { self.open = open }

    func value() throws -> Value {
      if let found { return found }
      let value = try open()
      found = value
      return value
    }
  }

  func run() throws {
    let ranks = try joinRanks()
    try report.check(replacing: force.isGiven)
    let candidates = try models.enumerated().map { number, path in try open(path, isOther: number > 0) }
    let other = try reference.map { try open($0, isOther: true) }
    for one in candidates + [other].compactMap(\.self) { Console.shared.notes(on: one.model) }
    if predictsText {
      try evaluate(text, candidates, other, ranks)
    } else {
      try answer(candidates, other, ranks)
    }
  }

  /// Lets the work begin on all ranks, where they see the same.
  ///
  /// - Parameter data: what is evaluated on, by its digest or in words.
  func begin(_ ranks: any Ranks, _ models: [Candidate], data: String) throws {
    try Session.begin(ranks)
    let tensors = models.flatMap { candidate in
      candidate.model.source.tensors.map { "\($0.name) \($0.dtype.rawValue) \($0.shape)" }
    }
    try ranks.agree(
      on: [
        "text or questions": data,
        "model": try DigestStream.digest(.sha256, of: Array(tensors.joined(separator: "\n").utf8)).hex,
      ], remedy: "all ranks must see the same models and data: put them on a shared disk")
  }

  /// Says what would be done, where all of it was found fit to begin.
  ///
  /// - Parameters:
  ///   - tokens: the tokens that all models would read, together.
  ///   - models: how many models would, the reference among them.
  ///   - more: fields of the summary besides.
  func plan(tokens: Int, models: Int, _ more: [String: JSONValue]) {
    let page = report.path.map { [OutputPlan.File($0, bytes: nil)] } ?? []
    let plan = OutputPlan(
      page, in: report.path.map(Folder.parent) ?? ".",
      replaced: page.map(\.path).filter { Folder.kind(of: $0) != nil })
    let who = models == 1 ? "the model would read" : "\(models) models would read"
    Console.shared.show(
      plan, output: report.path, common, what: "\(who) \(tokens) tokens in all",
      more: ["models": .int(models), "tokens": .int(tokens)].merging(more) { $1 })
  }

  private func open(_ path: String, isOther: Bool) throws -> Candidate {
    let files = try facts.open(path, unknown, tokenizer: tokenizer.path, isOther: isOther)
    return Candidate(
      path: path, files: files, model: try TransformerModel(files),
      tokenizer: Opened { try tokenizer.open(for: files) })
  }

  /// A figure with its standard error.
  func figure(_ value: Double, _ error: Double?, _ digits: Int) -> String {
    fixed(value, digits) + (error.map { " ± " + fixed($0, digits) } ?? "")
  }

  /// A share in percent with its standard error.
  func share(_ moments: Moments) -> String {
    figure(100 * moments.mean, moments.error.map { 100 * $0 }, 2) + " %"
  }

  /// Shows rows, the first of which is the head: names to the left, figures to the right.
  func show(table rows: [[String]]) {
    let table = TextTable(isRight: rows[0].indices.map { $0 > 0 }, rows)
    for row in rows { Console.shared.result(table.line(row)) }
  }
}
