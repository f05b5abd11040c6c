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

    /// Whether it is found in a text, or never part of one.
    package var isSetAside: Bool { kind == .control || kind == .userDefined }

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
  /// Ids that end a text besides the one that is set aside for it: those that end a turn.
  package var otherEnds: [Int32] = []
  /// Whether each part of a text between added tokens gets the space that SentencePiece puts before a text, and not only the
  /// first. GGUF has no place for it.
  package var spacesEveryPart = false
  /// Whether a text that begins with a space gets none before it: Metaspace's way, as tokenizers has it.
  package var sparesSpacedText = false

  /// How added tokens are looked for besides by their texts, by number; none for those without a rule of their own. GGUF has
  /// no place for it.
  package var flags: [Int32: TokenFlags] = [:]
  /// What is to be told of where it came from: a list that is not read, an id that is none.
  package var remarks: [String] = []

  /// A vocabulary from its parts.
  package init(model: Model, tokens: [Token], special: SpecialTokens, chatTemplate: String? = nil) {
    (self.model, self.tokens, self.special, self.chatTemplate) = (model, tokens, special, chatTemplate)
  }

  /// The tokens that are found in a text before SentencePiece sees it: those of control, but for the ones that every model
  /// has, and those behind its last piece. User-defined ones before that are SentencePiece's own.
  var addedTokens: [AddedTokens.Token] {
    let isPiece = { (token: Token) in token.kind == .normal || token.kind == .byte }
    let head = tokens.firstIndex { $0.kind != .control && $0.kind != .unknown } ?? tokens.count
    let last = tokens.lastIndex(where: isPiece) ?? -1
    return tokens.enumerated().compactMap { id, token in
      guard token.kind == .control || token.kind == .userDefined && id > last, !token.text.isEmpty else { return nil }
      let content = Array(token.text.utf8)
      guard !Self.isOwn(Int32(id), content, special, head: head) else { return nil }
      var added = AddedTokens.Token(id: Int32(id), content: content, isSpecial: token.kind == .control)
      added.flags = flags[Int32(id)] ?? []
      return added
    }
  }

  /// Whether a token is one of those that every SentencePiece model sets aside, whose names are ordinary text.
  ///
  /// - Parameter head: how many tokens stand before the first that is part of a text.
  static func isOwn(_ id: Int32, _ content: [UInt8], _ special: SpecialTokens, head: Int) -> Bool {
    guard id < head else { return false }
    return [special.unknown, special.bos, special.eos, special.pad].contains(id)
      || ["<unk>", "<s>", "</s>", "<pad>"].contains { content.elementsEqual($0.utf8) }
  }

  /// What SentencePiece and llama.cpp call the token of a byte.
  package static func byteName(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
  }

  /// What stands for an id without a token. Source: llama.cpp's converter.
  package static func padding(_ id: Int) -> Token { Token("[PAD\(id)]", kind: .unused) }

  /// The tokens up to the last that stands for something: what fills up to the embedding's rows is no token.
  var realTokens: ArraySlice<Token> { tokens[..<((tokens.lastIndex { $0.kind != .unused } ?? -1) + 1)] }

  /// The ids between tokens that have none, and are filled with such as stand for nothing.
  package var holes: [Int] {
    realTokens.indices.filter { tokens[$0].kind == .unused && tokens[$0] == Self.padding($0) }
  }

  /// Whether a text is changed before most added tokens are looked for in it: Qwen2's is composed.
  package var normalizes: Bool {
    guard case .byteLevelBPE(let pattern, _) = model else { return false }
    return NamedPattern.named(pattern)?.composes ?? false
  }

  /// Whether a text begins with BOS under a pattern of llama.cpp's, where a GGUF file does not say so.
  package static func addsBOS(pattern: String) -> Bool { NamedPattern.named(pattern)?.addsBOS ?? false }

  /// The token of an id; nil where there is none.
  func token(_ id: Int32?) -> Token? { id.flatMap { tokens.indices.contains(Int($0)) ? tokens[Int($0)] : nil } }
}

extension Vocabulary {
  /// Takes over how added tokens are looked for. Those that every SentencePiece model sets aside are not looked for.
  mutating func takeFlags(of added: [AddedTokens.Token]) {
    let flags = Dictionary(added.map { ($0.id, $0.flags) }) { one, _ in one }.filter { !$0.value.isEmpty }
    self.flags = flags
    guard case .sentencePiece = model else { return }
    let lookedFor = Set(addedTokens.map(\.id))
    self.flags = flags.filter { lookedFor.contains($0.key) }
  }
}
