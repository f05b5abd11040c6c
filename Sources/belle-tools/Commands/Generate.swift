// generate: text from any model that can be read, quantized ones as they are.

import ArgumentParser
import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Tokenizer
import Transformer

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Text from a model, unquantized or quantized.",
    discussion: """
      Example: a question to a quantized BELLE model, and a conversation with it, a line a turn:

        belle-tools generate belle-7b-4bit/ --chat --prompt "写一首关于春天的诗"
        belle-tools generate belle-7b-4bit/ --chat --temperature 0.7 --top-p 0.9

      BELLE's evaluation set, each question with its answer, a line each:

        belle-tools generate belle-7b-4bit/ --chat --batch eval_set.json --output answers.jsonl

      Models are those of `evaluate`: \(ModelFamily.titles), in any container that `inspect` reads, in half or single \
      precision, packed by GPTQ, BELLE's .pt, GGUF. Weights stay in memory as they are stored and are multiplied so.

      Without --temperature the likeliest token is taken, and the same prompt gives the same text, on any number of \
      threads. With it tokens are drawn; the same --seed draws the same. The text ends where the model ends it, at a --stop, \
      or after --max-tokens. --chat asks in the form of the model's own chat template; of a model without one in BELLE's, \
      Human: …, an empty line, Assistant:. Without --prompt it reads a line of standard input for each turn; on a terminal \
      lines are edited, /help lists the commands, Ctrl-C stops an answer, and Ctrl-D ends the talk. --chat-template chooses \
      one of BELLE's forms, the template of a file, another one of the model's by its name, or none.
      """)

  @Argument(
    help: ArgumentHelp("A folder, or a file with its config.json beside it.", valueName: "model"), completion: .file())
  var model: String

  @OptionGroup var asked: PromptOptions

  @Flag(help: "Talk in the form of the model's chat template; without --prompt a line of standard input is a turn.")
  var chat = false

  @Option(
    help: """
      With --chat: the form: the model's own chat template (auto; BELLE's first form where it has none), BELLE's first or \
      second form, none, the template of a file, or another one of the model's by its name.
      """)
  var chatTemplate = ChatTemplateArgument.auto

  @OptionGroup var conversation: ConversationOptions

  @Option(help: ArgumentHelp("Tokens at most.", valueName: "n"))
  var maxTokens = 256

  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    for (isGiven, name) in [
      (conversation.messages != nil, "--messages"), (conversation.showPrompt, "--show-prompt"),
      (conversation.system != nil, "--system"), (conversation.isForgetful, "--no-history"),
      (chatTemplate.isAsked, "--chat-template"),
    ] where isGiven && !chat {
      throw ValidationError("\(name) goes with --chat.")
    }
    let isAsked = asked.prompt != nil || asked.promptFile != nil
    guard asked.batch == nil || !conversation.showPrompt && conversation.messages == nil else {
      throw ValidationError("--batch has conversations of its own: neither --messages nor --show-prompt goes with it.")
    }
    guard !conversation.showPrompt || isAsked || conversation.messages != nil else {
      throw ValidationError("Give a --prompt or --messages for --show-prompt.")
    }
    guard isAsked || asked.batch != nil || chat || !StandardInput.isTerminal else {
      throw ValidationError("Give a --prompt, or the text on standard input, or --chat to talk.")
    }
    guard asked.output != nil || !force.isGiven else { throw ValidationError("--force goes with --output.") }
    guard asked.batch != nil || !dry.dryRun else {
      throw ValidationError("--dry-run goes with --batch; --show-prompt shows what a single prompt becomes.")
    }
    guard maxTokens > 0 else { throw ValidationError("--max-tokens must be at least 1.") }
  }

  func run() throws {
    let batch = try asked.batch.map { path in
      let bytes = try asked.batchBytes(path)
      return (records: try PromptRecord.list(bytes, file: path), bytes: bytes)
    }
    let prompt = try asked.text() ?? (chat || batch != nil ? nil : PromptOptions.piped(named: nil))
    let files = try facts.open(model, unknown, tokenizer: tokenizer.path)
    let opened = try TransformerModel(files)
    Console.shared.notes(on: opened)
    let tokens = try tokenizer.open(for: files)
    guard tokens.ownSize <= opened.configuration.vocabularySize else {
      throw ModelError(
        .mismatch, file: model,
        reason:
          "the tokenizer has \(tokens.ownSize) tokens, and the model \(opened.configuration.vocabularySize)",
        remedy: "the tokenizer belongs to another model; name the right one with --tokenizer")
    }
    let begun = try begin(prompt, files, tokens)
    if conversation.showPrompt { return try show(begun, tokens) }
    var course = GenerationCourse(tokenizer: tokens, context: opened.configuration.contextLength, sampling.options())
    let questions = try batch.map { try BatchCourse(self, $0.records, $0.bytes, begun, tokens) }
    if let questions, dry.dryRun { return try plan(questions) }
    if questions?.isDone == true { return try finish(questions, course, nil) }
    try Engine.reserve(threads: threads.count)
    let loaded = try load(opened)
    let generator = Generator(loaded, tokens, ends: try files.endTokens(), threads: threads.count)
    if let questions {
      try answer(questions, generator, &course)
    } else if prompt != nil || conversation.messages != nil {
      try answer(begun, generator, &course)
    } else {
      try talk(begun, generator, &course)
    }
    try finish(questions, course, loaded)
  }

  /// The conversation up to the first answer; without --chat the prompt is the text.
  private func begin(_ prompt: String?, _ files: Model, _ tokens: any Tokenizer) throws -> Conversation {
    guard chat else {
      var text = Conversation(.plain)
      if let prompt { text.ask(prompt) }
      return text
    }
    let said = try conversation.read()
    var begun = Conversation(
      try chatTemplate.style(for: files, tokens, common), said.messages, said.context, prompts: said.prompts)
    if let prompt { begun.ask(prompt) }
    // What a template refuses is told before the weights are read. One needs somebody who asks.
    guard begun.messages.contains(where: { $0.role != "system" }) else { return begun }
    if let remark = try begun.remark() { common.note("\(displayName(model)): \(remark)") }
    return begun
  }

  /// Shows what the model would get.
  private func show(_ conversation: Conversation, _ tokens: any Tokenizer) throws {
    let text = try conversation.text()
    let ids = try conversation.tokens(tokens)
    guard common.json else { return Console.shared.result(text + "\n\n" + ids.map(String.init).joined(separator: " ")) }
    Console.shared.result([
      "type": "prompt", "text": .string(text), "tokens": .array(ids.map { .int(Int($0)) }),
    ])
    Console.shared.result([
      "type": "summary", "model": .string(model), "tokens": 0, "prompt_tokens": .int(ids.count), "seconds": 0,
      "prompt_seconds": 0, "tokens_per_second": 0, "weight_bytes": 0,
    ])
  }

  private func load(_ opened: TransformerModel) throws -> LoadedModel {
    let name = model
    return try common.showingProgress(total: 1000, isBytes: false) { progress in
      try LoadedModel(opened, threads: threads.count) { done, all in
        progress(.advanced(file: name, bytes: 1000 * done / all - 1000 * (done - 1) / all))
      }
    }
  }

  /// Generates one text, and shows it as it comes.
  @discardableResult
  func answer(
    _ conversation: Conversation, _ generator: Generator, _ course: inout GenerationCourse,
    isInterrupted: () -> Bool = { false }
  ) throws -> Generator.Result {
    let ids = try conversation.tokens(course.tokenizer)
    // A model writes a space after the colon: not on the screen.
    var isFirst = chat
    if let context = course.context, ids.count > context {
      Console.shared.warning("the prompt has \(ids.count) tokens, and the model was made for texts of \(context)")
    }
    let result = try generator.generate(
      ids, limit: maxTokens, sampler: &course.sampler, stops: conversation.stops + asked.stop,
      isInterrupted: isInterrupted
    ) { part in
      guard !common.json else { return }
      guard Console.shared.text(isFirst && part.hasPrefix(" ") ? String(part.dropFirst()) : part) else {
        throw ExitCode.success
      }
      isFirst = false
    }
    course.add(result)
    if common.json {
      Console.shared.result([
        "type": "text", "text": .string(result.text), "tokens": .array(result.tokens.map { .int(Int($0)) }),
        "end": .string(result.end.rawValue), "prompt_tokens": .int(result.promptTokens),
      ])
    } else {
      Console.shared.text("\n")
    }
    return result
  }

  /// Says what it took; of a batch also what came of it.
  private func finish(_ batch: BatchCourse?, _ course: GenerationCourse, _ loaded: LoadedModel?) throws {
    try batch?.output.finish()
    if common.json {
      var summary = course.summary
      summary["model"] = .string(model)
      summary["weight_bytes"] = .int(loaded?.bytesPerToken ?? 0)
      if let batch {
        summary["records"] = .int(batch.questions.count)
        summary["failed"] = .int(batch.failures)
      }
      Console.shared.result(.object(summary))
    } else {
      if let words = course.words { common.note(words) }
      if let batch { common.note(batch.words) }
    }
    if let batch, batch.failures > 0 { throw ExitCode.failure }
  }
}
