// Filters of lists and dictionaries. Source: Jinja 3.1, filters.py.

extension Filters {
  static let sequences: [String: Filter] = [
    "length": length, "count": length,
    "list": { machine, value, _ in try machine.sequence(.list, try machine.elements(of: value)) },
    "first": { machine, value, _ in
      if case .generator(let generator) = value { return generator.next() ?? .undefined("the first of nothing") }
      return try machine.elements(of: value).first ?? .undefined("the first of nothing")
    },
    "last": { machine, value, _ in
      if case .generator = value { throw Failure.value("a generator has no last element; |list makes a list of it") }
      return try machine.elements(of: value).last ?? .undefined("the last of nothing")
    },
    "reverse": { machine, value, _ in
      if let text = value.text {
        try machine.charge(bytes: text.bytes.count)
        return .text(Text(text.scalars.reversed()).marked(as: text))
      }
      return .generator(Value.Generator(try machine.elements(of: value).reversed()))
    },
    "join": { machine, value, arguments in
      let given = try arguments.ordered("d", "attribute")
      let separator = try given[0].map { try machine.text(of: $0) } ?? ""
      let look = try machine.looking(given[1])
      return .text(try machine.joined(try machine.elements(of: value).map(look), separator))
    },
    "items": { machine, value, _ in
      switch value {
      case .undefined: return .generator(Value.Generator([]))
      case .mapping(let mapping):
        return .generator(
          Value.Generator(try mapping.entries.map { try machine.sequence(.tuple, [$0.key, $0.value]) }))
      default: throw Failure.value("\(value.kind) has no items: only a dictionary has")
      }
    },
    "dictsort": dictsort, "sort": sorted, "unique": unique,
    "min": { try extreme($0, $1, $2, isMax: false) }, "max": { try extreme($0, $1, $2, isMax: true) },
    "sum": { machine, value, arguments in
      let given = try arguments.ordered("attribute", "start")
      let look = try machine.looking(given[0])
      return try machine.elements(of: value).reduce(given[1] ?? .int(0)) { try machine.calculate($0, "+", look($1)) }
    },
    "map": map, "select": { try select($0, $1, $2, byAttribute: false, wants: true) },
    "reject": { try select($0, $1, $2, byAttribute: false, wants: false) },
    "selectattr": { try select($0, $1, $2, byAttribute: true, wants: true) },
    "rejectattr": { try select($0, $1, $2, byAttribute: true, wants: false) },
  ]

  private static let length: Filter = { machine, value, _ in
    switch value {
    case .undefined: return .int(0)
    case .text(let text):
      try machine.charge(bytes: text.bytes.count)
      return .int(text.count)
    case .sequence(let sequence): return .int(sequence.elements.count)
    case .mapping(let mapping): return .int(mapping.entries.count)
    default: throw Failure.value("\(value.kind) has no length")
    }
  }

  private static let dictsort: Filter = { machine, value, arguments in
    let given = try arguments.ordered("case_sensitive", "by", "reverse")
    guard case .mapping(let mapping) = value else { throw Failure.value("dictsort of \(value.kind)") }
    let by = try given[1].text("by")?.string ?? "key"
    guard ["key", "value"].contains(by) else { throw Failure.value("dictsort is by key or value") }
    let keepsCase = given[0]?.isTrue ?? false
    let pairs = try machine.ordered(
      mapping.entries.map { (machine.lowered(by == "key" ? $0.key : $0.value, keepsCase), $0) },
      isReversed: given[2]?.isTrue ?? false)
    return try machine.sequence(.list, try pairs.map { try machine.sequence(.tuple, [$0.key, $0.value]) })
  }

  private static let sorted: Filter = { machine, value, arguments in
    let given = try arguments.ordered("reverse", "case_sensitive", "attribute")
    if let names = given[2]?.text, names.contains(",") { throw Failure.unsupported("sorting by several attributes") }
    let (look, keepsCase) = (try machine.looking(given[2]), given[1]?.isTrue ?? false)
    let elements = try machine.elements(of: value).map { (machine.lowered(try look($0), keepsCase), $0) }
    return try machine.sequence(.list, try machine.ordered(elements, isReversed: given[0]?.isTrue ?? false))
  }

  private static let unique: Filter = { machine, value, arguments in
    let given = try arguments.ordered("case_sensitive", "attribute")
    let (look, keepsCase) = (try machine.looking(given[1]), given[0]?.isTrue ?? false)
    var seen: Set<Value.Key> = []
    return .generator(
      Value.Generator(
        try machine.elements(of: value).filter { element in
          seen.insert(try Value.Key(machine.lowered(try look(element), keepsCase))).inserted
        }))
  }

  private static func extreme(
    _ machine: Machine, _ value: Value, _ arguments: Arguments, isMax: Bool
  ) throws -> Value {
    let given = try arguments.ordered("case_sensitive", "attribute")
    let (look, keepsCase) = (try machine.looking(given[1]), given[0]?.isTrue ?? false)
    var best: (key: Value, element: Value)?
    for element in try machine.elements(of: value) {
      let key = machine.lowered(try look(element), keepsCase)
      guard let old = best else {
        best = (key, element)
        continue
      }
      if try isMax ? machine.precedes(old.key, key) : machine.precedes(key, old.key) { best = (key, element) }
    }
    return best?.element ?? .undefined("the least or greatest of nothing")
  }

  // What counts as false has no elements for these filters, none and 0 too, and what they are to do is not looked at then.
  private static let map: Filter = { machine, value, arguments in
    guard value.isTrue else { return .generator(Value.Generator([])) }
    var rest = arguments
    let change: (Value) throws -> Value
    if rest.positional.isEmpty {
      let given = try rest.ordered("attribute", "default")
      guard given[0] != nil else { throw Failure.value("map needs a filter or an attribute") }
      change = try machine.looking(given[0], usual: given[1])
    } else {
      guard let name = rest.positional.removeFirst().text?.string else {
        throw Failure.value("a filter's name is to be a text")
      }
      change = { try machine.filter(name, $0, rest) }
    }
    return .generator(Value.Generator(try machine.elements(of: value).map(change)))
  }

  private static func select(
    _ machine: Machine, _ value: Value, _ arguments: Arguments, byAttribute: Bool, wants: Bool
  ) throws -> Value {
    guard value.isTrue else { return .generator(Value.Generator([])) }
    var rest = arguments
    var look: (Value) throws -> Value = { $0 }
    if byAttribute {
      guard !rest.positional.isEmpty else { throw Failure.value("selectattr and rejectattr need an attribute") }
      look = try machine.looking(rest.positional.removeFirst())
    }
    var name: String?
    if !rest.positional.isEmpty {
      guard let text = rest.positional.removeFirst().text else { throw Failure.value("a test's name is to be a text") }
      name = text.string
    }
    return .generator(
      Value.Generator(
        try machine.elements(of: value).filter { element in
          let part = try look(element)
          return try name.map { try machine.test($0, part, rest) } ?? part.isTrue == wants
        }))
  }
}

extension Machine {
  /// How elements are looked into: by an attribute, `a.b` for one in another, or a place; nil for not at all.
  func looking(_ attribute: Value?, usual: Value? = nil) throws -> (Value) throws -> Value {
    guard let attribute, !attribute.isNone else { return { $0 } }
    let parts: [Value]
    if let number = attribute.integer {
      parts = [.int(number)]
    } else {
      guard let text = attribute.text else { throw Failure.value("an attribute's name is to be a text") }
      parts = text.split(".", limit: -1).map { part in Int(part.string).map { .int($0) } ?? .text(part) }
    }
    return { value in
      var value = value
      for part in parts {
        value = try self.item(part, of: value)
        if let usual, !value.isDefined { value = usual }
      }
      return value
    }
  }

  /// A text in lower case; anything else as it is.
  func lowered(_ value: Value, _ keepsCase: Bool) -> Value {
    guard !keepsCase, let text = value.text else { return value }
    return .text(text.lowercased)
  }

  /// Values in the order of others; of equals the first stays the first.
  func ordered<Element>(_ pairs: [(key: Value, value: Element)], isReversed: Bool) throws -> [Element] {
    let sorted = try pairs.enumerated().sorted { one, other in
      let (first, second) = isReversed ? (other, one) : (one, other)
      if try precedes(first.element.key, second.element.key) { return true }
      if try precedes(second.element.key, first.element.key) { return false }
      return one.offset < other.offset
    }
    return sorted.map(\.element.value)
  }
}
