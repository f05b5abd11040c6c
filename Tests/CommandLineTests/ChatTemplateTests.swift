import ByteIO
import Foundation
import TestSupport
import Testing

/// The real binary on the small model of the example release, with chat templates beside it.
@Suite("A model's own chat template") struct OwnChatTemplateTests {
  private let folder: TemporaryFolder
  /// Marks that stand in the text, the beginning and the end of a text among them.
  private let template = """
    {{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}
    {{ '[INST] ' + m.content | trim + ' [/INST]' if m.role == 'user' else m.content + eos_token }}
    {% endfor %}{% if not add_generation_prompt %}.{% endif %}
    """

  init() throws {
    folder = try TemporaryFolder()
    let model = project("Examples/tiny-belle/llama")
    for name in try FileManager.default.contentsOfDirectory(atPath: model) {
      try folder.write("model/" + name, readBytes(model + "/" + name))
    }
  }

  private func shown(_ more: String...) throws -> (text: String, tokens: [Int], errors: String) {
    let run = try Running(["generate", folder.file("model"), "--chat", "--show-prompt", "--json"] + more).finish()
    let line = try #require(try run.objects().first, "\(run.errors)")
    return (line["text"] as? String ?? "", line["tokens"] as? [Int] ?? [], run.errors)
  }

  @Test("special tokens in the text become their ids, and none is put before them")
  func tokens() throws {
    try folder.write("model/chat_template.jinja", template)
    let messages = try folder.write(
      "m.json", #"[{"role": "user", "content": " a "}, {"role": "assistant", "content": "b"}]"#)
    let first = try shown("--prompt", " a ")
    #expect(first.text == "<s>[INST] a [/INST]\n" && first.tokens.first == 1)
    #expect(first.tokens.filter { $0 == 1 }.count == 1)
    let second = try shown("--messages", messages, "--prompt", "c")
    #expect(second.text == "<s>[INST] a [/INST]\nb</s>\n[INST] c [/INST]\n")
    #expect(second.tokens.filter { $0 == 2 }.count == 1 && second.tokens.starts(with: first.tokens.dropLast()))
    #expect(try shown("--messages", messages).text == "<s>[INST] a [/INST]\nb</s>\n.")
    let asked = try folder.write(
      "n.json", #"{"messages": [{"role": "user", "content": "a"}], "add_generation_prompt": false}"#)
    #expect(try shown("--messages", asked).text == "<s>[INST] a [/INST]\n.")
  }

  @Test("a template that takes no system message says so in plain words, before the weights are read")
  func system() throws {
    try folder.write("model/chat_template.jinja", template)
    let messages = try folder.write(
      "m.json", #"[{"role": "system", "content": "x"}, {"role": "user", "content": "a"}]"#)
    let run = try belleTools("generate", folder.file("model"), "--chat", "--messages", messages)
    #expect(run.status == 1 && run.errors.contains("takes no system message: no system here"), "\(run.errors)")
    #expect(run.errors.contains("leave the system message out"))
    try folder.write(
      "model/chat_template.jinja", "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    let dropped = try shown("--messages", messages)
    #expect(dropped.text == "a" && dropped.errors.contains("no place for a system message"), "\(dropped.errors)")
  }

  @Test(
    "what is not understood is refused by name with its place; another template of the model's is taken by its name")
  func others() throws {
    try folder.write("model/chat_template.jinja", "a\n{{ messages|glitter }}")
    let run = try belleTools("generate", folder.file("model"), "--chat", "--prompt", "a")
    #expect(run.status == 1 && run.errors.contains("line 2, column 13"), "\(run.errors)")
    #expect(run.errors.contains("the filter glitter"), "\(run.errors)")
    try folder.write("model/additional_chat_templates/short.jinja", "S{{ messages[0].content }}")
    #expect(try shown("--prompt", "a", "--chat-template", "short").text == "Sa")
    let wrong = try belleTools("generate", folder.file("model"), "--chat", "--prompt", "a", "--chat-template", "long")
    #expect(wrong.status == 1 && wrong.errors.contains("default, short"), "\(wrong.errors)")
  }

  @Test("conversations in data are written with it, and those that it refuses are skipped and counted")
  func data() throws {
    try folder.write("model/chat_template.jinja", template)
    let line = #"{"messages": [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "the mat"}]}"#
    let refused = #"{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}"#
    let text = try folder.write("chats.jsonl", [line, line, refused].joined(separator: "\n"))
    let own = try belleTools("evaluate", folder.file("model"), "--text", text, "--json")
    #expect(own.status == 0 && own.errors.contains("2 conversations are written with the model's chat template"))
    #expect(own.errors.contains("1 of 3 records has no text that is known"), "\(own.errors)")
    #expect(own.errors.contains("takes no system message"), "\(own.errors)")
    let belle = try belleTools("evaluate", folder.file("model"), "--text", text, "--json", "--chat-template", "belle")
    #expect(belle.status == 0 && !belle.errors.contains("template"), "\(belle.errors)")
    let digests = try [own, belle].map { try $0.objects().last?["data_sha256"] as? String }
    #expect(digests[0] != nil && digests[0] != digests[1])
  }
}
