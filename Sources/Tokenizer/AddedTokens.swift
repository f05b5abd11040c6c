// Tokens that are found in a text before anything else is done with it: `<|im_start|>`. Leftmost first, the longest of those
// that begin at one place; first those that are looked for in the text as it is, then, in what is left and normalized, the
// others. Source: huggingface/tokenizers, tokenizer/added_vocabulary.rs.

/// The added tokens of a tokenizer.
struct AddedTokens: Sendable {
  /// One of them.
  struct Token: Sendable, Equatable {
    var id: Int32
    var content: [UInt8]
    /// Whether the spaces before it belong to it.
    var stripsLeft = false
    /// Whether the spaces after it belong to it.
    var stripsRight = false
    /// Whether it is found between words only: not beside a letter, a digit or an underscore.
    var isSingleWord = false
    /// Whether it is looked for in the text after that was normalized.
    var isNormalized = false
    /// Whether it is one of control, and no part of the text.
    var isSpecial = false

    /// How it is looked for besides by its text.
    var flags: TokenFlags {
      get {
        let said: [(Bool, TokenFlags)] = [
          (stripsLeft, .stripsLeft), (stripsRight, .stripsRight), (isSingleWord, .isSingleWord),
          (isNormalized, .isNormalized),
        ]
        return TokenFlags(said.filter(\.0).map(\.1))
      }
      set {
        stripsLeft = newValue.contains(.stripsLeft)
        stripsRight = newValue.contains(.stripsRight)
        isSingleWord = newValue.contains(.isSingleWord)
        isNormalized = newValue.contains(.isNormalized)
      }
    }

    /// What files say of it besides its number.
    var object: [String: Any] {
      let said: [String: Any] = ["content": String(decoding: content, as: UTF8.self), "special": isSpecial]
      return said.merging(flags.object) { one, _ in one }
    }

    /// The same with another number.
    func numbered(_ id: Int32) -> Token {
      var token = self
      token.id = id
      return token
    }
  }

  /// A part of a text.
  enum Part: Equatable {
    case text(ArraySlice<UInt8>)
    case token(Int32)
  }

  /// Those that are looked for in the text as it is.
  private let plain: Finder
  /// Those that are looked for in the normalized text, spelled so.
  private let normalized: Finder
  private let normalize: (@Sendable (ArraySlice<UInt8>) throws -> [UInt8])?
  /// All of them, by id.
  let all: [Token]

  /// Whether a text is not touched at all.
  var isEmpty: Bool { all.isEmpty && normalize == nil }

  /// - Parameter normalize: what becomes of the parts between the tokens, before the normalized ones are looked for.
  init(_ tokens: [Token], normalize: (@Sendable (ArraySlice<UInt8>) throws -> [UInt8])? = nil) {
    all = tokens.sorted { $0.id < $1.id }
    self.normalize = normalize
    plain = Finder(tokens.filter { !$0.isNormalized })
    normalized = Finder(
      tokens.filter(\.isNormalized).map { token in
        var token = token
        if let changed = try? normalize?(token.content[...]) { token.content = changed }
        return token
      })
  }

  /// Cuts a text at the added tokens.
  ///
  /// - Parameter body: called with each part in order, its text normalized; answers whether to go on.
  func forEachPart(_ text: [UInt8], _ body: (Part) throws -> Bool) throws {
    var goesOn = true
    try plain.forEachPart(text[...]) { part in
      guard case .text(let slice) = part else {
        goesOn = try body(part)
        return goesOn
      }
      let inner = try normalize.map { ArraySlice(try $0(slice)) } ?? slice
      try normalized.forEachPart(inner) { part in
        goesOn = try body(part)
        return goesOn
      }
      return goesOn
    }
  }

  /// Finds tokens of one kind.
  private struct Finder: Sendable {
    /// By first byte, the longest first.
    private let byFirst: [[Token]]
    /// By first byte, whether a token has a second one, or is that byte alone: `256 * first + second`. There may be a thousand
    /// that begin with `<`, and a text of such.
    private var begins: [Bool] = []

    init(_ tokens: [Token]) {
      guard !tokens.isEmpty else {
        byFirst = []
        return
      }
      var byFirst = [[Token]](repeating: [], count: 256)
      for token in tokens { if let first = token.content.first { byFirst[Int(first)].append(token) } }
      self.byFirst = byFirst.map { $0.sorted { $0.content.count > $1.content.count } }
      begins = [Bool](repeating: false, count: 1 << 16)
      for token in tokens {
        guard let first = token.content.first else { continue }
        let second = token.content.dropFirst().first
        for other in second.map({ Int($0)...Int($0) }) ?? 0...255 { begins[256 * Int(first) + other] = true }
      }
    }

    /// The token that a place of a text begins with, the longest of several.
    private func token(at place: ArraySlice<UInt8>) -> Token? {
      guard let first = place.first, !byFirst[Int(first)].isEmpty else { return nil }
      if let second = place.dropFirst().first, !begins[256 * Int(first) + Int(second)] { return nil }
      return byFirst[Int(first)].first { place.starts(with: $0.content) }
    }

    func forEachPart(_ text: ArraySlice<UInt8>, _ body: (Part) throws -> Bool) rethrows {
      var start = text.startIndex
      var at = byFirst.isEmpty ? text.endIndex : start
      while at < text.endIndex {
        guard let token = token(at: text[at...]) else {
          at += 1
          continue
        }
        var begin = at
        var end = at + token.content.count
        at = end
        // One that is no word by itself is passed over, and so is what it is made of.
        if token.isSingleWord, Characters.endsInWord(text[..<begin]) || Characters.beginsWithWord(text[end...]) {
          continue
        }
        if token.stripsLeft { begin = Characters.spacesEnd(text[start..<begin]) }
        if token.stripsRight { end = Characters.spacesStart(text[end...]) }
        if begin > start, try !body(.text(text[start..<begin])) { return }
        guard try body(.token(token.id)) else { return }
        (at, start) = (end, end)
      }
      if start < text.endIndex { _ = try body(.text(text[start...])) }
    }
  }

  /// Characters at the ends of a part, as regular expressions of Rust see them.
  private enum Characters {
    private static func first(_ text: ArraySlice<UInt8>) -> Unicode.Scalar? {
      String(decoding: text.prefix(4), as: UTF8.self).unicodeScalars.first
    }

    private static func last(_ text: ArraySlice<UInt8>) -> Unicode.Scalar? {
      guard let start = text.indices.suffix(4).last(where: { text[$0] & 0xC0 != 0x80 }) else { return nil }
      return first(text[start...])
    }

    /// `\w`.
    private static func isWord(_ scalar: Unicode.Scalar?) -> Bool {
      guard let properties = scalar?.properties else { return false }
      if properties.isAlphabetic || properties.isJoinControl { return true }
      switch properties.generalCategory {
      case .decimalNumber, .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation: return true
      default: return false
      }
    }

    static func beginsWithWord(_ text: ArraySlice<UInt8>) -> Bool { isWord(first(text)) }
    static func endsInWord(_ text: ArraySlice<UInt8>) -> Bool { isWord(last(text)) }

    /// Where the spaces at the end of a part begin.
    static func spacesEnd(_ text: ArraySlice<UInt8>) -> Int {
      var rest = text
      while let scalar = last(rest), scalar.properties.isWhitespace { rest = rest.dropLast(UTF8.width(scalar)) }
      return rest.endIndex
    }

    /// Where the spaces at the beginning of a part end.
    static func spacesStart(_ text: ArraySlice<UInt8>) -> Int {
      var rest = text
      while let scalar = first(rest), scalar.properties.isWhitespace { rest = rest.dropFirst(UTF8.width(scalar)) }
      return rest.startIndex
    }
  }
}
