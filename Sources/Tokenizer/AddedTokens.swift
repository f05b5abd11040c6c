// Tokens that are found in the text before anything else is done with it: `<s>`, `<|im_start|>`. Leftmost first, the
// longest of those that begin at one place. Source: huggingface/tokenizers, tokenizer/added_vocabulary.rs.

/// The added tokens of a tokenizer.
struct AddedTokens: Sendable {
  /// One of them.
  struct Token: Sendable {
    let id: Int32
    let content: [UInt8]
    /// Whether the spaces before it belong to it.
    let stripsLeft: Bool
    /// Whether the spaces after it belong to it.
    let stripsRight: Bool
    /// Whether it is one of control, and no part of the text.
    let isSpecial: Bool
  }

  /// By first byte, the longest first.
  private let byFirst: [[Token]]
  let isEmpty: Bool

  /// All of them, by id.
  var all: [Token] { byFirst.joined().sorted { $0.id < $1.id } }

  init(_ tokens: [Token]) {
    var byFirst = [[Token]](repeating: [], count: 256)
    for token in tokens { if let first = token.content.first { byFirst[Int(first)].append(token) } }
    self.byFirst = byFirst.map { $0.sorted { $0.content.count > $1.content.count } }
    isEmpty = tokens.isEmpty
  }

  /// A part of a text.
  enum Part: Equatable {
    case text(Range<Int>)
    case token(Int32)
  }

  /// Cuts a text at the added tokens.
  ///
  /// - Parameter body: called with each part in order; answers whether to go on.
  func forEachPart(_ text: [UInt8], _ body: (Part) throws -> Bool) rethrows {
    var start = 0
    var at = isEmpty ? text.count : 0
    while at < text.count {
      let candidates = byFirst[Int(text[at])]
      guard !candidates.isEmpty, let token = candidates.first(where: { text[at...].starts(with: $0.content) }) else {
        at += 1
        continue
      }
      var end = at
      if token.stripsLeft { while end > start, Self.isSpace(text[end - 1]) { end -= 1 } }
      if end > start, try !body(.text(start..<end)) { return }
      guard try body(.token(token.id)) else { return }
      at += token.content.count
      if token.stripsRight { while at < text.count, Self.isSpace(text[at]) { at += 1 } }
      start = at
    }
    if start < text.count { _ = try body(.text(start..<text.count)) }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
