// How an added token is looked for besides by its text, in the words of tokenizer_config.json and tokenizer.json.
// Source: huggingface/tokenizers, tokenizer/added_vocabulary.rs (`AddedToken`).

/// What is said of an added token besides its text.
package struct TokenFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The spaces before it belong to it.
  package static let stripsLeft = TokenFlags(rawValue: 1)
  /// The spaces after it belong to it.
  package static let stripsRight = TokenFlags(rawValue: 2)
  /// It is found between words only.
  package static let isSingleWord = TokenFlags(rawValue: 4)
  /// It is looked for in the text after that was normalized.
  package static let isNormalized = TokenFlags(rawValue: 8)

  /// The flags with the keys that files have for them.
  private static let keys: [(key: String, flag: TokenFlags)] = [
    ("lstrip", .stripsLeft), ("rstrip", .stripsRight), ("single_word", .isSingleWord), ("normalized", .isNormalized),
  ]

  /// The keys of the flags that are set.
  package var names: [String] { Self.keys.filter { contains($0.flag) }.map(\.key) }

  /// What a file says: each key with its truth.
  var object: [String: Any] { Dictionary(uniqueKeysWithValues: Self.keys.map { ($0.key, contains($0.flag) as Any) }) }
}
