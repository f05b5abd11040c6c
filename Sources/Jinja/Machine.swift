// Runs a template's statements, with a bound on steps, depth and the size of every text.
// Source for what a name means where: Jinja 3.1, compiler.py and idtracking.py.

import Foundation

/// What templates can call, ask and apply. The machine knows none of it by itself: what works on a machine lies above it.
struct Library: Sendable {
  /// What makes something of a value.
  typealias Filter = @Sendable (Machine, Value, Arguments) throws -> Value

  /// A function that every template has; nil for none.
  let function: @Sendable (_ name: String) -> Value?
  /// What a value can do; nil for what it cannot.
  let method: @Sendable (_ name: String, Value) throws -> Value?
  /// By their names.
  let filters: [String: Filter]
  /// The tests that there are.
  let testNames: Set<String>
  /// Whether a test holds, with what it is given besides.
  let test: @Sendable (_ name: String, Value, Arguments, Machine) throws -> Bool
}

/// One rendering.
final class Machine {
  /// Where a body is left early.
  enum Flow {
    case normal
    case leave
    case proceed
  }

  /// What can be called, asked and applied.
  let library: Library
  /// The time that `strftime_now` tells.
  let now: Date
  /// What is being done, for messages.
  var place = Place(line: 1, column: 1)
  private(set) var scope: Scope
  private var output: [UInt8] = []
  private var steps = 0
  private let limit: Int
  private var depth = 0
  private var loopDepth = 0
  /// Scopes that a macro holds.
  private var held: [Scope] = []
  /// Every namespace: none goes with what it holds, however long a chain they make.
  private var namespaces: [Value.Namespace] = []

  /// - Parameter limit: how many steps it may take.
  init(_ values: [String: Value], _ library: Library, now: Date, limit: Int = Limits.steps) {
    (self.library, self.now, self.limit) = (library, now, limit)
    scope = Scope(values)
  }

  /// What statements write.
  func render(_ statements: [Statement]) throws -> Text {
    defer {
      for scope in held { scope.clear() }
      for namespace in namespaces { namespace.clear() }
    }
    _ = try run(statements)
    return Text(bytes: output)
  }

  // MARK: Bounds

  /// Counts work.
  func charge(_ count: Int = 1) throws {
    steps += count
    guard steps <= limit else {
      throw Failure(.limit, "the template does not come to an end within \(limit) steps")
    }
  }

  /// Counts the work of making a text, and refuses one that is too large, before it is made.
  func charge(bytes: Int) throws {
    guard bytes <= Limits.text else {
      throw Failure(.limit, "a text of more than \(Limits.text >> 20) MiB")
    }
    try charge(1 + bytes / 16)
  }

  /// Goes one deeper.
  func deeper<Result>(_ body: () throws -> Result) throws -> Result {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Limits.depth else { throw Failure(.limit, "macros and expressions call each other too deep") }
    return try body()
  }

  /// A list or the like, where it does not lie too deep.
  func sequence(_ kind: Value.Sequence.Kind, _ elements: [Value]) throws -> Value {
    try charge(1 + elements.count)
    if let part = elements.first(where: { !$0.isData }) { throw Failure.unsupported("\(part.kind) as part of a list") }
    let sequence = Value.Sequence(kind, elements)
    guard sequence.depth <= Limits.valueDepth else { throw Failure(.limit, "lists in each other, too deep") }
    return .sequence(sequence)
  }

  /// A namespace with nothing in it.
  func namespace() throws -> Value.Namespace {
    try charge()
    let namespace = Value.Namespace()
    namespaces.append(namespace)
    return namespace
  }

  // MARK: Writing

  /// Writes a text.
  func write(_ text: Text) throws {
    try charge(bytes: output.count + text.bytes.count > Limits.text ? .max : text.bytes.count)
    output += text.bytes
  }

  /// What a body writes, as a text.
  func captured(_ body: () throws -> Void) throws -> Text {
    let outer = output
    output = []
    defer { output = outer }
    try body()
    return Text(bytes: output)
  }

  /// Runs something in another scope.
  func inScope<Result>(_ inner: Scope, _ body: () throws -> Result) rethrows -> Result {
    let outer = scope
    scope = inner
    defer { scope = outer }
    return try body()
  }

  // MARK: Statements

  /// Runs statements in order.
  func run(_ statements: [Statement]) throws -> Flow {
    for statement in statements {
      try charge()
      place = statement.place
      let flow = try deeper { try run(statement) }
      if flow != .normal { return flow }
    }
    return .normal
  }

  private func run(_ statement: Statement) throws -> Flow {
    switch statement.kind {
    case .data(let text): try write(text)
    case .output(let expression): try write(self.text(of: try evaluate(expression)))
    case .condition(let branches, let otherwise):
      for (test, body) in branches where try evaluate(test).isTrue { return try run(body) }
      return try run(otherwise)
    case .loop(let target, let over, let test, let body, let otherwise):
      return try loop(target, over, test, body, otherwise)
    case .set(let target, let expression): try assign(target, try evaluate(expression))
    case .setBlock(let target, let filters, let body):
      let text = try captured { try inScope(Scope(in: scope)) { _ = try run(body) } }
      try assign(target, try apply(filters, to: .text(text)))
    case .macro(let syntax):
      held.append(scope)
      scope[syntax.name] = .macro(Macro(syntax, scope))
    case .call(let syntax, let expression): try call(syntax, expression)
    case .filter(let filters, let body):
      let text = try captured { try inScope(Scope(in: scope)) { _ = try run(body) } }
      try write(self.text(of: try apply(filters, to: .text(text))))
    case .with(let values, let body):
      let inner = Scope(in: scope)
      // Each is worth what it is outside.
      let found = try values.map { ($0.target, try evaluate($0.value)) }
      return try inScope(inner) {
        for (target, value) in found { try assign(target, value) }
        return try run(body)
      }
    case .generation(let body): try inScope(Scope(in: scope)) { _ = try run(body) }
    case .leave: return .leave
    case .proceed: return .proceed
    }
    return .normal
  }

  private func loop(
    _ target: AssignmentTarget, _ over: Expression, _ test: Expression?, _ body: [Statement], _ otherwise: [Statement]
  ) throws -> Flow {
    var items = try elements(of: try evaluate(over))
    if let test {
      items = try items.filter { item in
        try inScope(Scope(in: scope)) {
          try assign(target, item)
          return try evaluate(test).isTrue
        }
      }
    }
    loopDepth += 1
    defer { loopDepth -= 1 }
    // Jinja's else is for a loop none of whose rounds came to its end, be it by `continue` or `break`.
    var isDone = false
    let loop = Loop(items, depth: loopDepth)
    for (index, item) in items.enumerated() {
      try charge()
      loop.index = index
      let inner = Scope(["loop": .loop(loop)], in: scope)
      let flow = try inScope(inner) {
        try assign(target, item)
        return try run(body)
      }
      if flow == .leave { break }
      isDone = isDone || flow == .normal
    }
    return isDone ? .normal : try inScope(Scope(in: scope)) { try run(otherwise) }
  }

  private func assign(_ target: AssignmentTarget, _ value: Value) throws {
    switch target {
    case .name(let name): scope[name] = value
    case .attribute(let owner, let name):
      guard case .namespace(let namespace)? = scope[owner] else {
        throw Failure.value("only a namespace's parts can be set, and \(owner) is none")
      }
      try namespace.set(name, value)
    case .tuple(let targets):
      let values = try elements(of: value)
      guard values.count == targets.count else {
        throw Failure.value("\(values.count) values are given to \(targets.count) names")
      }
      for (target, value) in zip(targets, values) { try assign(target, value) }
    }
  }

  // MARK: Macros

  private func call(_ syntax: MacroSyntax, _ expression: Expression) throws {
    guard case .chain(let value, var steps) = expression.kind, case .call(var arguments)? = steps.popLast()?.kind else {
      return
    }
    held.append(scope)
    let body = Value.macro(Macro(syntax, scope))
    let called =
      steps.isEmpty
      ? try evaluate(value) : try evaluate(Expression(kind: .chain(value, steps), place: expression.place))
    arguments.named.append(("caller", Expression(kind: .constant(body), place: expression.place)))
    try write(self.text(of: try call(called, try self.arguments(arguments))))
  }

  /// What a macro writes.
  func call(_ macro: Macro, _ arguments: Arguments) throws -> Value {
    let inner = Scope(in: macro.scope)
    let parameters = macro.syntax.parameters
    var named: [String: Value] = [:]
    for (name, value) in arguments.named { named[name] = value }
    return try inScope(inner) {
      for (number, (name, usual)) in parameters.enumerated() {
        let given = number < arguments.positional.count ? arguments.positional[number] : nil
        let other = named.removeValue(forKey: name)
        guard given == nil || other == nil else {
          throw Failure.value("the macro \(macro.syntax.name) is given \(name) twice")
        }
        inner[name] = try given ?? other ?? usual.map { try evaluate($0) } ?? .undefined(name)
      }
      if let caller = named.removeValue(forKey: "caller") { inner["caller"] = caller }
      let more = Array(arguments.positional.dropFirst(parameters.count))
      if macro.syntax.takesMore {
        inner["varargs"] = try sequence(.tuple, more)
        var mapping = Value.Mapping()
        for (name, value) in arguments.named where named[name] != nil { try mapping.set(.string(name), value) }
        inner["kwargs"] = .mapping(mapping)
      } else if !more.isEmpty || !named.isEmpty {
        throw Failure.value(
          "the macro \(macro.syntax.name) takes \(parameters.count) arguments"
            + (named.keys.min().map { ", and none called \($0)" } ?? ""))
      }
      return .text(try captured { _ = try run(macro.syntax.body) })
    }
  }
}
