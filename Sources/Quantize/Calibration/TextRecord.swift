// One record of a data set as a text: a text, an instruction with its answer, or a conversation; the names of fields and
// speakers that data sets and trainers use. Instructions and conversations are messages, for the model's own chat template;
// where it has none they are wrapped as BELLE's models were trained: `Human: …`, an empty line, `Assistant: …`.
// Sources: BELLE, data/ and train/; ShareGPT's export; OpenAI's and Gemini's API (messages, contents; parts); LlamaFactory,
// data/README.md (alpaca and sharegpt formats, observation, function_call); the cards of C4, GSM8K, UltraFeedback.

import ByteIO
import Foundation
import Model

/// What is in a record.
enum TextRecord: Equatable {
  /// A text.
  case text(String)
  /// An instruction with its answer, or a conversation; perhaps with turns left out that have no text.
  case conversation([ChatMessage])
  /// Nothing: its fields are there and empty, null or no text. What is said of it.
  case empty(String)
  /// A record of a form that is not known, and what is known.
  case unknown(String, Remedy?)

  /// Fields whose value is the text.
  private static let texts = ["text", "content", "raw_content", "plain_text", "document", "passage", "body"]
  /// Fields with a list of turns.
  private static let conversations = [
    "conversations", "conversation", "messages", "contents", "dialog", "dialogue", "turns",
  ]
  /// Questions and the answers that go with them.
  private static let pairs: [(question: String, answers: [String])] = [
    ("instruction", ["output", "response", "completion", "answer", "chosen"]),
    ("prompt", ["output", "response", "completion", "answer", "chosen"]),
    ("question", ["answer", "response", "output"]), ("query", ["response", "answer", "output"]),
    ("problem", ["solution", "answer"]), ("input", ["output", "response", "target"]), ("inputs", ["targets"]),
    ("human", ["assistant", "gpt", "bot"]), ("user", ["assistant", "gpt", "bot"]),
  ]
  private static let humans: Set = ["human", "user", "prompter", "instruction", "input", "question"]
  private static let assistants: Set = [
    "gpt", "assistant", "chatgpt", "bing", "bard", "model", "bot", "ai", "chatbot", "moss", "output", "answer",
    "response",
  ]
  /// Speakers whose words stand as they are.
  private static let others: Set = [
    "system", "developer", "tool", "tools", "function", "function_call", "function_response", "tool_call",
    "tool_response", "observation", "ipython", "environment", "context", "thought", "thinking", "reasoning",
  ]

  /// Fields of which a record has one at least.
  static var knownFields: Set<String> { Set(texts + conversations + pairs.map(\.question)) }

  /// Takes a record.
  init(_ value: Any) {
    if let text = value as? String {
      self = text.isEmpty ? .empty("it is empty") : .text(text)
    } else if let turns = value as? [Any], Self.isConversation(turns) {
      self = Self.conversation(turns)
    } else if let object = value as? [String: Any] {
      self = Self.record(object)
    } else if value is NSNull {
      self = .empty("it is null")
    } else {
      self = .unknown("this is neither a text nor an object", nil)
    }
  }

  /// Whether values are the turns of a conversation.
  static func isConversation(_ values: [Any]) -> Bool {
    !values.isEmpty && values.allSatisfy { ($0 as? [String: Any]).flatMap(speaker) != nil }
  }

  private static func record(_ object: [String: Any]) -> TextRecord {
    var isKnown = false
    for name in texts {
      guard let value = object[name] else { continue }
      isKnown = true
      if let text = said(value) { return .text(text) }
    }
    for name in conversations {
      guard let value = object[name] else { continue }
      isKnown = true
      if let turns = value as? [Any], !turns.isEmpty { return conversation(turns) }
    }
    for (question, answers) in pairs where object[question] != nil {
      guard let name = answers.first(where: { object[$0] != nil }) else { continue }
      isKnown = true
      // Preferences are whole conversations.
      if let turns = object[name] as? [[String: Any]], turns.contains(where: { speaker($0) != nil }) {
        return conversation(
          (object[question] as? [Any] ?? [["role": "user", "content": object[question] ?? ""]]) + turns)
      }
      if let asked = said(object[question]), let answer = said(object[name]) {
        return pair(object, question, asked, answer)
      }
    }
    // The datasets server of Hugging Face wraps each.
    if !isKnown, let row = object["row"] as? [String: Any], row["row"] == nil { return record(row) }
    let fields = "its fields are \(object.keys.sorted().prefix(20).map(displayName).joined(separator: ", "))"
    return isKnown ? .empty("no text is in it; " + fields) : .unknown(fields, remedy)
  }

  private static var remedy: Remedy {
    let pairs = pairs.map { "\($0.question) with \($0.answers[0])" }.joined(separator: ", ")
    return Remedy(
      "known are \(texts.joined(separator: ", ")); \(pairs); \(conversations.joined(separator: ", ")) with from and value, "
        + "or role and content")
  }

  private static func pair(
    _ object: [String: Any], _ question: String, _ asked: String, _ answer: String
  ) -> TextRecord {
    // BELLE's multiturn sets write the turns before into the instruction themselves.
    if asked.hasPrefix("Human:") { return .text(asked + " " + answer) }
    let input = question == "input" ? nil : said(object["input"]) ?? said(object["context"])
    var turns = [said(object["system"]) ?? said(object["system_prompt"])].compactMap(\.self).map {
      ChatMessage("system", $0)
    }
    for turn in object["history"] as? [[Any]] ?? [] {
      guard turn.count == 2, let one = said(turn[0]), let two = said(turn[1]) else { continue }
      turns += [human(one), assistant(two)]
    }
    turns += [human(input.map { asked + "\n" + $0 } ?? asked), assistant(answer)]
    return .conversation(turns)
  }

  private static func conversation(_ turns: [Any]) -> TextRecord {
    var messages: [ChatMessage] = []
    for (number, turn) in turns.enumerated() {
      // Words alone: the two take turns.
      if let text = turn as? String {
        messages.append(number % 2 == 0 ? human(text) : assistant(text))
        continue
      }
      guard let turn = turn as? [String: Any] else {
        return .unknown("a turn of the conversation is neither an object nor a text", remedy)
      }
      guard let who = speaker(turn) else {
        // Both speakers in one.
        guard let asked = turn.first(where: { humans.contains($0.key.lowercased()) })?.value,
          let answer = turn.first(where: { assistants.contains($0.key.lowercased()) })?.value
        else { return .unknown("a turn of the conversation has no speaker", remedy) }
        messages += [said(asked).map(human), said(answer).map(assistant)].compactMap(\.self)
        continue
      }
      // A call of a tool has no words of its own.
      guard let text = ["value", "content", "parts", "text"].lazy.compactMap({ said(turn[$0]) }).first else { continue }
      let role = who.lowercased()
      if humans.contains(role) {
        messages.append(human(text))
      } else if assistants.contains(role) {
        messages.append(assistant(text))
      } else if others.contains(role) {
        messages.append(ChatMessage(role == "developer" ? "system" : role, text))
      } else {
        let known = (humans.sorted() + assistants.sorted() + others.sorted()).joined(separator: ", ")
        return .unknown("the speaker \(displayName(who)) is not known", "known are \(known)")
      }
    }
    return messages.isEmpty ? .empty("no turn of the conversation has a text") : .conversation(messages)
  }

  /// Messages in BELLE's form; words of other speakers stand as they are.
  static func text(_ messages: [ChatMessage]) -> String {
    messages.map { message in
      switch message.role {
      case "user": "Human: " + message.content
      case "assistant": "Assistant: " + message.content
      default: message.content
      }
    }.joined(separator: "\n\n")
  }

  private static func speaker(_ turn: [String: Any]) -> String? {
    ["from", "role", "speaker", "author"].lazy.compactMap { turn[$0] as? String }.first
  }

  /// The words of a field: a text, or the parts of one that are texts; nil where there are none.
  private static func said(_ value: Any?) -> String? {
    let text: String
    switch value {
    case let words as String: text = words
    case let parts as [Any]:
      text = parts.compactMap { part in
        part as? String ?? (part as? [String: Any]).flatMap { $0["text"] as? String ?? $0["content"] as? String }
      }.joined(separator: "\n")
    case let part as [String: Any]: text = part["text"] as? String ?? ""
    default: return nil
    }
    return text.isEmpty ? nil : text
  }

  private static func human(_ text: String) -> ChatMessage { ChatMessage("user", text) }
  private static func assistant(_ text: String) -> ChatMessage { ChatMessage("assistant", text) }
}
