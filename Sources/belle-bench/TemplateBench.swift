// Chat templates at work: a long conversation. In a process of its own it renders what it is given, which `make interop` holds
// against transformers.

import ByteIO
import Foundation
import Jinja
import Model
import Tokenizer

struct TemplateBench: BenchCase {
  static let name = "templates"

  private static let count = 2000
  private static let source = """
    {%- for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '\\n' }}
    {%- for call in m.tool_calls or [] %}{{ call | tojson }}{% endfor %}{% endfor %}
    """
  private let template: Template
  private let messages: TemplateValue

  init(_ context: BenchContext) throws {
    template = try Template(Self.source)
    let call = TemplateValue.mapping([("name", .text("f")), ("arguments", .mapping([("place", .text("北京"))]))])
    messages = .list(
      (0..<Self.count).map { number in
        .mapping([
          ("role", .text(number.isMultiple(of: 2) ? "user" : "assistant")),
          ("content", .text(" The quick brown fox \(number) ")), ("tool_calls", .list([call])),
        ])
      })
    context.say("conversations to texts")
  }

  func measure() throws -> [Series] {
    let seconds = try Ceilings.time { _ = try template.render(["messages": messages]) }
    return [Series(name: "\(Self.count) messages through a chat template", unit: .seconds, values: [seconds])]
  }

  private struct Answer: Encodable {
    var text: String?
    var error: String?
    /// Whether the template itself refuses it.
    var isRaised = false
  }

  /// A tokenizer, and JSON Lines with a `template` and a conversation with what goes with it: prints, for each, a JSON object
  /// with its text, or with what it is refused with.
  static func once(_ arguments: [String]) throws {
    guard arguments.count == 2 else {
      throw ByteIOError(.interrupted, reason: "expected a tokenizer and JSON Lines")
    }
    let tokenizer = try Tokenizers.open(arguments[0])
    let encoder = JSONEncoder()
    for line in try [UInt8](Data(contentsOf: URL(filePath: arguments[1]))).split(separator: 0x0A) {
      let job = try TemplateValue(json: Array(line))
      var answer = Answer()
      do {
        let template = try ChatTemplate(job["template"]?.text ?? "", tokenizer, file: "template")
        let messages = try ChatMessage.list(job["messages"]?.elements ?? [])
        let prompts = job["add_generation_prompt"] == .bool(true)
        answer.text = try template.text(messages, ChatContext(job), prompts: prompts)
      } catch let error as JinjaError {
        (answer.error, answer.isRaised) = (error.description, error.code == .raised)
      } catch let complaint as ChatMessage.Complaint { answer.error = complaint.reason }
      print(String(decoding: try encoder.encode(answer), as: UTF8.self))
    }
  }
}
