import Foundation
import TestSupport
import Testing

@testable import Jinja

/// What transformers makes of templates: Tests/Fixtures/chat, with the script that made it.
private struct Golden: Decodable {
  struct Turn: Decodable {
    let role: String
    let content: String
  }
  struct Rendered: Decodable {
    let template: String
    let chat: String
    let prompt: Bool
    /// Nil where transformers refuses.
    let text: String?
  }
  struct Piece: Decodable {
    let source: String
    let text: String?
  }

  let templates: [String: String]
  let chats: [String: [Turn]]
  let rendered: [Rendered]
  let pieces: [Piece]

  static let shared = Result {
    try JSONDecoder().decode(Golden.self, from: Data(readBytes(project("Tests/Fixtures/chat/golden.json"))))
  }
}

@Suite("Templates as transformers renders them") struct GoldenTests {
  @Test("templates of nine forms, conversations of ten kinds, with and without the prompt for an answer")
  func templates() throws {
    let golden = try Golden.shared.get()
    #expect(golden.rendered.count == 180)
    for (name, source) in golden.templates {
      let template = try Template(source, file: name)
      for wanted in golden.rendered where wanted.template == name {
        let messages = (golden.chats[wanted.chat] ?? []).map { turn in
          TemplateValue.mapping([("role", .text(turn.role)), ("content", .text(turn.content))])
        }
        let found = Result {
          try template.render([
            "messages": .list(messages), "tools": .none, "documents": .none,
            "add_generation_prompt": .bool(wanted.prompt),
            "bos_token": .text("<s>"), "eos_token": .text("</s>"),
          ])
        }
        let comment: Comment = "\(name), \(wanted.chat), \(wanted.prompt): \(found)"
        guard let text = wanted.text else {
          #expect(throws: JinjaError.self, comment) { try found.get() }
          continue
        }
        #expect(try found.get().utf8.elementsEqual(text.utf8), comment)
      }
    }
  }

  private static let values: [String: TemplateValue] = [
    "s": .text("Ab c-d\n 12 ß"), "u": .text("ΑΣ ǆ 你好"), "e": .text(""), "n": .none, "i": .int(7), "z": .int(0),
    "f": .float(2.5), "t": .bool(true), "l": .list([.int(3), .int(1), .int(2)]),
    "w": .list([.text("b"), .text("A"), .text("c")]),
    "d": .mapping([
      ("b", .int(1)),
      ("a", .mapping([("x", .list([.int(1), .float(2), .none, .bool(true), .text("q'\"\n")]))])), ("C", .int(2)),
    ]),
    "r": .list([
      .mapping([("k", .text("x")), ("v", .int(2))]), .mapping([("k", .text("Y")), ("v", .int(1))]),
      .mapping([("k", .text("x")), ("v", .int(3)), ("o", .mapping([("p", .int(5))]))]),
    ]),
  ]

  /// What transformers takes and this does not: refused, by name.
  private static let refused: Set = [
    "{{ '%s'|format(1) }}", "{{ 'a{:>3}'.format(1) }}", "{{ 'a{:{}}'.format(1, 2) }}", "{{ 'a%s' % 1 }}", "{{ s|e }}",
    "{{ ('<{}'|safe).format('<') }}",
    "{{ l|batch(2)|list }}", "{{ 'x'|urlencode }}", "{{ self }}", "{{ s|center }}", "{% block b %}{% endblock %}",
  ]

  @Test("each filter, test, method, operator and statement, one by one")
  func pieces() throws {
    for piece in try Golden.shared.get().pieces {
      let found = Result { try Template(piece.source).render(Self.values) }
      let comment: Comment = "\(piece.source): \(found), expected \(piece.text ?? "an error")"
      guard let text = piece.text, !Self.refused.contains(piece.source) else {
        #expect(throws: JinjaError.self, comment) { try found.get() }
        continue
      }
      #expect((try? found.get().utf8.elementsEqual(text.utf8)) == true, comment)
    }
  }
}
