// The special tokens that a GGUF file names, and the tokens at which llama.cpp ends a text: those that the file names for an
// end, and those whose text is one of an end, in whichever model they are.
// Source: llama.cpp, src/llama-vocab.cpp (`llama_vocab::impl::load`), commit 00ad355e009e83abf98f96a6ded7193b95763681.

import ByteIO
import Checkpoint

/// The special tokens of a GGUF file.
struct GGUFTokenIDs {
  static let prefix = "tokenizer.ggml."

  private let values: GGUFMetadata
  private let texts: [GGUFValue]

  /// Looks at what a file says; at no token before one is asked for.
  init(_ values: GGUFMetadata) {
    self.values = values
    texts = values[Self.prefix + "tokens"]?.elements ?? []
  }

  // MARK: What the file names

  /// The tokens that a file may name, as far as they are read here.
  private static let names = [
    "bos", "eos", "unknown", "padding", "eot", "eom", "fim_pad", "fim_rep", "fim_sep", "seperator", "separator", "cls",
    "mask",
  ]

  private static func key(_ name: String) -> String { "\(name)_token_id" }

  /// The number of a token; nil where the file names none, or one that there is not: llama.cpp takes its own then.
  func id(_ name: String) -> Int32? {
    guard let number = values[Self.prefix + Self.key(name)]?.integer, texts.indices.contains(number) else { return nil }
    return Int32(exactly: number)
  }

  /// What the file names that is no token of it, in words. Some writers put −1 for none.
  var remarks: [String] {
    guard !texts.isEmpty else { return [] }
    return Self.names.compactMap { name in
      guard let value = values[Self.prefix + Self.key(name)], id(name) == nil, value.integer != -1,
        value.integer != Int(UInt32.max)
      else { return nil }
      return
        "\(Self.prefix)\(Self.key(name)) is \(displayName(value.text)), and there are \(texts.count) tokens: left out, as "
        + "llama.cpp does"
    }
  }

  // MARK: Where a text ends

  /// The tokens that end a text by what the file names: the end of a text, of a turn and of a message, and the tokens beside
  /// a hole that a program is to fill.
  private static let endNames = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"]

  /// The end of a text where a file names none, by its kind of tokenizer.
  private static let usualEnds: [String: Int32] = ["llama": 2, "gpt2": 11]

  /// The texts of tokens that end a text.
  private static let endTexts: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
  ]

  /// The texts of those beside a hole, which count where the file does not name one. Of several llama.cpp takes one by chance.
  private static let holeTexts: [(name: String, texts: Set<String>)] = [
    ("fim_pad", ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
    ("fim_rep", ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
    ("fim_sep", ["<|file_sep|>"]),
  ]

  /// A text that ends none where others are there that do: o200k's and Solar's `<|end|>` only ends a message, and Gemma 4's
  /// `</s>` is an ordinary token.
  private static let exceptions: [(text: String, beside: [[String]])] = [
    (
      "<|end|>",
      [
        ["<|return|>", "<|call|>"], ["<|return|>", "<|calls|>"], ["<|flush|>", "<|call|>"], ["<|flush|>", "<|calls|>"],
      ]
    ),
    ("</s>", [["<|tool_response>"]]),
  ]

  /// Whether llama.cpp ends a text at a token by its text alone, in a model that has none of the exceptions.
  static func isEnd(_ text: String) -> Bool { endTexts.contains(text) }

  /// The tokens at which llama.cpp ends a text.
  ///
  /// - Complexity: O(tokens).
  var ends: Set<Int32> {
    var ends = Set(Self.endNames.compactMap(id))
    if id("eos") == nil, let usual = values[Self.prefix + "model"]?.string.flatMap({ Self.usualEnds[$0] }),
      texts.indices.contains(Int(usual))
    {
      ends.insert(usual)
    }
    let wanted = Self.holeTexts.filter { id($0.name) == nil }.reduce(into: Self.endTexts) { $0.formUnion($1.texts) }
    for (number, text) in texts.enumerated() {
      guard let text = text.string, wanted.contains(text) else { continue }
      ends.insert(Int32(clamping: number))
    }
    // What was found, by its text: the exceptions are about all of it.
    let found = Dictionary(ends.map { (texts[Int($0)].string ?? "", $0) }) { one, _ in one }
    for (text, cases) in Self.exceptions {
      guard let id = found[text], cases.contains(where: { $0.allSatisfy { found[$0] != nil } }) else { continue }
      ends.remove(id)
    }
    return ends
  }
}
