// What generate can be told of a conversation: what was said before, who the model is to be, and that only the prompt is to be
// shown.

import ArgumentParser
import ByteIO
import Jinja
import Model
import Tokenizer
import Transformer

/// A conversation that was begun elsewhere.
struct ConversationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      With --chat: a JSON file with the conversation so far: a list of messages with role and content, or an object with \
      such a list as messages, and perhaps tools, documents and chat_template_kwargs beside it.
      """, valueName: "file"), completion: .file())
  var messages: String?

  @Option(
    help: ArgumentHelp(
      "With --chat: a system message before everything that is said; what has one of its own keeps that.",
      valueName: "text"))
  var system: String?

  @Flag(name: .customLong("no-history"), help: "With --chat on a terminal: do not keep the lines that were typed.")
  var isForgetful = false

  @Flag(help: "With --chat: write the text and the tokens that the model would get, and generate nothing.")
  var showPrompt = false

  /// Bytes of a file.
  private static let limit = 64 << 20

  /// The system message that was asked for, where what was said has none.
  func introduced(_ messages: [ChatMessage]) -> [ChatMessage] {
    guard let system, messages.first?.role != "system" else { return messages }
    return [ChatMessage("system", system)] + messages
  }

  /// The messages of the file, what goes with them, and whether an answer is to follow; by itself one follows where the last is
  /// not an answer.
  func read() throws -> (messages: [ChatMessage], context: ChatContext, prompts: Bool?) {
    guard let path = messages else { return (introduced([]), ChatContext(), nil) }
    let file = try InputFile(path)
    guard file.size <= Self.limit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a conversation")
    }
    let malformed = { (reason: String) in
      TokenizerError(
        .malformed, file: path, reason: reason,
        remedy: #"as in [{"role": "user", "content": "What is water?"}]"#)
    }
    let bytes = try file.bytes(count: file.size)
    let encoding = TextEncoding(of: bytes)
    guard let text = encoding.utf8(bytes) else {
      throw malformed(encoding.complaint?.reason ?? "it begins as UTF-16 or UTF-32, and is damaged")
    }
    let value: TemplateValue
    do { value = try TemplateValue(json: Array(text)) } catch let failure as JSONReader.Failure {
      throw malformed(
        "expected a conversation in JSON, found something else: byte \(failure.offset): \(failure.reason)")
    }
    guard let list = (value["messages"] ?? value).elements else { throw malformed("expected a list of messages") }
    let prompts: Bool? = if case .bool(let prompts)? = value["add_generation_prompt"] { prompts } else { nil }
    do {
      return (introduced(try ChatMessage.list(list)), try ChatContext(value), prompts)
    } catch { throw malformed(error.reason) }
  }
}
