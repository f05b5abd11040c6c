// Reads JSON from front to back without building a tree: a tokenizer.json holds half a million strings, and Foundation's
// readers take seconds for it. RFC 8259, nested at most 32 deep; whole numbers must fit a word.

/// A place in a JSON text.
struct JSONScanner {
  /// What is wrong, and where.
  struct Failure: Error {
    let offset: Int
    let reason: String
  }

  /// A small value as a whole.
  indirect enum Tree: Equatable {
    case object([String: Tree])
    case array([Tree])
    case string(String)
    case integer(Int)
    case bool(Bool)
    case other

    /// A member of an object; nil for anything else.
    subscript(name: String) -> Tree? {
      if case .object(let members) = self { members[name] } else { nil }
    }
    /// The text, where it is one.
    var text: String? { if case .string(let text) = self { text } else { nil } }
    /// The truth, where it is one.
    var truth: Bool? { if case .bool(let truth) = self { truth } else { nil } }
    /// The number, where it is a whole one.
    var number: Int? { if case .integer(let number) = self { number } else { nil } }
    /// The elements, where it is an array.
    var elements: [Tree]? { if case .array(let elements) = self { elements } else { nil } }
  }

  private let bytes: [UInt8]
  private(set) var at = 0
  private var depth = 0
  /// Values that may still become part of a tree: each takes some hundred bytes.
  private var treeValuesLeft = 1 << 20

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private func failure(_ reason: String) -> Failure { Failure(offset: at, reason: reason) }

  /// The next byte that is no space; nil at the end.
  private mutating func next() -> UInt8? {
    while at < bytes.count {
      let byte = bytes[at]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
      at += 1
    }
    return nil
  }

  private mutating func take(_ byte: UInt8) throws {
    guard next() == byte else { throw failure("expected \(Character(Unicode.Scalar(byte)))") }
    at += 1
  }

  /// Whether the next value begins with this byte.
  mutating func isNext(_ byte: Character) -> Bool { next() == byte.asciiValue }

  /// Reads an object; the body must read each member's value.
  mutating func object(_ body: (inout JSONScanner, String) throws -> Void) throws {
    var name: [UInt8] = []
    try members(UInt8(ascii: "{"), UInt8(ascii: "}")) { scanner in
      name.removeAll(keepingCapacity: true)
      try scanner.string(into: &name)
      try scanner.take(UInt8(ascii: ":"))
      try body(&scanner, String(decoding: name, as: UTF8.self))
    }
  }

  /// Reads an array; the body must read each element.
  mutating func array(_ body: (inout JSONScanner) throws -> Void) throws {
    try members(UInt8(ascii: "["), UInt8(ascii: "]"), body)
  }

  /// Reads an object whose members are many: names are not made into strings.
  mutating func largeObject(_ body: (inout JSONScanner, [UInt8]) throws -> Void) throws {
    var name: [UInt8] = []
    try members(UInt8(ascii: "{"), UInt8(ascii: "}")) { scanner in
      name.removeAll(keepingCapacity: true)
      try scanner.string(into: &name)
      try scanner.take(UInt8(ascii: ":"))
      try body(&scanner, name)
    }
  }

  private mutating func members(_ open: UInt8, _ close: UInt8, _ body: (inout JSONScanner) throws -> Void) throws {
    try take(open)
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { throw failure("nested too deep") }
    if next() == close {
      at += 1
      return
    }
    while true {
      try body(&self)
      if next() == close { break }
      try take(UInt8(ascii: ","))
    }
    at += 1
  }

  /// Reads a whole number.
  mutating func integer() throws -> Int {
    guard case .integer(let value) = try number() else { throw failure("expected a whole number") }
    return value
  }

  private mutating func number() throws -> Tree {
    _ = next()
    let start = at
    while at < bytes.count, bytes[at] > 0x20, ![UInt8(ascii: ","), 0x5D, 0x7D].contains(bytes[at]) { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if let value = Int(text), !text.hasPrefix("+") { return .integer(value) }
    guard let first = text.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first), Double(text) != nil
    else {
      at = start
      throw failure("not JSON")
    }
    return .other
  }

  /// Reads a string.
  mutating func string() throws -> String {
    var text: [UInt8] = []
    try string(into: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads a string onto the end of a buffer, as UTF-8.
  mutating func string(into text: inout [UInt8]) throws {
    try take(UInt8(ascii: "\""))
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return
      case UInt8(ascii: "\\"): text.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20:
        at -= 1
        throw failure("a control character in a string")
      default: text.append(byte)
      }
    }
    throw failure("a string without end")
  }

  private mutating func escape() throws -> Unicode.Scalar {
    guard at < bytes.count else { throw failure("a string without end") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try hex4()
      if let scalar = Unicode.Scalar(high) { return scalar }
      guard high < 0xDC00, at + 2 <= bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
      else { throw failure("half a surrogate pair") }
      at += 2
      let low = try hex4()
      guard (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
      else { throw failure("half a surrogate pair") }
      return scalar
    default: throw failure("an unknown escape")
    }
  }

  private mutating func hex4() throws -> UInt32 {
    guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    else { throw failure("an unknown escape") }
    at += 4
    return value
  }

  /// Reads any value as a tree.
  mutating func tree() throws -> Tree {
    guard treeValuesLeft > 0 else { throw failure("too many values for what a tokenizer says besides its vocabulary") }
    treeValuesLeft -= 1
    switch next() {
    case UInt8(ascii: "{"):
      var members: [String: Tree] = [:]
      try object { scanner, name in members[name] = try scanner.tree() }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [Tree] = []
      try array { scanner in elements.append(try scanner.tree()) }
      return .array(elements)
    case UInt8(ascii: "\""): return .string(try string())
    default: return try word()
    }
  }

  /// Reads a number, a truth value or null.
  private mutating func word() throws -> Tree {
    if let byte = next(), byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) { return try number() }
    for (word, value) in [("true", Tree.bool(true)), ("false", .bool(false)), ("null", .other)]
    where bytes[at...].starts(with: word.utf8) {
      at += word.utf8.count
      return value
    }
    return try number()
  }

  /// Passes over any value.
  mutating func skip() throws {
    switch next() {
    case UInt8(ascii: "{"): try largeObject { scanner, _ in try scanner.skip() }
    case UInt8(ascii: "["): try array { scanner in try scanner.skip() }
    case UInt8(ascii: "\""): _ = try string()
    default: _ = try word()
    }
  }

  /// Makes sure that nothing follows.
  mutating func end() throws { if next() != nil { throw failure("something follows the JSON value") } }
}
