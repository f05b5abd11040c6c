// What generate can be told of a conversation: what was said before, who the model is to be, and that only the prompt is to be
// shown.

import ArgumentParser
import ByteIO
import Foundation
import Model
import Tokenizer
import Transformer

/// A conversation that was begun elsewhere.
struct ConversationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      With --chat: a JSON file with the conversation so far: a list of messages with role and content, or an object with \
      such a list as messages.
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

  /// The messages of the file, and whether an answer is to follow; by itself one follows where the last is not an answer.
  func read() throws -> (messages: [ChatMessage], prompts: Bool?) {
    guard let path = messages else { return (introduced([]), nil) }
    let file = try InputFile(path)
    guard file.size <= Self.limit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a conversation")
    }
    let malformed = { (reason: String) in
      TokenizerError(
        .malformed, file: path, reason: reason,
        remedy: #"as in [{"role": "user", "content": "What is water?"}]"#)
    }
    guard let value = try? boundedJSONObject(try file.bytes(count: file.size)) else {
      throw malformed("expected a conversation in JSON, found something else")
    }
    let object = value as? [String: Any]
    guard let list = (object?["messages"] ?? value) as? [Any] else { throw malformed("expected a list of messages") }
    do {
      return (introduced(try ChatMessage.list(list)), object?["add_generation_prompt"] as? Bool)
    } catch { throw malformed(error.reason) }
  }
}
