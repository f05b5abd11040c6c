import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Options") struct OptionTests {
  /// Every spelling of 0.1.0: names, and after them a value where the option takes one. Scripts rely on them.
  static let spellings: [String: String] = [
    "decrypt": "--manifest=m --to=safetensors --jobs=1 --force --keep-going --check-key --dry-run",
    "encrypt": "--jobs=1 --force",
    "verify": "--manifest=m --release=r --jobs=1 --strict",
    "releases": "",
    "inspect": "--stats --crc --safety --jobs=1",
    "convert": """
    --to=auto --to=safetensors --to=torch --to=gguf --layout=keep --layout=hf --layout=meta --dtype=keep --dtype=f32 \
    --dtype=f16 --dtype=bf16 --chat-template=auto --checkpoint-format=gptq --checkpoint-format=gptq_v2 \
    --checkpoint-format=belle --dequantize --lossy --max-shard-size=5GB --max-shard-size=5000 --max-shard-size=5kb --force
    """,
    "compare": "--tolerance=0.1 --jobs=1",
    "evaluate": "--reference=r --sequence-length=2 --max-tokens=1 --tokenizer=t --threads=1",
    "generate": "--chat --max-tokens=1 --temperature=1 --top-p=0.5 --top-k=1 --seed=1 --tokenizer=t --threads=1",
    "quantize": """
    --bits=2 --group-size=-1 --symmetric --sym --asymmetric --asym --method=gptq --method=rtn --recipe=best --recipe=fast \
    --recipe=reference --act-order --static-groups --mse --true-sequential --alpha=1 --beta=1 --sweeps=1 --damping=0.1 \
    --format=gptq --format=belle --format=gguf --calibration=c --samples=1 --sequence-length=2 --seed=1 --only=* --skip=* \
    --quantize-head --compute=auto --compute=f32 --compute=bf16 --max-memory=8GB --resume --no-resume --allow-fallback \
    --max-shard-size=5GB --tokenizer=t --force --threads=1
    """,
    "doctor": "--threads=1",
  ]
  /// What each verb needs besides; nothing of it exists.
  static let arguments: [String: [String]] = [
    "decrypt": ["/nowhere/a", "/nowhere/b", "/nowhere/c"], "encrypt": ["/nowhere/a", "/nowhere/b", "/nowhere/c"],
    "verify": ["/nowhere/a"], "releases": ["nowhere"], "inspect": ["/nowhere/a"],
    "convert": ["/nowhere/a", "/nowhere/b"],
    "compare": ["/nowhere/a", "/nowhere/b"], "evaluate": ["/nowhere/a", "--text", "/nowhere/b"],
    "generate": ["/nowhere/a", "--prompt", "p"], "quantize": ["/nowhere/a", "/nowhere/b"], "doctor": ["/nowhere/a"],
  ]

  @Test("every spelling of 0.1.0 is understood", arguments: spellings.keys.sorted())
  func spelling(verb: String) throws {
    let options = try #require(Self.spellings[verb]).split(separator: " ").map(String.init) + ["--json", "--quiet"]
    for option in options {
      let run = try Running([verb] + Self.arguments[verb, default: []] + [option]).finish()
      #expect([1, 2].contains(run.status), "\(verb) \(option): \(run.errors)")
      // The other form of a value, as a word of its own.
      let words = option.split(separator: "=", maxSplits: 1).map(String.init)
      guard words.count == 2, !words[1].hasPrefix("-") else { continue }
      let apart = try Running([verb] + Self.arguments[verb, default: []] + words).finish()
      #expect(apart.status == run.status && apart.errors == run.errors, "\(verb) \(words): \(apart.errors)")
    }
  }

  @Test(
    "the former names do what the new ones do",
    arguments: [
      ["decrypt", "--threads", "--jobs", "1"], ["decrypt", "--format", "--to", "safetensors"],
      ["convert", "--format", "--to", "torch"],
    ])
  func former(words: [String]) throws {
    let (verb, new, old, value) = (words[0], words[1], words[2], words[3])
    let folder = try TemporaryFolder()
    let run = { (option: String, output: String) in
      let inputs =
        verb == "decrypt"
        ? [project("Examples/tiny-belle/enc"), project("Examples/tiny-belle/llama/consolidated.00.pth")]
        : [project("Tests/Fixtures/checkpoints/hf-sharded-st")]
      return try Running([verb] + inputs + [folder.file(output), option, value]).finish()
    }
    #expect(try run(new, "new").status == 0)
    #expect(try run(old, "old").status == 0)
    let names = try folder.names(in: "new")
    #expect(try !names.isEmpty && names == folder.names(in: "old"))
    for name in names { #expect(try readBytes(folder.file("new/" + name)) == readBytes(folder.file("old/" + name))) }
    let both = try Running([verb] + Self.arguments[verb, default: []] + [new, value, old, value]).finish()
    #expect(both.status == 64 && both.errors.contains("\(old) is another name of \(new): give one of them."))
  }

  @Test(
    "help and completions show --threads and --format, and not the former names",
    arguments: ["decrypt", "encrypt", "verify", "inspect", "compare", "convert", "quantize", "evaluate", "doctor"])
  func names(verb: String) throws {
    let help = try belleTools(verb, "--help").output
    #expect(!help.contains("--jobs") && !help.contains("--to "))
    #expect(verb == "convert" || help.contains("  -t, --threads <n> "))
    #expect(!["decrypt", "convert", "quantize"].contains(verb) || help.contains("  -F, --format <format> "))
  }

  @Test("completions are made for each shell, with the names that the help shows", arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let run = try belleTools("--generate-completion-script", shell)
    #expect(run.status == 0 && run.output.contains("max-shard-size") && run.output.contains("threads"))
    #expect(run.output.contains("q4_k") && run.output.contains("safetensors") && run.output.contains("decrypt"))
    #expect(!run.output.contains("jobs") && !run.output.contains("alpha"))
  }

  @Test(
    "a size that is none is told with what one is",
    arguments: ["x", "0", "-1", "5XB", "GB", "1.5.2GB", ".5GB", "1.5", "9999999999999TB", "5 GB"])
  func sizes(text: String) throws {
    for (verb, option) in [
      ("convert", "--max-shard-size"), ("quantize", "--max-shard-size"), ("quantize", "--max-memory"),
    ] {
      let run = try Running([verb, "a", "b", "\(option)=\(text)"]).finish()
      #expect(run.status == 64)
      #expect(run.errors.hasPrefix("error: the value '\(text)' is invalid for '\(option) <size>'"), "\(run.errors)")
      #expect(run.errors.contains("kB, MB or GB"), "\(run.errors)")
    }
  }
}
