// What every tokenizer does: text to ids and back, and the ids that stand before and after a text.

/// A tokenizer of a model. Values are immutable: any number of threads may use one at once.
package protocol Tokenizer: Sendable {
  /// What it is: `sentencepiece` or `byte-level-bpe`.
  var kind: String { get }
  /// Ids are `0 ..< vocabularySize`.
  var vocabularySize: Int { get }
  /// How many of them are of the tokenizer's own file: what a folder adds besides may have no row in the embedding.
  var ownSize: Int { get }
  /// The ids that are set aside, and which of them a text gets.
  var special: SpecialTokens { get }
  /// What is to be told of the files that it was read from: a list that is not read.
  var remarks: [String] { get }

  /// The ids of a text, without those that stand before and after it.
  ///
  /// - Throws: ``TokenizerError`` for a text over the limit, or with a byte that the vocabulary lacks.
  /// - Complexity: O(n log n) in the longest word.
  func encode(_ text: String) throws -> [Int32]

  /// The first ids of what ``encode(_:)`` gives: at least so many, or all. A long text is worked through in parts, and no
  /// further than it takes.
  func encode(_ text: String, atLeast count: Int) throws -> [Int32]

  /// The ids of a text that stands in the middle of another: without the space that is put before a text, `▁` for a space.
  func encodeInside(_ text: String) throws -> [Int32]

  /// The ids of a text that a chat template made: every token that is set aside is found in it by its text, the beginning and
  /// the end of a text among them, and nothing is put before it.
  func encodeChat(_ text: String) throws -> [Int32]

  /// The text that a token is found by, also where it stands for no text; nil where there is none.
  func spelling(of id: Int32) -> String?

  /// The text of ids. Added and special tokens are spelled out, but for SentencePiece's own pieces of control, which are
  /// silent, as are ids beyond the last token. Bytes that are no UTF-8 become U+FFFD.
  ///
  /// - Throws: ``TokenizerError`` with code `.unknownID` for a negative one.
  func decode(_ ids: [Int32]) throws -> String
}

/// The ids that a tokenizer sets aside, and the rules of their use.
package struct SpecialTokens: Sendable, Equatable {
  /// The beginning of a text.
  package var bos: Int32?
  /// The end of a text.
  package var eos: Int32?
  /// What cannot be written otherwise.
  package var unknown: Int32?
  /// The filler of batches.
  package var pad: Int32?
  /// The texts of all special tokens that the model's folder names, by the names that chat templates have for them.
  package var named: [String: String] = [:]
  /// Ids that stand before every text.
  package var prefix: [Int32] = []
  /// Ids that stand after every text.
  package var suffix: [Int32] = []

  /// No special tokens.
  package init() {}
}

extension Tokenizer {
  /// The longest text, in bytes of UTF-8.
  package static var textLimit: Int { 256 << 20 }

  /// The longest run without a place to cut, in bytes: one word, or one character over and over. What is longer is no text,
  /// and would take a hundred times its size.
  static var runLimit: Int { 4 << 20 }

  /// All of them.
  package var ownSize: Int { vocabularySize }

  /// Nothing.
  package var remarks: [String] { [] }

  /// Everything at once.
  package func encode(_ text: String, atLeast count: Int) throws -> [Int32] { try encode(text) }

  /// The same as for a whole text.
  package func encodeInside(_ text: String) throws -> [Int32] { try encode(text) }

  /// The same as for any text: tokens that are set aside are found in each.
  package func encodeChat(_ text: String) throws -> [Int32] { try encode(text) }

  /// What it is decoded to.
  package func spelling(of id: Int32) -> String? { (try? decode([id])).flatMap { $0.isEmpty ? nil : $0 } }

  /// The ids of a whole text as the model is fed it: with BOS and EOS where the tokenizer's rules ask for them.
  ///
  /// - Parameter count: how many are wanted; the rest may be left out.
  package func encodeDocument(_ text: String, atLeast count: Int = .max) throws -> [Int32] {
    special.prefix + (try encode(text, atLeast: count)) + special.suffix
  }
}
