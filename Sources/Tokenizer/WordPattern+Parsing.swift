// Reading an expression.

extension WordPattern {
  /// Reads an expression, front to back.
  struct Parser {
    private let text: [Unicode.Scalar]
    private var at = 0
    /// Within `(?i:…)`.
    private var folds = false
    private var depth = 0

    /// Groups in groups, at most.
    private static let depthLimit = 16
    private static let countLimit = 1000

    init(_ text: [Unicode.Scalar]) { self.text = text }

    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? { at + ahead < text.count ? text[at + ahead] : nil }

    private mutating func take(_ expected: String) -> Bool {
      let scalars = Array(expected.unicodeScalars)
      guard at + scalars.count <= text.count, text[at..<at + scalars.count].elementsEqual(scalars) else { return false }
      at += scalars.count
      return true
    }

    private func failure(_ reason: String) -> Failure { Failure(reason: "\(reason), at character \(at + 1)") }

    mutating func whole() throws(Failure) -> Node {
      let tree = try choice()
      guard at == text.count else { throw failure("a bracket is closed that is not open") }
      return tree
    }

    private mutating func choice() throws(Failure) -> Node {
      var ways: [Node] = []
      var current: [Node] = []
      while let next = peek(), next != ")" {
        if take("|") {
          ways.append(.sequence(current))
          current = []
        } else {
          current.append(try repeated(try atom()))
        }
      }
      ways.append(.sequence(current))
      return ways.count == 1 ? ways[0] : .choice(ways)
    }

    private mutating func atom() throws(Failure) -> Node {
      if take("$") { return .lineEnd }
      if take(#"\z"#) { return .textEnd }
      if take("(") { return try group() }
      if take(".") {
        var others = CharacterClass([0x0A...0x0A])
        others.negate()
        others.seal()
        return .characters(others)
      }
      if take("[") { return .characters(try set()) }
      if let next = peek(), "^*+?{".unicodeScalars.contains(next) {
        throw failure("\(next) stands where it is not read here")
      }
      var characters = CharacterClass()
      if let single = try element(&characters) {
        characters.insert(single.value...single.value)
        try fold(&characters)
      }
      characters.seal()
      return .characters(characters)
    }

    /// From an opening bracket on.
    private mutating func group() throws(Failure) -> Node {
      depth += 1
      defer { depth -= 1 }
      guard depth <= Self.depthLimit else { throw failure("more than \(Self.depthLimit) brackets are in each other") }
      let outer = folds
      defer { folds = outer }
      var kind: Bool?
      if take("?i:") {
        folds = true
      } else if take("?-i:") {
        folds = false
      } else if take("?=") || take("?!") {
        kind = text[at - 1] == "!"
      } else if !take("?:"), peek() == "?" {
        throw failure("(?\(peek(1).map { String($0) } ?? "") is not read here")
      }
      let inner = try choice()
      guard take(")") else { throw failure("a bracket is not closed") }
      return kind.map { .ahead(inner, isNegated: $0) } ?? inner
    }

    private mutating func repeated(_ node: Node) throws(Failure) -> Node {
      let counts: ClosedRange<Int>
      if take("+") {
        counts = 1...Int.max
      } else if take("*") {
        counts = 0...Int.max
      } else if take("?") {
        counts = 0...1
      } else if let braces = try braces() {
        counts = braces
        // Oniguruma reads a second sign as a repetition of the repetition.
        if peek() == "+" || peek() == "*" || peek() == "?" && braces.count == 1 {
          throw failure("a repetition is repeated")
        }
      } else {
        return node
      }
      if case .ahead = node { throw failure("a look ahead is repeated") }
      let greed: Greed = take("?") ? .lazy : take("+") ? .possessive : .greedy
      if let next = peek(), "+*?".unicodeScalars.contains(next) { throw failure("a repetition is repeated") }
      return .repeated(node, counts, greed)
    }

    /// `{2}`, `{1,3}`, `{2,}`.
    private mutating func braces() throws(Failure) -> ClosedRange<Int>? {
      guard take("{") else { return nil }
      guard let least = number() else { throw failure("a count is not a number") }
      if take("}") { return least...least }
      guard take(",") else { throw failure("a count is not a number") }
      if take("}") { return least...Int.max }
      guard let most = number(), take("}"), most >= least else { throw failure("a count is not a number") }
      return least...most
    }

    private mutating func number() -> Int? {
      var digits = ""
      while let next = peek(), ("0"..."9").contains(next), digits.utf8.count < 4 {
        digits.unicodeScalars.append(next)
        at += 1
      }
      return Int(digits).flatMap { $0 <= Self.countLimit ? $0 : nil }
    }

    private func fold(_ characters: inout CharacterClass) throws(Failure) {
      guard !folds || characters.fold() else { throw failure("classes and capitals alike are not read here") }
    }

    // MARK: Sets

    /// From an opening square bracket on: `[^a-z\p{L}[…]&&[…]]`.
    private mutating func set() throws(Failure) -> CharacterClass {
      depth += 1
      defer { depth -= 1 }
      guard depth <= Self.depthLimit else { throw failure("more than \(Self.depthLimit) brackets are in each other") }
      let isNegated = take("^")
      var operands: [CharacterClass] = []
      var current = CharacterClass()
      var isEmpty = true
      while let next = peek(), next != "]" {
        if take("&&") {
          try fold(&current)
          current.seal()
          operands.append(current)
          (current, isEmpty) = (CharacterClass(), true)
          continue
        }
        isEmpty = false
        if take("[") {
          guard peek() != ":" else { throw failure("classes by POSIX's names are not read here") }
          current.unite(try set())
        } else if let low = try element(&current) {
          current.insert(try range(from: low))
        }
      }
      guard take("]"), !isEmpty else { throw failure("a set is not closed, or empty") }
      try fold(&current)
      current.seal()
      if var first = operands.first {
        for other in operands.dropFirst() + [current] { first.limit(to: other) }
        current = first
      }
      if isNegated { current.negate() }
      current.seal()
      return current
    }

    private mutating func range(from low: Unicode.Scalar) throws(Failure) -> ClosedRange<UInt32> {
      guard peek() == "-", let after = peek(1), after != "]" else { return low.value...low.value }
      at += 1
      guard after != "[", let high = try single(), high.value >= low.value else {
        throw failure("a range is none")
      }
      return low.value...high.value
    }

    /// A class, which is put into a set; or a single character.
    private mutating func element(_ set: inout CharacterClass) throws(Failure) -> Unicode.Scalar? {
      if peek() == "\\", let second = peek(1) {
        switch second {
        case "s", "S": return try put(CharacterClass(.whitespace), isNegated: second == "S", &set)
        case "d", "D": return try put(.digits, isNegated: second == "D", &set)
        case "w", "W": return try put(.words, isNegated: second == "W", &set)
        case "p", "P":
          guard peek(2) == "{", let close = text[at...].firstIndex(of: "}") else { throw failure(#"\p has no name"#) }
          var name = text[(at + 3)..<close].reduce(into: "") { $0.unicodeScalars.append($1) }
          let isNegated = name.hasPrefix("^")
          if isNegated { name.removeFirst() }
          guard !folds else { throw failure("classes and capitals alike are not read here") }
          guard let named = CharacterClass(named: name) else {
            throw failure(#"\p{\#(name.prefix(40))} is not known"#)
          }
          at = close - 1
          return try put(named, isNegated: isNegated != (second == "P"), &set)
        default: break
        }
      }
      guard let single = try single() else { throw failure("the expression ends too early") }
      return single
    }

    /// A class of two characters (or what is left of its name) is put into a set.
    private mutating func put(
      _ named: CharacterClass, isNegated: Bool, _ set: inout CharacterClass
    ) throws(Failure) -> Unicode.Scalar? {
      var named = named
      if isNegated {
        named.negate()
        named.seal()
      }
      set.unite(named)
      at += 2
      return nil
    }

    private mutating func single() throws(Failure) -> Unicode.Scalar? {
      guard let first = peek() else { return nil }
      at += 1
      guard first == "\\" else { return first }
      guard let second = peek() else { return nil }
      at += 1
      switch second {
      case "r": return "\r"
      case "n": return "\n"
      case "t": return "\t"
      case "f": return "\u{C}"
      case "v": return "\u{B}"
      case "u": return try hexadecimal(digits: 4)
      case "x": return try hexadecimal(digits: 2)
      case "a"..."z", "A"..."Z", "0"..."9": throw failure(#"\\#(second) is not read here"#)
      default: return second
      }
    }

    /// `\u3000`, `\x{3000}`, `\x20`.
    private mutating func hexadecimal(digits: Int) throws(Failure) -> Unicode.Scalar {
      var name = ""
      if digits == 2, take("{") {
        while let next = peek(), next != "}", name.utf8.count < 8 {
          name.unicodeScalars.append(next)
          at += 1
        }
        guard take("}") else { throw failure("a character's number is none") }
      } else {
        while let next = peek(), next.properties.isASCIIHexDigit, name.utf8.count < digits {
          name.unicodeScalars.append(next)
          at += 1
        }
        guard name.utf8.count == digits else { throw failure("a character's number is none") }
      }
      // Two digits above 0x7F are a byte to Oniguruma, and no character.
      guard let value = UInt32(name, radix: 16), let scalar = Unicode.Scalar(value),
        digits == 4 || value < 0x80 || name.utf8.count > 2
      else { throw failure("a character's number is none") }
      return scalar
    }
  }
}
