import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// The real binary on the small model of the example release.
@Suite("generate and doctor") struct GenerateTests {
  private let model = project("Examples/tiny-belle/llama")

  @Test("the same prompt gives the same text, on any number of threads")
  func reproducible() throws {
    let one = try belleTools("generate", model, "--prompt", "The king", "--max-tokens", "12", "--threads", "1")
    #expect(one.status == 0 && !one.output.isEmpty && one.output.hasSuffix("\n"))
    #expect(one.errors.hasPrefix("note: "))
    let two = try belleTools(
      "generate", model, "--prompt", "The king", "--max-tokens", "12", "--threads", "3", "--quiet")
    #expect(two.output == one.output && two.errors.isEmpty)
  }

  @Test("drawn tokens follow the seed")
  func seeds() throws {
    let draw = { (seed: String) in
      try belleTools(
        "generate", model, "--prompt", "The", "--max-tokens", "12", "--temperature", "1.5", "--seed", seed, "--quiet"
      ).output
    }
    let (one, again, other) = (try draw("1"), try draw("1"), try draw("2"))
    #expect(one == again && one != other)
  }

  @Test("JSON: a text a turn, then the summary")
  func json() throws {
    let result = try belleTools("generate", model, "--prompt", "The king", "--max-tokens", "5", "--json")
    let objects = try result.objects()
    #expect(objects.map { $0["type"] as? String } == ["text", "summary"])
    #expect((objects.first?["tokens"] as? [Int])?.count == 5)
    #expect(objects.first?["end"] as? String == "length")
    #expect(objects.last?["tokens"] as? Int == 5)
    #expect((objects.last?["weight_bytes"] as? Int ?? 0) > 1_000_000)
    let plain = try belleTools("generate", model, "--prompt", "The king", "--max-tokens", "5", "--quiet")
    #expect(plain.output == (objects.first?["text"] as? String ?? "") + "\n")
  }

  /// Its text ended in the middle, with "there is no token 4501" and status 1.
  @Test("tokens that only rows of the embedding are for have no text, and end nothing", arguments: [nil, "<|im_end|>"])
  func paddedVocabulary(end: String?) throws {
    let folder = try TemporaryFolder()
    var made = TokenizedCheckpoint(rows: 5000)
    made.source.remove("lm_head.weight")
    // Whatever the state is, the likeliest token is one of two rows that the tokenizer knows nothing of.
    var head = [Float](repeating: 0, count: 5000 * 64)
    for column in 0..<64 { (head[4500 * 64 + column], head[4501 * 64 + column]) = (9, -9) }
    made.source.add("lm_head.weight", .f32, [5000, 64], head)
    let files = end.map { ["added_tokens.json": #"{"\#($0)": 4096}"#] } ?? [:]
    let path = try made.write(folder, "m", files)
    let run = try belleTools("generate", path, "--prompt", "a", "--max-tokens", "7", "--temperature", "0", "--json")
    #expect(run.status == 0, "\(run.errors)")
    let text = try run.objects().first
    #expect((text?["tokens"] as? [Int])?.count == 7 && text?["text"] as? String == "", "\(run.output)")
  }

  /// Of 256 tokens that were wanted 511 were predicted, of 64 of a token file 255.
  @Test("evaluate predicts as many tokens as are wanted", arguments: [1, 63, 64, 65, 200, 255])
  func wantedTokens(count: Int) throws {
    let tiny = project("Tests/Fixtures/tiny/llama/tokens.safetensors:evaluation")
    for text in [tiny, project("Documentation/gptq.md")] {
      let run = try belleTools("evaluate", model, "--text", text, "--max-tokens", "\(count)", "--json")
      #expect(try run.objects().last?["tokens"] as? Int == count, "\(run.output)\(run.errors)")
    }
  }

  @Test("a conversation is read line by line, blank ones are no turns")
  func chat() throws {
    let folder = try TemporaryFolder()
    let lines = try folder.write("lines", "What is water?\n\n  你好  \n")
    let result = try belleTools(
      "generate", model, "--chat", "--max-tokens", "6", "--json", shell: "\"$0\" \"$@\" <'\(lines)'")
    let objects = try result.objects()
    #expect(result.status == 0)
    #expect(objects.map { $0["type"] as? String } == ["text", "text", "summary"])
    // The second turn reads what is new, not the conversation from its beginning.
    let prompts = objects.compactMap { $0["prompt_tokens"] as? Int }
    #expect(prompts.count == 3 && prompts[2] == prompts[0] + prompts[1])
  }

  @Test("a prompt beyond the texts that the model was made for is answered, with a warning")
  func longPrompt() throws {
    let model = project("Tests/Fixtures/gptqmodel")
    let words = { String(repeating: "The king ", count: $0) }
    let long = try belleTools("generate", model, "--prompt", words(400), "--max-tokens", "2", "--quiet")
    #expect(long.status == 0 && !long.output.isEmpty)
    #expect(long.errors.contains("warning: the prompt has ") && long.errors.contains("made for texts of 512\n"))
    let short = try belleTools("generate", model, "--prompt", words(10), "--max-tokens", "2", "--quiet")
    #expect(short.status == 0 && short.errors.isEmpty)
  }

  @Test("a reader that has seen enough ends it with success")
  func closedPipe() throws {
    let result = try belleTools(
      "generate", model, "--prompt", "The", "--max-tokens", "100000", "--temperature", "1", "--quiet",
      shell: "\"$0\" \"$@\" | head -c 20 >/dev/null; exit ${PIPESTATUS[0]}")
    #expect(result.status == 0)
  }

  @Test("wrong usage and models that are none")
  func mistakes() throws {
    #expect(try belleTools("generate", model).status == 64)
    #expect(try belleTools("generate", model, "--prompt", "a", "--top-p", "0").status == 64)
    #expect(try belleTools("generate", model, "--prompt", "a", "--temperature", "-1").status == 64)
    let missing = try belleTools("generate", project("Examples/nowhere"), "--prompt", "a")
    #expect(missing.status == 1 && missing.errors.hasPrefix("error: "))
  }

  @Test("doctor says nothing about a good model, and 2 for a bad one")
  func doctor() throws {
    let good = try belleTools("doctor", model)
    #expect(good.status == 0 && good.output.hasSuffix("no findings\n"))
    #expect(good.output.contains("llama.cpp     no: it reads GGUF only"))
    let folder = try TemporaryFolder()
    try folder.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    let bad = try belleTools("doctor", folder.path, "--json")
    let objects = try bad.objects()
    #expect(bad.status == 2)
    #expect(objects.first?["type"] as? String == "finding" && objects.first?["code"] as? String == "not-downloaded")
    #expect(objects.first?["severity"] as? String == "error" && objects.first?["remedy"] is String)
    #expect(objects.last?["type"] as? String == "summary" && objects.last?["errors"] as? Int == 1)
    #expect(objects.filter { $0["type"] as? String == "engine" }.count == 4)
    #expect(try belleTools("doctor", folder.file("nowhere")).status == 1)
  }
}
