// Expressions, with Jinja's order of precedence: condition, or, and, not, comparison, + and -, ~, the products, powers, signs,
// and what follows a value. Source: Jinja 3.1, parser.py.

import ByteIO

extension Parser {
  /// Expressions with commas between them, or one.
  ///
  /// - Parameters:
  ///   - takesConditions: whether `a if b` is one of them.
  ///   - isEmptyTaken: whether there may be none.
  mutating func tuple(takesConditions: Bool = true, isEmptyTaken: Bool = false) throws -> Expression {
    let place = current.place
    var elements: [Expression] = []
    var isTuple = false
    while true {
      if isEnd { break }
      elements.append(takesConditions ? try expression() : try nested { try $0.either() })
      guard skips(",") else { break }
      isTuple = true
    }
    guard isTuple || !elements.isEmpty || isEmptyTaken else { throw expected("an expression") }
    return isTuple || elements.isEmpty ? Expression(kind: .tuple(elements), place: place) : elements[0]
  }

  /// Whether nothing of a tuple can follow.
  private var isEnd: Bool {
    switch current.kind {
    case .blockEnd, .variableEnd, .end, .symbol(")"): true
    case .name(let name): name == "in"
    default: false
    }
  }

  /// One expression.
  mutating func expression() throws -> Expression {
    try nested { parser in
      let count = parser.unknown.count
      var result = try parser.either()
      while parser.current.kind == .name("if") {
        let place = parser.take().place
        let test = try parser.either()
        let otherwise = parser.skips(name: "else") ? try parser.expression() : nil
        parser.forgive(from: count)
        result = Expression(kind: .condition(test, then: result, otherwise: otherwise), place: place)
        // Each lies in the next: a chain of them would be as deep as it is long.
        if parser.current.kind == .name("if") {
          throw Failure.unsupported("a condition of a condition without parentheses")
        }
      }
      return result
    }
  }

  private mutating func either() throws -> Expression {
    let place = current.place
    var parts = [try both()]
    while skips(name: "or") { parts.append(try both()) }
    return parts.count == 1 ? parts[0] : Expression(kind: .any(parts), place: place)
  }

  private mutating func both() throws -> Expression {
    let place = current.place
    var parts = [try negation()]
    while skips(name: "and") { parts.append(try negation()) }
    return parts.count == 1 ? parts[0] : Expression(kind: .all(parts), place: place)
  }

  private mutating func negation() throws -> Expression {
    let place = current.place
    guard skips(name: "not") else { return try comparison() }
    return Expression(kind: .not(try nested { try $0.negation() }), place: place)
  }

  private mutating func comparison() throws -> Expression {
    let place = current.place
    let first = try sum()
    var others: [(sign: String, other: Expression)] = []
    while true {
      if case .symbol(let sign) = current.kind, ["==", "!=", "<", "<=", ">", ">="].contains(sign) {
        take()
        others.append((sign, try sum()))
      } else if skips(name: "in") {
        others.append(("in", try sum()))
      } else if current.kind == .name("not"), following.kind == .name("in") {
        take()
        take()
        others.append(("not in", try sum()))
      } else {
        return others.isEmpty ? first : Expression(kind: .comparison(first, others), place: place)
      }
    }
  }

  private mutating func sum() throws -> Expression { try chain(["+", "-"]) { try $0.joined() } }
  private mutating func product() throws -> Expression { try chain(["*", "/", "//", "%"]) { try $0.power() } }
  private mutating func power() throws -> Expression { try chain(["**"]) { try $0.signed(takesFilters: true) } }

  private mutating func chain(
    _ signs: Set<String>, _ operand: (inout Parser) throws -> Expression
  ) throws -> Expression {
    let place = current.place
    let first = try operand(&self)
    var others: [(sign: String, other: Expression)] = []
    while case .symbol(let sign) = current.kind, signs.contains(sign) {
      take()
      others.append((sign, try operand(&self)))
    }
    return others.isEmpty ? first : Expression(kind: .arithmetic(first, others), place: place)
  }

  private mutating func joined() throws -> Expression {
    let place = current.place
    var parts = [try product()]
    while skips("~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : Expression(kind: .joined(parts), place: place)
  }

  /// A value with a sign, and what follows it. A filter is for the value with its sign.
  private mutating func signed(takesFilters: Bool) throws -> Expression {
    let place = current.place
    var value: Expression
    if skips("-") {
      value = Expression(kind: .negative(try nested { try $0.signed(takesFilters: false) }), place: place)
    } else if skips("+") {
      value = Expression(kind: .positive(try nested { try $0.signed(takesFilters: false) }), place: place)
    } else {
      value = try primary()
    }
    var steps = try accesses()
    if takesFilters { steps += try filtersAndTests() }
    value = steps.isEmpty ? value : Expression(kind: .chain(value, steps), place: place)
    return value
  }

  // MARK: Values

  private mutating func primary() throws -> Expression {
    let token = current
    let kind: Expression.Kind
    switch token.kind {
    case .name(let name):
      take()
      switch name {
      case "true", "True": kind = .constant(.bool(true))
      case "false", "False": kind = .constant(.bool(false))
      case "none", "None": kind = .constant(.none)
      default:
        if name == "varargs" || name == "kwargs" { asksForMore = true }
        kind = .name(name)
      }
    case .string:
      var text: Text = ""
      while case .string(let part) = current.kind {
        text = text + part
        take()
      }
      kind = .constant(.text(text))
    case .integer(let value):
      take()
      kind = .constant(.int(value))
    case .float(let value):
      take()
      kind = .constant(.float(value))
    case .symbol("("):
      take()
      let inner = try nested { try $0.tuple(isEmptyTaken: true) }
      try expect(.symbol(")"))
      return inner
    case .symbol("["): kind = .list(try elements(until: "]"))
    case .symbol("{"): kind = .mapping(try entries())
    default: throw expected("an expression")
    }
    return Expression(kind: kind, place: token.place)
  }

  private mutating func elements(until end: String) throws -> [Expression] {
    take()
    var elements: [Expression] = []
    while !skips(end) {
      if !elements.isEmpty {
        try expect(.symbol(","))
        if skips(end) { break }
      }
      elements.append(try expression())
    }
    return elements
  }

  private mutating func entries() throws -> [(key: Expression, value: Expression)] {
    take()
    var entries: [(key: Expression, value: Expression)] = []
    while !skips("}") {
      if !entries.isEmpty {
        try expect(.symbol(","))
        if skips("}") { break }
      }
      let key = try expression()
      try expect(.symbol(":"))
      entries.append((key, try expression()))
    }
    return entries
  }

  // MARK: What follows a value

  /// Attributes, items and calls.
  private mutating func accesses() throws -> [Step] {
    var steps: [Step] = []
    while true {
      let place = current.place
      if skips(".") {
        switch take().kind {
        case .name(let name): steps.append(Step(kind: .attribute(name), place: place))
        case .integer(let value):
          let index = Expression(kind: .constant(.int(value)), place: place)
          steps.append(Step(kind: .item(index), place: place))
        default: throw Failure(.syntax, "expected a name or a number behind the point")
        }
      } else if current.kind == .symbol("[") {
        take()
        steps.append(Step(kind: try item(), place: place))
        try expect(.symbol("]"))
      } else if current.kind == .symbol("(") {
        steps.append(Step(kind: .call(try callArguments()), place: place))
      } else {
        return steps
      }
    }
  }

  private mutating func item() throws -> Step.Kind {
    let ends: [Token.Kind] = [.symbol(":"), .symbol("]"), .symbol(",")]
    var parts: [Expression?] = []
    while true {
      parts.append(ends.contains(current.kind) ? nil : try expression())
      guard parts.count < 3, skips(":") else { break }
    }
    if current.kind == .symbol(",") { throw Failure.unsupported("several values in the brackets of an item") }
    if parts.count == 1 {
      guard let index = parts[0] else { throw expected("an expression") }
      return .item(index)
    }
    return .slice(parts[0], parts[1], parts.count > 2 ? parts[2] : nil)
  }

  /// Filters, tests, and calls of what they give.
  private mutating func filtersAndTests() throws -> [Step] {
    var steps: [Step] = []
    while true {
      let place = current.place
      if current.kind == .symbol("|") {
        steps += try filters(begins: true)
      } else if skips(name: "is") {
        steps.append(Step(kind: try test(), place: place))
      } else if current.kind == .symbol("("), !steps.isEmpty {
        steps.append(Step(kind: .call(try callArguments()), place: place))
      } else {
        return steps
      }
    }
  }

  /// One filter after the other.
  ///
  /// - Parameter begins: whether the first has a bar before it.
  mutating func filters(begins: Bool = false) throws -> [Step] {
    var steps: [Step] = []
    while !begins && steps.isEmpty || current.kind == .symbol("|") {
      if begins || !steps.isEmpty { take() }
      let place = current.place
      let filter = try dottedName()
      if !Filters.names.contains(filter) { note("the filter \(displayName(filter))", at: place) }
      steps.append(
        Step(kind: .filter(filter, current.kind == .symbol("(") ? try callArguments() : CallArguments()), place: place))
    }
    return steps
  }

  private mutating func dottedName() throws -> String {
    var result = try name()
    while skips(".") { result += "." + (try name()) }
    return result
  }

  private mutating func test() throws -> Step.Kind {
    let isNegated = skips(name: "not")
    let place = current.place
    let test = try dottedName()
    if !Tests.names.contains(test) { note("the test \(displayName(test))", at: place) }
    var arguments = CallArguments()
    switch current.kind {
    case .symbol("("): arguments = try callArguments()
    case .name(let name) where ["else", "or", "and"].contains(name): break
    case .name("is"): throw Failure(.syntax, "a test of a test")
    case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
      // `x is divisibleby 3`; what follows a test that takes nothing is refused when it is called.
      arguments.positional = [
        try nested { parser in
          let place = parser.current.place
          let value = try parser.primary()
          let steps = try parser.accesses()
          return steps.isEmpty ? value : Expression(kind: .chain(value, steps), place: place)
        }
      ]
    default: break
    }
    return .test(test, arguments, isNegated: isNegated)
  }

  /// What stands in the parentheses of a call.
  private mutating func callArguments() throws -> CallArguments {
    take()
    var arguments = CallArguments()
    var isFirst = true
    while !skips(")") {
      if !isFirst {
        try expect(.symbol(","))
        if skips(")") { break }
      }
      isFirst = false
      if skips("**") {
        arguments.mapping = try expression()
      } else if skips("*") {
        arguments.list = try expression()
      } else if case .name(let name) = current.kind, following.kind == .symbol("=") {
        take()
        take()
        arguments.named.append((name, try expression()))
      } else {
        guard arguments.named.isEmpty, arguments.list == nil, arguments.mapping == nil else {
          throw Failure(.syntax, "an argument without a name behind one with a name")
        }
        arguments.positional.append(try expression())
      }
    }
    return arguments
  }
}
