// What is said in a conversation, and what goes with it: tools, documents, and whatever else a template knows by a name.
// Sources: transformers, utils/chat_template_utils.py (`_normalize_chat_messages`, `_alias_reasoning_fields`) and
// tokenization_utils_base.py; TRL's dataset formats (messages, tools, chat_template_kwargs).

import Jinja

/// What one side of a conversation says.
package struct ChatMessage: Sendable, Equatable {
  /// Why something is no message.
  package struct Complaint: Error, Sendable, Equatable {
    /// The complaint, without the place.
    package let reason: String
  }

  /// Who says it: `system`, `user`, `assistant`, `tool`, or what else a template knows.
  package let role: String
  /// Everything that it has, its role and its words among it, in order: what a template sees.
  private let fields: [(String, TemplateValue)]

  /// A message in words.
  package init(_ role: String, _ content: String) {
    self.role = role
    fields = [("role", .text(role)), ("content", .text(content))]
  }

  /// A message as JSON has it. What is null is not there.
  ///
  /// - Throws: for what has no role, or neither words nor anything else.
  package init(_ value: TemplateValue) throws(Complaint) {
    let fields = (value.entries ?? []).filter { !$0.1.isNone }
    guard let role = value["role"]?.text else { throw Complaint(reason: "has no role that is a text") }
    switch value["content"] {
    case .text?, .list?: break
    case .none?, nil:
      guard fields.count > 1 else { throw Complaint(reason: "has a role, and neither content nor anything else") }
    default: throw Complaint(reason: "has a content that is neither a text nor a list of parts")
    }
    (self.role, self.fields) = (role, fields)
  }

  /// Messages of a list as JSON has it.
  package static func list(_ values: [TemplateValue]) throws(Complaint) -> [ChatMessage] {
    guard !values.isEmpty else { throw Complaint(reason: "there are no messages in the list") }
    var messages: [ChatMessage] = []
    for (index, value) in values.enumerated() {
      do { messages.append(try ChatMessage(value)) } catch {
        throw Complaint(reason: "message \(index + 1) \(error.reason)")
      }
    }
    return messages
  }

  /// Whether it says the same as another, with the same besides.
  package static func == (one: ChatMessage, other: ChatMessage) -> Bool {
    TemplateValue.mapping(one.fields) == TemplateValue.mapping(other.fields)
  }

  /// Its words; those of parts one after the other.
  package var content: String { words.joined() }

  /// Its words, each part's by itself.
  var words: [String] {
    switch TemplateValue.mapping(fields)["content"] {
    case .text(let text)?: [text]
    case .list(let parts)?: parts.compactMap { $0["text"]?.text ?? $0.text }
    default: []
    }
  }

  /// Whether it is words, and nothing else.
  package var isPlain: Bool {
    if case .text? = TemplateValue.mapping(fields)["content"] { fields.count == 2 } else { false }
  }

  /// The message as it came.
  package var value: TemplateValue { .mapping(fields) }

  /// Names of what a model thought before it answered, the first that counts first.
  private static let thoughts = ["reasoning_content", "thinking", "reasoning"]

  /// The message as templates get it: thoughts by the two names that templates have for them.
  var templateValue: TemplateValue {
    let value = value
    guard let thought = Self.thoughts.lazy.compactMap({ value[$0] }).first else { return value }
    var entries = fields
    if value["thinking"] == nil { entries.insert(("thinking", thought), at: 0) }
    if let place = entries.firstIndex(where: { $0.0 == "reasoning_content" }) {
      entries[place].1 = thought
    } else {
      entries.append(("reasoning_content", thought))
    }
    return .mapping(entries)
  }
}

/// What goes with a conversation.
package struct ChatContext: Sendable, Equatable {
  /// Tools that the model may call; none, or a list of objects.
  package private(set) var tools = TemplateValue.none
  /// Documents that it is to answer by; none, or a list of objects.
  package private(set) var documents = TemplateValue.none
  /// What else a template is to see, by its names for it: `enable_thinking`.
  package private(set) var variables: [(String, TemplateValue)] = []

  /// Nothing.
  package init() {}

  /// What an object has beside its messages.
  ///
  /// - Throws: for what is of another kind than it is to be.
  package init(_ object: TemplateValue) throws(ChatMessage.Complaint) {
    tools = try Self.list(object, "tools")
    documents = try Self.list(object, "documents")
    guard let values = object[Self.variablesName], !values.isNone else { return }
    guard let entries = values.entries else {
      throw ChatMessage.Complaint(reason: "its \(Self.variablesName) is no object")
    }
    for (name, _) in entries where ["messages", "tools", "documents", "add_generation_prompt"].contains(name) {
      throw ChatMessage.Complaint(reason: "its \(Self.variablesName) has \(name), which stands beside it")
    }
    variables = entries
  }

  private static let variablesName = "chat_template_kwargs"

  /// What an object may have beside its messages.
  package static let names = ["tools", "documents", variablesName]

  private static func list(_ object: TemplateValue, _ name: String) throws(ChatMessage.Complaint) -> TemplateValue {
    guard let value = object[name], !value.isNone else { return .none }
    guard let elements = value.elements, elements.allSatisfy({ $0.entries != nil }) else {
      throw ChatMessage.Complaint(reason: "its \(name) is no list of objects")
    }
    return value
  }

  /// Whether two are the same.
  package static func == (one: ChatContext, other: ChatContext) -> Bool {
    one.tools == other.tools && one.documents == other.documents
      && TemplateValue.mapping(one.variables) == TemplateValue.mapping(other.variables)
  }

  /// Whether there is nothing.
  package var isEmpty: Bool { tools.isNone && documents.isNone && variables.isEmpty }

  /// What goes with messages, as JSON has it beside them.
  package var entries: [(String, TemplateValue)] {
    var entries = [("tools", tools), ("documents", documents)].filter { !$0.1.isNone }
    if !variables.isEmpty { entries.append((Self.variablesName, .mapping(variables))) }
    return entries
  }
}
