import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Wrong usage, and what is silent") struct UsageFaultTests {
  /// A model whose modules have 64 inputs.
  private func model(_ folder: TemporaryFolder, at name: String = "m") throws -> String {
    let path = folder.file(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let made = try RandomCheckpoint().write(folder, "made-here")
    try FileManager.default.moveItem(atPath: made, toPath: path)
    return path
  }

  @Test(
    "a verb that does not exist is named, with the one that may have been meant",
    arguments: [
      (["decript", "a", "b", "c"], "decrypt"), (["quant", "m"], "quantize"), (["help", "verfy"], "verify"),
      (["nosuchverb"], nil), (["help", "nosuchverb"], nil),
    ])
  func verb(words: [String], meant: String?) throws {
    let run = try Running(words).finish()
    let word = words.first { $0 != "help" } ?? ""
    #expect(run.status == 64 && run.output.isEmpty)
    #expect(run.errors.hasPrefix("error: there is no verb '\(word)'\nhint: "), "\(run.errors)")
    #expect(
      run.errors.contains(meant.map { "hint: did you mean `belle-tools \($0)`?" } ?? "hint: the verbs are decrypt, "))
  }

  @Test(
    "errors of the command line have the form of all others",
    arguments: [
      ("verify x --jobs -1", "error: --threads must be between 1 and 1024", "Usage: "),
      ("verify x --threads=-1", "error: --threads must be between 1 and 1024", "Usage: "),
      ("generate x --temperature -0.5 --prompt p", "error: --temperature must be 0 or more", "Usage: "),
      (
        "quantize x --bits five", "error: the value 'five' is invalid for '--bits <n>'",
        "hint: --bits <n>  Bits a weight"
      ),
      (
        "verify x --jobs y", "error: the value 'y' is invalid for '--jobs'",
        "hint: '--jobs' was the name of '--threads', whose values --help shows\n"
      ),
      (
        "convert x y --to onnx", "error: the value 'onnx' is invalid for '--to'",
        "hint: '--to' was the name of '--format', whose values --help shows\n"
      ),
      ("generate x", "error: there is no --prompt, and standard input is empty", "  See 'belle-tools generate --help'"),
      ("verify --jsn x", "error: unknown option '--jsn'\n", "hint: did you mean '--json'?\n"),
      ("convert a", "error: missing expected argument '<output>'\n", "hint: <output>  A .safetensors"),
      ("decrypt 1 2 3 4 5 6 7 8", "error: 5 unexpected arguments: '4', '5', '6', …\n", "hint: a pattern such as enc/*"),
      ("quantize x y --gguf-type Q4_K_N", "error: the value 'Q4_K_N' is invalid", "; the nearest is q4_k_s\n"),
      ("convert x y --gguf-type q8", "error: the value 'q8' is invalid", "; the nearest is q8_0\n"),
      ("convert x y --dtype fp16", "error: the value 'fp16' is invalid", "; the nearest is f16\n"),
      ("generate x --temp 1", "error: unknown option '--temp'\n", "hint: did you mean '--temperature'?\n"),
      ("generate x --n-predict 8", "error: unknown option '--n-predict'\n", "hint: did you mean '--max-tokens'?\n"),
      ("generate x --max_tokens 8", "error: unknown option '--max_tokens'\n", "hint: did you mean '--max-tokens'"),
      ("hash x --md5", "error: unknown option '--md5'\n", "hint: did you mean '--algorithm'?\n"),
      ("quantize x --gr 8", "error: unknown option '--gr'\n", "Usage: "),
      ("quantize x --group 8", "error: unknown option '--group'\n", "hint: did you mean '--group-size'?\n"),
      ("verify x --hlep", "error: unknown option '--hlep'\n", "hint: did you mean '--help'?\n"),
      ("convert --model x --output y", "error: unknown option '--model'\n", "hint: what is read and what is written"),
      ("generate x hi", "error: unexpected argument 'hi'\n", "hint: a text to continue or to answer goes with"),
      ("verify x l.md5", "error: unexpected argument 'l.md5'\n", "hint: a list goes with --manifest\n"),
    ])
  func fault(line: String, error: String, hint: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let run = try Running(words).finish()
    #expect(run.status == 64 && run.output.isEmpty)
    #expect(run.errors.hasPrefix(error) && run.errors.contains(hint), "\(run.errors)")
    #expect(run.errors.contains("\nUsage: belle-tools \(words[0]) "), "\(run.errors)")
  }

  @Test(
    "the program's own options and its verbs are told apart",
    arguments: [("--verify x", "belle-tools verify"), ("-V", "--version"), ("version", "--version")])
  func root(line: String, meant: String) throws {
    let run = try Running(line.split(separator: " ").map(String.init)).finish()
    #expect(run.status == 64 && run.errors.contains("hint: did you mean "), "\(run.errors)")
    #expect(run.errors.contains(meant), "\(run.errors)")
  }

  @Test("a value may be joined to a letter, and flags be joined to each other")
  func joined() throws {
    let folder = try TemporaryFolder()
    _ = try model(folder)
    let arguments = ["quantize", "m", "-b8", "-g32", "--method", "rtn", "-nf", "--json"]
    let run = try Running(arguments, in: folder.path).finish()
    let output = try run.objects().last?["output"] as? String
    #expect(run.status == 0 && output == "m-gptq-8bit-32g", "\(run.errors)")
  }

  @Test("an output's name in capitals is of the same kind")
  func capitals() throws {
    let folder = try TemporaryFolder()
    _ = try model(folder)
    for name in ["M.SAFETENSORS", "m.PT"] {
      #expect(try Running(["convert", "m", name], in: folder.path).finish().status == 0)
      #expect(Folder.kind(of: folder.file(name)) == .file)
    }
    #expect(try Running(["compare", "m", "M.SAFETENSORS"], in: folder.path).finish().status == 0)
  }

  @Test(
    "a path that leads nowhere: what was meant, as far as that can be told",
    arguments: [
      ("BelleGroup/BELLE-7B-2M", "`hf download BelleGroup/BELLE-7B-2M --local-dir BELLE-7B-2M`"),
      ("https://huggingface.co/01-ai/Yi-6B/tree/main", "`hf download 01-ai/Yi-6B --local-dir Yi-6B`"),
      ("hf://a/b", "`hf download a/b "), ("https://example.org/model.bin", "nothing is downloaded here"),
      ("file:///m", "leave file:// away"), ("~/m", "the shell replaces ~"), ("\"m\"", "the quotes have become"),
      ("m ", "a space stands"), ("m\\config.json", "separated by / here: m/config.json"),
      ("mdel", "the nearest name there is model"), ("m/confg.json", "the nearest name there is m/config.json"),
      ("/no/such", "hint: check the path\n"), ("zzz", "hint: check the path\n"),
    ])
  func paths(path: String, hint: String) throws {
    let folder = try TemporaryFolder()
    _ = try model(folder)
    try folder.write("model/x", "")
    for verb in ["inspect", "verify"] {
      let run = try Running([verb, path, "--json"], in: folder.path).finish()
      #expect(run.status == 1 && run.errors.contains(hint), "\(run.errors)")
      let said = try #require(try run.objects().last?["hint"] as? String)
      #expect(run.errors.contains("hint: \(said)\n"))
    }
    for name in ["m/config.json", "m/tokenizer.model"] {
      if name != "m/config.json" { try folder.write(name, "no weights") }
      let run = try Running(["inspect", name], in: folder.path).finish()
      #expect(run.status == 1 && run.errors.contains("hint: weights are in other files: give the folder, m,"))
    }
  }

  @Test("labels have colours on a terminal, and not with NO_COLOR, TERM=dumb or in a pipe")
  func colours() throws {
    // util-linux's.
    guard Folder.kind(of: "/usr/bin/script") != nil, Folder.kind(of: "/proc/self") != nil else { return }
    let run = { (settings: String) in
      try Running(
        ["verify", "/no/such"],
        shell: "exec env \(settings) script -qec \"'$0' $*\" /dev/null < /dev/null"
      ).finish().output
    }
    // swift test sets NO_COLOR where it writes to no terminal.
    #expect(try run("-u NO_COLOR TERM=xterm").contains("\u{1B}[1;31merror: \u{1B}[0m/no/such"))
    #expect(try run("TERM=xterm NO_COLOR=").contains("\u{1B}[36mhint: \u{1B}[0m"))
    for settings in ["TERM=xterm NO_COLOR=1", "-u NO_COLOR TERM=dumb"] {
      let text = try run(settings)
      #expect(text.contains("error: /no/such") && !text.contains("\u{1B}"), "\(text)")
    }
    #expect(try !Running(["verify", "/no/such"]).finish().errors.contains("\u{1B}"))
  }

  @Test(
    "--json says what ended the run, on standard output",
    arguments: [
      "inspect nowhere", "doctor nowhere", "convert nowhere o", "verify nowhere", "decrypt nowhere k o", "merge a b c",
      "compare nowhere n", "evaluate nowhere --text t", "generate nowhere --prompt p", "quantize nowhere o",
      "releases nowhere", "encrypt nowhere k o", "extend nowhere t o",
    ])
  func json(line: String) throws {
    let folder = try TemporaryFolder()
    let run = try Running(line.split(separator: " ").map(String.init) + ["--json"], in: folder.path).finish()
    let last = try #require(try run.objects().last)
    let message = try #require(last["message"] as? String)
    #expect(run.status == 1 && last["type"] as? String == "error")
    #expect(run.errors.contains("error: \(message)\n"), "\(run.errors)")
    if let hint = last["hint"] as? String { #expect(run.errors.contains("hint: \(hint)\n")) }
    // Wrong usage too.
    let wrong = try Running([String(line.prefix { $0 != " " }), "--nosuchoption", "--json"], in: folder.path).finish()
    #expect(wrong.status == 64)
    #expect(try wrong.objects().map { $0["type"] as? String } == ["error"])
  }

  @Test("--quiet says nothing of files that are right, and all of others")
  func quiet() throws {
    let folder = try TemporaryFolder()
    let (enc, key) = (project("Examples/tiny-belle/enc"), project("Examples/tiny-belle/llama/consolidated.00.pth"))
    for name in ["plain", "plain"] {
      let run = try belleTools("decrypt", enc, key, folder.file(name), "--quiet")
      #expect(run.status == 0 && run.output.isEmpty && run.errors.isEmpty, "\(run.output)\(run.errors)")
    }
    let back = try belleTools("encrypt", folder.file("plain"), key, folder.file("enc"), "--quiet")
    #expect(back.status == 0 && back.output.isEmpty && back.errors.isEmpty, "\(back.output)\(back.errors)")
    let list = project("Examples/tiny-belle/tiny-belle.md5")
    let verify = { try belleTools("verify", folder.file("plain"), "--manifest", list, "--quiet") }
    let good = try verify()
    #expect(good.status == 0 && good.output.isEmpty && good.errors.isEmpty, "\(good.output)\(good.errors)")
    try folder.write("plain/config.json", "{}")
    try folder.write("plain/more", "")
    let bad = try verify()
    #expect(bad.status == 2 && bad.output == "config.json: FAILED\n", "\(bad.output)")
    let strict = try belleTools("verify", folder.file("plain"), "--manifest", list, "--quiet", "--strict")
    #expect(strict.output.contains("more: EXTRA"), "\(strict.output)")
  }

  @Test("a prompt comes from standard input where there is none in the arguments; an empty one is an error")
  func prompt() throws {
    let folder = try TemporaryFolder()
    let bench = try OutputBench(.quantize)
    let model = bench.folder.file("in")
    let given = try belleTools("generate", model, "--max-tokens", "2", "--prompt", "一\n二")
    #expect(given.status == 0, "\(given.errors)")
    let input = try folder.write("in", "一\n二\n")
    let piped = try belleTools("generate", model, "--max-tokens", "2", shell: "exec \"$0\" \"$@\" < '\(input)'")
    #expect(piped.status == 0 && piped.output == given.output, "\(piped.errors)")
    let none = try belleTools("generate", model, "--max-tokens", "2")
    #expect(none.status == 64 && none.errors.contains("standard input is empty"), "\(none.errors)")
  }

  @Test("quantize writes where the user stands, and names a snapshot of Hugging Face's cache by its repository")
  func place() throws {
    let folder = try TemporaryFolder()
    let snapshot = try model(folder, at: "hub/models--x--y/snapshots/0123abcd")
    try FileManager.default.createDirectory(atPath: folder.file("work"), withIntermediateDirectories: true)
    for input in [snapshot, snapshot + "/model.safetensors"] {
      let run = try belleTools(
        "quantize", input, "--method", "rtn", "--group-size", "64", "--force", in: folder.file("work"))
      #expect(run.status == 0, "\(run.errors)")
    }
    #expect(try folder.names(in: "work") == ["y-gptq-4bit-64g"])
    #expect(try folder.names(in: "hub/models--x--y/snapshots") == ["0123abcd"])
  }

  @Test(
    "an output's name, and a type of blocks, say the format",
    arguments: [
      ("o.gguf", [], "GGUF"), ("o.pt", [], "PK\u{3}\u{4}"), ("o", ["--gguf-type", "q4_0"], "GGUF"),
    ])
  func format(output: String, options: [String], head: String) throws {
    let folder = try OutputBench(.quantize).folder
    let model = folder.file("in")
    let run = try Running(["quantize", model, folder.file(output), "--method", "rtn"] + options).finish()
    #expect(run.status == 0, "\(run.errors)")
    let file = try #require(FileHandle(forReadingAtPath: folder.file(output)))
    #expect(try file.read(upToCount: head.utf8.count) == Data(head.utf8))
    // What the name contradicts is an error, before any work.
    let other = try belleTools("quantize", model, folder.file("p.gguf"), "--format", "gptq")
    #expect(other.status == 64 && other.errors.contains("is the name of another file"), "\(other.errors)")
  }

  @Test("a line of progress fits a narrow terminal, with Chinese letters too")
  func width() throws {
    let folder = try TemporaryFolder()
    let name = String(repeating: "很长的名字", count: 9)
    try folder.write("m/\(name)", "")
    #expect(truncate(folder.file("m/\(name)"), 400 << 20) == 0)
    try folder.write("l.md5", "d41d8cd98f00b204e9800998ecf8427e  \(name)\n")
    let command = "stty cols 60; exec '\(Running.binary)' verify m --manifest l.md5"
    let run = try belleTools(shell: "TERM=xterm script -qec \"\(command)\" /dev/null", in: folder.path)
    let lines = run.output.split(whereSeparator: \.isNewline).filter { $0.contains("%  很") }
    #expect(!lines.isEmpty, "\(run.output)\(run.errors)")
    for line in lines {
      let letters = line.unicodeScalars.filter { $0.value >= 0x4E00 }.count
      let text = line.drop { $0 != "%" }
      #expect(4 + text.unicodeScalars.count + letters <= 60, "\(line)")
    }
  }

  @Test("an interrupt says that finished files stay")
  func interrupt() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a", "")
    #expect(truncate(folder.file("m/a"), 2 << 30) == 0)
    let key = project("Examples/tiny-belle/llama/consolidated.00.pth")
    let running = try Running(["encrypt", folder.file("m"), key, folder.file("enc")])
    while (try? folder.names(in: "enc"))?.isEmpty != false, running.isRunning { usleep(10_000) }
    running.send(SIGINT)
    let run = try running.finish()
    #expect(run.status == 130)
    #expect(run.errors.contains("interrupted: files that were finished stay"), "\(run.errors)")
    #expect(try folder.names(in: "enc").isEmpty)
  }

  @Test("bash completes paths, and names of releases")
  func completion() throws {
    let folder = try TemporaryFolder()
    try folder.write("plain.safetensors", "")
    let script = try belleTools("--generate-completion-script", "bash")
    #expect(script.status == 0)
    try folder.write("c.sh", script.output)
    let complete = { (words: String, word: String) in
      let last = words.split(separator: " ").count - 1
      return try belleTools(
        shell: """
          source ./c.sh; PATH=$(dirname "$0"):$PATH; COMP_WORDS=(\(words)); COMP_CWORD=\(last); COMP_LINE='\(words)'
          COMP_POINT=${#COMP_LINE}; _belle-tools belle-tools '\(word)' x; printf '%s\\n' "${COMPREPLY[@]}"
          """, in: folder.path
      ).output.split(separator: "\n").map(String.init)
    }
    for line in [
      "inspect pl", "convert pl", "quantize pl", "merge pl", "verify x --manifest pl", "evaluate x --text pl",
    ] {
      #expect(try complete("belle-tools " + line, "pl") == ["plain.safetensors"], "\(line)")
    }
    #expect(
      try complete("belle-tools releases BELLE-LLaMA-7B-2M", "BELLE-LLaMA-7B-2M").contains("BELLE-LLaMA-7B-2M-enc"))
  }
}
