import ByteIO
import Foundation
import TestSupport
import Testing

private func finished(_ arguments: [String], input: String? = nil) throws -> Finished {
  guard let input else { return try Running(arguments).finish() }
  let folder = try TemporaryFolder()
  let path = try folder.write("input", input)
  return try Running(arguments, shell: "\"$0\" \"$@\" <'\(path)'").finish()
}

/// The real binary on the small model of the example release.
@Suite("generate: options, files and batches") struct GenerateOptionTests {
  private let model = project("Examples/tiny-belle/llama")

  private func generate(_ arguments: String..., input: String? = nil) throws -> Finished {
    try finished(["generate", model, "--max-tokens", "16", "--quiet"] + arguments, input: input)
  }

  @Test("the prompt is the same from an option, a file and standard input, and its last line end is not of it")
  func prompts() throws {
    let folder = try TemporaryFolder()
    let text = "The king\nof the"
    let one = try generate("--prompt", text)
    #expect(one.status == 0 && one.output.count > 1)
    #expect(try generate("--prompt-file", folder.write("p.txt", text + "\r\n\n")).output == one.output)
    #expect(try generate("--prompt-file", "-", input: text + "\n").output == one.output)
    #expect(try generate(input: text + "\n").output == one.output)
    let units: [UInt8] = text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let marked: [UInt8] = [0xFF, 0xFE] + units
    #expect(try generate("--prompt-file", folder.write("utf16.txt", marked)).output == one.output)
    let empty = try generate("--prompt-file", folder.write("e.txt", "\n"))
    #expect(empty.status == 1 && empty.errors.contains("no text"))
    let foreign = try generate(
      "--prompt-file", folder.write("g.txt", [0xC4, 0xE3, 0xBA, 0xC3, 0xCA, 0xC0, 0xBD, 0xE7]))
    #expect(foreign.status == 1 && foreign.errors.contains("GB18030"))
  }

  @Test("a stop text ends the text before it, whichever of several comes first")
  func stops() throws {
    let whole = try generate("--prompt", "The king").output
    let text = String(whole.dropLast())
    let middle = text.index(text.startIndex, offsetBy: text.count / 2)
    let (head, stop) = (String(text[..<middle]), String(text[middle...].prefix(3)))
    #expect(!head.contains(stop))
    let run = try generate("--prompt", "The king", "--stop", "never there", "--stop", stop)
    #expect(run.output == head + "\n")
    let json = try generate("--prompt", "The king", "--stop", stop, "--json").objects()
    #expect(json.first?["end"] as? String == "stop" && json.first?["text"] as? String == head)
    let empty = try generate("--prompt", "a", "--stop", "")
    #expect(empty.status == 64)
  }

  @Test("a system message stands before the question, in BELLE's form and in a template")
  func system() throws {
    let belle = try generate("--chat", "--system", "Be brief.", "--prompt", "Why?", "--show-prompt")
    #expect(belle.output.hasPrefix("Be brief.\n\nHuman: Why?\n\nAssistant:\n\n"), "\(belle.output)")
    let folder = try TemporaryFolder()
    let template = try folder.write("t.jinja", "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}")
    let own = try folder.write("m.json", #"[{"role": "system", "content": "own"}, {"role": "user", "content": "a"}]"#)
    let talk = ["--chat", "--chat-template", template, "--system", "S", "--show-prompt"]
    let asked = try finished(["generate", model, "--quiet"] + talk + ["--prompt", "Why?"])
    #expect(asked.output.hasPrefix("[system:S][user:Why?]\n"))
    let kept = try finished(["generate", model, "--quiet"] + talk + ["--messages", own])
    #expect(kept.output.hasPrefix("[system:own][user:a]\n"))
  }

  @Test(
    "what does not go together is wrong usage",
    arguments: [
      ["--system", "S", "--prompt", "a"], ["--prompt", "a", "--prompt-file", "b"], ["--batch", "x", "--prompt", "a"],
      ["--output", "x", "--prompt", "a"], ["--prompt", "a", "--min-p", "2"],
      ["--prompt", "a", "--repeat-penalty", "0"],
      ["--prompt", "a", "--repeat-last-n", "-2"], ["--batch", "x", "--no-resume"], ["--batch", "x", "--force"],
      ["--chat", "--batch", "x", "--show-prompt"],
    ])
  func usage(arguments: [String]) throws {
    let run = try finished(["generate", model] + arguments)
    #expect(run.status == 64, "\(run.errors)")
  }

  @Test("repeated tokens become rare, and the window is llama.cpp's unless it is said")
  func penalty() throws {
    let plain = try generate("--prompt", "The king", "--max-tokens", "60").output
    let strict = try generate(
      "--prompt", "The king", "--max-tokens", "60", "--repeat-penalty", "5", "--repeat-last-n", "-1", "--json"
    ).objects()
    let tokens = try #require(strict.first?["tokens"] as? [Int])
    #expect(Set(tokens).count * 10 > tokens.count * 9 && strict.first?["text"] as? String != String(plain.dropLast()))
    let none = try generate(
      "--prompt", "The king", "--max-tokens", "60", "--repeat-penalty", "5", "--repeat-last-n", "0")
    #expect(none.output == plain)
  }
}

/// Questions in a file.
@Suite("generate --batch") struct GenerateBatchTests {
  private let model = project("Examples/tiny-belle/llama")
  private let questions = """
    {"question": "What is water?", "class": "qa", "std_answer": "wet", "n": 1.50}
    {"prompt": "The king"}

    {"question": 5, "id": "bad"}
    no JSON
    {"messages": [{"role": "user", "content": "你好"}], "x": {"y": [1, null]}}

    """

  private func generate(_ arguments: String..., input: String? = nil) throws -> Finished {
    try finished(["generate", model, "--max-tokens", "8", "--quiet"] + arguments, input: input)
  }

  private func objects(_ lines: String) throws -> [[String: Any]] {
    try lines.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  @Test("records come back in order with their fields; bad ones are named by their lines, and the others answered")
  func records() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("q.jsonl", questions)
    let run = try generate("--chat", "--batch", path)
    #expect(run.status == 1)
    #expect(run.errors.contains("line 4: its question is no text") && run.errors.contains("line 5: "), "\(run.errors)")
    let found = try objects(run.output)
    #expect(found.count == 5)
    #expect(
      run.output.hasPrefix(
        #"{"question": "What is water?", "class": "qa", "std_answer": "wet", "n": 1.50, "generated": "#))
    #expect(found[2]["id"] as? String == "bad" && found[2]["generated"] is NSNull)
    #expect(found[3]["line"] as? Int == 5 && found[3]["generated_error"] is String)
    #expect(((found[4]["x"] as? [String: Any])?["y"] as? [Any])?.count == 2)
    // Each as by itself.
    let alone = try generate("--chat", "--prompt", "What is water?").output
    #expect(found[0]["generated"] as? String == String(alone.dropLast()))
    #expect(try generate("--chat", "--batch", "-", input: questions).output == run.output)
    let json = try generate("--chat", "--batch", path, "--json").objects()
    #expect(json.last?["records"] as? Int == 5 && json.last?["failed"] as? Int == 2 && json.count == 6)
    // Without --chat a conversation has no form.
    let plain = try generate("--batch", path)
    #expect(plain.status == 1 && plain.errors.contains("line 6") && plain.errors.contains("--chat"))
  }

  @Test("drawn answers do not depend on those before them")
  func seeds() throws {
    let folder = try TemporaryFolder()
    let all = try folder.write("q", #"[{"prompt": "The"}, {"prompt": "The"}]"#)
    let last = try folder.write("r", "5\n" + #"{"prompt": "The"}"#)
    let draw = { try generate("--batch", $0, "--temperature", "1.5", "--seed", "3").output.split(separator: "\n") }
    let (both, second) = (try draw(all), try draw(last))
    #expect(both.count == 2 && both[0] != both[1] && both[1] == second[1])
  }

  @Test("an interrupted run goes on where it was; with other questions it does not")
  func resuming() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("q.jsonl", questions)
    let output = folder.file("answers.jsonl")
    let whole = try generate("--chat", "--batch", path).output
    let run = try generate("--chat", "--batch", path, "--output", output)
    #expect(run.status == 1 && run.output.isEmpty)
    #expect(try String(contentsOfFile: output, encoding: .utf8) == whole)
    #expect(Folder.kind(of: output + ".unfinished") == nil)
    let again = try generate("--chat", "--batch", path, "--output", output)
    #expect(again.status == 1 && again.errors.contains("--force"))
    #expect(try String(contentsOfFile: output, encoding: .utf8) == whole)

    // As a run that was killed leaves it: a line cut off behind two that are done, the second of them recognizable.
    let head = try #require(try unfinishedHead(folder, path))
    let lines = whole.split(separator: "\n").map { $0 + "\n" }
    let second = #"{"prompt": "The king", "generated": "kept"}"# + "\n"
    try folder.write("late.jsonl.unfinished", head + lines[0] + second + #"{"quest"#)
    let late = try generate("--chat", "--batch", path, "--output", folder.file("late.jsonl"))
    let result = try String(contentsOfFile: folder.file("late.jsonl"), encoding: .utf8)
    #expect(late.status == 1 && result == lines[0] + second + lines[2...].joined())

    try folder.write("other.jsonl.unfinished", head + lines[0])
    let other = try generate(
      "--chat", "--batch", path, "--output", folder.file("other.jsonl"), "--temperature", "1")
    #expect(
      other.status == 1 && other.errors.contains("--no-resume") && Folder.kind(of: folder.file("other.jsonl")) == nil)
    let fresh = try generate(
      "--chat", "--batch", path, "--output", folder.file("other.jsonl"), "--temperature", "0.1", "--no-resume")
    #expect(fresh.status == 1 && Folder.kind(of: folder.file("other.jsonl")) == .file)
  }

  /// The first line of an unfinished file: of a run that is killed as soon as it is there.
  private func unfinishedHead(_ folder: TemporaryFolder, _ questions: String) throws -> String? {
    let output = folder.file("late.jsonl")
    let running = try Running([
      "generate", model, "--max-tokens", "8", "--quiet", "--chat", "--batch", questions, "--output", output,
    ])
    var text = ""
    let deadline = Date() + 60
    while !text.contains("\n"), Date() < deadline, running.isRunning {
      text = (try? String(contentsOfFile: output + ".unfinished", encoding: .utf8)) ?? ""
      usleep(500)
    }
    running.send(SIGKILL)
    _ = try running.finish()
    try? FileManager.default.removeItem(atPath: output)
    try? FileManager.default.removeItem(atPath: output + ".unfinished")
    return text.split(separator: "\n").first.map { $0 + "\n" }
  }

  @Test("the list of questions is never written over")
  func inputs() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("q.jsonl", #"{"prompt": "a"}"#)
    let run = try generate("--batch", path, "--output", path, "--force")
    #expect(run.status == 1 && run.errors.contains("input"))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == #"{"prompt": "a"}"#)
    let none = try generate("--batch", folder.write("e.jsonl", "\n"))
    #expect(none.status == 1 && none.errors.contains("no records"))
  }
}
