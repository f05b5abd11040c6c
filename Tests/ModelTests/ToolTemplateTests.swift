import ByteIO
import Foundation
import Jinja
import Model
import TestSupport
import Testing
import Tokenizer

/// What `apply_chat_template` makes of conversations with tools: Tests/Fixtures/chat/tools.json, with the script that made it.
private struct Golden: Decodable {
  struct Rendered: Decodable {
    let template: String
    let chat: String
    let prompt: Bool
    /// Nil where transformers refuses.
    let text: String?
  }

  let templates: [String: String]
  /// In JSON: the order of names counts.
  let chats: [String: String]
  let rendered: [Rendered]
}

@Suite("Conversations with tools, thoughts and parts, as transformers renders them") struct ToolTemplateTests {
  @Test("tools, calls in objects and in writing, what came of them, thoughts, parts, documents, values by name")
  func golden() throws {
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(readBytes(project("Tests/Fixtures/chat/tools.json"))))
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/llama/tokenizer.model"))
    var refused = 0
    for (name, source) in golden.templates {
      let template = try ChatTemplate(source, tokenizer, file: name)
      for wanted in golden.rendered where wanted.template == name {
        let value = try TemplateValue(json: Array((golden.chats[wanted.chat] ?? "").utf8))
        let messages = try ChatMessage.list(value["messages"]?.elements ?? [])
        let found = Result { try template.text(messages, ChatContext(value), prompts: wanted.prompt) }
        let comment: Comment = "\(name), \(wanted.chat), \(wanted.prompt): \(found)"
        guard let text = wanted.text else {
          refused += 1
          #expect(throws: JinjaError.self, comment) { try found.get() }
          continue
        }
        #expect((try? found.get())?.utf8.elementsEqual(text.utf8) == true, comment)
      }
    }
    #expect(golden.rendered.count == 48 && refused > 0 && refused < 24)
  }

  @Test(
    "what is no message, and what goes with none, says why",
    arguments: [
      (#"{"messages": [{"content": "a"}]}"#, "message 1 has no role that is a text"),
      (
        #"{"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": null}]}"#,
        "message 2 has a role, and"
      ),
      (#"{"messages": [{"role": "user", "content": 5}]}"#, "neither a text nor a list"),
      (#"{"messages": [{"role": "user", "content": "a"}], "tools": {}}"#, "its tools is no list of objects"),
      (#"{"messages": [{"role": "user", "content": "a"}], "documents": ["x"]}"#, "its documents is no list of objects"),
      (#"{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": []}"#, "is no object"),
      (
        #"{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": {"tools": []}}"#,
        "has tools, which stands beside it"
      ),
    ])
  func complaints(text: String, reason: String) throws {
    let value = try TemplateValue(json: Array(text.utf8))
    let error = #expect(throws: ChatMessage.Complaint.self) {
      _ = try ChatMessage.list(value["messages"]?.elements ?? [])
      _ = try ChatContext(value)
    }
    #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
  }

  @Test("a message that is more than words is written as it came, and what is null is not there")
  func written() throws {
    let text =
      #"{"role": "assistant", "tool_calls": [{"id": "x", "f": {"b": 1.0, "a": [1, true, "\u00e9"]}}], "content": null}"#
    let message = try ChatMessage(TemplateValue(json: Array(text.utf8)))
    #expect(!message.isPlain && message.content.isEmpty && message.role == "assistant")
    #expect(
      try message.value.json
        == #"{"role": "assistant", "tool_calls": [{"id": "x", "f": {"b": 1.0, "a": [1, true, "é"]}}]}"#)
    #expect(try ChatMessage(TemplateValue(json: Array(message.value.json.utf8))) == message)
    #expect(try ChatMessage("user", "a\n").value.json == #"{"role": "user", "content": "a\n"}"#)
  }

  @Test(
    "JSON that is no value of a template",
    arguments: [
      ("[1", "byte 2"), (#"{"a": 1, "a": 2}"#, "twice"), ("12345678901234567890", "64 bits"), ("nan", "not JSON"),
      (String(repeating: "[", count: 60) + String(repeating: "]", count: 60), "too deep"), ("1 2", "follows"),
    ])
  func malformed(text: String, reason: String) {
    let error = #expect(throws: JSONReader.Failure.self) { try TemplateValue(json: Array(text.utf8)) }
    let words = error.map { "byte \($0.offset): \($0.reason)" } ?? ""
    #expect(words.contains(reason), "\(words)")
  }
}
