// Regular expressions over the names of modules, as GPTQModel's `dynamic` has them: matched from the beginning of a name, to
// wherever the expression ends (Python's `re.match`). All ways are followed at once (Thompson 1968), so that no expression
// takes longer than its length times the name's. Refused: what goes beyond characters, classes, groups, alternatives and
// counts, such as lookaheads and references.
// Source: Python, Lib/re/_parser.py (the syntax); GPTQModel, quantization/config.py (`dynamic_get`).

/// A regular expression over names.
package struct ModulePattern: Sendable, Equatable {
  private enum Step: Sendable {
    case one(Characters, next: Int)
    case either(Int, Int)
    case beginning(next: Int)
    case end(next: Int)
    case match
  }

  /// A set of characters.
  private struct Characters: Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar.value) } != isNegated }

    static let digits = [UInt32(0x30)...0x39]
    static let words = digits + [0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
    static let spaces = [UInt32(0x09)...0x0D, 0x20...0x20]
  }

  private indirect enum Node {
    case one(Characters)
    case beginning, end
    case sequence([Node])
    case choice([Node])
    case repeated(Node, least: Int, most: Int?)
  }

  private static let stepLimit = 1 << 12
  /// What is repeated may add no step at all: `(((){1000}){1000}){1000}`.
  private static let visitLimit = 1 << 16
  private let text: String
  private var steps: [Step] = [.match]
  private var start = 0
  private var visitCount = 0

  /// How much compiling it took, and so how much matching may.
  package var size: Int { visitCount }

  /// Compiles an expression; nil for what is none, or goes beyond what is known here.
  package init?(_ text: String) {
    self.text = text
    guard text.unicodeScalars.count <= 1 << 10 else { return nil }
    var parser = Parser(scalars: Array(text.unicodeScalars))
    guard let node = parser.choice(), parser.at == parser.scalars.count, let start = emit(node, next: 0) else {
      return nil
    }
    self.start = start
  }

  /// Whether a name begins with what the expression describes.
  ///
  /// - Complexity: O(expression · name).
  package func matches(_ name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    // Where each step was reached last.
    var places = [Int](repeating: -1, count: steps.count)
    var (states, next): ([Int], [Int]) = ([], [])
    var isMatched = false
    func follow(_ step: Int, at place: Int, _ found: inout [Int]) {
      guard places[step] != place else { return }
      places[step] = place
      switch steps[step] {
      case .one: found.append(step)
      case .either(let one, let other):
        follow(one, at: place, &found)
        follow(other, at: place, &found)
      case .beginning(let next): if place == 0 { follow(next, at: place, &found) }
      case .end(let next): if place == scalars.count { follow(next, at: place, &found) }
      case .match: isMatched = true
      }
    }
    follow(start, at: 0, &states)
    for (place, scalar) in scalars.enumerated() where !isMatched && !states.isEmpty {
      next.removeAll(keepingCapacity: true)
      for state in states {
        if case .one(let characters, let target) = steps[state], characters.contains(scalar) {
          follow(target, at: place + 1, &next)
        }
      }
      swap(&states, &next)
    }
    return isMatched
  }

  /// Equal expressions.
  package static func == (one: ModulePattern, other: ModulePattern) -> Bool { one.text == other.text }

  // MARK: Compiling

  private mutating func add(_ step: Step) -> Int? {
    guard steps.count < Self.stepLimit else { return nil }
    steps.append(step)
    return steps.count - 1
  }

  /// Adds the steps of a node before a step; nil where there are too many.
  private mutating func emit(_ node: Node, next: Int) -> Int? {
    visitCount += 1
    guard visitCount <= Self.visitLimit else { return nil }
    switch node {
    case .one(let characters): return add(.one(characters, next: next))
    case .beginning: return add(.beginning(next: next))
    case .end: return add(.end(next: next))
    case .sequence(let nodes):
      var start = next
      for node in nodes.reversed() {
        guard let before = emit(node, next: start) else { return nil }
        start = before
      }
      return start
    case .choice(let nodes):
      var start: Int?
      for node in nodes.reversed() {
        guard let one = emit(node, next: next) else { return nil }
        guard let other = start else {
          start = one
          continue
        }
        guard let both = add(.either(one, other)) else { return nil }
        start = both
      }
      return start
    case .repeated(let node, let least, let most):
      var start = next
      if let most {
        for _ in least..<most {
          guard let one = emit(node, next: start), let both = add(.either(one, next)) else { return nil }
          start = both
        }
      } else {
        guard let loop = add(.either(next, next)), let body = emit(node, next: loop) else { return nil }
        steps[loop] = .either(body, next)
        start = loop
      }
      for _ in 0..<least {
        guard let before = emit(node, next: start) else { return nil }
        start = before
      }
      return start
    }
  }

  // MARK: Parsing

  /// Reads an expression, front to back; each part is nil where it is none that is known.
  private struct Parser {
    let scalars: [Unicode.Scalar]
    var at = 0
    var depth = 0

    private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard next == scalar else { return false }
      at += 1
      return true
    }

    mutating func choice() -> Node? {
      depth += 1
      defer { depth -= 1 }
      guard depth <= 64 else { return nil }
      var nodes: [Node] = []
      repeat {
        var parts: [Node] = []
        while let scalar = next, scalar != "|", scalar != ")" {
          guard let atom = atom(), let part = repeated(atom) else { return nil }
          parts.append(part)
        }
        nodes.append(.sequence(parts))
      } while take("|")
      return .choice(nodes)
    }

    private mutating func atom() -> Node? {
      guard let scalar = next else { return nil }
      at += 1
      switch scalar {
      case "(":
        if take("?") { guard take(":") else { return nil } }
        guard let inner = choice(), take(")") else { return nil }
        return inner
      case "[": return characters().map { Node.one($0) }
      case ".": return .one(Characters(ranges: [0x0A...0x0A], isNegated: true))
      case "^": return .beginning
      case "$": return .end
      case "\\": return escaped().map { Node.one($0) }
      case "*", "+", "?", "{", "}", "]": return nil
      default: return .one(Characters(ranges: [scalar.value...scalar.value]))
      }
    }

    /// What stands behind a backslash.
    private mutating func escaped() -> Characters? {
      guard let scalar = next else { return nil }
      at += 1
      switch scalar {
      case "d": return Characters(ranges: Characters.digits)
      case "D": return Characters(ranges: Characters.digits, isNegated: true)
      case "w": return Characters(ranges: Characters.words)
      case "W": return Characters(ranges: Characters.words, isNegated: true)
      case "s": return Characters(ranges: Characters.spaces)
      case "S": return Characters(ranges: Characters.spaces, isNegated: true)
      // Any other letter or digit means something.
      case "a"..."z", "A"..."Z", "0"..."9": return nil
      default: return Characters(ranges: [scalar.value...scalar.value])
      }
    }

    /// What stands between brackets.
    private mutating func characters() -> Characters? {
      var found = Characters(ranges: [])
      found.isNegated = take("^")
      var isFirst = true
      while let scalar = next {
        at += 1
        if scalar == "]", !isFirst { return found }
        isFirst = false
        var low = scalar
        if scalar == "\\" {
          guard let set = escaped(), !set.isNegated else { return nil }
          guard set.ranges.count == 1, let only = set.ranges.first, only.count == 1,
            let escaped = Unicode.Scalar(only.lowerBound)
          else {
            found.ranges += set.ranges
            continue
          }
          low = escaped
        }
        guard next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
          found.ranges.append(low.value...low.value)
          continue
        }
        let high = scalars[at + 1]
        guard high != "\\", high.value >= low.value else { return nil }
        at += 2
        found.ranges.append(low.value...high.value)
      }
      return nil
    }

    /// A part with the count behind it.
    private mutating func repeated(_ node: Node) -> Node? {
      let counts: (least: Int, most: Int?)
      guard let scalar = next else { return node }
      switch scalar {
      case "*": counts = (0, nil)
      case "+": counts = (1, nil)
      case "?": counts = (0, 1)
      case "{":
        guard let stated = count() else { return nil }
        counts = stated
      default: return node
      }
      at += 1
      // As few as will do: the same names match.
      _ = take("?")
      if let next, "*+?{".unicodeScalars.contains(next) { return nil }
      if case .beginning = node { return nil }
      return .repeated(node, least: counts.least, most: counts.most)
    }

    /// A count in braces; the closing one is left.
    private mutating func count() -> (least: Int, most: Int?)? {
      guard let end = scalars[at...].firstIndex(of: "}") else { return nil }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars[(at + 1)..<end])
      let parts = String(text).split(separator: ",", omittingEmptySubsequences: false)
      guard let least = parts.first.flatMap({ Int($0) }), (0...1000).contains(least), parts.count <= 2 else {
        return nil
      }
      at = end
      if parts.count == 1 { return (least, least) }
      if parts[1].isEmpty { return (least, nil) }
      guard let most = Int(parts[1]), (least...1000).contains(most) else { return nil }
      return (least, most)
    }
  }
}
