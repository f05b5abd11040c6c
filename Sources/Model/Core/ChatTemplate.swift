// A model's own chat template at work: a conversation in, the text that the model was trained on out.
// What a template is given, and what it is not: transformers, tokenization_utils_base.py and utils/chat_template_utils.py
// (`apply_chat_template`).

import ByteIO
import Foundation
import Jinja
import Tokenizer

/// A chat template with the special tokens of its model.
package struct ChatTemplate: Sendable, Equatable {
  private let source: String
  private let template: Template
  private let tokens: [String: TemplateValue]
  private let file: String

  /// Reads a template.
  ///
  /// - Parameters:
  ///   - source: the template, in Jinja.
  ///   - tokenizer: the model's: its special tokens have names in templates.
  ///   - path: what errors name.
  /// - Throws: `JinjaError` for what is no template, or is not understood.
  package init(_ source: String, _ tokenizer: any Tokenizer, file path: String) throws {
    self.source = source
    file = path
    do { template = try Template(source, file: path) } catch let error as JinjaError {
      throw error.described("the chat template: " + error.reason)
    }
    var tokens: [String: TemplateValue] = [:]
    let special = tokenizer.special
    for (name, id) in [
      ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
      ("pad_token", special.pad),
    ] {
      if let id, let text = tokenizer.spelling(of: id) { tokens[name] = .text(text) }
    }
    // What the model's folder says is the text, whatever its number.
    for (name, text) in special.named { tokens[name] = .text(text) }
    self.tokens = tokens
  }

  /// Whether two are the same template of the same tokens.
  package static func == (one: ChatTemplate, other: ChatTemplate) -> Bool {
    one.source == other.source && one.tokens == other.tokens
  }

  /// A conversation as a text.
  ///
  /// - Parameters:
  ///   - context: what goes with it.
  ///   - prompts: whether the beginning of an answer stands at the end, for the model to go on.
  ///   - now: the time that a template may tell.
  /// - Throws: `JinjaError`; with code `.raised` where the template refuses the conversation.
  package func text(
    _ messages: [ChatMessage], _ context: ChatContext = ChatContext(), prompts: Bool, now: Date = Date()
  ) throws -> String {
    let render = { (messages: [ChatMessage]) throws in try self.render(messages, context, prompts, now) }
    do { return try render(messages) } catch let error as JinjaError {
      throw error.code == .raised
        ? refusal(of: messages, error, render) : error.described("the chat template: " + error.reason)
    }
  }

  /// What is to be told of a text that the template made: that a system message has no place in it.
  package func remark(on messages: [ChatMessage], text: String) -> String? {
    let isLost = messages.contains { message in
      message.role == "system"
        && message.words.contains { words in
          let said = words.trimmingCharacters(in: .whitespacesAndNewlines)
          return !said.isEmpty && !text.contains(said)
        }
    }
    return isLost ? "the chat template has no place for a system message: it is left out" : nil
  }

  private func render(
    _ messages: [ChatMessage], _ context: ChatContext, _ prompts: Bool, _ now: Date
  ) throws -> String {
    var values = tokens
    for (name, value) in context.variables { values[name] = value }
    values["messages"] = .list(messages.map(\.templateValue))
    values["tools"] = context.tools
    values["documents"] = context.documents
    values["add_generation_prompt"] = .bool(prompts)
    return try template.render(values, now: now)
  }

  /// Why a template refuses a conversation, as far as that can be tried.
  private func refusal(
    of messages: [ChatMessage], _ error: JinjaError, _ render: ([ChatMessage]) throws -> String
  ) -> JinjaError {
    let said = error.reason.isEmpty ? "" : ": \(displayName(error.reason))"
    let others = messages.filter { $0.role != "system" }
    if others.count < messages.count, !others.isEmpty, (try? render(others)) != nil {
      return error.described(
        "the model's chat template takes no system message" + said,
        "leave the system message out, or say it in the first question")
    }
    let roles = messages.map(\.role)
    let order = roles.count <= 8 ? roles.joined(separator: ", ") : roles.prefix(8).joined(separator: ", ") + ", …"
    return error.described(
      "the model's chat template refuses this conversation" + said,
      "its messages are of: \(displayName(order)); most templates want user and assistant in turn")
  }
}

extension JinjaError {
  fileprivate func described(_ reason: String, _ remedy: String? = nil) -> JinjaError {
    JinjaError(code, file: file, place: place, reason: reason, remedy: remedy.map { Remedy($0) } ?? self.remedy)
  }
}
