import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing
import Tokenizer

@Suite("Special tokens of GGUF files (kinds 9 and 12)") struct GGUFTokenTests {
  /// Texts of tokens behind a model's own three, and at which of them llama.cpp ends a text.
  private static let known: [(texts: [String], ends: Set<Int>)] = [
    (["<|im_start|>", "<|im_end|>"], [1]), (["<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"], [0, 1, 2]),
    (["<|end|>", "<|assistant|>"], [0]), (["<start_of_turn>", "<end_of_turn>", "<eos>"], [1, 2]),
    (["<|endoftext|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]"], [0, 1, 2, 3, 4]),
    (["<|end|>", "<|return|>", "<|call|>"], [1, 2]), (["<|end|>", "<|return|>"], [0, 1]),
    (["<|end|>", "<|flush|>", "<|calls|>"], [1, 2]), (["<|tool_response>", "<turn|>"], [0, 1]),
    (["<|fim_prefix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"], [2, 3, 4]),
    (["[PAD]", "<reponame>"], [0, 1]), (["<pad>", "im_end", "<|IM_END|>"], []),
    (["<｜end▁of▁sentence｜>", "[e~["], [0, 1]),
  ]

  @Test("a GGUF file ends a text where llama.cpp does, by the texts of its tokens", arguments: known.indices)
  func byText(index: Int) throws {
    let (texts, ends) = Self.known[index]
    let folder = try TemporaryFolder()
    let made = try RandomModel(RandomModel.llama())
    let path = try GGUFParts.write(made, folder) { values in
      guard var tokens = values["tokenizer.ggml.tokens"]?.elements else { return }
      for (place, text) in texts.enumerated() { tokens[3 + place] = .string(text) }
      values["tokenizer.ggml.tokens"] = .array(.string, tokens)
    }
    let model = try Model.open(path)
    // Gemma 4's </s> ends nothing.
    let own: Set<Int32> = texts.contains("<|tool_response>") ? [] : [2]
    #expect(try model.endTokens() == own.union(ends.map { Int32($0 + 3) }))
    #expect(try Set(model.vocabulary().otherEnds) == Set(ends.map { Int32($0 + 3) }))
  }

  @Test(
    "tokens beside a hole that a file names end a text, too, and then not those of such a text",
    arguments: ["fim_pad", "fim_rep", "fim_sep"])
  func holes(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try GGUFParts.write(try RandomModel(RandomModel.llama()), folder) { values in
      guard var tokens = values["tokenizer.ggml.tokens"]?.elements else { return }
      tokens[9] = .string(name == "fim_sep" ? "<|file_sep|>" : name == "fim_pad" ? "[PAD]" : "<REPO>")
      values["tokenizer.ggml.tokens"] = .array(.string, tokens)
      values["tokenizer.ggml.\(name)_token_id"] = .uint32(7)
    }
    #expect(try Model.open(path).endTokens() == [2, 7])
  }

  @Test(
    "a special token that a GGUF file does not have is left out with a warning, as llama.cpp does",
    arguments: ["bos", "eos", "unknown", "padding", "eot", "eom", "seperator", "cls", "mask"],
    [50, 999_999, -7] as [Int32])
  func outOfRange(name: String, id: Int32) throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(RandomModel.llama(#", "max_position_embeddings": 99"#))
    let path = try GGUFParts.write(made, folder) { $0["tokenizer.ggml.\(name)_token_id"] = .int32(id) }
    let model = try Model.open(path)
    let text = "tokenizer.ggml.\(name)_token_id is \(id), and there are 50 tokens: left out, as llama.cpp does"
    #expect(model.remarks == [.warning(text)])
    #expect(try model.vocabulary().special == GGUFParts.vocabulary.special)
    #expect(try model.endTokens() == [2])
    let doctor = Doctor(path, threads: 1)
    try doctor.examine()
    #expect(doctor.findings.contains { $0.code == .tokenOutOfRange && $0.severity == .warning }, "\(doctor.findings)")
    guard case .gguf(let file) = model.layout else { return }
    let configuration = try ModelConfiguration(json: GGUFModel(file, path: path).configurationText(), file: "m")
    #expect(configuration.vocabularySize == 50)
  }

  @Test("a special token that is no number is left out with a warning, too")
  func noNumber() throws {
    let folder = try TemporaryFolder()
    let path = try GGUFParts.write(try RandomModel(RandomModel.llama()), folder) {
      $0["tokenizer.ggml.eos_token_id"] = .string("</s>")
    }
    let model = try Model.open(path)
    #expect(try model.remarks.count == 1 && model.tokenizer().special.eos == 2)
  }

  @Test("tokens that only chat templates name go into a GGUF file under ggml's keys, and come back; others are told of")
  func named() throws {
    var vocabulary = try vocabulary(["[SEP]", "[CLS]", "[MASK]"])
    vocabulary.special.named = [
      "sep_token": "[SEP]", "cls_token": "[CLS]", "mask_token": "[MASK]", "image_token": "[SEP]", "voice": "[CLS]",
    ]
    vocabulary.chatTemplate = "{{ sep_token }}{{ cls_token }}{{ mask_token }}{{ image_token }}"
    let values = try vocabulary.ggufValues(rows: 4100, file: "m")
    var metadata = GGUFMetadata()
    for (key, value) in values { metadata[key] = value }
    for (name, id) in [("seperator", 4096), ("cls", 4097), ("mask", 4098)] as [(String, UInt32)] {
      #expect(metadata["tokenizer.ggml.\(name)_token_id"] == .uint32(id), "\(name)")
    }
    let wanted = ["sep_token": "[SEP]", "cls_token": "[CLS]", "mask_token": "[MASK]"]
    #expect(try Vocabulary(metadata, file: "m").special.named == wanted)
    metadata["tokenizer.ggml.separator_token_id"] = metadata["tokenizer.ggml.seperator_token_id"]
    metadata["tokenizer.ggml.seperator_token_id"] = nil
    #expect(try Vocabulary(metadata, file: "m").special.named == wanted)
    let notes = vocabulary.ggufRemarks(rows: 4100).map { "\($0)" }.filter { $0.contains("asks for") }
    #expect(notes.count == 1 && notes[0].contains("image_token") && !notes[0].contains("voice"), "\(notes)")
  }

  @Test("−1 is none, and no fault", arguments: ["eos", "padding", "eot"])
  func none(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try GGUFParts.write(try RandomModel(RandomModel.llama()), folder) {
      $0["tokenizer.ggml.\(name)_token_id"] = .int32(-1)
    }
    #expect(try Model.open(path).remarks.isEmpty)
  }

  /// The tiny LLaMA's vocabulary with some tokens more.
  private func vocabulary(_ names: [String]) throws -> Vocabulary {
    var vocabulary = try Tokenizers.vocabulary(project("Tests/Fixtures/tiny/llama"))
    vocabulary.tokens += names.map { Vocabulary.Token($0, score: -1000, kind: .control) }
    return vocabulary
  }

  private func texts(_ vocabulary: Vocabulary, rows: Int = 4100) -> (notes: [String], warnings: [String]) {
    var texts: (notes: [String], warnings: [String]) = ([], [])
    for remark in vocabulary.ggufRemarks(rows: rows) {
      switch remark {
      case .note(let text): texts.notes.append(text)
      case .warning(let text): texts.warnings.append(text)
      }
    }
    return texts
  }

  @Test("a vocabulary that a GGUF file holds as it is has nothing to be told of")
  func nothing() throws {
    #expect(try vocabulary([]).ggufRemarks(rows: 4096).isEmpty)
    #expect(try Tokenizers.vocabulary(project("Tests/Fixtures/tiny/bloom")).ggufRemarks(rows: 4096).isEmpty)
  }

  @Test(
    "what GGUF has no place for of an added token is a warning where it changes texts' tokens, else a note",
    arguments: [
      ([.stripsLeft], "lstrip"), ([.stripsRight], "rstrip"), ([.isSingleWord], "single_word"),
      ([.isNormalized], "normalized"), ([.stripsLeft, .stripsRight, .isNormalized], "lstrip, rstrip"),
    ] as [(TokenFlags, String)])
  func flags(flags: TokenFlags, words: String) throws {
    var vocabulary = try vocabulary(["<a>", "<b>"])
    vocabulary.flags = [4097: flags]
    let (notes, warnings) = texts(vocabulary)
    let isNote = flags == .isNormalized
    #expect(
      warnings.count == (isNote ? 0 : 1)
        && (isNote ? notes : warnings).contains { $0.contains("<b> (\(words))") || $0.contains("<b> (normalized)") })
    #expect(notes.contains { $0.contains("normalized") } == flags.contains(.isNormalized))
    // What is left out needs no word.
    #expect(texts(vocabulary, rows: 4097).warnings.isEmpty)
  }

  @Test("where SentencePiece puts spaces is told, either way", arguments: [true, false])
  func legacy(isLegacy: Bool) throws {
    var vocabulary = try vocabulary(["<a>"])
    vocabulary.spacesEveryPart = isLegacy
    let notes = texts(vocabulary).notes.filter { $0.contains("legacy is \(isLegacy)") }
    #expect(notes.count == 1)
  }

  @Test("holes are filled as llama.cpp's converter fills them, and named")
  func holes() throws {
    var vocabulary = try vocabulary(["<a>"])
    vocabulary.tokens += [Vocabulary.padding(4097), Vocabulary.Token("<c>", kind: .userDefined)]
    #expect(
      texts(vocabulary).notes.contains {
        $0.hasPrefix("4097 between the added tokens is no token: filled as [PAD4097]")
      })
    let values = try vocabulary.ggufValues(rows: 4100, file: "m")
    let kinds = try #require(values.first { $0.key == "tokenizer.ggml.token_type" }?.value.elements)
    #expect(kinds[4097] == .int32(5) && kinds[4098] == .int32(4) && kinds.count == 4100)
    #expect(values.first { $0.key == "tokenizer.ggml.tokens" }?.value.elements?[4097] == .string("[PAD4097]"))
  }

  @Test("two tokens of one text are refused by name: llama.cpp takes no such file")
  func twice() throws {
    let vocabulary = try vocabulary(["<a>", "<b>", "<a>"])
    let error = #expect(throws: ModelError.self) { try vocabulary.ggufValues(rows: 4100, file: "m") }
    #expect(error?.reason.contains("<a>: 4096 and 4098") == true)
    // Without a row there is one of them.
    #expect(try !vocabulary.ggufValues(rows: 4098, file: "m").isEmpty)
  }

  @Test("an id that is no row is left out with a warning that names it")
  func noRow() throws {
    var vocabulary = try vocabulary(["<a>", "<|im_end|>"])
    vocabulary.special.eos = 4097
    vocabulary.otherEnds = [2, 999_999]
    let warnings = texts(vocabulary, rows: 4097).warnings
    #expect(
      warnings == [
        "eos_token is 4097 (<|im_end|>), and the embedding has 4097 rows: left out",
        "eos_token_id is 999999, and the embedding has 4097 rows: left out",
      ])
    let keys = try vocabulary.ggufValues(rows: 4097, file: "m").map(\.key)
    #expect(!keys.contains("tokenizer.ggml.eos_token_id"))
    #expect(texts(vocabulary, rows: 4098).warnings.count == 1)
  }

  @Test("where llama.cpp ends a text and the model's files do not is told")
  func otherEnds() throws {
    var vocabulary = try vocabulary(["<|im_start|>", "<|im_end|>", "[PAD]"])
    #expect(
      texts(vocabulary).notes.contains {
        $0.hasPrefix("llama.cpp ends a text also at <|im_end|>, [PAD], by their texts")
      })
    vocabulary.otherEnds = [4097, 4098]
    #expect(!texts(vocabulary).notes.contains { $0.contains("also at") })
  }
}
