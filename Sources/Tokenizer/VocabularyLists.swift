// Tokenizers of lists: `vocab.json` with `merges.txt`, as GPT-2 and Qwen2 have them beside or in the place of a tokenizer.json,
// and tiktoken's lists of byte strings with their ranks. How words are cut, and which tokens are set aside, does not stand in
// them: tokenizer_config.json names the class whose rule it is, or the list is one that is known by how many strings it has.
// Refused by name: classes and lists that are not known.
// Sources: transformers, models/{gpt2,qwen2,codegen}; openai/tiktoken, load.py and _educational.py; meta-llama/llama-models,
// models/llama3/tokenizer.py; Qwen's tokenization_qwen.py.

import ByteIO

/// Reading such lists.
enum VocabularyLists {
  static let vocabularyName = "vocab.json"
  static let mergesName = "merges.txt"

  // MARK: vocab.json and merges.txt

  /// The classes of transformers that read such files, and llama.cpp's name of their pattern.
  private static let classes: [(names: [String], pattern: String)] = [
    (["GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "CodeGenTokenizerFast"], "gpt-2"),
    (["Qwen2Tokenizer", "Qwen2TokenizerFast"], "qwen2"),
  ]

  /// Whether a folder has such files.
  static func areIn(_ folder: String) -> Bool {
    [vocabularyName, mergesName].allSatisfy { Folder.kind(of: Folder.join(folder, $0)) == .file }
  }

  /// The tokenizer of the files in a folder.
  static func tokenizer(in folder: String, _ configuration: TokenizerConfiguration) throws -> ByteLevelBPE {
    let path = Folder.join(folder, vocabularyName)
    let named = configuration.tokenizer_class
    let names = classes.flatMap(\.names).joined(separator: ", ")
    guard let known = classes.first(where: { $0.names.contains(named ?? "") }),
      let row = NamedPattern.named(known.pattern)
    else {
      throw TokenizerError(
        .unsupported, file: path,
        reason: "vocab.json and merges.txt do not say how words are cut, and "
          + (named.map { "the class \(displayName($0)) of tokenizer_config.json is not known here" }
            ?? "no tokenizer_config.json names a class"),
        remedy:
          "put the model's tokenizer.json beside them, or a tokenizer_config.json whose tokenizer_class is one of \(names)"
      )
    }
    var contents = try TokenizerFile(vocabulary: path)
    try contents.takeMerges(Folder.join(folder, mergesName))
    return try ByteLevelBPE(
      contents, (PreTokenizer(row), addsPrefixSpace: false), row.composes ? [.form(.composed)] : [],
      contents.lists(configuration), merges: contents.mergeTable(), ignoresMerges: false)
  }

  // MARK: tiktoken

  /// A list that is known by its length.
  private struct KnownList {
    let count: Int
    let pattern: String
    /// Tokens of control, from `count` on.
    let special: [String]
    let bos: String?
    let eos: String
    let addsBOS: Bool
  }

  private static let llama3: KnownList = {
    let reserved = { (numbers: ClosedRange<Int>) in numbers.map { "<|reserved_special_token_\($0)|>" } }
    // The names of version 3.1; version 3 had reserved ones in the places of three of them.
    let first = [
      "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
      "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
      "<|eot_id|>",
      "<|python_tag|>", "<|image|>",
    ]
    return KnownList(
      count: 128_000, pattern: "llama-bpe", special: first + reserved(2...245), bos: "<|begin_of_text|>",
      eos: "<|end_of_text|>", addsBOS: true)
  }()

  private static let qwen = KnownList(
    count: 151_643, pattern: "qwen2",
    special: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0...204).map { "<|extra_\($0)|>" }, bos: nil,
    eos: "<|endoftext|>", addsBOS: false)

  /// The tokenizer of a list.
  ///
  /// - Throws: ``TokenizerError`` with code `.unsupported` for a list that is not known.
  static func tokenizer(ranks bytes: [UInt8], file path: String, _ configuration: TokenizerConfiguration) throws
    -> ByteLevelBPE
  {
    let strings = try ByteRanks.strings(bytes, file: path)
    let known = [llama3, qwen].first { $0.count == strings.count }
    guard let known, let row = NamedPattern.named(known.pattern) else {
      throw TokenizerError(
        .unsupported, file: path,
        reason:
          "this is a tiktoken list (byte strings and their ranks) of \(strings.count) strings: it does not say how words "
          + "are cut and which tokens are set aside, and none of this length is known here",
        remedy:
          "give the tokenizer.json of the same model in Hugging Face's form; known are Llama 3's list (128000) and "
          + "Qwen's (151643)")
    }
    var contents = TokenizerFile(path: path)
    for (rank, string) in strings.enumerated() {
      guard contents.vocabulary.insert(ByteAlphabet.encode(string[...]), id: Int32(rank)) else {
        throw TokenizerError(.malformed, file: path, place: "line \(rank + 1)", reason: "a string occurs twice")
      }
    }
    contents.added = known.special.enumerated().map { number, text in
      .object(["id": .integer(known.count + number), "content": .string(text), "special": .bool(true)])
    }
    var settings = configuration
    settings.bos_token = settings.bos_token ?? known.bos.map { TokenizerConfiguration.Token($0) }
    settings.eos_token = settings.eos_token ?? TokenizerConfiguration.Token(known.eos)
    settings.add_bos_token = settings.add_bos_token ?? known.addsBOS
    let table = MergeTable(ranked: strings.map { ByteAlphabet.encode($0[...]) }, contents.vocabulary)
    return try ByteLevelBPE(
      contents, (PreTokenizer(row), addsPrefixSpace: false), row.composes ? [.form(.composed)] : [],
      contents.lists(settings), merges: table, ignoresMerges: true)
  }
}
