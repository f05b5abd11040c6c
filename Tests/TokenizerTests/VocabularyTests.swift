import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
  let decoded: String
}

@Suite("Vocabulary") struct VocabularyTests {
  private func tiny(_ model: String) -> String { project("Tests/Fixtures/tiny/" + model) }

  private func expectGolden(_ tokenizer: any Tokenizer, _ model: String) throws {
    for known in decodeJSON([Case].self, tiny(model) + "/tokenizer-cases.json") {
      #expect(try tokenizer.encode(known.text) == known.ids, "\(known.text)")
      #expect(try tokenizer.decode(known.ids) == known.decoded, "\(known.text)")
    }
  }

  @Test("a tokenizer taken apart and put together gives the reference's ids", arguments: ["llama", "bloom"])
  func golden(model: String) throws {
    let vocabulary = try Tokenizers.vocabulary(tiny(model))
    let tokenizer = try Tokenizers.tokenizer(of: vocabulary, file: "memory")
    #expect(tokenizer.vocabularySize == 4096)
    #expect(try tokenizer.special == Tokenizers.open(tiny(model)).special)
    try expectGolden(tokenizer, model)
  }

  @Test(
    "the files that are written of it are read as the same, and give the reference's ids",
    arguments: ["llama", "bloom"])
  func files(model: String) throws {
    var vocabulary = try Tokenizers.vocabulary(tiny(model))
    vocabulary.chatTemplate = "{{ 'a' }}"
    let folder = try TemporaryFolder()
    for (name, bytes) in try Tokenizers.files(of: vocabulary, file: "memory") { try folder.write(name, bytes) }
    let again = try Tokenizers.vocabulary(folder.path)
    #expect(again == vocabulary)
    try expectGolden(try Tokenizers.open(folder.path), model)
  }

  @Test("BOS and EOS are kept in the files", arguments: ["llama", "bloom"])
  func specialTokens(model: String) throws {
    var vocabulary = try Tokenizers.vocabulary(tiny(model))
    (vocabulary.special.prefix, vocabulary.special.suffix) = ([1], [2])
    let folder = try TemporaryFolder()
    for (name, bytes) in try Tokenizers.files(of: vocabulary, file: "memory") { try folder.write(name, bytes) }
    #expect(try Tokenizers.open(folder.path).special == vocabulary.special)
  }

  @Test("kinds as GGUF files of Phi-3 have them: the unknown piece is one of control, and what fills up is unknown")
  func kindsOfPhi3() throws {
    var vocabulary = try Tokenizers.vocabulary(tiny("llama"))
    vocabulary.tokens[0].kind = .control
    vocabulary.tokens += (4096..<4100).map { Vocabulary.Token("[PAD\($0)]", score: -10000, kind: .unknown) }
    let tokenizer = try Tokenizers.tokenizer(of: vocabulary, file: "memory")
    #expect(tokenizer.vocabularySize == 4100)
    try expectGolden(tokenizer, "llama")
    let folder = try TemporaryFolder()
    for (name, bytes) in try Tokenizers.files(of: vocabulary, file: "memory") { try folder.write(name, bytes) }
    try expectGolden(try Tokenizers.open(folder.path), "llama")
  }

  @Test("pieces have their scores and kinds")
  func pieces() throws {
    let vocabulary = try Tokenizers.vocabulary(tiny("llama"))
    #expect(vocabulary.model == .sentencePiece(addsSpacePrefix: true))
    #expect(vocabulary.tokens[0] == Vocabulary.Token("<unk>", score: 0, kind: .unknown))
    #expect(vocabulary.tokens[1] == Vocabulary.Token("<s>", score: 0, kind: .control))
    #expect(vocabulary.tokens[3] == Vocabulary.Token("<0x00>", score: 0, kind: .byte))
    #expect(vocabulary.tokens[258] == Vocabulary.Token(Vocabulary.byteName(255), score: 0, kind: .byte))
    #expect(vocabulary.tokens[259].kind == .normal)
    #expect(vocabulary.tokens[4095].score < vocabulary.tokens[300].score)
    let bloom = try Tokenizers.vocabulary(tiny("bloom"))
    guard case .byteLevelBPE(let pattern, let merges) = bloom.model else {
      Issue.record("no byte-level vocabulary")
      return
    }
    #expect(pattern == "bloom" && merges.count == 3837 && merges[0] == "Ġ t")
    #expect(bloom.tokens[2] == Vocabulary.Token("</s>", kind: .control))
  }

  @Test("added tokens come behind SentencePiece's, and what is between them stands for nothing")
  func addedTokens() throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", readBytes(tiny("llama") + "/tokenizer.model"))
    try folder.write("added_tokens.json", #"{"<chat>": 4097, "<s>": 1, "[PAD]": 4096}"#)
    let vocabulary = try Tokenizers.vocabulary(folder.path)
    #expect(vocabulary.tokens.count == 4098)
    #expect(vocabulary.tokens[4096] == Vocabulary.Token("[PAD]", score: -1000, kind: .userDefined))
    #expect(vocabulary.tokens[4097].text == "<chat>")
    try folder.write(
      "tokenizer_config.json",
      #"{"added_tokens_decoder": {"4096": {"content": "[PAD]", "special": true}}, "pad_token": "[PAD]", "chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]}"#
    )
    let changed = try Tokenizers.vocabulary(folder.path)
    #expect(changed.tokens[4096].kind == .control && changed.special.pad == 4096 && changed.chatTemplate == "d")
    // Beside added_tokens_decoder added_tokens.json is not read, as in transformers.
    #expect(changed.tokens.count == 4097 && changed.remarks.count == 2, "\(changed.remarks)")
    #expect(changed.remarks[0].contains("<chat> (4097)") && changed.remarks[1].contains("(tools, default)"))
    try folder.write("tokenizer_config.json", "{}")
    try folder.write("added_tokens.json", #"{"<chat>": 4100, "<end>": 4102}"#)
    let gap = try Tokenizers.vocabulary(folder.path)
    #expect(gap.tokens.count == 4103 && gap.holes == [4096, 4097, 4098, 4099, 4101])
    #expect(gap.tokens[4101] == Vocabulary.Token("[PAD4101]", kind: .unused))
    let tokenizer = try Tokenizers.tokenizer(of: gap, file: "memory")
    #expect(try tokenizer.encode("a<chat><end>") == [261, 4100, 4102])
    #expect(try tokenizer.decode([4101]).isEmpty)
  }

  @Test("SentencePiece models that other engines would take otherwise are refused")
  func unsupported() throws {
    let bytes = try readBytes(tiny("llama") + "/tokenizer.model")
    let original = try SentencePieceProto(bytes)
    let special = try Tokenizers.vocabulary(tiny("llama")).special
    let changes: [(inout SentencePieceProto) -> Void] = [
      { $0.algorithm = .unigram }, { $0.removesExtraSpaces = true }, { $0.escapesSpaces = false },
    ]
    for change in changes {
      var proto = original
      change(&proto)
      let folder = try TemporaryFolder()
      try folder.write("tokenizer.model", proto.serialized(special))
      #expect { try Tokenizers.vocabulary(folder.path) } throws: { ($0 as? TokenizerError)?.code == .unsupported }
    }
  }

  @Test("a serialized model that is damaged is read or refused, never more", arguments: 0..<60)
  func damaged(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var bytes = Array(try readBytes(tiny("llama") + "/tokenizer.model").prefix(4000))
    for _ in 0..<4 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next()) }
    if seed % 3 == 0 { bytes.removeLast(Int.random(in: 1...100, using: &random)) }
    do { _ = try SentencePieceProto(bytes) } catch { #expect(error.offset <= bytes.count) }
  }

  @Test("vocabularies that contradict themselves are refused")
  func contradictions() throws {
    let tokens = ["a", "b", "ab"].map { Vocabulary.Token($0) }
    let make = { (pattern: String, merges: [String], tokens: [Vocabulary.Token]) in
      let vocabulary = Vocabulary(
        model: .byteLevelBPE(pattern: pattern, merges: merges), tokens: tokens, special: SpecialTokens())
      return try Tokenizers.tokenizer(of: vocabulary, file: "f")
    }
    #expect(try make("gpt-2", ["a b"], tokens).encode("abab") == [2, 2])
    for (pattern, merges, tokens, code) in [
      ("unheard-of", ["a b"], tokens, TokenizerErrorCode.unsupported), ("gpt-2", ["a c"], tokens, .malformed),
      ("gpt-2", ["ab"], tokens, .malformed), ("gpt-2", ["a b c"], tokens, .malformed),
      ("gpt-2", [], tokens + [Vocabulary.Token("a")], .malformed),
      ("gpt-2", [], tokens + [Vocabulary.Token("", kind: .control)], .malformed),
    ] {
      #expect { try make(pattern, merges, tokens) } throws: { ($0 as? TokenizerError)?.code == code }
    }
    let some = [Vocabulary.Token("<unk>", kind: .unknown), Vocabulary.Token("<0x41>", kind: .byte)]
    let pieces = Vocabulary(model: .sentencePiece(addsSpacePrefix: true), tokens: some, special: SpecialTokens())
    #expect { try Tokenizers.tokenizer(of: pieces, file: "f") } throws: { ($0 as? TokenizerError)?.code == .malformed }
  }

  private let saved = project("Tests/Fixtures/gptqmodel/tokenizer.json")

  @Test("a SentencePiece model that is saved as tokenizer.json has the pieces, scores and ids of the original")
  func savedAsJSON() throws {
    let vocabulary = try Tokenizers.vocabulary(saved)
    let original = try Tokenizers.vocabulary(tiny("llama"))
    #expect(vocabulary.tokens == original.tokens)
    #expect(vocabulary.model == original.model)
    #expect(vocabulary.special.prefix == [1] && vocabulary.special.eos == 2 && vocabulary.special.unknown == 0)
    let tokenizer = try Tokenizers.open(saved)
    #expect(tokenizer.kind == "sentencepiece")
    // A text that begins with a space gets none before it: Metaspace's way. Ids of tokenizers 0.23.
    let spaced: [String: [Int32]] = [
      " a": [261], "  two  spaces": [2094, 674, 2094, 623, 2098, 629],
      "▁underscore▁": [348, 268, 439, 2108, 399, 2094],
      "    four spaces": [401, 2094, 1111, 623, 2098, 629],
    ]
    for known in decodeJSON([Case].self, tiny("llama") + "/tokenizer-cases.json") {
      #expect(try tokenizer.encode(known.text) == spaced[known.text] ?? known.ids, "\(known.text)")
      #expect(try tokenizer.decode(known.ids) == known.decoded, "\(known.text)")
    }
  }

  /// The saved file with something else in it.
  private func changed(_ text: String, to other: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let whole = String(decoding: try readBytes(saved), as: UTF8.self)
    #expect(whole.contains(text), "\(text)")
    try folder.write("tokenizer.json", whole.replacing(text, with: other, maxReplacements: 1))
    return folder
  }

  @Test(
    "what SentencePiece would do otherwise is done by the file's own rules, and is no vocabulary",
    arguments: [
      (#""split": false"#, #""split": true"#), (#""type": "Metaspace""#, #""type": "Whitespace""#),
      // One merge less than its pieces allow.
      ("[\n        \"h\",\n        \"e\"\n      ],", ""),
    ])
  func savedOtherwise(text: String, other: String) throws {
    let folder = try changed(text, to: other)
    #expect(try Tokenizers.open(folder.path).kind == "bpe")
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.vocabulary(folder.path) }
    #expect(error?.code == .unsupported, "\(String(describing: error))")
  }

  @Test(
    "what a file asks for and is not known is refused by its name",
    arguments: [
      (#""prepend_scheme": "first""#, #""prepend_scheme": "new""#, "new"),
      (#""type": "Metaspace""#, #""type": "UnicodeScripts""#, "UnicodeScripts"),
      (#""type": "BPE""#, #""type": "WordLevel""#, "WordLevel"),
      (#""normalizer": null"#, #""normalizer": {"type": "Precompiled"}"#, "Precompiled"),
      (#""type": "TemplateProcessing""#, #""type": "Other""#, "Other"),
      (#""type": "Fuse""#, #""type": "CTC""#, "CTC"),
    ])
  func unknownParts(text: String, other: String, name: String) throws {
    let folder = try changed(text, to: other)
    let error = #expect(throws: TokenizerError.self) { try Tokenizers.open(folder.path) }
    #expect(error?.code == .unsupported && error?.reason.contains(name) == true, "\(String(describing: error))")
  }

  @Test(
    "spaces before a text, in the ways that transformers writes it",
    arguments: [
      (#""prepend_scheme": "always""#, true), (#""prepend_scheme": "never""#, false),
    ])
  func prefix(scheme: String, isAdded: Bool) throws {
    let folder = try changed(#""prepend_scheme": "first""#, to: scheme)
    #expect(try Tokenizers.vocabulary(folder.path).model == .sentencePiece(addsSpacePrefix: isAdded))
  }

  @Test("the normalizer of older files does the same as the pre-tokenizer of newer ones")
  func normalizer() throws {
    let whole = String(decoding: try readBytes(saved), as: UTF8.self)
    let start = try #require(whole.firstRange(of: #""normalizer": null"#))
    let end = try #require(whole.firstRange(of: #""post_processor""#))
    let folder = try TemporaryFolder()
    for (steps, isAdded) in [
      (#"{"type": "Prepend", "prepend": "▁"}, "#, true), ("", false),
    ] {
      try folder.write(
        "tokenizer.json",
        String(whole[..<start.lowerBound]) + #""normalizer": {"type": "Sequence", "normalizers": ["# + steps
          + #"{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}, "pre_tokenizer": null, "#
          + String(whole[end.lowerBound...]))
      #expect(try Tokenizers.vocabulary(folder.path).model == .sentencePiece(addsSpacePrefix: isAdded))
    }
  }
}
