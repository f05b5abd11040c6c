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

      Models are those of `evaluate`: \(ModelFamily.titles), in any container that `inspect` reads, in half or single \
      precision, packed by GPTQ, BELLE's .pt, GGUF. Weights stay in memory as they are stored and are multiplied so.

      Without --temperature the likeliest token is taken, and the same prompt gives the same text, on any number of \
      threads. With it tokens are drawn; the same --seed draws the same. The text ends where the model ends it, or after \
      --max-tokens. --chat asks in the form of the model's own chat template; of a model without one in BELLE's, Human: …, an \
      empty line, Assistant:. Without --prompt it reads a line of standard input for each turn. --chat-template chooses one \
      of BELLE's forms, the template of a file, another one of the model's by its name, or none.
      """)

  @Argument(
    help: ArgumentHelp("A folder, or a file with its config.json beside it.", valueName: "model"), completion: .file())
  var model: String

  @Option(
    name: .both(.prompt),
    help: ArgumentHelp(
      "The text to continue, or with --chat the question to answer; without it the text of standard input.",
      valueName: "text"))
  var prompt: String?

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

  @Option(help: ArgumentHelp("0 takes the likeliest token; higher is more varied.", valueName: "t"))
  var temperature = 0.0

  @Option(
    name: .customLong("top-p"),
    help: ArgumentHelp("Draw from the likeliest tokens that have this probability together.", valueName: "p"))
  var topP = 1.0

  @Option(
    name: .customLong("top-k"),
    help: ArgumentHelp("Draw from so many of the likeliest tokens; 0 for all.", valueName: "k"))
  var topK = 0

  @Option(name: .both(.seed), help: ArgumentHelp("Where the random numbers begin.", valueName: "s"))
  var seed: UInt64 = 0

  @OptionGroup var tokenizer: TokenizerOption
  @OptionGroup var facts: ModelFactsOption
  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard chat || conversation.messages == nil else { throw ValidationError("--messages goes with --chat.") }
    guard chat || !conversation.showPrompt else { throw ValidationError("--show-prompt goes with --chat.") }
    guard !conversation.showPrompt || prompt != nil || conversation.messages != nil else {
      throw ValidationError("Give a --prompt or --messages for --show-prompt.")
    }
    guard prompt != nil || chat || !StandardInput.isTerminal else {
      throw ValidationError("Give a --prompt, or the text on standard input, or --chat to talk.")
    }
    guard chat || !chatTemplate.isAsked else { throw ValidationError("--chat-template goes with --chat.") }
    guard maxTokens > 0 else { throw ValidationError("--max-tokens must be at least 1.") }
    guard temperature >= 0, temperature.isFinite else { throw ValidationError("--temperature must be 0 or more.") }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p must be above 0 and at most 1.") }
    guard topK >= 0 else { throw ValidationError("--top-k must be 0 or more.") }
  }

  func run() throws {
    let prompt = try prompt ?? (chat ? nil : pipedPrompt())
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
    try Engine.reserve(threads: threads.count)
    let loaded = try load(opened)
    let generator = Generator(
      loaded, tokens, ends: try files.endTokens(), threads: threads.count)
    var sampler = Sampler(
      SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed))
    var total = Totals()
    if prompt != nil || conversation.messages != nil {
      try answer(
        generator, begun, try begun.tokens(tokens), context: opened.configuration.contextLength, &sampler, &total)
    } else {
      try talk(generator, begun, tokens, context: opened.configuration.contextLength, &sampler, &total)
    }
    summarize(total, loaded)
  }

  /// The text of standard input.
  private func pipedPrompt() throws -> String {
    var input = StandardInput()
    let text = try input.rest()
    guard !text.isEmpty else {
      throw ValidationError("There is no --prompt, and standard input is empty: give the text in one of them.")
    }
    return text
  }

  /// The conversation up to the first answer; without --chat the prompt is the text.
  private func begin(_ prompt: String?, _ files: Model, _ tokens: any Tokenizer) throws -> Conversation {
    guard chat else {
      var text = Conversation(.plain)
      if let prompt { text.ask(prompt) }
      return text
    }
    let (messages, prompts) = try conversation.read()
    var begun = Conversation(try chatTemplate.style(for: files, tokens, common), messages, prompts: prompts)
    if let prompt { begun.ask(prompt) }
    guard !begun.messages.isEmpty else { return begun }
    // What a template refuses is told before the weights are read.
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

  private struct Totals {
    var tokens = 0
    var promptTokens = 0
    var seconds = 0.0
    var promptSeconds = 0.0
  }

  private func load(_ opened: TransformerModel) throws -> LoadedModel {
    let name = model
    return try common.showingProgress(total: 1000, isBytes: false) { progress in
      try LoadedModel(opened, threads: threads.count) { done, all in
        progress(.advanced(file: name, bytes: 1000 * done / all - 1000 * (done - 1) / all))
      }
    }
  }

  /// One turn for each line of standard input.
  private func talk(
    _ generator: Generator, _ conversation: Conversation, _ tokens: any Tokenizer, context: Int?,
    _ sampler: inout Sampler, _ total: inout Totals
  ) throws {
    var conversation = conversation
    var input = StandardInput()
    let isTerminal = StandardInput.isTerminal && !common.json
    while true {
      if isTerminal { Console.shared.text("> ") }
      guard let line = try input.line() else { break }
      let question = line.trimmingSpaces
      guard !question.isEmpty else { continue }
      conversation.ask(question)
      let ids = try conversation.tokens(tokens)
      conversation.answer(try answer(generator, conversation, ids, context: context, &sampler, &total))
    }
    if isTerminal { Console.shared.text("\n") }
  }

  /// Generates one text, and shows it as it comes.
  @discardableResult
  private func answer(
    _ generator: Generator, _ conversation: Conversation, _ ids: [Int32], context: Int?, _ sampler: inout Sampler,
    _ total: inout Totals
  ) throws -> String {
    // A model writes a space after the colon: not on the screen.
    var isFirst = chat
    if let context, ids.count > context {
      Console.shared.warning("the prompt has \(ids.count) tokens, and the model was made for texts of \(context)")
    }
    let result = try generator.generate(
      ids, limit: maxTokens, sampler: &sampler, stop: conversation.stop
    ) { part in
      guard !common.json else { return }
      guard Console.shared.text(isFirst && part.hasPrefix(" ") ? String(part.dropFirst()) : part) else {
        throw ExitCode.success
      }
      isFirst = false
    }
    total.tokens += result.tokens.count
    total.promptTokens += result.promptTokens
    total.seconds += result.seconds
    total.promptSeconds += result.promptSeconds
    if common.json {
      Console.shared.result([
        "type": "text", "text": .string(result.text), "tokens": .array(result.tokens.map { .int(Int($0)) }),
        "end": .string(result.end.rawValue), "prompt_tokens": .int(result.promptTokens),
      ])
    } else {
      Console.shared.text("\n")
    }
    return result.text
  }

  private func summarize(_ total: Totals, _ loaded: LoadedModel) {
    // The first token comes with the prompt; each one after it reads the weights once.
    let rate = Double(max(0, total.tokens - 1)) / max(total.seconds, 1e-9)
    if common.json {
      Console.shared.result([
        "type": "summary", "model": .string(model), "tokens": .int(total.tokens),
        "prompt_tokens": .int(total.promptTokens), "seconds": .double(total.seconds),
        "prompt_seconds": .double(total.promptSeconds), "tokens_per_second": .double(total.tokens > 1 ? rate : 0),
        "weight_bytes": .int(loaded.bytesPerToken),
      ])
    } else if total.tokens > 1 {
      common.note(
        "\(total.promptTokens) tokens read in \(fixed(total.promptSeconds, 2)) s, \(total.tokens) written in "
          + "\(fixed(total.seconds, 2)) s: \(fixed(rate, 1)) a second")
    }
  }
}

extension String {
  /// The text without spaces at its ends.
  fileprivate var trimmingSpaces: String {
    var rest = Substring(self)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
