// Statements. Source: Jinja 3.1, parser.py; loop controls: ext.py; `generation`: transformers, utils/chat_template_utils.py.
// Refused by name: what belongs to a set of templates (include, import, extends, block), autoescape, do, print, trans,
// recursive loops.

import ByteIO

/// Makes statements of a template's pieces.
struct Parser {
  private let tokens: [Token]
  private var at = 0
  private var nesting = 0
  /// How many loops a place lies in, for `break`.
  private var loops = 0
  /// Whether the body that is being read asks for what else its macro is given.
  var asksForMore = false
  /// Filters and tests that are not known. Of those in a branch it shows when it runs, as in Jinja: it may never be taken.
  private(set) var unknown: [Failure] = []

  /// Reads a template.
  ///
  /// - Throws: ``JinjaError``.
  static func statements(of source: String, file: String?) throws -> [Statement] {
    var parser = Parser(try Lexer.tokens(of: source, file: file))
    do { return try parser.strictly { try $0.body(until: []) } } catch let failure as Failure {
      let place = failure.place ?? parser.current.place
      throw JinjaError(failure.code, file: file, place: place.words, reason: failure.reason)
    }
  }

  private init(_ tokens: [Token]) { self.tokens = tokens }

  // MARK: Pieces

  /// The piece that is next.
  var current: Token { tokens[min(at, tokens.count - 1)] }
  /// The piece after it.
  var following: Token { tokens[min(at + 1, tokens.count - 1)] }

  /// Goes on by one piece.
  @discardableResult
  mutating func take() -> Token {
    defer { at += 1 }
    return current
  }

  mutating func skips(_ symbol: String) -> Bool {
    guard current.kind == .symbol(symbol) else { return false }
    at += 1
    return true
  }

  mutating func skips(name: String) -> Bool {
    guard current.kind == .name(name) else { return false }
    at += 1
    return true
  }

  mutating func expect(_ kind: Token.Kind) throws {
    guard current.kind == kind else { throw expected(kind.words) }
    at += 1
  }

  /// What is wrong where something else was expected.
  func expected(_ words: String) -> Failure { Failure(.syntax, "expected \(words), found \(current.kind.words)") }

  mutating func name() throws -> String {
    guard case .name(let name) = current.kind else { throw expected("a name") }
    at += 1
    return name
  }

  /// Reads something that lies in another; bounded, for each takes some of the stack.
  mutating func nested<Result>(_ body: (inout Parser) throws -> Result) throws -> Result {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Limits.nesting else {
      throw Failure(.limit, "more than \(Limits.nesting) expressions or statements in each other")
    }
    return try body(&self)
  }

  /// Notes a filter or test that is not known.
  mutating func note(_ words: String, at place: Place) {
    var failure = Failure.unsupported(words)
    failure.place = place
    unknown.append(failure)
  }

  /// Forgets what is not known from some place on: it lies in a branch.
  mutating func forgive(from count: Int) { unknown.removeLast(unknown.count - count) }

  /// Reads what is run in any case: what is not known in it is refused at once.
  private mutating func strictly<Result>(_ read: (inout Parser) throws -> Result) throws -> Result {
    let count = unknown.count
    let result = try read(&self)
    if unknown.count > count { throw unknown[count] }
    return result
  }

  // MARK: Bodies

  /// Statements up to a block of one of some names, which stays; without names up to the end of the template.
  private mutating func body(until ends: Set<String>) throws -> [Statement] {
    var statements: [Statement] = []
    while true {
      let token = current
      switch token.kind {
      case .data(let text):
        at += 1
        statements.append(Statement(kind: .data(text), place: token.place))
      case .variableBegin:
        at += 1
        statements.append(Statement(kind: .output(try tuple()), place: token.place))
        try expect(.variableEnd)
      case .blockBegin:
        at += 1
        guard case .name(let name) = current.kind else { throw expected("the name of a statement") }
        if ends.contains(name) { return statements }
        at += 1
        statements.append(Statement(kind: try nested { try $0.statement(name) }, place: token.place))
        try expect(.blockEnd)
      default:
        guard ends.isEmpty else {
          throw Failure(.syntax, "the template ends, and {% \(ends.sorted().joined(separator: " or ")) %} is missing")
        }
        return statements
      }
    }
  }

  /// The statements between a tag and the block that ends them.
  private mutating func block(until end: String) throws -> [Statement] {
    try expect(.blockEnd)
    let statements = try body(until: [end])
    at += 1
    return statements
  }

  private mutating func statement(_ name: String) throws -> Statement.Kind {
    switch name {
    case "if": return try condition()
    case "for": return try loop()
    case "set": return try set()
    case "macro": return try macro()
    case "call": return try call()
    case "filter":
      let steps = try filters()
      return .filter(steps, try scoped { try $0.block(until: "endfilter") })
    case "with": return try with()
    case "generation": return .generation(try scoped { try $0.block(until: "endgeneration") })
    case "break", "continue":
      guard loops > 0 else { throw Failure(.syntax, "{% \(name) %} outside of a loop") }
      return name == "break" ? .leave : .proceed
    case "include", "import", "from", "extends", "block", "autoescape", "do", "print", "trans", "debug":
      at -= 1
      throw Failure.unsupported("the statement {% \(name) %}")
    default:
      at -= 1
      throw Failure(.syntax, "there is no statement {% \(displayName(name)) %}, or nothing that it ends")
    }
  }

  /// Reads what lies in no loop, as far as `break` is concerned.
  private mutating func scoped<Result>(_ read: (inout Parser) throws -> Result) throws -> Result {
    let outer = loops
    loops = 0
    defer { loops = outer }
    return try strictly(read)
  }

  private mutating func condition() throws -> Statement.Kind {
    let count = unknown.count
    var branches: [(test: Expression, body: [Statement])] = []
    repeat {
      let test = try tuple(takesConditions: false)
      try expect(.blockEnd)
      branches.append((test, try body(until: ["elif", "else", "endif"])))
    } while skips(name: "elif")
    let otherwise = skips(name: "else") ? try block(until: "endif") : []
    if case .name("endif") = current.kind { at += 1 }
    forgive(from: count)
    return .condition(branches, otherwise: otherwise)
  }

  private mutating func loop() throws -> Statement.Kind {
    let target = try assignmentTarget(until: "in")
    guard skips(name: "in") else { throw expected("in") }
    let items = try tuple(takesConditions: false)
    let test = skips(name: "if") ? try expression() : nil
    if case .name("recursive") = current.kind { throw Failure.unsupported("a loop that is recursive") }
    try expect(.blockEnd)
    loops += 1
    let body = try strictly { try $0.body(until: ["else", "endfor"]) }
    loops -= 1
    let otherwise = skips(name: "else") ? try strictly { try $0.block(until: "endfor") } : []
    if case .name("endfor") = current.kind { at += 1 }
    return .loop(target, over: items, test: test, body: body, otherwise: otherwise)
  }

  private mutating func set() throws -> Statement.Kind {
    let target = try assignmentTarget(until: "=", takesAttributes: true)
    if skips("=") { return .set(target, try tuple()) }
    let steps = current.kind == .symbol("|") ? try filters(begins: true) : []
    return .setBlock(target, steps, try strictly { try $0.block(until: "endset") })
  }

  private mutating func with() throws -> Statement.Kind {
    var values: [(target: AssignmentTarget, value: Expression)] = []
    while current.kind != .blockEnd {
      if !values.isEmpty { try expect(.symbol(",")) }
      let target = try assignmentTarget(until: "=")
      try expect(.symbol("="))
      values.append((target, try expression()))
    }
    return .with(values, try strictly { try $0.block(until: "endwith") })
  }

  /// What is given a value: a name, several, or an attribute of a namespace.
  private mutating func assignmentTarget(until end: String, takesAttributes: Bool = false) throws -> AssignmentTarget {
    var targets: [AssignmentTarget] = []
    var isTuple = false
    while true {
      if skips("(") {
        targets.append(try nested { try $0.assignmentTarget(until: ")") })
        try expect(.symbol(")"))
      } else {
        let first = try name()
        guard !Self.constants.contains(first) else { throw Failure(.syntax, "\(first) cannot be given a value") }
        targets.append(takesAttributes && skips(".") ? .attribute(of: first, try name()) : .name(first))
      }
      guard skips(",") else { break }
      isTuple = true
      if current.kind == .symbol(end) || current.kind == .name(end) { break }
    }
    return isTuple ? .tuple(targets) : targets[0]
  }

  private static let constants: Set = ["true", "false", "none", "True", "False", "None"]

  // MARK: Macros

  private mutating func macro() throws -> Statement.Kind {
    let macroName = try name()
    return .macro(try macroBody(macroName, try signature(), until: "endmacro"))
  }

  private mutating func call() throws -> Statement.Kind {
    let parameters = current.kind == .symbol("(") ? try signature() : []
    let called = try expression()
    guard case .chain(_, let steps) = called.kind, case .call? = steps.last?.kind else { throw expected("a call") }
    return .call(try macroBody("caller", parameters, until: "endcall"), called)
  }

  private mutating func macroBody(
    _ name: String, _ parameters: [(name: String, value: Expression?)], until end: String
  ) throws -> MacroSyntax {
    let outer = asksForMore
    asksForMore = false
    defer { asksForMore = outer }
    let body = try scoped { try $0.block(until: end) }
    return MacroSyntax(name: name, parameters: parameters, body: body, takesMore: asksForMore)
  }

  private mutating func signature() throws -> [(name: String, value: Expression?)] {
    try expect(.symbol("("))
    var parameters: [(name: String, value: Expression?)] = []
    while current.kind != .symbol(")") {
      if !parameters.isEmpty { try expect(.symbol(",")) }
      let parameter = try name()
      let value = skips("=") ? try expression() : nil
      guard value != nil || parameters.last?.value == nil else {
        throw Failure(.syntax, "the parameter \(parameter) has no value of its own, and one before it has")
      }
      parameters.append((parameter, value))
    }
    try expect(.symbol(")"))
    return parameters
  }
}
