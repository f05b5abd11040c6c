// BELLE's forms of a conversation, as texts and as templates in Jinja: `Human: …`, an empty line, `Assistant:`, the answer,
// and the token that ends a text. The second version puts a line end behind either name.
// Sources: BELLE, the model cards of BELLE-7B-2M and BELLE-LLaMA-EXT and gptq/bloom_inference.py (first);
// train/src/sample_generator.py, inference.py and interface.py (second).

import Tokenizer

/// A form of conversations that BELLE's models were trained on.
package enum ChatForm: String, Sendable, CaseIterable {
  /// That of the models of 2023 and their GPTQ scripts.
  case belle
  /// That of the second version's training code: BELLE-Llama2-13B-chat-0.4M, and what users train with it.
  case belle2

  /// What stands before a question.
  package var human: String { self == .belle ? "Human: " : "Human: \n" }

  /// What stands before an answer.
  package var assistant: String { self == .belle ? "Assistant:" : "Assistant: \n" }

  /// The form as a template. BOS stands where the tokenizer puts it; who adds it again takes it away again (llama.cpp,
  /// common/chat.cpp). For turns that follow each other see BELLE's issue 539.
  package func template(beginsWithBOS: Bool) -> String { (beginsWithBOS ? Self.bos : "") + template }

  private static let bos = "{{ bos_token }}"

  private var template: String {
    let quoted = { (text: String) in "'" + text.replacing("\n", with: "\\n") + "'" }
    return "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ " + quoted(assistant)
      + " + message['content'] + eos_token }}{% elif message['role'] == 'user' %}{{ " + quoted(human)
      + " + message['content'] + '\\n\\n' }}{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
      + "{% if add_generation_prompt %}{{ " + quoted(assistant) + " }}{% endif %}"
  }

  /// The form whose template a text is; nil for any other template.
  package init?(template text: String) {
    let text = text.hasPrefix(Self.bos) ? String(text.dropFirst(Self.bos.count)) : text
    guard let form = Self.allCases.first(where: { $0.template == text }) else { return nil }
    self = form
  }
}

extension Vocabulary {
  /// One of BELLE's forms as a template for this vocabulary.
  package func template(_ form: ChatForm) -> String {
    form.template(beginsWithBOS: special.bos.map { special.prefix.contains($0) } ?? false)
  }
}
