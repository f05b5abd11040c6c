import ByteIO
import Foundation
import TestSupport
import Testing

/// The real binary on the small model of the example release, with what people put beside it.
@Suite("Tokens and chat (kinds 9 and 12)") struct TokenTests {
  private let model = project("Examples/tiny-belle/llama")

  /// The model in a folder of its own, with other small files.
  private func copy(in folder: TemporaryFolder, _ files: [String: String] = [:]) throws -> String {
    for name in try FileManager.default.contentsOfDirectory(atPath: model) {
      try folder.write("model/" + name, readBytes(model + "/" + name))
    }
    for (name, text) in files { try folder.write("model/" + name, text) }
    return folder.file("model")
  }

  private func promptTokens(_ arguments: [String]) throws -> Int? {
    let run = try Running(["generate"] + arguments + ["--max-tokens", "1", "--json"]).finish()
    return try run.objects().first?["prompt_tokens"] as? Int
  }

  /// The value of a text in a GGUF file's head.
  private func value(_ key: String, of path: String) throws -> String? {
    let run = try belleTools("inspect", path)
    return run.output.split(separator: "\n").first { $0.contains(key) }.map(String.init)
  }

  /// How many rows the embedding has.
  private func rows() throws -> Int {
    let tensors = try belleTools("inspect", model, "--json").objects()
    let embedding = tensors.first { ($0["name"] as? String)?.contains("tok_embeddings") == true }
    return try #require((embedding?["shape"] as? [Int])?.first)
  }

  @Test("a line of standard input that is not UTF-8 is refused with the locale's name")
  func lines() throws {
    let shell = #"printf 'a\n\304\343\272\303\n' | LC_ALL=zh_CN.GBK "$0" "$@""#
    let run = try belleTools("generate", model, "--chat", "--max-tokens", "1", "--json", shell: shell)
    #expect(run.status == 1)
    #expect(run.errors.contains("standard input: line 2 is not UTF-8; the locale is zh_CN.GBK"), "\(run.errors)")
  }

  @Test("a prompt that is not UTF-8 is refused with the locale's name", arguments: ["--prompt ", "--prompt="])
  func prompt(option: String) throws {
    let shell = #"LC_ALL= LC_CTYPE= LANG=zh_CN.GB18030 exec "$0" "$@" "# + option + #"$'\xc4\xe3'"#
    let run = try belleTools("generate", model, shell: shell)
    #expect(run.status == 64)
    #expect(run.errors.contains("is not UTF-8") && run.errors.contains("locale is zh_CN.GB18030"), "\(run.errors)")
    #expect(run.errors.contains("iconv"))
  }

  @Test("a conversation uses the model's own template, says where there is none, and takes the form that is asked for")
  func forms() throws {
    let folder = try TemporaryFolder()
    let run = { (path: String, more: [String]) in
      try Running(["generate", path, "--chat", "--prompt", "a", "--max-tokens", "1"] + more).finish()
    }
    let none = try run(model, [])
    #expect(
      none.status == 0 && none.errors.contains("no chat template") && none.errors.contains("--chat-template belle2"))
    #expect(try run(model, ["--quiet"]).errors.isEmpty)
    #expect(try !run(model, ["--chat-template", "belle"]).errors.contains("chat template"))
    let own = try copy(in: folder, ["chat_template.jinja": "{{ messages }}"])
    let silent = try run(own, [])
    #expect(silent.status == 0 && !silent.errors.contains("template"), "\(silent.errors)")
    // Two line ends, and two spaces, more.
    let counts = try ["belle", "belle2", "none"].map {
      try promptTokens([model, "--chat", "--prompt", "a", "--chat-template", $0])
    }
    let sizes = counts.compactMap(\.self)
    #expect(sizes.count == 3 && sizes[2] == 2 && sizes[0] > sizes[2] && sizes[1] > sizes[0], "\(counts)")
    let file = try run(model, ["--chat-template", folder.file("model/chat_template.jinja")])
    #expect(file.status == 0 && !file.errors.contains("template"), "\(file.errors)")
    let misspelt = try run(model, ["--chat-template", "bell"])
    #expect(misspelt.status == 1 && misspelt.errors.contains("auto, belle, belle2, none"), "\(misspelt.errors)")
    #expect(try belleTools("generate", model, "--prompt", "a", "--chat-template", "none").status == 64)
  }

  @Test("a GGUF file gets BELLE's template on request only, and the model's own otherwise")
  func templates() throws {
    let folder = try TemporaryFolder()
    let own = try copy(
      in: folder,
      [
        "chat_template.jinja": "NEW", "tokenizer_config.json": #"{"chat_template": "OLD", "bos_token": "<s>"}"#,
      ])
    let template = try folder.write("other.jinja", "OTHER")
    for (number, (path, choice, expected)) in [
      (model, "auto", nil), (model, "belle", "Human: "), (model, "belle2", #"Human: \n"#), (model, "none", nil),
      (model, template, "OTHER"), (own, "auto", "NEW"), (own, "belle2", #"Human: \n"#), (own, "none", nil),
    ].enumerated() as EnumeratedSequence<[(String, String, String?)]> {
      let output = folder.file("m\(number).gguf")
      let run = try belleTools("convert", path, output, "--chat-template", choice)
      #expect(run.status == 0, "\(run.errors)")
      let found = try value("chat_template", of: output)
      #expect(
        (found != nil) == (expected != nil) && found?.contains(expected ?? "") ?? true, "\(choice): \(found ?? "")")
      #expect(run.errors.contains("gets none") == (path == model && choice == "auto"), "\(run.errors)")
    }
    // The template that the file got is known again, and used without a note.
    let known = try belleTools("generate", folder.file("m2.gguf"), "--chat", "--prompt", "a", "--max-tokens", "1")
    #expect(known.status == 0 && !known.errors.contains("template"), "\(known.errors)")
    let count = { try promptTokens([$0, "--chat", "--prompt", "a"]) }
    #expect(
      try count(folder.file("m2.gguf"))
        == promptTokens([model, "--chat", "--chat-template", "belle2", "--prompt", "a"]))
    let folderOutput = try belleTools("convert", model, folder.file("out"), "--chat-template", "belle")
    #expect(folderOutput.status == 64 && folderOutput.errors.contains("--chat-template is for outputs in GGUF"))
    #expect(try belleTools("quantize", model, folder.file("q"), "--chat-template", "none").status == 64)
  }

  @Test(
    "an added end token ends the text, from the folder and from its GGUF file alike, and prompts have as many tokens")
  func addedTokens() throws {
    let folder = try TemporaryFolder()
    let count = try rows()
    // Its last tokens under other names: the folder has the last word.
    let names =
      #"{"\#(count - 2)": {"content": "<|im_start|>", "special": true}, "\#(count - 1)": {"content": "<|im_end|>", "special": true}}"#
    let path = try copy(
      in: folder,
      [
        "tokenizer_config.json": #"{"bos_token": "<s>", "eos_token": "<|im_end|>", "added_tokens_decoder": \#(names)}"#
      ])
    let output = folder.file("m.gguf")
    #expect(try belleTools("convert", path, output).status == 0)
    let again = folder.file("again")
    #expect(try belleTools("convert", output, again).status == 0)
    for prompt in ["Hi <|im_start|>user", "<|im_start|>", "你好<|im_end|>世界"] {
      let counts = try [path, output, again].map { try promptTokens([$0, "--prompt", prompt]) }
      let markers = prompt.split(separator: "<|im_").count
      #expect(Set(counts).count == 1 && counts[0] ?? 99 < 8 + markers, "\(prompt): \(counts)")
    }
    // The GGUF file serves as a tokenizer, too.
    #expect(
      try promptTokens([model, "--tokenizer", output, "--prompt", "<|im_start|>a"])
        == promptTokens([path, "--prompt", "<|im_start|>a"]))
  }

  @Test("tokens that were added and have no row in the embedding stop nothing: they are left out, with a note")
  func rowless() throws {
    let folder = try TemporaryFolder()
    let count = try rows()
    let path = try copy(in: folder, ["added_tokens.json": #"{"[PAD]": \#(count)}"#])
    #expect(try promptTokens([path, "--prompt", "a"]) == promptTokens([model, "--prompt", "a"]))
    let run = try belleTools("convert", path, folder.file("m.gguf"))
    #expect(run.status == 0 && run.errors.contains("1 added token has no row"), "\(run.errors)")
    let named = try belleTools("generate", path, "--prompt", "a[PAD]", "--max-tokens", "1")
    #expect(named.status == 1 && named.errors.contains("token \(count) is not in the vocabulary"), "\(named.errors)")
  }
}
