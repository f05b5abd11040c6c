// A tokenizer that follows a tokenizer.json step by step: for those that are neither byte-level BPE in its usual form nor
// SentencePiece's in another dress, which have quicker ways of their own. Source: huggingface/tokenizers, tokenizer/mod.rs.
// Refused: models other than BPE and Unigram, what TokenizerRules does not know.

import ByteIO

/// A tokenizer of rules.
package struct RuleTokenizer: Tokenizer {
  /// What makes tokens of words.
  private enum Model: Sendable {
    case bpe(CharacterBPE)
    case unigram(UnigramModel)
  }

  /// What it is.
  package var kind: String { if case .bpe = model { "bpe" } else { "unigram" } }
  /// Ids are `0 ..< vocabularySize`.
  package let vocabularySize: Int
  /// How many of them are of the tokenizer's own file.
  package let ownSize: Int
  /// The ids that are set aside, and which of them a text gets.
  package let special: SpecialTokens
  /// What is to be told of the files that it was read from.
  package let remarks: [String]

  let path: String
  private let model: Model
  private let rules: TokenizerRules
  /// What cuts at each of the rules' steps.
  private let cutters: [PreTokenizer]
  private let added: AddedTokens
  /// The spelling of every id; nil for one that is none.
  private let spellings: [[UInt8]?]

  /// The longest part of a text between added tokens, in bytes: it is worked through as a whole.
  private static let partLimit = 64 << 20

  /// Makes a tokenizer of what a file says.
  init(_ contents: TokenizerFile, _ rules: TokenizerRules, _ configuration: TokenizerConfiguration) throws {
    path = contents.path
    self.rules = rules
    guard contents.vocabulary.count > 0 else {
      throw TokenizerError(
        .malformed, file: path, reason: "there is no vocabulary in it", remedy: "compare the file with the publisher's")
    }
    let lists = try contents.lists(configuration)
    switch contents.modelType {
    case "BPE": model = .bpe(try CharacterBPE(contents))
    case "Unigram": model = .unigram(try UnigramModel(contents))
    case let other:
      throw TokenizerError(
        .unsupported, file: path, reason: "the model is \(displayName(other)), which is not known here",
        remedy: "known are BPE and Unigram")
    }
    let (spellings, ownSize) = try contents.spellings(lists.tokens)
    (self.spellings, self.ownSize) = (spellings, ownSize)
    vocabularySize = spellings.count
    added = AddedTokens(lists.tokens, normalize: ByteLevelBPE.normalize(rules.normalizers))
    cutters = rules.steps.map { step in
      switch step {
      case .split(let split): PreTokenizer(steps: [split])
      case .metaspace(let space): PreTokenizer(steps: [space.cut].compactMap(\.self))
      case .space, .byteLevel: PreTokenizer(steps: [])
      }
    }
    special = contents.specialTokens(lists)
    remarks = lists.remarks
  }

  /// The ids of a text, without those that stand before and after it; added tokens in it are taken as such.
  package func encode(_ text: String) throws -> [Int32] { try encode(text, atLeast: .max) }

  /// The first ids of a text.
  package func encode(_ text: String, atLeast count: Int) throws -> [Int32] {
    let failure = { (reason: String) in TokenizerError(.badText, file: path, reason: reason) }
    guard text.utf8.count <= Self.textLimit else {
      throw failure("a text of \(text.utf8.count) bytes is too long: at most \(Self.textLimit) are taken")
    }
    var ids: [Int32] = []
    var merger = PairMerger()
    do {
      var isFirst = try !losesHead(text)
      try added.forEachPart(Array(text.utf8)) { part in
        switch part {
        case .token(let id): ids.append(id)
        case .text(let bytes):
          guard bytes.count <= Self.partLimit else {
            throw failure("a text of \(bytes.count) bytes is too long: at most \(Self.partLimit) are taken at once")
          }
          for piece in try pieces(bytes, isFirst: isFirst) where !piece.isEmpty {
            switch model {
            case .bpe(let model): try model.append(piece, to: &ids, &merger)
            case .unigram(let model): try model.append(piece, to: &ids)
            }
            if ids.count >= count { break }
          }
        }
        isFirst = false
        return ids.count < count
      }
    } catch is WordPattern.TooManySteps {
      throw failure("an expression of its rules takes too long for the text")
    } catch is PreTokenizer.PieceTooLong {
      throw failure("an expression of its rules takes too long for the text")
    }
    return ids
  }

  /// Whether the normalizers take away a text's first character, a space or an accent: nothing that is left began it.
  private func losesHead(_ text: String) throws -> Bool {
    guard !rules.normalizers.isEmpty, let head = text.unicodeScalars.first else { return false }
    // What follows keeps a space from being the last.
    let texts = try ["\(head)a", "a"].map { try TextNormalizer.apply(rules.normalizers, Array($0.utf8)[...]) }
    return texts[0] == texts[1]
  }

  /// A part of a text, cut into words.
  private func pieces(_ text: ArraySlice<UInt8>, isFirst: Bool) throws -> [ArraySlice<UInt8>] {
    var pieces = [text]
    for (number, step) in rules.steps.enumerated() {
      switch step {
      case .split: pieces = try pieces.flatMap { try Self.cut($0, cutters[number]) }
      case .space: pieces = pieces.map { $0.first == 0x20 ? $0 : [0x20] + $0 }
      case .byteLevel: pieces = pieces.map { ByteAlphabet.encode($0)[...] }
      case .metaspace(let space):
        // The first piece of a text is the first only where nothing was taken away before it.
        let hasHead = isFirst && (number == 0 || pieces.first?.startIndex == text.startIndex)
        pieces = try pieces.enumerated().flatMap { place, piece in
          try Self.spaced(piece, space, cutters[number], isHead: hasHead && place == 0)
        }
      }
    }
    return pieces
  }

  private static func cut(_ piece: ArraySlice<UInt8>, _ cutter: PreTokenizer) throws -> [ArraySlice<UInt8>] {
    guard !cutter.steps.isEmpty else { return [piece] }
    var parts: [ArraySlice<UInt8>] = []
    try cutter.forEachPiece(piece, pieceLimit: partLimit) {
      parts.append($0)
      return true
    }
    return parts
  }

  private static func spaced(
    _ piece: ArraySlice<UInt8>, _ space: TokenizerRules.Metaspace, _ cutter: PreTokenizer, isHead: Bool
  ) throws -> [ArraySlice<UInt8>] {
    let replacement = Array(String(space.replacement).utf8)
    var text: [UInt8] = []
    text.reserveCapacity(piece.count)
    for byte in piece { if byte == 0x20 { text += replacement } else { text.append(byte) } }
    let isSpaced = space.scheme == .always || space.scheme == .first && isHead
    if isSpaced, !text.starts(with: replacement) { text = replacement + text }
    return try cut(text[...], cutter)
  }

  /// The text of ids. Those that fill up the embedding's rows stand for no text.
  package func decode(_ ids: [Int32]) throws -> String {
    var tokens: [String] = []
    for id in ids {
      guard id >= 0 else { throw TokenizerError(.unknownID, file: path, reason: "there is no token \(id)") }
      guard Int(id) < spellings.count, let spelling = spellings[Int(id)] else { continue }
      tokens.append(String(decoding: spelling, as: UTF8.self))
    }
    guard let decoders = rules.decoders else { return tokens.joined(separator: " ") }
    do { return try decoders.reduce(tokens) { try $1.apply($0) }.joined() } catch is WordPattern.TooManySteps {
      throw TokenizerError(.badText, file: path, reason: "an expression of its rules takes too long for the text")
    }
  }
}
