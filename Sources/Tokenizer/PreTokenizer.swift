// Cutting a text into the words that byte-pair merges do not cross. The patterns of the most usual families are matched by
// hand, which is quicker; the others step by step, see WordPattern. Which there are: PreTokenizer+Table. Character classes
// are Unicode's, as in Oniguruma.

import ByteIO

/// A known pattern.
enum PreTokenizer: Sendable, Hashable {
  /// BLOOM: runs of what is neither space nor some punctuation, each with a space before it.
  case bloom
  /// GPT-2: contractions, letters, digits, other, spaces.
  case gpt2
  /// SmolLM, StarCoder, Refact, Command R: digits one by one, and GPT-2's pattern between them.
  case smollm
  /// Llama 3: as GPT-2, folded contractions, digits by threes, line breaks apart.
  case llama3
  /// Qwen2: as Llama 3, digits one by one.
  case qwen2
  /// What llama.cpp takes where nothing is known: punctuation, GPT-2's pattern, digits by threes.
  case llamaDefault
  /// DeepSeek LLM: lines, cased letters, punctuation, Chinese and Korean, digits.
  case deepseekLLM
  /// DeepSeek Coder: lines, letters, punctuation, Chinese and Korean, digits one by one.
  case deepseekCoder
  /// DeepSeek V3 and R1: digits by threes, Chinese and Japanese, words.
  case deepseekV3
  /// Mistral's Tekken: words are cut where small letters become capitals.
  case tekken
  /// GPT-4o and Llama 4: the same with contractions and digits by threes.
  case gpt4o

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
    let steps = Self.compiled[self]
    let pieceLimit = steps == nil ? pieceLimit : max(pieceLimit, Self.steppedLimit)
    while start < text.endIndex {
      var end = text.endIndex - start > size ? start + size : text.endIndex
      while end > start, end < text.endIndex, text[end] & 0xC0 == 0x80 { end -= 1 }
      scalars.removeAll(keepingCapacity: true)
      classes.removeAll(keepingCapacity: true)
      for scalar in String(decoding: text[start..<end], as: UTF8.self).unicodeScalars {
        scalars.append(scalar)
        if steps == nil { classes.append(Self.classify(scalar)) }
      }
      let isLast = end == text.endIndex
      let before = start
      var at = 0
      while at < scalars.count {
        let (end, reach) = steps.map { Self.steppedEnd($0[0], scalars, at) } ?? pieceEnd(scalars, classes, at)
        // What lies behind the window could make this piece another one.
        if reach >= scalars.count, !isLast { break }
        for part in steps.map({ Self.parts(at..<end, scalars, $0.dropFirst()) }) ?? [at..<end] {
          let next = scalars[part].reduce(start) { $0 + UTF8.width($1) }
          guard try body(text[start..<next]) else { return }
          start = next
        }
        at = end
      }
      size = start > before ? windowSize : 2 * size
      guard size / 2 <= pieceLimit || start >= text.endIndex else { throw PieceTooLong() }
    }
  }

  /// A pattern of steps may see no place to cut for longer than a word is: all between two digits, say.
  private static let steppedLimit = 32 << 20

  /// The end of a piece of the first step, and the last place that was looked at.
  private static func steppedEnd(
    _ step: WordPattern, _ scalars: [Unicode.Scalar], _ start: Int
  ) -> (end: Int, reach: Int) {
    var touchesEnd = false
    let end = step.pieceEnd(scalars, in: 0..<scalars.count, at: start, &touchesEnd)
    return (end, touchesEnd ? scalars.count : end)
  }

  /// A piece, cut by the other steps, each of which sees nothing but what the ones before it left together.
  private static func parts(
    _ piece: Range<Int>, _ scalars: [Unicode.Scalar], _ steps: ArraySlice<WordPattern>
  ) -> [Range<Int>] {
    var parts = [piece]
    for step in steps {
      parts = parts.flatMap { part in
        var cut: [Range<Int>] = []
        var at = part.lowerBound
        while at < part.upperBound {
          var touchesEnd = false
          let end = step.pieceEnd(scalars, in: part, at: at, &touchesEnd)
          cut.append(at..<end)
          at = end
        }
        return cut
      }
    }
    return parts
  }

  private func pieceEnd(_ scalars: [Unicode.Scalar], _ classes: [Class], _ at: Int) -> (end: Int, reach: Int) {
    self == .bloom ? Self.bloomEnd(scalars, classes, at) : wordEnd(scalars, classes, at)
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
    let isGPT2 = self == .gpt2 || self == .smollm
    // Letters, with one character before them: a space, or in the newer patterns anything but a line break or a digit.
    if classes[start] == .letter { return run(start) { $0 == .letter } }
    let hasLead = isGPT2 ? scalars[start] == " " : classes[start] != .lineBreak && classes[start] != .number
    if hasLead, start + 1 < count, classes[start + 1] == .letter { return run(start + 1) { $0 == .letter } }
    // Digits.
    switch self {
    case .gpt2:
      let from = scalars[start] == " " ? start + 1 : start
      if from < count, classes[from] == .number { return run(from) { $0 == .number } }
    case .smollm:
      if classes[start] == .number { return start + 1 }
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
    // A digit that is cut off before anything else ends what is before it.
    if self == .smollm, end < count, classes[end] == .number { return end }
    if !isGPT2, let last = classes[start..<end].lastIndex(of: .lineBreak) { return last + 1 }
    return end == count || end == start + 1 ? end : end - 1
  }

  /// `'s 't 're 've 'm 'll 'd`, folded in the newer patterns (where U+017F folds to s).
  private func contraction(_ scalars: [Unicode.Scalar], _ start: Int) -> Int? {
    guard scalars[start] == "'", start + 1 < scalars.count else { return nil }
    let letter = { (at: Int) -> Unicode.Scalar? in
      guard at < scalars.count else { return nil }
      let scalar = scalars[at]
      if self == .gpt2 || self == .smollm { return scalar }
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
