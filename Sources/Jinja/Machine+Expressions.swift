// What expressions are worth.

import ByteIO

extension Machine {
  /// What an expression is worth.
  func evaluate(_ expression: Expression) throws -> Value {
    try charge()
    place = expression.place
    return try deeper {
      switch expression.kind {
      case .constant(let value): return value
      case .name(let name): return scope[name] ?? library.function(name) ?? .undefined(name)
      case .list(let elements): return try sequence(.list, try elements.map { try evaluate($0) })
      case .tuple(let elements): return try sequence(.tuple, try elements.map { try evaluate($0) })
      case .mapping(let entries): return try mapping(entries)
      case .chain(let value, let steps): return try apply(steps, to: try evaluate(value))
      case .condition(let test, let then, let otherwise):
        if try evaluate(test).isTrue { return try evaluate(then) }
        return try otherwise.map { try evaluate($0) } ?? .undefined("the other branch of a condition")
      default: return try operation(expression)
      }
    }
  }

  private func operation(_ expression: Expression) throws -> Value {
    switch expression.kind {
    case .not(let value): return .bool(try !evaluate(value).isTrue)
    case .negative(let value): return try negated(try evaluate(value))
    case .positive(let value):
      let value = try evaluate(value)
      guard value.number != nil else { throw Failure.value("+ before \(value.kind)") }
      return value.integer.map { .int($0) } ?? value
    case .all(let parts), .any(let parts):
      let isAll = if case .all = expression.kind { true } else { false }
      var value = Value.none
      for part in parts {
        value = try evaluate(part)
        if value.isTrue != isAll { return value }
      }
      return value
    case .comparison(let first, let others):
      var left = try evaluate(first)
      for (sign, other) in others {
        let right = try evaluate(other)
        place = expression.place
        guard try compare(left, sign, right) else { return .bool(false) }
        left = right
      }
      return .bool(true)
    case .arithmetic(let first, let others):
      var value = try evaluate(first)
      for (sign, other) in others {
        let right = try evaluate(other)
        place = expression.place
        value = try calculate(value, sign, right)
      }
      return value
    case .joined(let parts):
      var text: Text = ""
      for part in parts {
        let more = try self.text(of: try evaluate(part))
        try charge(bytes: text.bytes.count + more.bytes.count)
        text.bytes += more.bytes
      }
      return .text(text)
    default: return .none
    }
  }

  private func mapping(_ entries: [(key: Expression, value: Expression)]) throws -> Value {
    var mapping = Value.Mapping()
    for (key, value) in entries {
      let (key, value) = (try evaluate(key), try evaluate(value))
      guard value.isData else { throw Failure.unsupported("\(value.kind) as part of a dictionary") }
      try mapping.set(key, value)
    }
    guard mapping.depth <= Limits.valueDepth else { throw Failure(.limit, "dictionaries in each other, too deep") }
    return .mapping(mapping)
  }

  /// Does one thing after the other to a value.
  func apply(_ steps: [Step], to value: Value) throws -> Value {
    var value = value
    for step in steps {
      try charge()
      switch step.kind {
      case .attribute(let name):
        place = step.place
        value = try attribute(name, of: value)
      case .item(let index):
        let index = try evaluate(index)
        place = step.place
        value = try item(index, of: value)
      case .slice(let first, let last, let stride):
        let bounds = try [first, last, stride].map { try $0.map { try evaluate($0) } }
        place = step.place
        value = try slice(value, bounds[0], bounds[1], bounds[2])
      case .call(let given):
        let given = try arguments(given)
        place = step.place
        value = try call(value, given)
      case .filter(let name, let given):
        let given = try arguments(given)
        place = step.place
        value = try filter(name, value, given)
      case .test(let name, let given, let isNegated):
        let given = try arguments(given)
        place = step.place
        value = .bool(try test(name, value, given) != isNegated)
      }
    }
    return value
  }

  /// What the arguments of a call are worth.
  func arguments(_ given: CallArguments) throws -> Arguments {
    var arguments = Arguments(try given.positional.map { try evaluate($0) })
    for (name, value) in given.named { arguments.named.append((name, try evaluate(value))) }
    if let list = given.list { arguments.positional += try elements(of: try evaluate(list)) }
    if let mapping = given.mapping {
      guard case .mapping(let mapping) = try evaluate(mapping) else {
        throw Failure.value("** before what is no dictionary")
      }
      for (key, value) in mapping.entries {
        guard let name = key.text else { throw Failure.value("an argument's name is to be a text") }
        arguments.named.append((name.string, value))
      }
    }
    return arguments
  }

  /// Calls a value.
  func call(_ value: Value, _ arguments: Arguments) throws -> Value {
    try charge()
    return try deeper {
      switch value {
      case .macro(let macro): return try call(macro, arguments)
      case .function(let function): return try function.body(self, arguments)
      case .undefined(let name): throw Failure.value("\(displayName(name)) is called, and is not defined")
      default: throw Failure.value("\(value.kind) is called, and is no function")
      }
    }
  }

  /// What a filter makes of a value.
  func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value {
    guard let filter = library.filters[name] else { throw Failure.unsupported("the filter \(name)") }
    try charge()
    return try deeper { try filter(self, value, arguments) }
  }

  /// Whether a test holds.
  func test(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Bool {
    guard library.testNames.contains(name) else { throw Failure.unsupported("the test \(name)") }
    try charge()
    return try library.test(name, value, arguments, self)
  }

  // MARK: Parts of values

  /// `value.name`: what a value can do comes first, and then what a dictionary holds.
  func attribute(_ name: String, of value: Value) throws -> Value {
    switch value {
    case .undefined(let owner):
      throw Failure.value("\(displayName(owner)) is not defined, and is asked for \(displayName(name))")
    case .namespace(let namespace): return namespace.values[name] ?? .undefined(name)
    case .loop(let loop): return loop.attribute(name) ?? .undefined("loop.\(name)")
    case .mapping(let mapping):
      return try library.method(name, value) ?? mapping[name] ?? .undefined(name)
    case .macro(let macro): return name == "name" ? .string(macro.syntax.name) : .undefined(name)
    default: return try library.method(name, value) ?? .undefined(name)
    }
  }

  /// `value[index]`: what a value holds comes first, and then what it can do.
  func item(_ index: Value, of value: Value) throws -> Value {
    switch value {
    case .undefined(let owner):
      throw Failure.value("\(displayName(owner)) is not defined, and is asked for an item")
    case .mapping(let mapping):
      if index.isHashable, let found = mapping[try Value.Key(index)] { return found }
    case .sequence(let sequence) where sequence.kind != .view:
      if let number = index.integer {
        let place = number < 0 ? number + sequence.elements.count : number
        return sequence.elements.indices.contains(place) ? sequence.elements[place] : .undefined("item \(number)")
      }
    case .text(let text):
      if let number = index.integer {
        try charge(bytes: text.bytes.count)
        let scalars = text.scalars
        let place = number < 0 ? number + scalars.count : number
        guard scalars.indices.contains(place) else { return .undefined("character \(number)") }
        return .text(Text([scalars[place]]).marked(as: text))
      }
    default: break
    }
    guard let name = index.text?.string else { return .undefined("an item that is \(index.kind)") }
    return try attribute(name, of: value)
  }

  private func slice(_ value: Value, _ first: Value?, _ last: Value?, _ stride: Value?) throws -> Value {
    let step = try stride.integer("the step of a slice") ?? 1
    let (first, last) = (try first.integer("the start of a slice"), try last.integer("the end of a slice"))
    guard step != 0 else { throw Failure.value("the step of a slice is 0") }
    switch value {
    case .text(let text):
      try charge(bytes: text.bytes.count)
      let scalars = text.scalars
      let part = Text(Self.places(scalars.count, first, last, step).map { scalars[$0] })
      return .text(part.marked(as: text))
    case .sequence(let sequence) where sequence.kind != .view:
      return try self.sequence(
        sequence.kind, Self.places(sequence.elements.count, first, last, step).map { sequence.elements[$0] })
    default: throw Failure.value("a slice of \(value.kind)")
    }
  }

  /// The places of a slice. Source: CPython, `PySlice_AdjustIndices`.
  private static func places(_ count: Int, _ first: Int?, _ last: Int?, _ step: Int) -> [Int] {
    let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
    let bound = { (value: Int) in min(max(value < 0 ? max(value, -count - 1) + count : value, low), high) }
    let start = first.map(bound) ?? (step > 0 ? low : high)
    let end = last.map(bound) ?? (step > 0 ? high : low)
    // No step leads further than past the end.
    let width = max(-count - 1, min(count + 1, step))
    return width == 0 ? [] : Array(Swift.stride(from: start, to: end, by: width))
  }

  /// What a loop goes through.
  func elements(of value: Value) throws -> [Value] {
    switch value {
    case .undefined: return []
    case .sequence(let sequence):
      try charge(sequence.elements.count)
      return sequence.elements
    case .mapping(let mapping):
      try charge(mapping.entries.count)
      return mapping.entries.map(\.key)
    case .generator(let generator):
      let values = generator.take()
      try charge(values.count)
      return values
    case .text(let text):
      try charge(1 + text.bytes.count)
      return text.scalars.map { .text(Text([$0])) }
    default: throw Failure.value("\(value.kind) has no elements")
    }
  }
}

extension Value {
  /// Whether a dictionary may be asked for it.
  var isHashable: Bool {
    switch self {
    case .none, .bool, .int, .float, .text: true
    default: false
    }
  }
}
