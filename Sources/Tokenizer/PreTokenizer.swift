// Cutting a text into the words that byte-pair merges do not cross. The patterns of the known families, matched by hand:
// a regular expression engine would be a dependency, and slower. Character classes are Unicode's, as in Oniguruma.
// Sources: the tokenizer.json of bigscience/bloom, openai-community/gpt2, Llama 3 and Qwen2.

import ByteIO

/// A known pattern.
enum PreTokenizer: Sendable, Equatable {
  /// BLOOM: runs of what is neither space nor some punctuation, each with a space before it.
  case bloom
  /// GPT-2: contractions, letters, digits, other, spaces.
  case gpt2
  /// Llama 3: the same, folded contractions, digits by threes, line breaks apart.
  case llama3
  /// Qwen2: as Llama 3, digits one by one.
  case qwen2

  /// The patterns by their regular expressions and by llama.cpp's names for them.
  private static let known: [(pattern: PreTokenizer, name: String, regex: String)] = [
    (.bloom, "bloom", #" ?[^(\s|[.,!?…。，、।۔،])]+"#),
    (.gpt2, "gpt-2", #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#),
    (
      .llama3, "llama-bpe",
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    ),
    (
      .qwen2, "qwen2",
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    ),
  ]

  /// The pattern of a regular expression; nil for one that is not known.
  init?(regex: String) {
    guard let known = Self.known.first(where: { $0.regex == regex }) else { return nil }
    self = known.pattern
  }

  /// The pattern that llama.cpp calls by a name.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``TokenizerError`` with code `.unsupported` for one that is not known.
  init(name: String, file path: String) throws {
    guard let known = Self.known.first(where: { $0.name == name }) else {
      throw TokenizerError(
        .unsupported, file: path, reason: "its words are cut by the pattern \(displayName(name)), which is not known",
        remedy: "known are \(Self.known.map(\.name).joined(separator: ", "))")
    }
    self = known.pattern
  }

  /// llama.cpp's name.
  var name: String { Self.known.first { $0.pattern == self }?.name ?? "" }

  /// The regular expression.
  var regex: String { Self.known.first { $0.pattern == self }?.regex ?? "" }

  /// What a character is to the patterns.
  private enum Class: UInt8 {
    case letter, number, space, lineBreak, other
    /// `( ) |` and the punctuation that BLOOM's pattern leaves out.
    case separator

    var isSpace: Bool { self == .space || self == .lineBreak }
    var isOther: Bool { self == .other || self == .separator }
  }

  private static func classify(_ scalar: Unicode.Scalar) -> Class {
    switch scalar {
    case "a"..."z", "A"..."Z": return .letter
    case "0"..."9": return .number
    case "\r", "\n": return .lineBreak
    case "(", ")", "|", ".", ",", "!", "?", "…", "。", "，", "、", "।", "۔", "،": return .separator
    default: break
    }
    if scalar.properties.isWhitespace { return .space }
    guard scalar.value >= 0x80 else { return .other }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return .other
    }
  }

  /// A piece is longer than the limit.
  struct PieceTooLong: Error {}

  /// Cuts a text; the pieces, in order, are the whole of it.
  ///
  /// The text is looked at through a window, which grows where a piece does not end in it.
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - windowSize: bytes of the window at first.
  ///   - pieceLimit: about the longest piece, in bytes; beyond it ``PieceTooLong`` is thrown.
  ///   - body: called with each piece's bytes; answers whether to go on.
  /// - Complexity: O(n).
  func forEachPiece(
    _ text: ArraySlice<UInt8>, windowSize: Int = 1 << 14, pieceLimit: Int = .max,
    _ body: (ArraySlice<UInt8>) throws -> Bool
  ) throws {
    var scalars: [Unicode.Scalar] = []
    var classes: [Class] = []
    var start = text.startIndex
    var size = windowSize
    while start < text.endIndex {
      var end = text.endIndex - start > size ? start + size : text.endIndex
      while end > start, end < text.endIndex, text[end] & 0xC0 == 0x80 { end -= 1 }
      scalars.removeAll(keepingCapacity: true)
      classes.removeAll(keepingCapacity: true)
      for scalar in String(decoding: text[start..<end], as: UTF8.self).unicodeScalars {
        scalars.append(scalar)
        classes.append(Self.classify(scalar))
      }
      let isLast = end == text.endIndex
      let before = start
      var at = 0
      while at < scalars.count {
        let (end, reach) = self == .bloom ? Self.bloomEnd(scalars, classes, at) : wordEnd(scalars, classes, at)
        // What lies behind the window could make this piece another one.
        if reach >= scalars.count, !isLast { break }
        let next = scalars[at..<end].reduce(start) { $0 + UTF8.width($1) }
        guard try body(text[start..<next]) else { return }
        (at, start) = (end, next)
      }
      size = start > before ? windowSize : 2 * size
      guard size / 2 <= pieceLimit || start >= text.endIndex else { throw PieceTooLong() }
    }
  }

  /// ` ?[^(\s|[.,!?…。，、।۔،])]+`, or all that lies before the next match.
  ///
  /// - Returns: the end, and the last place that was looked at.
  private static func bloomEnd(
    _ scalars: [Unicode.Scalar], _ classes: [Class], _ start: Int
  ) -> (end: Int, reach: Int) {
    let isWord = { (at: Int) in at < classes.count && !classes[at].isSpace && classes[at] != .separator }
    let matches = { (at: Int) in isWord(at) || scalars[at] == " " && isWord(at + 1) }
    var end = start + 1
    if matches(start) {
      while isWord(end) { end += 1 }
    } else {
      while end < scalars.count, !matches(end) { end += 1 }
    }
    return (end, end + 1)
  }

  /// The alternatives of the other patterns, in their order; together they match any character.
  ///
  /// - Returns: the end, and the last place that was looked at.
  private func wordEnd(_ scalars: [Unicode.Scalar], _ classes: [Class], _ start: Int) -> (end: Int, reach: Int) {
    let count = scalars.count
    // A contraction looks at two characters behind its apostrophe.
    var reach = start + 2
    /// The end of a run from a place.
    func run(_ from: Int, _ belongs: (Class) -> Bool) -> Int {
      var end = from
      while end < count, belongs(classes[end]) { end += 1 }
      reach = max(reach, end)
      return end
    }
    let end = wordEnd(scalars, classes, start, run)
    return (end, reach)
  }

  private func wordEnd(
    _ scalars: [Unicode.Scalar], _ classes: [Class], _ start: Int, _ run: (Int, (Class) -> Bool) -> Int
  ) -> Int {
    let count = scalars.count
    if let end = contraction(scalars, start) { return end }
    let isGPT2 = self == .gpt2
    // Letters, with one character before them: a space, or in the newer patterns anything but a line break or a digit.
    if classes[start] == .letter { return run(start) { $0 == .letter } }
    let hasLead = isGPT2 ? scalars[start] == " " : classes[start] != .lineBreak && classes[start] != .number
    if hasLead, start + 1 < count, classes[start + 1] == .letter { return run(start + 1) { $0 == .letter } }
    // Digits.
    switch self {
    case .gpt2:
      let from = scalars[start] == " " ? start + 1 : start
      if from < count, classes[from] == .number { return run(from) { $0 == .number } }
    default:
      if classes[start] == .number {
        return min(run(start) { $0 == .number }, start + (self == .llama3 ? 3 : 1))
      }
    }
    // Anything that is neither space, letter nor digit.
    let from = scalars[start] == " " ? start + 1 : start
    if from < count, classes[from].isOther {
      let end = run(from) { $0.isOther }
      return isGPT2 ? end : run(end) { $0 == .lineBreak }
    }
    // Spaces. The newer patterns take them up to the last line break; else the last space stays with what follows.
    let end = run(start) { $0.isSpace }
    if !isGPT2, let last = classes[start..<end].lastIndex(of: .lineBreak) { return last + 1 }
    return end == count || end == start + 1 ? end : end - 1
  }

  /// `'s 't 're 've 'm 'll 'd`, folded in the newer patterns (where U+017F folds to s).
  private func contraction(_ scalars: [Unicode.Scalar], _ start: Int) -> Int? {
    guard scalars[start] == "'", start + 1 < scalars.count else { return nil }
    let letter = { (at: Int) -> Unicode.Scalar? in
      guard at < scalars.count else { return nil }
      let scalar = scalars[at]
      if self == .gpt2 { return scalar }
      if scalar == "\u{17F}" { return "s" }
      return ("A"..."Z").contains(scalar) ? Unicode.Scalar(scalar.value + 32) : scalar
    }
    switch (letter(start + 1), letter(start + 2)) {
    case ("s", _), ("t", _), ("m", _), ("d", _): return start + 2
    case ("r", "e"), ("v", "e"), ("l", "l"): return start + 3
    default: return nil
    }
  }
}
