// Tests: `x is defined`. Source: Jinja 3.1, tests.py.

/// The tests that are known.
enum Tests {
  /// With what they take besides the value: nothing, or one more.
  private static let alone: [String: @Sendable (Value) throws -> Bool] = [
    "defined": \.isDefined, "undefined": { !$0.isDefined }, "none": \.isNone,
    "boolean": { if case .bool = $0 { true } else { false } },
    "true": { if case .bool(true) = $0 { true } else { false } },
    "false": { if case .bool(false) = $0 { true } else { false } },
    "integer": { if case .int = $0 { true } else { false } }, "float": { if case .float = $0 { true } else { false } },
    "number": { $0.number != nil }, "string": { $0.text != nil },
    "mapping": { if case .mapping = $0 { true } else { false } },
    "callable": {
      switch $0 {
      case .function, .macro, .undefined: true
      default: false
      }
    },
    "sequence": {
      switch $0 {
      // What is not defined has a length, of 0.
      case .text, .mapping, .undefined: true
      case .sequence(let sequence): sequence.kind != .view
      default: false
      }
    },
    "iterable": {
      switch $0 {
      case .text, .mapping, .undefined, .sequence, .generator, .loop: true
      default: false
      }
    },
    "odd": { try number($0) % 2 != 0 }, "even": { try number($0) % 2 == 0 },
    "lower": { isLower(try written($0)) }, "upper": { isUpper(try written($0)) },
  ]

  private static let signs = [
    "eq": "==", "==": "==", "equalto": "==", "ne": "!=", "!=": "!=", "lt": "<", "<": "<", "lessthan": "<", "le": "<=",
    "<=": "<=", "gt": ">", ">": ">", "greaterthan": ">", "ge": ">=", ">=": ">=", "in": "in",
  ]

  /// The names of all.
  static let names = Set(alone.keys).union(signs.keys).union(["divisibleby", "sameas", "filter", "test"])

  private static func number(_ value: Value) throws -> Int {
    guard let number = value.integer else { throw Failure.value("\(value.kind) is neither odd nor even") }
    return number
  }

  private static func written(_ value: Value) throws -> Text {
    guard let text = value.text else { throw Failure.value("\(value.kind) has no upper or lower case") }
    return text
  }

  static func isLower(_ text: Text) -> Bool { isCased(text) { !$0.properties.isUppercase && !isTitle($0) } }
  static func isUpper(_ text: Text) -> Bool { isCased(text) { !$0.properties.isLowercase && !isTitle($0) } }

  private static func isTitle(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .titlecaseLetter
  }

  private static func isCased(_ text: Text, _ test: (Unicode.Scalar) -> Bool) -> Bool {
    let cased = text.scalars.filter(\.properties.isCased)
    return !cased.isEmpty && cased.allSatisfy(test)
  }

  /// Whether one of them holds.
  static func holds(
    _ name: String, _ value: Value, _ arguments: Arguments, _ machine: Machine
  ) throws -> Bool {
    if let test = alone[name] {
      guard arguments.positional.isEmpty, arguments.named.isEmpty else {
        throw Failure.value("the test \(name) takes nothing but its value")
      }
      return try test(value)
    }
    guard let other = try arguments.ordered("other")[0] else {
      throw Failure.value("the test \(name) needs another value")
    }
    switch name {
    case "divisibleby":
      guard let one = value.integer, let other = other.integer, other != 0 else {
        throw Failure.value("\(value.kind) divided by \(other.kind)")
      }
      return one.isMultiple(of: other)
    case "sameas":
      switch (value, other) {
      case (.none, .none), (.undefined, .undefined): return true
      case (.bool(let one), .bool(let other)): return one == other
      case (.int, .int): return try machine.equal(value, other)
      case (.none, _), (_, .none), (.bool, _), (_, .bool): return false
      default: throw Failure.unsupported("the test sameas of \(value.kind) and \(other.kind)")
      }
    case "filter": return Filters.names.contains(try written(value).string)
    case "test": return names.contains(try written(value).string)
    default: return try machine.compare(value, signs[name] ?? "==", other)
    }
  }
}
