// What expressions are worth, with the rules of Python that templates count on. Values do not change, but for namespaces:
// transformers runs templates in a sandbox that refuses whatever changes a list or a dictionary. So nothing but a namespace
// can contain itself, and these are never looked through, and emptied at the end.
// Source: CPython's documentation (stdtypes); transformers, utils/chat_template_utils.py (ImmutableSandboxedEnvironment).

import ByteIO

/// A value.
enum Value: Sendable {
  /// What is not there, and the name that was asked for. It is written as nothing, and not looked into.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case text(Text)
  case sequence(Sequence)
  case mapping(Mapping)
  case generator(Generator)
  case namespace(Namespace)
  case loop(Loop)
  case macro(Macro)
  indirect case function(Function)

  /// A list.
  static func list(_ elements: [Value]) -> Value { .sequence(Sequence(.list, elements)) }
  /// A text.
  static func string(_ text: some StringProtocol) -> Value { .text(Text(text)) }

  /// A list, a tuple, or what looks into something else.
  struct Sequence: Sendable {
    enum Kind: Sendable {
      case list
      case tuple
      case range
      /// `dict.items()` and the like.
      case view
    }

    let kind: Kind
    let elements: [Value]
    /// How deep lists and dictionaries lie in each other in it.
    let depth: Int

    init(_ kind: Kind, _ elements: [Value]) {
      (self.kind, self.elements) = (kind, elements)
      depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
    }
  }

  /// A dictionary: in the order in which names came.
  struct Mapping: Sendable {
    private(set) var entries: [(key: Value, value: Value)] = []
    private var places: [Key: Int] = [:]
    private(set) var depth = 1

    init() {}

    subscript(key: Key) -> Value? { places[key].map { entries[$0].value } }
    subscript(text: String) -> Value? { self[.text(Text(text))] }

    /// Sets a value; one that is there keeps its place.
    mutating func set(_ key: Value, _ value: Value) throws {
      let place = try Key(key)
      depth = max(depth, 1 + value.depth)
      if let old = places[place] {
        entries[old].value = value
      } else {
        places[place] = entries.count
        entries.append((key, value))
      }
    }
  }

  /// What a dictionary is asked for. `1`, `1.0` and `true` are the same.
  enum Key: Hashable, Sendable {
    case none
    case int(Int)
    case float(Double)
    case text(Text)

    init(_ value: Value) throws {
      switch value {
      case .none: self = .none
      case .bool(let value): self = .int(value ? 1 : 0)
      case .int(let value): self = .int(value)
      case .float(let value): self = Int(exactly: value).map { .int($0) } ?? .float(value)
      case .text(let text): self = .text(text)
      default: throw Failure.value("\(value.kind) is no name of a value in a dictionary here")
      }
    }
  }

  /// Values that are given once: what filters as `select` make.
  // SAFETY: used by one rendering, on one thread.
  final class Generator: @unchecked Sendable {
    private var elements: [Value]

    init(_ elements: [Value]) { self.elements = elements }

    /// What is left; nothing afterwards.
    func take() -> [Value] {
      defer { elements = [] }
      return elements
    }

    /// The first that is left.
    func next() -> Value? { elements.isEmpty ? nil : elements.removeFirst() }
  }

  /// What `namespace` makes: the one thing that a loop can change from inside. The machine holds each until the end.
  // SAFETY: used by one rendering, on one thread.
  final class Namespace: @unchecked Sendable {
    private(set) var values: [String: Value] = [:]

    func set(_ name: String, _ value: Value) throws {
      guard !name.hasPrefix("_") else { throw Failure.value("a namespace has no names that begin with _: \(name)") }
      guard value.isData else { throw Failure.unsupported("\(value.kind) as part of a namespace") }
      values[name] = value
    }

    /// Forgets everything: it may hold itself.
    func clear() { values = [:] }
  }

  /// What is called. Its name is for messages.
  struct Function: Sendable {
    let name: String
    let body: @Sendable (Machine, Arguments) throws -> Value
  }

  /// What it is, in the words of messages.
  var kind: String {
    switch self {
    case .undefined(let name): "\(displayName(name)), which is not defined,"
    case .none: "none"
    case .bool: "a truth value"
    case .int, .float: "a number"
    case .text: "a text"
    case .sequence(let sequence): sequence.kind == .tuple ? "a tuple" : "a list"
    case .mapping: "a dictionary"
    case .generator: "a generator"
    case .namespace: "a namespace"
    case .loop: "a loop"
    case .macro: "a macro"
    case .function(let function): "the function \(function.name)"
    }
  }

  /// How deep lists and dictionaries lie in each other in it.
  var depth: Int {
    switch self {
    case .sequence(let sequence): sequence.depth
    case .mapping(let mapping): mapping.depth
    default: 0
    }
  }

  /// Whether it may be part of another value.
  var isData: Bool {
    switch self {
    case .generator, .loop, .macro, .function: false
    default: true
    }
  }

  var isDefined: Bool { if case .undefined = self { false } else { true } }

  /// Whether a condition takes it for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .float(let value): value != 0
    case .text(let text): !text.isEmpty
    case .sequence(let sequence): !sequence.elements.isEmpty
    case .mapping(let mapping): !mapping.entries.isEmpty
    case .generator, .namespace, .loop, .macro, .function: true
    }
  }

  /// A whole number: a truth value is one too.
  var integer: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let value): value
    default: nil
    }
  }

  var number: Double? { if case .float(let value) = self { value } else { integer.map(Double.init) } }
  var text: Text? { if case .text(let text) = self { text } else { nil } }
}

/// What stands in the parentheses of a call.
struct Arguments: Sendable {
  var positional: [Value] = []
  var named: [(name: String, value: Value)] = []

  init(_ positional: [Value] = []) { self.positional = positional }

  /// The arguments in the order of names: those without a name first.
  ///
  /// - Throws: where there are too many, or one of a name that is not known.
  func ordered(_ names: String...) throws -> [Value?] {
    guard positional.count <= names.count else {
      throw Failure.value("\(positional.count) arguments are given, and at most \(names.count) are taken")
    }
    var values: [Value?] = positional + Array(repeating: nil, count: names.count - positional.count)
    for (name, value) in named {
      guard let place = names.firstIndex(of: name) else {
        throw Failure.value("there is no argument \(displayName(name))")
      }
      guard values[place] == nil else { throw Failure.value("the argument \(name) is given twice") }
      values[place] = value
    }
    return values
  }
}

extension Optional where Wrapped == Value {
  /// A whole number; nil where nothing, or none, is given.
  func integer(_ name: String) throws -> Int? {
    guard let value = self, !value.isNone else { return nil }
    guard let number = value.integer else {
      throw Failure.value("\(name) is \(value.kind), and is to be a whole number")
    }
    return number
  }

  /// A text; nil where nothing, or none, is given.
  func text(_ name: String) throws -> Text? {
    guard let value = self, !value.isNone else { return nil }
    guard let text = value.text else { throw Failure.value("\(name) is \(value.kind), and is to be a text") }
    return text
  }
}

extension Value {
  var isNone: Bool { if case .none = self { true } else { false } }
}
