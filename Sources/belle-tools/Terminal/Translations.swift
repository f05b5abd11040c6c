// The texts of another language: pairs of a text of the sources and its translation, `translations/zh.txt`. Libraries know
// nothing of it: what they say is found again here by its form, with what was filled in.

/// Translations of texts, by their forms.
struct Translations {
  /// A text of the sources: words, and between them what is filled in.
  private struct Form {
    /// The words; one more than there are gaps.
    let words: [String]
    /// The translation in parts: words, and the numbers of gaps.
    let parts: [Part]
    /// How many letters it has that are not filled in: the more, the surer it is that a text has this form.
    let weight: Int

    enum Part {
      case words(String)
      case gap(Int)
    }
  }

  /// Forms with gaps, the surest first.
  private var forms: [Form] = []
  /// Translations of texts without gaps.
  private(set) var texts: [String: String] = [:]
  /// The longer ones among them, the longest first.
  private var sentences: [(key: String, value: String)] = []
  /// The texts of the sources that the catalogue has, whether they have a translation or stay as they are.
  private(set) var keys: Set<String> = []

  /// What a translation says where a text stays as it is.
  static let same = "="

  /// Reads a catalogue: lines of pairs; blank lines and those that begin with # are none.
  init(text: String) {
    var original: String?
    // By bytes: letters take long in a text of this size.
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: "#") {
      let line = String(Substring(line))
      guard let key = original else {
        original = line
        continue
      }
      original = nil
      keys.insert(key)
      if line != Self.same { add(key, line) }
    }
    forms.sort { $0.weight > $1.weight }
    sentences = texts.filter { $0.key.utf8.count > 6 }.sorted {
      $0.key.utf8.count != $1.key.utf8.count ? $0.key.utf8.count > $1.key.utf8.count : $0.key < $1.key
    }
  }

  private mutating func add(_ key: String, _ translation: String) {
    let words = key.split(separator: "{}", omittingEmptySubsequences: false).map(String.init)
    guard words.count > 1 else { return texts[key] = translation }
    var (parts, next): ([Form.Part], Int) = ([], 0)
    for (index, piece) in translation.split(separator: "{", omittingEmptySubsequences: false).enumerated() {
      // A brace that opens no gap is one.
      guard index > 0, let end = piece.firstIndex(of: "}"), end == piece.startIndex || Int(piece[..<end]) != nil else {
        parts.append(.words((index > 0 ? "{" : "") + piece))
        continue
      }
      let gap = Int(piece[..<end]).map { $0 - 1 } ?? next
      if end == piece.startIndex { next += 1 }
      if gap >= 0, gap < words.count - 1 { parts.append(.gap(gap)) }
      parts.append(.words(String(piece[piece.index(after: end)...])))
    }
    forms.append(Form(words: words, parts: parts, weight: words.reduce(0) { $0 + $1.utf8.count }))
  }

  /// The longest text that is looked at, in bytes, and how deep texts are in texts.
  private static let (lengthLimit, depthLimit) = (4000, 5)

  /// The translation of a text; nil where it is not known.
  func translation(of text: String) -> String? {
    guard text.utf8.count <= Self.lengthLimit else { return nil }
    var known: [String: String?] = [:]
    return translation(of: text, depth: 0, &known)
  }

  /// - Parameter known: what was found of other texts, so that none is looked at twice.
  private func translation(of text: String, depth: Int, _ known: inout [String: String?]) -> String? {
    if let text = texts[text] { return text }
    guard depth < Self.depthLimit, text.utf8.contains(UInt8(ascii: " ")) else { return nil }
    if let found = known[text] { return found }
    known[text] = .some(nil)
    let found =
      filled(text, depth, &known) ?? behindName(text, depth, &known) ?? joined(text, depth, &known)
      ?? followed(text, depth, &known)
    known[text] = found
    return found
  }

  /// `byte 812`, `line 3`.
  func place(_ place: String) -> String {
    for (word, chinese) in [("byte ", "字节 "), ("line ", "第 "), ("entry ", "第 ")] where place.hasPrefix(word) {
      let number = place.dropFirst(word.count).prefix { $0.isNumber }
      guard !number.isEmpty else { continue }
      let end = word == "line " ? " 行" : word == "entry " ? " 项" : ""
      return chinese + number + end + place.dropFirst(word.count + number.count)
    }
    return translation(of: place) ?? place
  }

  /// A text that has a form as a whole.
  private func filled(_ text: String, _ depth: Int, _ known: inout [String: String?]) -> String? {
    for form in forms {
      guard let gaps = Self.gaps(of: form.words, in: text) else { continue }
      let translations = gaps.map { translation(of: String($0.drop { $0 == " " }), depth: depth + 1, &known) }
      // A gap that holds a sentence which is not known is none: the text is of another form.
      guard !zip(gaps, translations).contains(where: { $1 == nil && Self.isSentence($0) }) else { continue }
      return form.parts.map { part in
        switch part {
        case .words(let words): words
        case .gap(let index): translations[index] ?? gaps[index]
        }
      }.joined()
    }
    return nil
  }

  /// Whether a text has four words in a row, as no name and no list of names has, or two sentences side by side.
  private static func isSentence(_ text: String) -> Bool {
    guard !text.contains("; ") else { return true }
    var run = 0
    for word in text.split(separator: " ") {
      let isWord = word.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || $0 == UInt8(ascii: "'") }
      run = isWord ? run + 1 : 0
      if run == 4 { return true }
    }
    return false
  }

  /// `name: text`.
  private func behindName(_ text: String, _ depth: Int, _ known: inout [String: String?]) -> String? {
    var start = text.startIndex
    while let colon = text[start...].firstRange(of: ": ") {
      let rest = String(text[colon.upperBound...])
      if let rest = translation(of: rest, depth: depth + 1, &known) {
        let name = String(text[..<colon.lowerBound])
        let place = place(name)
        let head = place != name ? place : translation(of: name, depth: depth + 1, &known) ?? name
        return "\(head)：\(rest)"
      }
      start = colon.upperBound
    }
    return nil
  }

  /// `text; text`, and lists of such texts; what stands last in a list may be none.
  private func joined(_ text: String, _ depth: Int, _ known: inout [String: String?]) -> String? {
    let parts = text.split(separator: "; ").map(String.init)
    if parts.count > 2 {
      let found = parts.map { translation(of: $0, depth: depth + 1, &known) }
      if found.dropLast().allSatisfy({ $0 != nil }) {
        return zip(found, parts).map { $0 ?? $1 }.joined(separator: "；")
      }
    }
    var start = text.startIndex
    while let sign = text[start...].firstRange(of: "; ") {
      let (one, other) = (String(text[..<sign.lowerBound]), String(text[sign.upperBound...]))
      // What is said behind another text may be known with the sign alone.
      if let one = translation(of: one, depth: depth + 1, &known),
        let other = translation(of: other, depth: depth + 1, &known)
          ?? translation(of: "; " + other, depth: depth + 1, &known)
      {
        return "\(one)；\(other.drop { "；; ".contains($0) })"
      }
      start = sign.upperBound
    }
    return nil
  }

  /// A text, and one that stands directly behind it: `, and shorter`.
  private func followed(_ text: String, _ depth: Int, _ known: inout [String: String?]) -> String? {
    for (key, translation) in sentences where text.utf8.count > key.utf8.count {
      if text.hasPrefix(key), !text.dropFirst(key.count).hasPrefix("s") {
        let rest = String(text.dropFirst(key.count))
        if let rest = self.rest(rest, depth, &known) { return Self.glued(translation, rest) }
      }
    }
    for sign in [", ", " (", ": ", " "] {
      var start = text.startIndex
      while let found = text[start...].firstRange(of: sign) {
        let (one, other) = (String(text[..<found.lowerBound]), String(text[found.lowerBound...]))
        if let one = translation(of: one, depth: depth + 1, &known), let other = rest(other, depth, &known) {
          return Self.glued(one, other)
        }
        start = found.upperBound
      }
    }
    return nil
  }

  /// Two texts behind each other; a name in Latin letters keeps its distance from Chinese ones.
  private static func glued(_ one: String, _ other: String) -> String {
    guard let last = one.unicodeScalars.last, let first = other.unicodeScalars.first else { return one + other }
    let isName = last.isASCII && (last.properties.isAlphabetic || last.properties.numericType != nil)
    return one + (isName && (0x4E00...0x9FFF).contains(first.value) ? " " : "") + other
  }

  /// What follows a text: another one, with or without the sign before it, or something in brackets.
  private func rest(_ text: String, _ depth: Int, _ known: inout [String: String?]) -> String? {
    let trimmed = String(text.drop { $0 == " " })
    if trimmed.isEmpty { return "" }
    if let found = translation(of: trimmed, depth: depth + 1, &known) { return found }
    if trimmed.hasPrefix("("), trimmed.hasSuffix(")") {
      let inner = String(trimmed.dropFirst().dropLast())
      return "（\(translation(of: inner, depth: depth + 1, &known) ?? inner)）"
    }
    // A name, a number.
    return trimmed.utf8.contains(UInt8(ascii: " ")) ? nil : (text.hasPrefix(" ") ? " " : "") + trimmed
  }

  /// What fills the gaps between some words; nil where the text has not these words in this order.
  private static func gaps(of words: [String], in text: String) -> [String]? {
    guard let first = words.first, let last = words.last, text.hasPrefix(first), text.hasSuffix(last),
      text.utf8.count >= first.utf8.count + last.utf8.count
    else { return nil }
    var rest = text.dropFirst(first.count).dropLast(last.count)
    var gaps: [String] = []
    for word in words.dropFirst().dropLast() {
      guard !word.isEmpty else {
        // Two gaps side by side: the second takes all, as far as anybody knows.
        gaps.append("")
        continue
      }
      guard let found = rest.firstRange(of: word) else { return nil }
      gaps.append(String(rest[..<found.lowerBound]))
      rest = rest[found.upperBound...]
    }
    return gaps + [String(rest)]
  }
}
