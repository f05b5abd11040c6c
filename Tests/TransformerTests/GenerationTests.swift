import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

@Suite("Sampling") struct SamplerTests {
  private let logits: [Float] = [1, 3, .nan, 2, 3, -.infinity]

  @Test("without temperature the likeliest token is taken, the lowest of equals; NaN never")
  func greedy() {
    var sampler = Sampler(SamplingOptions())
    #expect(sampler.next(logits) == 1)
    #expect(sampler.next([.nan, .nan]) == nil)
    #expect(sampler.next([]) == nil)
    #expect(sampler.next([-.infinity, .nan]) == 0)
    var one = Sampler(SamplingOptions(temperature: 2, topK: 1))
    #expect(one.next(logits) == 1)
  }

  @Test("tokens are drawn as often as their probability says")
  func frequencies() {
    var sampler = Sampler(SamplingOptions(temperature: 0.5, seed: 1))
    var counts = [Int](repeating: 0, count: 4)
    let draws = 20000
    for _ in 0..<draws { counts[Int(sampler.next([0, 0.5, 1, .nan]) ?? 3)] += 1 }
    let weights = [0, 1, 2].map { exp(Double($0)) }
    for token in 0..<3 {
      let wanted = weights[token] / weights.reduce(0, +)
      #expect(abs(Double(counts[token]) / Double(draws) - wanted) < 0.015)
    }
    #expect(counts[3] == 0)
  }

  @Test("top-k and top-p leave the likeliest only")
  func restrictions() {
    var k = Sampler(SamplingOptions(temperature: 10, topK: 2, seed: 2))
    var p = Sampler(SamplingOptions(temperature: 1, topP: 0.6, seed: 2))
    var (fromK, fromP) = (Set<Int32>(), Set<Int32>())
    for _ in 0..<300 {
      if let token = k.next(logits) { fromK.insert(token) }
      if let token = p.next([0, 0, 0.1, -5].map { Float($0) }) { fromP.insert(token) }
    }
    #expect(fromK == [1, 4])
    // A third, a little more, a third: the first two of the order reach 0.6.
    #expect(fromP == [2, 0])
  }

  @Test("a seed gives the same tokens, another one others")
  func seeds() {
    let draw = { (seed: UInt64) in
      var sampler = Sampler(SamplingOptions(temperature: 1, seed: seed))
      return (0..<50).map { _ in sampler.next([0, 0, 0, 0]) }
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
  }

  @Test("an infinite logit is chosen")
  func infinite() {
    var sampler = Sampler(SamplingOptions(temperature: 1))
    #expect(sampler.next([0, .infinity, 5]) == 1)
  }
}

@Suite("Text as it comes") struct TextStreamTests {
  /// One token for each byte.
  private struct Bytes: Tokenizer {
    var kind: String { "bytes" }
    var vocabularySize: Int { 256 }
    var special: SpecialTokens { SpecialTokens() }
    func encode(_ text: String) throws -> [Int32] { text.utf8.map { Int32($0) } }
    func decode(_ ids: [Int32]) throws -> String { String(decoding: ids.map { UInt8($0) }, as: UTF8.self) }
  }

  private func parts(_ text: some Sequence<UInt8>, stops: [String] = []) throws -> ([String], isStopped: Bool) {
    var stream = TextStream(Bytes(), after: [1, 2], stops: stops)
    var parts: [String] = []
    for byte in text { parts.append(try stream.take(Int32(byte))) }
    parts.append(try stream.finish())
    return (parts, stream.isStopped)
  }

  /// It ended the text with "there is no token 4423".
  @Test("a token that fills up the embedding, and that the tokenizer does not have, stands for no text")
  func padding() throws {
    var stream = TextStream(Bytes(), after: [1, 5000])
    var text = ""
    for token in [104, 4423, -1, 105] as [Int32] { text += try stream.take(token) }
    #expect(text + (try stream.finish()) == "hi")
  }

  @Test("a character is given out as a whole", arguments: ["aé水😀z", "水", "\u{FFFD}ok", "plain"])
  func whole(text: String) throws {
    let (parts, _) = try parts(text.utf8)
    #expect(parts.joined() == text)
    // A U+FFFD that the text really has looks like half a character, until the next one comes.
    #expect(text.contains("\u{FFFD}") || parts.allSatisfy { $0.unicodeScalars.count <= 1 })
  }

  @Test("bytes that become no character are not waited for")
  func broken() throws {
    #expect(try parts([0xE6, 0xB0]).0.joined() == "\u{FFFD}")
    let (parts, _) = try parts([UInt8](repeating: 0xFF, count: 40) + Array("end".utf8))
    #expect(parts.joined().hasSuffix("end"))
    #expect(parts.prefix(12).joined().isEmpty == false)
  }

  @Test("nothing of the stop text is given out, and what only begins like it is")
  func stopText() throws {
    let (stopped, isStopped) = try parts("answer\n\nHuman: more".utf8, stops: ["\n\nHuman:"])
    #expect(stopped.joined() == "answer" && isStopped)
    let (other, wasStopped) = try parts("answer\n\nHumans\n\n".utf8, stops: ["\n\nHuman:"])
    #expect(other.joined() == "answer\n\nHumans\n\n" && !wasStopped)
  }

  @Test("the pieces of a SentencePiece text are its whole", .enabled(if: hasTinyModels != nil))
  func pieces() throws {
    for name in ["llama", "bloom"] {
      let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/\(name)"))
      let prompt = "Human: hello"
      let text = " the answer is 水 and 😀, plainly.\n\n好"
      let before = try tokenizer.encode(prompt)
      let all = try tokenizer.encode(prompt + text)
      var stream = TextStream(tokenizer, after: before)
      var found = ""
      for token in all.dropFirst(before.count) { found += try stream.take(token) }
      found += try stream.finish()
      #expect(all.starts(with: before) && found == text)
    }
  }
}

@Suite("Conversations") struct ConversationTests {
  @Test("turns have BELLE's form")
  func form() {
    var conversation = Conversation()
    conversation.ask("a")
    #expect(conversation.texts == ["Human: a\n\nAssistant:"])
    conversation.answer(" b\n")
    conversation.ask("c")
    #expect(conversation.texts == ["Human: a\n\nAssistant: b", "Human: c\n\nAssistant:"])
  }

  /// What llama.cpp makes of our chat template for the same turns (llama-cpp-python 0.3.36, Jinja2ChatFormatter).
  @Test(
    "two turns are the tokens that llama.cpp makes of the chat template",
    arguments: [
      (
        "llama",
        [
          1, 553, 2119, 618, 346, 266, 804, 2151, 13, 13, 2120, 414, 548, 2119, 656, 346, 266, 335, 2116, 2, 553, 2119,
          2094, 2282, 2291, 13, 13, 2120, 414, 548, 2119,
        ] as [Int32]
      ),
      (
        "bloom", [669, 2407, 356, 3144, 428, 202, 670, 1084, 356, 267, 342, 17, 2, 669, 224, 1080, 1127, 202, 202, 670]
      ),
    ])
  func twoTurns(model: String, ids: [Int32]) throws {
    var conversation = Conversation()
    conversation.ask("What is water?")
    conversation.answer(" It is wet.")
    conversation.ask("你好")
    #expect(try conversation.tokens(Tokenizers.open(project("Tests/Fixtures/tiny/" + model))) == ids)
  }

  @Test("eos_token_id is one number or several, in either file")
  func ends() throws {
    let folder = try TemporaryFolder()
    #expect(try EndTokens.read(folder: folder.path).isEmpty)
    try folder.write("config.json", #"{"eos_token_id": 2}"#)
    try folder.write("generation_config.json", #"{"eos_token_id": [5, 6]}"#)
    #expect(try EndTokens.read(folder: folder.path) == [2, 5, 6])
    try folder.write("config.json", #"{"eos_token_id": null}"#)
    #expect(try EndTokens.read(folder: folder.path) == [5, 6])
  }

  @Test("a conversation that goes on is read on from where it was", .enabled(if: hasTinyModels != nil))
  func goesOn() throws {
    let path = (hasTinyModels ?? "") + "llama"
    let loaded = try LoadedModel(try TransformerModel.open(path), threads: 2)
    let tokenizer = try Tokenizers.open(path)
    let run = { (generator: Generator, conversation: Conversation) in
      var sampler = Sampler(SamplingOptions())
      var shown = ""
      let result = try generator.generate(
        try conversation.tokens(tokenizer), limit: 20, sampler: &sampler, stops: [Conversation.stop]
      ) { shown += $0 }
      #expect(shown == result.text)
      return result
    }
    let generator = Generator(loaded, tokenizer, threads: 2)
    var conversation = Conversation()
    conversation.ask("What is water?")
    let first = try run(generator, conversation)
    conversation.answer(first.text)
    conversation.ask("你好")
    let second = try run(generator, conversation)
    #expect(second.promptTokens < first.promptTokens + first.tokens.count)
    let fresh = try run(Generator(loaded, tokenizer, threads: 1), conversation)
    #expect(fresh.text == second.text && fresh.promptTokens > second.promptTokens)
  }
}

@Suite("Forms of a chat (kind 12)") struct ChatFormTests {
  @Test("the second version puts a line end behind either name, and makes tokens of each side by itself")
  func second() throws {
    var conversation = Conversation(.belle2)
    conversation.ask("a")
    conversation.answer("b\n")
    conversation.ask("c")
    #expect(conversation.texts == ["Human: \na\n\nAssistant: \nb", "Human: \nc\n\nAssistant: \n"])
    #expect(conversation.stops == ["\nHuman:"])
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/llama"))
    let expected =
      try [1] + tokenizer.encode("Human: \na\n\nAssistant: \n") + tokenizer.encode("b") + [2]
      + tokenizer.encode("Human: \nc\n\nAssistant: \n")
    #expect(try conversation.tokens(tokenizer) == expected)
  }

  @Test("without a form a text is what was said")
  func none() throws {
    var conversation = Conversation(nil)
    conversation.ask("a")
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/llama"))
    #expect(try conversation.tokens(tokenizer) == [1, 261])
    #expect(conversation.stops.isEmpty)
  }

  @Test("a form's template is known again, with BOS and without; another is none", arguments: ChatForm.allCases)
  func known(form: ChatForm) {
    for beginsWithBOS in [false, true] {
      let template = form.template(beginsWithBOS: beginsWithBOS)
      #expect(template.hasPrefix("{{ bos_token }}") == beginsWithBOS)
      #expect(ChatForm(template: template) == form)
      #expect(ChatForm(template: template + "\n") == nil)
    }
    #expect(ChatForm(template: "{% for m in messages %}{{ m['content'] }}{% endfor %}") == nil)
  }
}

@Suite("Ends of a text in GGUF (kind 9)") struct EndTokenTests {
  private func vocabulary(ends: [Int32], names: [String] = ["<|eot_id|>", "<|eom_id|>", "<end>"]) throws -> Vocabulary {
    var vocabulary = try Tokenizers.vocabulary(project("Tests/Fixtures/tiny/llama"))
    vocabulary.tokens += names.map { Vocabulary.Token($0, score: -1000, kind: .control) }
    vocabulary.otherEnds = ends
    return vocabulary
  }

  @Test(
    "what ends a turn and a message are told by their names, else by their order; the rest has no place",
    arguments: [
      ([], nil, nil, 0), ([4096], 4096, nil, 0), ([4097], nil, 4097, 0), ([4097, 4096], 4096, 4097, 0),
      ([4098], 4098, nil, 0), ([2, 4098, 4096], 4096, 4098, 0), ([4098, 4097, 4096], 4096, 4097, 1),
      ([9999], nil, nil, 0),
    ] as [([Int32], UInt32?, UInt32?, Int)])
  func names(ends: [Int32], turn: UInt32?, message: UInt32?, left: Int) throws {
    let vocabulary = try vocabulary(ends: ends)
    let values = try vocabulary.ggufValues(rows: 4104, file: "m")
    let value = { (name: String) in values.first { $0.key == "tokenizer.ggml." + name }?.value }
    #expect(value("eot_token_id") == turn.map { .uint32($0) })
    #expect(value("eom_token_id") == message.map { .uint32($0) })
    #expect(value("eos_token_id") == .uint32(2))
    #expect(vocabulary.endsWithoutPlace == left)
    var metadata = GGUFMetadata()
    for (key, value) in values { metadata[key] = value }
    let again = try Vocabulary(metadata, file: "m")
    // llama.cpp ends a text also at those that it knows by their texts.
    #expect(Set(again.otherEnds.map { UInt32($0) }) == Set([turn, message].compactMap(\.self) + [4096, 4097]))
  }

  @Test("a GGUF file's ends end a text there, and in the folder that is made of it")
  func files() throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(RandomModel.llama())
    let path = try GGUFParts.write(made, folder) {
      $0["tokenizer.ggml.eot_token_id"] = .uint32(7)
      $0["tokenizer.ggml.eom_token_id"] = .uint32(9)
    }
    let model = try Model.open(path)
    #expect(try model.endTokens() == [2, 7, 9])
    for (name, bytes) in try model.tokenizerFiles().files { try folder.write("again/" + name, bytes) }
    #expect(try EndTokens.read(folder: folder.file("again")) == [2, 7, 9])
  }

  @Test("a tokenizer that is not known is left out with its reason, and whatever else is there is not")
  func unknownTokenizer() throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(RandomModel.llama())
    for (key, value) in [("model", "plamo2"), ("model", "t5")] {
      let path = try GGUFParts.write(made, folder) { $0["tokenizer.ggml." + key] = .string(value) }
      let model = try Model.open(path)
      let tokenizer = try model.tokenizerFiles()
      #expect(tokenizer.files.isEmpty && tokenizer.lack?.contains(value) == true)
      #expect(throws: ModelError.self) { try model.tokenizer() }
      var target = ConversionTarget(folder.file("out-\(value).safetensors"))
      try Conversion(model, to: target).run()
      // As another GGUF file it keeps what it says of its tokenizer.
      target = ConversionTarget(folder.file("out-\(value).gguf"))
      target.weights = .f16
      try Conversion(model, to: target).run()
      guard case .gguf(let file) = try Model.open(target.path).layout else { return }
      #expect(file.values["tokenizer.ggml.model"] == .string(value))
    }
  }

  @Test("a GGUF file serves as a tokenizer, by itself and in a folder of its own")
  func asTokenizer() throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(RandomModel.llama())
    let path = try GGUFParts.write(made, folder)
    let other = try Model.open(path)
    #expect(try other.tokenizer(from: path).encode("AB") == [3, 4])
    #expect(try other.tokenizer(from: folder.path).encode("AB") == [3, 4])
  }
}
