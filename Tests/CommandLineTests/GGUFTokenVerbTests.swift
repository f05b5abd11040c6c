import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// What a model's folder says of its tokens and a GGUF file has no place for; and chat templates that are given by name.
@Suite("Tokens on their way into GGUF (kinds 9 and 12)") struct GGUFTokenVerbTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Added tokens behind the tokenizer's 4096, with what is said of them.
  private static func added(_ tokens: [(id: Int, text: String, more: String)], _ more: String = "") -> String {
    let list = tokens.map { #""\#($0.id)": {"content": "\#($0.text)", "special": true\#($0.more)}"# }
    return
      #"{"bos_token": "<s>", "eos_token": "</s>"\#(more), "added_tokens_decoder": {\#(list.joined(separator: ", "))}}"#
  }

  /// Both verbs that write a GGUF file of a model.
  private static let verbs = [["convert"], ["quantize", "--method", "rtn", "--format", "gguf"]]

  private func write(_ verb: [String], _ path: String, _ more: [String] = []) throws -> Finished {
    try Running([verb[0], path, folder.file("m.gguf"), "--force"] + verb.dropFirst() + more).finish()
  }

  @Test("flags of added tokens that GGUF has no place for are named, never lost in silence", arguments: verbs)
  func flags(verb: [String]) throws {
    let config = Self.added([
      (4096, "<|im_start|>", #", "rstrip": true"#), (4097, "<|im_end|>", #", "lstrip": true, "single_word": true"#),
      (4098, "<n>", #", "normalized": true"#),
    ])
    let path = try TokenizedCheckpoint(rows: 4100).write(folder, "m", ["tokenizer_config.json": config])
    let run = try write(verb, path)
    #expect(run.status == 0, "\(run.errors)")
    let warning = run.errors.split(separator: "\n").first { $0.hasPrefix("warning: ") && $0.contains("rstrip") } ?? ""
    #expect(warning.contains("<|im_start|> (rstrip), <|im_end|> (lstrip, single_word)"), "\(run.errors)")
    #expect(run.errors.contains("<n> (normalized)") && run.errors.contains("legacy is false"))
    #expect(run.errors.contains("llama.cpp ends a text also at <|im_end|>, by its text"))
  }

  @Test("without such flags nothing is said of them", arguments: verbs)
  func noFlags(verb: [String]) throws {
    let run = try write(verb, try TokenizedCheckpoint().write(folder, "m"))
    #expect(run.status == 0)
    for word in ["warning", "legacy", "ends a text", "no place for"] {
      #expect(!run.errors.contains(word), "\(run.errors)")
    }
  }

  @Test("a hole among added ids is filled with unused tokens, and told", arguments: verbs)
  func holes(verb: [String]) throws {
    let path = try TokenizedCheckpoint(rows: 4100).write(
      folder, "m", ["tokenizer_config.json": Self.added([(4096, "<a>", ""), (4098, "<b>", "")])])
    let run = try write(verb, path)
    #expect(run.status == 0 && run.errors.contains("4097 between the added tokens is no token: filled as [PAD4097]"))
    let again = try belleTools("convert", folder.file("m.gguf"), folder.file("again"))
    #expect(again.status == 0, "\(again.errors)")
    for prompt in ["x<b>y", "<a><b>"] {
      let counts = try [path, folder.file("m.gguf"), folder.file("again")].map { model in
        try belleTools("generate", model, "--prompt", prompt, "--max-tokens", "1", "--json").objects().first?[
          "prompt_tokens"] as? Int
      }
      #expect(Set(counts).count == 1 && counts[0] != nil, "\(counts)")
    }
  }

  @Test(
    "an end that is no token is left out by name with a warning, and -1 is none", arguments: verbs,
    [("[2, 999999]", "999999"), ("[2, -1]", nil), ("-1", nil), ("[2, 99999999999]", "2147483647")]
      as [(String, String?)])
  func ends(verb: [String], said: (String, String?)) throws {
    let path = try TokenizedCheckpoint().write(
      folder, "m", ["generation_config.json": #"{"eos_token_id": \#(said.0)}"#])
    let run = try write(verb, path)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("warning: ") == (said.1 != nil), "\(run.errors)")
    if let id = said.1 {
      #expect(run.errors.contains("eos_token_id is \(id), and the embedding has 4096 rows: left out"))
    }
  }

  @Test("added_tokens.json beside added_tokens_decoder is not read, and told where it differs")
  func twoLists() throws {
    let config = Self.added([(4096, "<a>", "")])
    for (list, isTold) in [(#"{"<a>": 4096}"#, false), (#"{"<b>": 4096}"#, true), (#"{"<a>": 4096, "<s>": 1}"#, false)]
    {
      let path = try TokenizedCheckpoint(rows: 4100).write(
        folder, "m", ["tokenizer_config.json": config, "added_tokens.json": list])
      for verb in [
        ["generate", path, "--prompt", "a<a>", "--max-tokens", "1"],
        ["convert", path, folder.file("m.gguf"), "--force"],
      ] {
        let run = try Running(verb).finish()
        #expect(run.status == 0 && run.errors.contains("only the latter is read") == isTold, "\(run.errors)")
      }
      let one = try belleTools("generate", path, "--prompt", "<a>", "--max-tokens", "1", "--json")
      #expect(try one.objects().first?["prompt_tokens"] as? Int == 2)
    }
  }

  @Test("a file that is given as a chat template and is none is called what it is, before any work")
  func templates() throws {
    let path = try TokenizedCheckpoint().write(folder, "m")
    for (name, text, reason) in [
      ("empty.jinja", "", "expected a chat template, and the file is empty"),
      ("config.json", "{}", "found JSON without a chat_template"),
    ] {
      let template = try folder.write(name, text)
      for verb in Self.verbs {
        let run = try write(verb, path, ["--chat-template", template])
        #expect(run.status == 1 && run.errors.contains(reason), "\(run.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: folder.file("m.gguf")))
    }
    let settings = try folder.write("tokenizer_config.json", #"{"chat_template": "INNER"}"#)
    let marked = try folder.write("marked.jinja", [0xEF, 0xBB, 0xBF] + Array("INNER".utf8))
    for (template, words) in [(settings, "its chat_template is taken"), (marked, "byte order mark is left out")] {
      let run = try write(["convert"], path, ["--chat-template", template])
      #expect(run.status == 0 && run.errors.contains(words), "\(run.errors)")
      let lines = try belleTools("inspect", folder.file("m.gguf")).output.split(separator: "\n")
      #expect(lines.contains { $0.contains("chat_template") && $0.hasSuffix("INNER") })
    }
  }

  @Test("of several templates of a model the default goes into a GGUF file, and their names are told")
  func named() throws {
    let several = #", "chat_template": [{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}]"#
    let path = try TokenizedCheckpoint().write(folder, "m", ["tokenizer_config.json": Self.added([], several)])
    let run = try write(["convert"], path)
    #expect(run.status == 0 && run.errors.contains("of its 2 chat templates (rag, default) the one called default"))
    let none = several.replacing("default", with: "tools")
    let other = try TokenizedCheckpoint().write(folder, "n", ["tokenizer_config.json": Self.added([], none)])
    let noted = try write(["convert"], other)
    #expect(noted.errors.contains("none of its chat templates (rag, tools) is called default"), "\(noted.errors)")
    let chat = try belleTools("generate", other, "--chat", "--prompt", "a", "--max-tokens", "1")
    #expect(chat.status == 0 && chat.errors.contains("(rag, tools)"), "\(chat.errors)")
  }

  @Test("an end of llama.cpp's ends the text of a GGUF file, whoever wrote it")
  func endOfText() throws {
    // Every text of the model without a head of its own begins with its likeliest token.
    let path = try TokenizedCheckpoint().write(folder, "m")
    let first = try belleTools("generate", path, "--prompt", "a", "--max-tokens", "1", "--json").objects().first
    let token = try #require((first?["tokens"] as? [Int])?.first)
    let config = Self.added([(token, "<|im_end|>", "")])
    let named = try TokenizedCheckpoint().write(folder, "n", ["tokenizer_config.json": config])
    let run = try write(["convert"], named)
    #expect(run.status == 0, "\(run.errors)")
    let end = { (model: String) in
      try belleTools("generate", model, "--prompt", "a", "--max-tokens", "1", "--json").objects().first?["end"]
        as? String
    }
    #expect(try end(named) == "length" && end(folder.file("m.gguf")) == "eos")
    #expect(try belleTools("convert", folder.file("m.gguf"), folder.file("again")).status == 0)
    #expect(try end(folder.file("again")) == "eos")
  }
}
