// An expression as a tree, and the tree as a program.

extension WordPattern {
  /// The parts of an expression.
  indirect enum Node {
    case characters(CharacterClass)
    case sequence([Node])
    case choice([Node])
    case repeated(Node, ClosedRange<Int>, Greed)
    case ahead(Node, isNegated: Bool)
    case lineEnd
    case textEnd

    /// How many characters it takes at least.
    var least: Int {
      switch self {
      case .characters: 1
      case .sequence(let nodes): nodes.reduce(0) { min($0 + $1.least, 1 << 20) }
      case .choice(let nodes): nodes.map(\.least).min() ?? 0
      case .repeated(let node, let counts, _): node.least * min(counts.lowerBound, 1 << 20)
      case .ahead, .lineEnd, .textEnd: 0
      }
    }
  }

  /// Writes programs.
  struct Compiler {
    private var program: [Instruction] = []
    private var classes: [CharacterClass] = []

    /// The longest expression, in bytes; those of published models have some hundreds, and one that lists letters two
    /// thousand.
    private static let sizeLimit = 16 << 10
    private static let programLimit = 4096

    mutating func pattern(of expression: String) throws(Failure) -> WordPattern {
      guard expression.utf8.count <= Self.sizeLimit else {
        throw Failure(reason: "it is \(expression.utf8.count) bytes long: at most \(Self.sizeLimit) are read")
      }
      var parser = Parser(Array(expression.unicodeScalars))
      let tree = try parser.whole()
      guard tree.least > 0 else { throw Failure(reason: "it matches where there is nothing") }
      try write(tree)
      program.append(.accept)
      return WordPattern(program: program, classes: classes)
    }

    private mutating func write(_ node: Node) throws(Failure) {
      guard program.count < Self.programLimit else { throw Failure(reason: "it repeats too much") }
      switch node {
      case .characters(let characters): program.append(.run(number(of: characters), 1...1, .greedy))
      case .sequence(let nodes): for node in nodes { try write(node) }
      case .choice(let nodes): try writeChoice(nodes)
      case .repeated(let inner, let counts, let greed): try writeRepeated(inner, counts, greed)
      case .ahead(let inner, let isNegated):
        let place = program.count
        program.append(.accept)
        try write(inner)
        program.append(.accept)
        program[place] = .ahead(isNegated: isNegated, end: program.count)
      case .lineEnd: program.append(.lineEnd)
      case .textEnd: program.append(.textEnd)
      }
    }

    private mutating func number(of characters: CharacterClass) -> Int {
      if let known = classes.firstIndex(of: characters) { return known }
      classes.append(characters)
      return classes.count - 1
    }

    private mutating func writeChoice(_ nodes: [Node]) throws(Failure) {
      var jumps: [Int] = []
      for (number, node) in nodes.enumerated() {
        let fork = program.count
        if number < nodes.count - 1 { program.append(.accept) }
        try write(node)
        guard number < nodes.count - 1 else { break }
        jumps.append(program.count)
        program.append(.accept)
        program[fork] = .fork(fork + 1, program.count)
      }
      for jump in jumps { program[jump] = .jump(program.count) }
    }

    private mutating func writeRepeated(_ inner: Node, _ counts: ClosedRange<Int>, _ greed: Greed) throws(Failure) {
      if case .characters(let characters) = inner {
        return program.append(.run(number(of: characters), counts, greed))
      }
      guard greed != .possessive else { throw Failure(reason: "a group is repeated possessively") }
      let ways = { (one: Int, other: Int) in greed == .greedy ? Instruction.fork(one, other) : .fork(other, one) }
      for _ in 0..<counts.lowerBound { try write(inner) }
      guard counts.upperBound == .max else {
        var forks: [Int] = []
        for _ in counts.lowerBound..<counts.upperBound {
          forks.append(program.count)
          program.append(.accept)
          try write(inner)
        }
        for fork in forks { program[fork] = ways(fork + 1, program.count) }
        return
      }
      guard inner.least > 0 else { throw Failure(reason: "a group that may be empty is repeated without end") }
      let fork = program.count
      program.append(.accept)
      try write(inner)
      program.append(.jump(fork))
      program[fork] = ways(fork + 1, program.count)
    }
  }
}
