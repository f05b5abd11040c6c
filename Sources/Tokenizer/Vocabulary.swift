// A tokenizer as what it is made of: pieces with scores and kinds, merges, the ids that are set aside. The form in which
// GGUF files hold tokenizers, between `tokenizer.model` and `tokenizer.json` on the one side and them on the other.
// Kinds and their numbers: sentencepiece_model.proto, `SentencePiece.Type`; llama.cpp has the same.

/// What a tokenizer is made of.
package struct Vocabulary: Sendable, Equatable {
  /// What a token stands for.
  package enum Kind: Int32, Sendable {
    case normal = 1
    case unknown = 2
    /// Never part of a text: `<s>`.
    case control = 3
    /// Found in a text before anything else is done with it.
    case userDefined = 4
    /// Stands for nothing; fills a gap.
    case unused = 5
    /// One byte, spelled `<0xNN>`.
    case byte = 6
  }

  /// One token: its number is its place.
  package struct Token: Sendable, Equatable {
    /// Its spelling: SentencePiece's with `▁` for a space; a byte-level vocabulary's in the alphabet of bytes, but for
    /// control and user-defined tokens, which are spelled as they are.
    package var text: String
    /// SentencePiece's score: of two merges the one with the higher score is done first.
    package var score: Float
    /// What it stands for.
    package var kind: Kind

    /// A token.
    package init(_ text: String, score: Float = 0, kind: Kind = .normal) {
      (self.text, self.score, self.kind) = (text, score, kind)
    }
  }

  /// How a text becomes tokens.
  package enum Model: Sendable, Equatable {
    /// SentencePiece's byte-pair merges, by score.
    case sentencePiece(addsSpacePrefix: Bool)
    /// Byte-level byte-pair merges in the order of a list, each two tokens with a space between; words are cut by a
    /// pattern that llama.cpp has a name for.
    case byteLevelBPE(pattern: String, merges: [String])
  }

  /// How a text becomes tokens.
  package var model: Model
  /// The tokens, by number.
  package var tokens: [Token]
  /// The ids that are set aside, and which of them a text gets.
  package var special: SpecialTokens
  /// How a chat becomes a text, in Jinja; nil where nothing says so.
  package var chatTemplate: String?

  /// A vocabulary from its parts.
  package init(model: Model, tokens: [Token], special: SpecialTokens, chatTemplate: String? = nil) {
    (self.model, self.tokens, self.special, self.chatTemplate) = (model, tokens, special, chatTemplate)
  }

  /// What SentencePiece and llama.cpp call the token of a byte.
  static func byteName(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
  }

  /// What stands for an id without a token. Source: llama.cpp's converter.
  package static func padding(_ id: Int) -> Token { Token("[PAD\(id)]", kind: .unused) }

  /// The tokens up to the last that stands for something: what fills up to the embedding's rows is no token.
  var realTokens: ArraySlice<Token> { tokens[..<((tokens.lastIndex { $0.kind != .unused } ?? -1) + 1)] }

  /// The token of an id; nil where there is none.
  func token(_ id: Int32?) -> Token? { id.flatMap { tokens.indices.contains(Int($0)) ? tokens[Int($0)] : nil } }
}
