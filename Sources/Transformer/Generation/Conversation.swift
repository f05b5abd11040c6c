// A conversation in the model's own form, which its chat template says, in one of BELLE's forms, or in none. In BELLE's there
// stands behind each answer the token that ends a text, and the next turn follows at once; each turn is made into tokens by
// itself, and in the second version each side of it. What a chat template writes is made into tokens as a whole.
// Sources: BELLE, train/src/sample_generator.py, and issue 539, where the project says how turns are joined; transformers,
// tokenization_utils_base.py (`apply_chat_template`, which adds no special tokens to a template's own).

import ByteIO
import Model
import Tokenizer

/// A conversation with a model, as what it was trained on.
package struct Conversation: Sendable, Equatable {
  /// How what is said becomes a text.
  package enum Style: Sendable, Equatable {
    case form(ChatForm)
    case template(ChatTemplate)
    /// What is said, and nothing else.
    case plain
  }

  /// Where the model must stop, should it write the user's next turn itself: models that were trained on single turns do.
  package static let stop = "\nHuman:"

  /// How what is said becomes a text.
  package let style: Style
  /// What was said.
  package private(set) var messages: [ChatMessage]
  /// What goes with it.
  package let context: ChatContext
  /// Whether a chat template writes the beginning of an answer at the end; nil where what was said last decides.
  private let prompts: Bool?

  /// A conversation.
  ///
  /// - Parameters:
  ///   - style: how what is said becomes a text.
  ///   - messages: what was said before.
  ///   - context: what goes with it: tools, and what else a chat template knows.
  ///   - prompts: whether a chat template writes the beginning of an answer at the end; nil for where the last message is no
  ///     answer.
  package init(
    _ style: Style, _ messages: [ChatMessage] = [], _ context: ChatContext = ChatContext(), prompts: Bool? = nil
  ) {
    (self.style, self.messages, self.context, self.prompts) = (style, messages, context, prompts)
  }

  /// Nothing said yet; in one of BELLE's forms, or in none.
  package init(_ form: ChatForm? = .belle) { self.init(form.map { .form($0) } ?? .plain) }

  /// Texts at which to stop.
  package var stops: [String] { if case .form = style { [Self.stop] } else { [] } }

  /// Adds what the user says.
  package mutating func ask(_ question: String) { messages.append(ChatMessage("user", question)) }

  /// Adds what the model answered.
  package mutating func answer(_ answer: String) {
    guard !messages.isEmpty else { return }
    var text = Substring(answer)
    while text.last?.isNewline == true { text.removeLast() }
    messages.append(ChatMessage("assistant", String(text)))
  }

  /// What stands before everything that is said: who the model is to be.
  package var system: String? {
    get { messages.first.flatMap { $0.role == "system" ? $0.content : nil } }
    set {
      if system != nil { messages.removeFirst() }
      if let newValue { messages.insert(ChatMessage("system", newValue), at: 0) }
    }
  }

  /// Forgets what was said, but for the system message.
  package mutating func clear() { messages.removeAll { $0.role != "system" } }

  /// Takes what was said last back.
  package mutating func takeBack() { if !messages.isEmpty { messages.removeLast() } }

  // MARK: BELLE's forms, and none

  /// A turn up to its answer, and its answer once there is one.
  private var turns: [(asked: String, answer: String?)] {
    var turns: [(asked: String, answer: String?)] = []
    // What is said by neither of the two stands before the next question.
    var before = ""
    for message in messages {
      switch message.role {
      case "assistant":
        if turns.last.map({ $0.answer == nil }) ?? false {
          turns[turns.count - 1].answer = message.content
        } else {
          turns.append((before + asked(nil), message.content))
          before = ""
        }
      case "user":
        turns.append((before + asked(message.content), nil))
        before = ""
      default: before += message.content + "\n\n"
      }
    }
    return turns
  }

  private func asked(_ question: String?) -> String {
    guard case .form(let form) = style else { return question ?? "" }
    return (question.map { form.human + $0 + "\n\n" } ?? "") + form.assistant
  }

  /// The text of each turn; the last one ends where the model answers. Not where a chat template says how: see ``text()``.
  package var texts: [String] { turns.map { $0.asked + ($0.answer ?? "") } }

  /// The whole text, up to where the model answers, without the tokens that a form puts between turns.
  ///
  /// - Throws: `JinjaError` where the model's chat template refuses it.
  package func text() throws -> String {
    guard case .template(let template) = style else {
      try checkPlain()
      return texts.joined(separator: style == .plain ? "" : "\n\n")
    }
    return try template.text(messages, context, prompts: prompts ?? (messages.last?.role != "assistant"))
  }

  /// Only a chat template has a place for more than words.
  private func checkPlain() throws {
    let place = messages.firstIndex { !$0.isPlain }
    guard place != nil || !context.isEmpty else { return }
    let what =
      place.map { "message \($0 + 1) is more than a text" }
      ?? "there is \(context.entries.map(\.0).joined(separator: ", "))"
    throw ModelError(
      .unsupported,
      reason: "\(what), and the conversation is written without a chat template, which has no place for it",
      remedy: "tools, their calls and the like want a model with a chat template that knows them")
  }

  /// What is to be told of the text: that its form has no place for something.
  package func remark() throws -> String? {
    guard case .template(let template) = style else { return nil }
    return template.remark(on: messages, text: try text())
  }

  // MARK: Tokens

  /// The conversation as the model's tokens, up to where it answers.
  ///
  /// - Throws: `TokenizerError` for texts that are too long, `JinjaError` where the model's chat template refuses it.
  package func tokens(_ tokenizer: any Tokenizer) throws -> [Int32] {
    if case .template = style { return try tokenizer.encodeChat(text()) }
    try checkPlain()
    guard let end = tokenizer.special.eos else {
      return tokenizer.special.prefix + (try tokenizer.encode(text()))
    }
    let turns = try turns.map { turn in
      guard style == .form(.belle2) else { return try tokenizer.encode(turn.asked + (turn.answer ?? "")) }
      return try tokenizer.encode(turn.asked) + (turn.answer.map { try tokenizer.encode($0) } ?? [])
    }
    return tokenizer.special.prefix + Array(turns.joined(separator: [end]))
  }
}
