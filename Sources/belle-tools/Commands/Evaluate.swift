// evaluate: how well a model predicts a text, and how near it is to another model.

import ArgumentParser
import ByteIO
import Checkpoint
import Model
import Quantize
import Reports
import Tokenizer
import Transformer

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Perplexity of a model on a text, and its distance from a reference model.",
    discussion: """
      Example: a quantized model against the one that it was made from:

        belle-tools evaluate model-4bit/ --text wiki.txt --reference model/
        belle-tools evaluate model-4bit/ --text wiki.txt --reference model/ --report evaluation.html

      Models are \(ModelFamily.titles), in Hugging Face's or Meta's layout, in any container \
      that `inspect` reads, packed by GPTQ, or in GGUF. The text is encoded as a whole and cut into windows of --sequence-length \
      tokens; each token of a window but the first is predicted from those before it. --max-tokens takes as many whole windows \
      as it allows, or a shorter one where it allows none. JSON, JSON Lines and token files \
      (safetensors or npy, an integer tensor [rows, length], FILE:NAME where there are several) are read too; a row of a \
      token file is a window.

      With --reference: the mean Kullback-Leibler divergence of the model's predictions from the reference's, in nats, and \
      how often both find the same token likeliest. Divergence tells more than perplexity, which can fall by luck.
      """)

  @Argument(
    help: ArgumentHelp("A folder, a GGUF file, or a file with its config.json beside it.", valueName: "model"),
    completion: .file())
  var model: String

  @Option(help: ArgumentHelp("A text, JSON, JSON Lines or token file.", valueName: "file"), completion: .file())
  var text: String

  @Option(help: ArgumentHelp("The model to hold it against.", valueName: "model"), completion: .file())
  var reference: String?

  @Option(
    help: ArgumentHelp(
      "Tokens in a window; 2048, or what the model can take; of a token file its rows' length.", valueName: "n"))
  var sequenceLength: Int?

  @Option(help: ArgumentHelp("Predict at most so many tokens, in the first windows.", valueName: "n"))
  var maxTokens: Int?

  @Option(
    help: """
      The form of conversations in the text: the model's own chat template (auto; BELLE's first form where it has none), \
      BELLE's (belle, belle2, none), that of a file, or another one of the model's by its name.
      """)
  var chatTemplate = ChatTemplateArgument.auto

  @OptionGroup var report: ReportOption
  @OptionGroup var force: ForceOption
  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (2...1 << 20).contains(sequenceLength ?? 2) else {
      throw ValidationError("--sequence-length must be between 2 and \(1 << 20).")
    }
    guard maxTokens ?? 1 >= 1 else { throw ValidationError("--max-tokens must be at least 1.") }
  }

  func run() throws {
    try report.check(replacing: force.isGiven)
    let files = try facts.open(model, unknown, tokenizer: tokenizer.path)
    let opened = try TransformerModel(files)
    let other = try reference.map { try TransformerModel(facts.open($0, unknown, isOther: true)) }
    for model in [opened, other].compactMap(\.self) { Console.shared.notes(on: model) }
    let evaluation = try Evaluation(opened, reference: other, threads: threads.count)
    var tokens: (any Tokenizer)?
    let open = { () throws -> any Tokenizer in
      let found = try tokens ?? tokenizer.open(for: files)
      tokens = found
      return found
    }
    let data = try Calibration.inOrder(
      text, tokenizer: open,
      vocabularySize: opened.configuration.vocabularySize, length: sequenceLength,
      defaultLength: min(2048, opened.configuration.contextLength ?? 2048), maximumTokens: maxTokens,
      template: { try chatTemplate.dataTemplate(for: files, open(), common) })
    for note in data.notes { common.note(note) }
    let windows = data.windows
    guard windows.length >= 2 else {
      throw CalibrationError(.tooShort, file: text, reason: "a window of one token predicts nothing")
    }
    describe(data, opened)

    let work = evaluation.workload(windows)
    let clock = ContinuousClock()
    let start = clock.now
    let trace =
      report.path == nil
      ? nil : EvaluationTrace(tokens: windows.count * (windows.length - 1), hasReference: other != nil)
    let result = try common.showingProgress(total: work, isBytes: false) { progress in
      try evaluation.run(windows, progress: { progress(.advanced(file: model, bytes: $0)) }, each: trace?.add)
    }
    let seconds = (clock.now - start).seconds
    guard result.perplexity.isFinite else {
      throw ModelError(
        .mismatch, file: model, reason: "its predictions are not numbers: the perplexity is \(result.perplexity)",
        remedy: "a weight may be NaN or infinite: `belle-tools inspect --stats` shows which")
    }
    show(result, data, seconds)
    guard let trace else { return }
    // Of a token file the tokens' words are wanted where there is a tokenizer, and their numbers do where there is none.
    let words = try? open()
    try report.write(pageOf(result, trace, data, words, seconds).page, replacing: force.isGiven, common)
  }

  private func describe(_ data: Calibration, _ model: TransformerModel) {
    if let limit = model.configuration.contextLength, data.windows.length > limit {
      Console.shared.warning(
        "windows of \(data.windows.length) tokens are longer than the \(limit) that the model was made for")
    }
    common.note(
      "\(data.windows.count) windows of \(data.windows.length) tokens"
        + (data.unusedTokens > 0 ? "; the last \(data.unusedTokens) tokens are not used" : ""))
  }

  private func show(_ result: EvaluationResult, _ data: Calibration, _ seconds: Double) {
    if common.json {
      let number = { (value: Double?) -> JSONValue in value.map { .double($0) } ?? .null }
      return Console.shared.result([
        "type": "summary", "model": .string(model), "reference": JSONValue(reference), "tokens": .int(result.tokens),
        "windows": .int(data.windows.count), "sequence_length": .int(data.windows.length),
        "perplexity": .double(result.perplexity), "kl_mean": number(result.meanDivergence),
        "top1_agreement": number(result.top1Agreement), "reference_perplexity": number(result.referencePerplexity),
        "data_sha256": .string(data.fingerprint), "seconds": .double(seconds),
      ])
    }
    Console.shared.result("perplexity         \(fixed(result.perplexity, 4))  (\(result.tokens) tokens predicted)")
    if let divergence = result.meanDivergence, let agreement = result.top1Agreement,
      let perplexity = result.referencePerplexity
    {
      Console.shared.result("reference          \(fixed(perplexity, 4))  (\(displayName(reference ?? "")))")
      Console.shared.result("mean KL divergence \(fixed(divergence, 7))")
      Console.shared.result("same top token     \(fixed(100 * agreement, 2)) %")
    }
    common.note(
      "\(fixed(seconds, 1)) s, \(fixed(Double(result.tokens) / max(seconds, 1e-3), 0)) tokens a second")
  }
}
