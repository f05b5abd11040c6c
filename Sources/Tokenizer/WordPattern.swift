// The regular expressions of tokenizers, as far as they go: alternatives of character classes with a count each, a look at
// the next character, the end of the text. Enough for the patterns that are known (PreTokenizer); anything else is no
// pattern here. Classes are Unicode's; the first alternative that matches counts, and each takes as much as it can.
// Source: Oniguruma, doc/RE (what huggingface/tokenizers runs).

/// A compiled pattern.
struct WordPattern: Sendable, Equatable {
  /// A set of characters.
  struct Characters: Sendable, Equatable {
    var ranges: [ClosedRange<UInt32>] = []
    var categories: Set<Category> = []
    var hasSpaces = false
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      let value = scalar.value
      var isIn = ranges.contains { $0.contains(value) }
      if !isIn, hasSpaces { isIn = scalar.properties.isWhitespace }
      if !isIn, !categories.isEmpty {
        let category = scalar.properties.generalCategory
        isIn = categories.contains { $0.contains(category) }
      }
      return isIn != isNegated
    }
  }

  /// `\p{…}`.
  enum Category: String, Sendable {
    case L, N, P, S, M, Lu, Ll, Lt, Lm, Lo

    func contains(_ category: Unicode.GeneralCategory) -> Bool {
      switch category {
      case .uppercaseLetter: self == .L || self == .Lu
      case .lowercaseLetter: self == .L || self == .Ll
      case .titlecaseLetter: self == .L || self == .Lt
      case .modifierLetter: self == .L || self == .Lm
      case .otherLetter: self == .L || self == .Lo
      case .decimalNumber, .letterNumber, .otherNumber: self == .N
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
        .finalPunctuation, .otherPunctuation:
        self == .P
      case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: self == .S
      case .nonspacingMark, .spacingMark, .enclosingMark: self == .M
      default: false
      }
    }
  }

  /// One step of an alternative.
  enum Item: Sendable, Equatable {
    case run(Characters, ClosedRange<Int>)
    case notBefore(Characters)
    case end
  }

  let alternatives: [[Item]]

  /// The longest expression, in bytes; those of published models have some hundreds.
  private static let sizeLimit = 4096
  /// Groups in groups, at most.
  private static let depthLimit = 8

  /// Compiles an expression; nil for one that goes further.
  init?(_ expression: String) {
    guard expression.utf8.count <= Self.sizeLimit else { return nil }
    var parser = Parser(Array(expression.unicodeScalars))
    guard let alternatives = parser.alternatives(), parser.isAtEnd else { return nil }
    self.alternatives = alternatives
  }

  /// Where the match that begins at a place ends; nil where none does, or an empty one.
  ///
  /// - Parameters:
  ///   - scalars: the text, which begins and ends with `range`.
  ///   - touchesEnd: becomes true where what lies behind the text could make it another match.
  func match(
    _ scalars: [Unicode.Scalar], in range: Range<Int>, at start: Int, _ touchesEnd: inout Bool
  ) -> Int? {
    for items in alternatives {
      if let end = Self.end(items[...], scalars, range.upperBound, start, &touchesEnd), end > start { return end }
    }
    return nil
  }

  /// The end of the piece that begins at a place: of a match, or of what lies before the next one.
  func pieceEnd(
    _ scalars: [Unicode.Scalar], in range: Range<Int>, at start: Int, _ touchesEnd: inout Bool
  ) -> Int {
    if let end = match(scalars, in: range, at: start, &touchesEnd) { return end }
    var end = start + 1
    while end < range.upperBound, match(scalars, in: range, at: end, &touchesEnd) == nil { end += 1 }
    if end == range.upperBound { touchesEnd = true }
    return end
  }

  private static func end(
    _ items: ArraySlice<Item>, _ scalars: [Unicode.Scalar], _ bound: Int, _ start: Int, _ touchesEnd: inout Bool
  ) -> Int? {
    guard let item = items.first else { return start }
    let rest = items.dropFirst()
    switch item {
    case .end:
      touchesEnd = touchesEnd || start == bound
      return start == bound ? end(rest, scalars, bound, start, &touchesEnd) : nil
    case .notBefore(let characters):
      guard start < bound else {
        touchesEnd = true
        return end(rest, scalars, bound, start, &touchesEnd)
      }
      return characters.contains(scalars[start]) ? nil : end(rest, scalars, bound, start, &touchesEnd)
    case .run(let characters, let counts):
      var count = 0
      while count < counts.upperBound {
        guard start + count < bound else {
          touchesEnd = true
          break
        }
        guard characters.contains(scalars[start + count]) else { break }
        count += 1
      }
      guard count >= counts.lowerBound else { return nil }
      if rest.isEmpty { return start + count }
      for taken in stride(from: count, through: counts.lowerBound, by: -1) {
        if let end = end(rest, scalars, bound, start + taken, &touchesEnd) { return end }
      }
      return nil
    }
  }

  /// Reads an expression.
  private struct Parser {
    private let text: [Unicode.Scalar]
    private var at = 0
    /// Within `(?i:…)`.
    private var folds = false
    private var depth = 0

    init(_ text: [Unicode.Scalar]) { self.text = text }

    var isAtEnd: Bool { at == text.count }

    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? { at + ahead < text.count ? text[at + ahead] : nil }

    private mutating func take(_ expected: String) -> Bool {
      let scalars = Array(expected.unicodeScalars)
      guard at + scalars.count <= text.count, text[at..<at + scalars.count].elementsEqual(scalars) else { return false }
      at += scalars.count
      return true
    }

    /// Alternatives up to a closing bracket or the end; groups are multiplied out.
    mutating func alternatives() -> [[Item]]? {
      var result: [[Item]] = []
      var current: [[Item]] = [[]]
      while let next = peek(), next != ")" {
        if take("|") {
          result += current
          current = [[]]
          continue
        }
        guard let atoms = atom(), current.count * atoms.count <= 64 else { return nil }
        if atoms.count == 1 {
          for index in current.indices { current[index] += atoms[0] }
        } else {
          current = current.flatMap { head in atoms.map { head + $0 } }
        }
      }
      return result + current
    }

    private mutating func atom() -> [[Item]]? {
      if take("$") { return [[.end]] }
      if take("(?!") {
        guard let characters = characters(), take(")") else { return nil }
        return [[.notBefore(characters)]]
      }
      if take("(?i:") || take("(?:") {
        let outer = folds
        folds = folds || text[at - 2] == "i"
        depth += 1
        defer { (folds, depth) = (outer, depth - 1) }
        guard depth <= WordPattern.depthLimit, let inner = alternatives(), take(")") else { return nil }
        return take("?") ? inner + [[]] : inner
      }
      guard let characters = characters(), let counts = counts() else { return nil }
      return [[.run(characters, counts)]]
    }

    private mutating func counts() -> ClosedRange<Int>? {
      if take("+") { return 1...Int.max }
      if take("*") { return 0...Int.max }
      if take("?") { return 0...1 }
      guard take("{") else { return 1...1 }
      guard let least = number() else { return nil }
      if take("}") { return least...least }
      guard take(","), let most = number(), take("}"), most >= least else { return nil }
      return least...most
    }

    private mutating func number() -> Int? {
      var digits = ""
      while let next = peek(), ("0"..."9").contains(next), digits.count < 4 {
        digits.unicodeScalars.append(next)
        at += 1
      }
      return Int(digits)
    }

    private mutating func characters() -> Characters? {
      var result = Characters()
      guard take("[") else {
        guard let next = peek(), !"()|*+?{}]^.".unicodeScalars.contains(next), element(&result) else { return nil }
        return result
      }
      result.isNegated = take("^")
      while let next = peek(), next != "]" {
        // What Oniguruma would take for more than a set.
        guard next != "[", element(&result) else { return nil }
      }
      return take("]") ? result : nil
    }

    /// A character, a range or a class.
    private mutating func element(_ set: inout Characters) -> Bool {
      guard let first = peek() else { return false }
      if first == "\\" {
        guard let second = peek(1) else { return false }
        switch second {
        case "p":
          guard peek(2) == "{", let close = text[at...].firstIndex(of: "}") else { return false }
          let name = text[(at + 3)..<close].reduce(into: "") { $0.unicodeScalars.append($1) }
          guard let category = Category(rawValue: name) else { return false }
          set.categories.insert(category)
          at = close + 1
          return true
        case "s":
          set.hasSpaces = true
          at += 2
          return true
        case "S":
          // Only by itself.
          guard set == Characters() else { return false }
          set = Characters(hasSpaces: true, isNegated: true)
          at += 2
          return true
        default: break
        }
      }
      guard let low = single() else { return false }
      if peek() == "-", let after = peek(1), after != "]", text[at - 1] != "-" {
        at += 1
        guard let high = single(), high.value >= low.value else { return false }
        set.ranges.append(low.value...high.value)
        return true
      }
      set.ranges.append(low.value...low.value)
      guard folds, low.properties.isAlphabetic else { return true }
      for other in [low.properties.lowercaseMapping, low.properties.uppercaseMapping] {
        if let scalar = other.unicodeScalars.first { set.ranges.append(scalar.value...scalar.value) }
      }
      if low == "s" { set.ranges.append(0x17F...0x17F) }
      return true
    }

    private mutating func single() -> Unicode.Scalar? {
      guard let first = peek() else { return nil }
      at += 1
      guard first == "\\" else { return first }
      guard let second = peek() else { return nil }
      at += 1
      switch second {
      case "r": return "\r"
      case "n": return "\n"
      case "t": return "\t"
      case "a"..."z", "A"..."Z", "0"..."9": return nil
      default: return second
      }
    }
  }
}
