// Arithmetic and comparison, as Python has them. Whole numbers have 64 bits here; what does not fit is refused.

import Foundation

extension Machine {
  private static let overflow = Failure(.limit, "a whole number of more than 64 bits")

  func negated(_ value: Value) throws -> Value {
    if let number = value.integer {
      let (result, isOver) = number.multipliedReportingOverflow(by: -1)
      guard !isOver else { throw Self.overflow }
      return .int(result)
    }
    guard let number = value.number else { throw Failure.value("- before \(value.kind)") }
    return .float(-number)
  }

  /// What `left sign right` is worth.
  func calculate(_ left: Value, _ sign: String, _ right: Value) throws -> Value {
    switch (left, sign, right) {
    case (.text(let one), "+", .text(let other)):
      guard one.isMarkup || other.isMarkup else {
        try charge(bytes: one.bytes.count + other.bytes.count)
        return .text(one + other)
      }
      // A character takes six bytes in HTML at most.
      try charge(bytes: 6 * (one.bytes.count + other.bytes.count))
      return .text((one.escaped + other.escaped).marked(as: one.escaped))
    case (.sequence(let one), "+", .sequence(let other))
    where one.kind == other.kind && (one.kind == .list || one.kind == .tuple):
      return try sequence(one.kind, one.elements + other.elements)
    case (.text(let text), "*", _) where right.integer != nil: return try repeated(text, right.integer ?? 0)
    case (_, "*", .text(let text)) where left.integer != nil: return try repeated(text, left.integer ?? 0)
    case (.sequence(let list), "*", _) where right.integer != nil && list.kind != .view:
      return try repeated(list, right.integer ?? 0)
    case (_, "*", .sequence(let list)) where left.integer != nil && list.kind != .view:
      return try repeated(list, left.integer ?? 0)
    case (.text, "%", _): throw Failure.unsupported("the sign % for texts")
    default: break
    }
    if let one = left.integer, let other = right.integer, sign != "/" { return try calculate(one, sign, other) }
    guard let one = left.number, let other = right.number else {
      throw Failure.value("\(left.kind) \(sign) \(right.kind)")
    }
    return try calculate(one, sign, other)
  }

  private func repeated(_ text: Text, _ count: Int) throws -> Value {
    let times = max(0, count)
    let (size, isOver) = text.bytes.count.multipliedReportingOverflow(by: times)
    try charge(bytes: isOver ? .max : size)
    let result = Text(bytes: Array(repeating: text.bytes, count: text.isEmpty ? 0 : times).joined())
    return .text(result.marked(as: text))
  }

  private func repeated(_ list: Value.Sequence, _ count: Int) throws -> Value {
    let times = max(0, count)
    let (size, isOver) = list.elements.count.multipliedReportingOverflow(by: times)
    try charge(isOver ? Limits.steps : min(size, Limits.steps))
    return try sequence(list.kind, Array(Array(repeating: list.elements, count: size == 0 ? 0 : times).joined()))
  }

  private func calculate(_ one: Int, _ sign: String, _ other: Int) throws -> Value {
    let (result, isOver): (Int, Bool)
    switch sign {
    case "+": (result, isOver) = one.addingReportingOverflow(other)
    case "-": (result, isOver) = one.subtractingReportingOverflow(other)
    case "*": (result, isOver) = one.multipliedReportingOverflow(by: other)
    case "**": return try power(one, other)
    default:
      guard other != 0 else { throw Failure.value("a division by 0") }
      let (quotient, isTooLarge) = one.dividedReportingOverflow(by: other)
      guard !isTooLarge else { throw Self.overflow }
      // Python rounds down, and a remainder has the divisor's sign.
      let rest = one - quotient * other
      let isUneven = rest != 0 && (rest < 0) != (other < 0)
      return .int(sign == "//" ? quotient - (isUneven ? 1 : 0) : rest + (isUneven ? other : 0))
    }
    guard !isOver else { throw Self.overflow }
    return .int(result)
  }

  private func power(_ base: Int, _ exponent: Int) throws -> Value {
    guard exponent >= 0 else { return try calculate(Double(base), "**", Double(exponent)) }
    guard base.magnitude > 1 else { return .int(exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base) }
    var result = 1
    guard exponent < 64 else { throw Self.overflow }
    for _ in 0..<exponent {
      let (next, isOver) = result.multipliedReportingOverflow(by: base)
      guard !isOver else { throw Self.overflow }
      result = next
    }
    return .int(result)
  }

  private func calculate(_ one: Double, _ sign: String, _ other: Double) throws -> Value {
    switch sign {
    case "+": return .float(one + other)
    case "-": return .float(one - other)
    case "*": return .float(one * other)
    case "**":
      guard one != 0 || other >= 0 else { throw Failure.value("0 to a power below 0") }
      let result = pow(one, other)
      guard !result.isNaN || one.isNaN || other.isNaN else { throw Failure.unsupported("numbers that are complex") }
      return .float(result)
    default:
      guard other != 0 else { throw Failure.value("a division by 0") }
      if sign == "/" { return .float(one / other) }
      var rest = one.truncatingRemainder(dividingBy: other)
      if rest != 0, (rest < 0) != (other < 0) { rest += other }
      if sign == "%" { return .float(rest) }
      return .float(((one - rest) / other).rounded())
    }
  }

  // MARK: Comparing

  /// Whether `left sign right` holds.
  func compare(_ left: Value, _ sign: String, _ right: Value) throws -> Bool {
    switch sign {
    case "==": try equal(left, right)
    case "!=": try !equal(left, right)
    case "in": try contains(right, left)
    case "not in": try !contains(right, left)
    case "<": try precedes(left, right)
    case ">": try precedes(right, left)
    case "<=": try !precedes(right, left) && !isNaN(left, right)
    default: try !precedes(left, right) && !isNaN(left, right)
    }
  }

  private func isNaN(_ values: Value...) -> Bool { values.contains { $0.number?.isNaN ?? false } }

  /// Whether two values are equal.
  func equal(_ one: Value, _ other: Value) throws -> Bool {
    try charge()
    switch (one, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.text(let one), .text(let other)):
      try charge(bytes: min(one.bytes.count, other.bytes.count))
      return one == other
    case (.sequence(let one), .sequence(let other)):
      guard one.kind == other.kind, one.elements.count == other.elements.count else { return false }
      for (one, other) in zip(one.elements, other.elements) where try !equal(one, other) { return false }
      return true
    case (.mapping(let one), .mapping(let other)):
      guard one.entries.count == other.entries.count else { return false }
      for (key, value) in one.entries {
        guard let found = other[try Value.Key(key)], try equal(value, found) else { return false }
      }
      return true
    case (.namespace(let one), .namespace(let other)): return one === other
    case (.generator(let one), .generator(let other)): return one === other
    case (.macro(let one), .macro(let other)): return one === other
    case (.loop(let one), .loop(let other)): return one === other
    default:
      if let one = one.integer, let other = other.integer { return one == other }
      guard let one = one.number, let other = other.number else { return false }
      return one == other
    }
  }

  /// Whether one value comes before another.
  func precedes(_ one: Value, _ other: Value) throws -> Bool {
    try charge()
    switch (one, other) {
    case (.text(let one), .text(let other)):
      try charge(bytes: min(one.bytes.count, other.bytes.count))
      return one < other
    case (.sequence(let first), .sequence(let second)) where first.kind == second.kind && first.kind != .view:
      for (one, other) in zip(first.elements, second.elements) where try !equal(one, other) {
        return try precedes(one, other)
      }
      return first.elements.count < second.elements.count
    default:
      if let one = one.integer, let other = other.integer { return one < other }
      guard let first = one.number, let second = other.number else {
        throw Failure.value("\(one.kind) and \(other.kind) have no order")
      }
      return first < second
    }
  }

  /// Whether a value is in another.
  func contains(_ whole: Value, _ part: Value) throws -> Bool {
    switch whole {
    case .text(let text):
      guard let part = part.text else { throw Failure.value("\(part.kind) in a text") }
      try charge(bytes: text.bytes.count)
      return text.contains(part)
    case .mapping(let mapping):
      guard part.isHashable else {
        if case .undefined = part { return false }
        throw Failure.value("\(part.kind) in a dictionary")
      }
      return mapping[try Value.Key(part)] != nil
    case .undefined: return false
    default: return try elements(of: whole).contains { try equal($0, part) }
    }
  }
}
