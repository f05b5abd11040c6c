import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

/// The parts of GGUF files that tests make.
enum GGUFParts {
  /// Fifty tokens: SentencePiece's three, and letters.
  static let vocabulary: Vocabulary = {
    let first = [
      Vocabulary.Token("<unk>", kind: .unknown), Vocabulary.Token("<s>", kind: .control),
      Vocabulary.Token("</s>", kind: .control),
    ]
    var special = SpecialTokens()
    (special.unknown, special.bos, special.eos, special.prefix) = (0, 1, 2, [1])
    let letters = (0..<45).map { Vocabulary.Token(String(Unicode.Scalar(UInt8(0x41 + $0))), score: Float(-$0)) }
    return Vocabulary(model: .sentencePiece(addsSpacePrefix: false), tokens: first + letters, special: special)
  }()

  /// Writes a model.
  static func write(
    _ made: RandomModel, types: GGUFTypes = GGUFTypes(nil), _ folder: TemporaryFolder,
    change: (inout GGUFMetadata) -> Void = { _ in }
  ) throws -> String {
    let export = try GGUFExport(made.source, made.configuration, vocabulary, types: types, file: "memory")
    var values = export.values
    change(&values)
    var writer = try GGUFWriter(export.tensors, values: values)
    #expect(
      try writer.take(
        export, Array(export.tensors.indices), as: "m.gguf", in: folder.path, replacing: true))
    return folder.file("m.gguf")
  }
}

@Suite("GGUF models") struct GGUFModelTests {
  static let configurations = [
    RandomModel.llama(), RandomModel.llama(#", "num_key_value_heads": 2, "max_position_embeddings": 99"#),
    RandomModel.llama(#", "num_key_value_heads": 1, "head_dim": 6, "tie_word_embeddings": true"#),
    RandomModel.llama(#", "attention_bias": true, "rope_theta": 500"#),
    RandomModel.llama(#", "rope_scaling": {"type": "linear", "factor": 4}"#),
    // One that does not mention its window has transformers' 4096.
    RandomModel.llama(#", "sliding_window": null"#).replacing(#""llama""#, with: #""mistral""#), RandomModel.bloom,
  ]

  @Test(
    "a model written and read again gives the same logits, bit for bit, and the same configuration",
    arguments: configurations)
  func roundTrip(json: String) throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(json)
    let path = try GGUFParts.write(made, folder)
    let model = try TransformerModel.open(path)
    var expected = made.configuration
    // GGUF does not tell them from LLaMA, and always names the base.
    if expected.family == .mistral { expected.family = .llama }
    if expected.family.positions == .rotary { expected.statedRotaryBase = expected.rotaryBase }
    expected.contextLength = expected.contextLength ?? 2048
    #expect(model.configuration == expected)
    #expect(try ModelConfiguration(json: model.configurationText, file: "config.json") == expected)
    let windows = TokenWindows((0..<20).map { Int32($0 * 37 % 50) }, length: 20)
    let original = try TransformerModel(made.configuration, made.source, path: "memory")
    #expect(try logits(model, windows).values == logits(original, windows).values)
  }

  @Test("quantized blocks are the weights that they stand for, whatever their rows' order")
  func blocks() throws {
    let folder = try TemporaryFolder()
    let json =
      #"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 50}"#
    let made = try RandomModel(json)
    let model = try TransformerModel.open(GGUFParts.write(made, types: GGUFTypes(.q8_0), folder))
    for (index, info) in model.source.tensors.enumerated() {
      let other = try #require(made.source.tensors.firstIndex { $0.name == info.name })
      let (found, wanted) = (try floats(model.source, index), try floats(made.source, other))
      let largest = wanted.map(abs).max() ?? 0
      #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= largest / 127 }, "\(info.name)")
      #expect(info.shape.count == 1 ? found == wanted : found != wanted)
    }
  }

  private func floats(_ source: any TensorSource, _ index: Int) throws -> [Float] {
    var values: [Float] = []
    try source.read(index) { part in
      part.withUnsafeBytes { values += $0.assumingMemoryBound(to: Float.self) }
    }
    return values
  }

  @Test("the file says all that llama.cpp asks for")
  func values() throws {
    let made = try RandomModel(RandomModel.llama(#", "num_key_value_heads": 2"#))
    let export = try GGUFExport(
      made.source, made.configuration, GGUFParts.vocabulary, types: GGUFTypes(.f16), file: "m")
    let expected: [(String, GGUFValue)] = [
      ("general.architecture", .string("llama")), ("general.type", .string("model")), ("general.file_type", .uint32(1)),
      ("llama.vocab_size", .uint32(50)), ("llama.context_length", .uint32(2048)),
      ("llama.embedding_length", .uint32(24)),
      ("llama.block_count", .uint32(2)), ("llama.feed_forward_length", .uint32(40)),
      ("llama.attention.head_count", .uint32(6)), ("llama.attention.head_count_kv", .uint32(2)),
      ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)), ("llama.rope.dimension_count", .uint32(4)),
      ("llama.rope.freq_base", .float32(10000)), ("tokenizer.ggml.model", .string("llama")),
      ("tokenizer.ggml.pre", .string("default")), ("tokenizer.ggml.bos_token_id", .uint32(1)),
      ("tokenizer.ggml.eos_token_id", .uint32(2)), ("tokenizer.ggml.unknown_token_id", .uint32(0)),
      ("tokenizer.ggml.add_bos_token", .bool(true)), ("tokenizer.ggml.add_eos_token", .bool(false)),
      ("tokenizer.ggml.add_space_prefix", .bool(false)),
    ]
    for (key, value) in expected { #expect(export.values[key] == value, "\(key)") }
    let lists = ["tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"]
    #expect(Set(export.values.entries.map(\.key)) == Set(expected.map(\.0) + lists))
    for key in lists { #expect(export.values[key]?.elements?.count == 50, "\(key)") }
    // The embedding has two rows more than there are tokens.
    #expect(export.values["tokenizer.ggml.tokens"]?.elements?.last == .string("[PAD49]"))
    #expect(export.values["tokenizer.ggml.token_type"]?.elements?.last == .int32(5))
  }

  @Test("files of blocks say so, and what most of their weights are")
  func fileType() throws {
    let made = try RandomModel(
      #"{"model_type": "bloom", "n_embed": 256, "n_layer": 1, "n_head": 4, "vocab_size": 50}"#)
    for (type, number) in [(DType.q4_0, 2), (.q4_1, 3), (.q8_0, 7), (.q4_K, 15), (.bf16, 32), (.f32, 0)] {
      let export = try GGUFExport(
        made.source, made.configuration, GGUFParts.vocabulary, types: GGUFTypes(type), file: "m")
      #expect(export.values["general.file_type"] == .uint32(UInt32(number)))
      #expect(export.values["general.quantization_version"] == (type.block == nil ? nil : .uint32(2)))
    }
  }

  @Test("chat templates: the model's own, BELLE's only where they are asked for, a file's, none")
  func chatTemplates() throws {
    let made = try RandomModel(RandomModel.llama())
    var vocabulary = GGUFParts.vocabulary
    for own in [nil, "{{ own }}"] as [String?] {
      vocabulary.chatTemplate = own
      for (choice, expected) in [
        (GGUFExport.ChatTemplate.automatic, own), (.own(orElse: .belle), own ?? vocabulary.template(.belle)),
        (.form(.belle), vocabulary.template(.belle)), (.form(.belle2), vocabulary.template(.belle2)),
        (.text("{{ other }}"), "{{ other }}"), (.none, nil),
      ] as [(GGUFExport.ChatTemplate, String?)] {
        let export = try GGUFExport(
          made.source, made.configuration, vocabulary, types: GGUFTypes(nil), chatTemplate: choice, file: "m")
        #expect(export.values["tokenizer.chat_template"]?.string == expected)
        #expect(export.hasChatTemplate == (expected != nil))
      }
    }
  }

  @Test("models that llama.cpp's llama and bloom are not are refused")
  func refusedModels() throws {
    let window = #", "sliding_window": 8, "max_position_embeddings": 64"#
    let other = try RandomModel(RandomModel.llama(window).replacing(#""llama""#, with: #""mistral""#))
    #expect {
      try GGUFExport(other.source, other.configuration, GGUFParts.vocabulary, types: GGUFTypes(nil), file: "m")
    } throws: {
      ($0 as? ModelError)?.code == .unsupported
    }
    var vocabulary = GGUFParts.vocabulary
    vocabulary.tokens += (0..<9).map { Vocabulary.Token("more\($0)") }
    let made = try RandomModel(RandomModel.llama())
    #expect { try GGUFExport(made.source, made.configuration, vocabulary, types: GGUFTypes(nil), file: "m") } throws: {
      ($0 as? ModelError)?.code == .mismatch
    }
  }

  /// A value that is changed, and what must come of it.
  struct Change: Sendable, CustomTestStringConvertible {
    let key: String
    let value: GGUFValue?
    let code: ModelErrorCode
    var testDescription: String { "\(key) = \(value?.text ?? "none")" }
  }

  static let changes: [Change] = [
    Change(key: "general.architecture", value: nil, code: .malformed),
    Change(key: "general.architecture", value: .string("mamba"), code: .unsupported),
    Change(key: "general.architecture", value: .uint32(3), code: .malformed),
    Change(key: "llama.embedding_length", value: nil, code: .malformed),
    Change(key: "llama.embedding_length", value: .uint32(0), code: .malformed),
    Change(key: "llama.embedding_length", value: .uint32(32), code: .malformed),
    Change(key: "llama.embedding_length", value: .uint64(.max), code: .malformed),
    Change(key: "llama.block_count", value: .int32(-1), code: .malformed),
    Change(key: "llama.block_count", value: .uint32(1), code: .mismatch),
    Change(key: "llama.block_count", value: .uint32(3), code: .mismatch),
    Change(key: "llama.block_count", value: .uint32(5000), code: .malformed),
    Change(key: "llama.feed_forward_length", value: .uint32(41), code: .mismatch),
    Change(key: "llama.attention.head_count", value: .uint32(5), code: .malformed),
    Change(key: "llama.attention.head_count_kv", value: .uint32(4), code: .malformed),
    Change(key: "llama.attention.layer_norm_rms_epsilon", value: nil, code: .malformed),
    Change(key: "llama.attention.layer_norm_rms_epsilon", value: .float32(.nan), code: .malformed),
    Change(key: "llama.attention.layer_norm_rms_epsilon", value: .string("1e-5"), code: .malformed),
    Change(key: "llama.rope.dimension_count", value: .uint32(2), code: .unsupported),
    Change(key: "llama.rope.freq_base", value: .float32(-1), code: .malformed),
    Change(key: "llama.rope.scaling.type", value: .string("ntk"), code: .unsupported),
    Change(key: "llama.rope.scaling.type", value: .string("longrope"), code: .malformed),
    Change(key: "llama.attention.value_length", value: .uint32(8), code: .unsupported),
    Change(key: "llama.expert_count", value: .uint32(8), code: .unsupported),
  ]

  @Test("values that contradict the tensors, or ask for what is not known, are refused", arguments: changes)
  func refusedValues(change: Change) throws {
    let folder = try TemporaryFolder()
    let path = try GGUFParts.write(RandomModel(RandomModel.llama()), folder) { $0[change.key] = change.value }
    #expect { try TransformerModel.open(path) } throws: { error in
      if let error = error as? ModelError { return error.code == change.code }
      // Heads that do not divide the rows are found where these are reordered.
      return change.code == .mismatch && error is CheckpointError
    }
  }

  static let tokenizerChanges: [Change] = [
    Change(key: "tokenizer.ggml.model", value: nil, code: .missing),
    Change(key: "tokenizer.ggml.model", value: .string("bert"), code: .unsupported),
    Change(key: "tokenizer.ggml.model", value: .string("gpt2"), code: .malformed),
    Change(key: "tokenizer.ggml.tokens", value: nil, code: .malformed),
    Change(key: "tokenizer.ggml.tokens", value: .array(.uint8, [.uint8(1)]), code: .malformed),
    Change(key: "tokenizer.ggml.scores", value: nil, code: .malformed),
    Change(key: "tokenizer.ggml.scores", value: .array(.float32, [.float32(1)]), code: .malformed),
    Change(key: "tokenizer.ggml.token_type", value: .array(.int32, (0..<50).map { .int32($0) }), code: .malformed),
  ]

  @Test("tokenizers that contradict themselves are refused", arguments: tokenizerChanges)
  func refusedTokenizers(change: Change) throws {
    let folder = try TemporaryFolder()
    let path = try GGUFParts.write(RandomModel(RandomModel.llama()), folder) { $0[change.key] = change.value }
    let model = try Model.open(path)
    #expect { try model.tokenizer() } throws: { ($0 as? ModelError)?.code == change.code }
  }

  @Test("the tokenizers of the fixtures come out of a file's values as they went in", arguments: ["llama", "bloom"])
  func vocabulary(name: String) throws {
    let folder = project("Tests/Fixtures/tiny/" + name)
    var vocabulary = try Tokenizers.vocabulary(folder)
    // A GGUF file has no place for the names of tokens that only templates use.
    vocabulary.special.named = [:]
    var values = GGUFMetadata()
    for (key, value) in try vocabulary.ggufValues(rows: 4096, file: "m") { values[key] = value }
    let found = try Vocabulary(values, file: "m")
    #expect(found == vocabulary)
    // Rows without tokens are filled, and are no tokens when the files are written.
    for (key, value) in try vocabulary.ggufValues(rows: 4100, file: "m") { values[key] = value }
    let filled = try Vocabulary(values, file: "m")
    #expect(filled.tokens.count == 4100 && filled.tokens[4099].kind == .unused)
    let names = try [filled, vocabulary].map { try Tokenizers.files(of: $0, file: "m").keys.sorted() }
    #expect(names[0] == names[1])
    let tokenizer = try Tokenizers.tokenizer(of: filled, file: "m")
    #expect(try tokenizer.encode("A text, 一段文字") == Tokenizers.open(folder).encode("A text, 一段文字"))
  }
}
