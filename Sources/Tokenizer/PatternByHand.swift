// The patterns of the most usual families matched by hand, which is several times quicker than running their expressions.
// Tests hold each against its expression. Character classes are Unicode's, as in Oniguruma.

import ByteIO

/// A pattern that is matched by hand.
enum PatternByHand: Sendable, Hashable, CaseIterable {
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

  /// What a character is to the patterns.
  enum Class: UInt8 {
    case letter, number, space, lineBreak, other
    /// `( ) |` and the punctuation that BLOOM's pattern leaves out.
    case separator

    var isSpace: Bool { self == .space || self == .lineBreak }
    var isOther: Bool { self == .other || self == .separator }
  }

  static func classify(_ scalar: Unicode.Scalar) -> Class {
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

  /// The end of the piece that begins at a place, and the last place that was looked at.
  func pieceEnd(_ scalars: [Unicode.Scalar], _ classes: [Class], _ at: Int) -> (end: Int, reach: Int) {
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
