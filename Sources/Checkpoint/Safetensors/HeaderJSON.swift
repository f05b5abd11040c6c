// A strict reader of the JSON of safetensors headers and shard indexes, from front to back: nothing is made of it but what
// the caller keeps. Foundation's does not see a name that occurs twice, and tells no byte; both matter here. RFC 8259;
// nested at most 16 deep; integers must be whole and fit a word.

/// A place in a JSON text.
struct HeaderJSON {
  /// What is wrong, and where.
  struct Failure: Error {
    let offset: Int
    let reason: String
  }

  let bytes: [UInt8]
  private(set) var at = 0
  private var depth = 0

  /// Begins to read; the bytes must be UTF-8.
  init(_ bytes: [UInt8]) throws(Failure) {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw Failure(offset: 0, reason: "it is not UTF-8") }
    self.bytes = bytes
  }

  /// The byte that comes next, spaces left out: what kind of value begins here.
  mutating func peek() -> UInt8? {
    skipSpace()
    return next
  }

  /// Makes sure that nothing follows.
  mutating func end() throws(Failure) {
    skipSpace()
    guard at == bytes.count else { throw Failure(offset: at, reason: "something follows the JSON value") }
  }

  /// Reads an object.
  ///
  /// - Parameter member: called with each name; must read its value.
  mutating func object(_ member: (inout HeaderJSON, String) throws -> Void) throws {
    var names: Set<String> = []
    try members("{", "}") { json in
      json.skipSpace()
      let nameAt = json.at
      let name = try json.string()
      guard names.insert(name).inserted else {
        throw Failure(offset: nameAt, reason: "the name \(name) occurs twice")
      }
      json.skipSpace()
      try json.expect(UInt8(ascii: ":"))
      try member(&json, name)
    }
  }

  /// Reads an array.
  ///
  /// - Parameter element: called for each element; must read it.
  mutating func array(_ element: (inout HeaderJSON) throws -> Void) throws { try members("[", "]", element) }

  private mutating func members(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout HeaderJSON) throws -> Void
  ) throws {
    skipSpace()
    guard depth < 16 else { throw Failure(offset: at, reason: "nested too deep") }
    try expect(UInt8(ascii: open))
    depth += 1
    defer { depth -= 1 }
    if peek() == UInt8(ascii: close) {
      at += 1
      return
    }
    while true {
      try body(&self)
      if peek() == UInt8(ascii: close) { break }
      try expect(UInt8(ascii: ","))
    }
    at += 1
  }

  /// Reads a list of whole numbers that are not negative.
  ///
  /// - Parameter limit: how many there may be.
  /// - Returns: nil for anything else, which is read all the same.
  mutating func naturals(limit: Int) throws -> [Int]? {
    guard peek() == UInt8(ascii: "[") else {
      try skip()
      return nil
    }
    var numbers: [Int] = []
    var isList = true
    try array { json in
      guard case .integer(let number) = try json.scalar(), number >= 0, numbers.count < limit else {
        return isList = false
      }
      numbers.append(number)
    }
    return isList ? numbers : nil
  }

  /// A value that is not made up of others.
  enum Scalar: Equatable {
    case string(String)
    case integer(Int)
    case null
    /// A truth value, another number, or an array or object, which is passed over.
    case other
  }

  /// Reads a value.
  mutating func scalar() throws -> Scalar {
    switch peek() {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      try skip()
      return .other
    case UInt8(ascii: "\""): return .string(try string())
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
      return try number().map { .integer($0) } ?? .other
    default:
      for word in ["true", "false", "null"] where bytes[at...].starts(with: word.utf8) {
        at += word.utf8.count
        return word == "null" ? .null : .other
      }
      throw Failure(offset: at, reason: at < bytes.count ? "not JSON" : "the JSON ends too early")
    }
  }

  /// Passes over a value.
  mutating func skip() throws {
    switch peek() {
    case UInt8(ascii: "{"): try object { json, _ in try json.skip() }
    case UInt8(ascii: "["): try array { json in try json.skip() }
    default: _ = try scalar()
    }
  }

  private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
  }

  private mutating func expect(_ byte: UInt8) throws(Failure) {
    guard next == byte else { throw Failure(offset: at, reason: "expected \(Character(Unicode.Scalar(byte)))") }
    at += 1
  }

  /// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
  ///
  /// - Returns: nil for one that is not whole.
  private mutating func number() throws(Failure) -> Int? {
    let start = at
    if next == UInt8(ascii: "-") { at += 1 }
    let whole = digits()
    guard whole == 1 || whole > 1 && bytes[at - whole] != UInt8(ascii: "0") else {
      throw Failure(offset: start, reason: "not a JSON number")
    }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      isInteger = false
      at += 1
      guard digits() > 0 else { throw Failure(offset: start, reason: "not a JSON number") }
    }
    if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      guard digits() > 0 else { throw Failure(offset: start, reason: "not a JSON number") }
    }
    guard isInteger else { return nil }
    guard let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) else {
      throw Failure(offset: start, reason: "the number does not fit 64 bits")
    }
    return value
  }

  /// Passes over digits.
  private mutating func digits() -> Int {
    let start = at
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
    return at - start
  }

  /// Reads a string.
  mutating func string() throws(Failure) -> String {
    try expect(UInt8(ascii: "\""))
    var scalars: [UInt8] = []
    while let byte = next {
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: scalars, as: UTF8.self)
      case UInt8(ascii: "\\"): scalars += Array(String(try escape()).utf8)
      case 0..<0x20: throw Failure(offset: at - 1, reason: "a control character in a string")
      default: scalars.append(byte)
      }
    }
    throw Failure(offset: at, reason: "a string without end")
  }

  private mutating func escape() throws(Failure) -> Character {
    guard let byte = next else { throw Failure(offset: at, reason: "a string without end") }
    at += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try hex4()
      if let scalar = Unicode.Scalar(high) { return Character(scalar) }
      // A surrogate pair.
      guard high < 0xDC00, bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
        throw Failure(offset: at, reason: "half a surrogate pair")
      }
      at += 2
      let low = try hex4()
      guard (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
      else { throw Failure(offset: at, reason: "half a surrogate pair") }
      return Character(scalar)
    default: throw Failure(offset: at - 1, reason: "an unknown escape")
    }
  }

  private mutating func hex4() throws(Failure) -> UInt32 {
    guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    else { throw Failure(offset: at, reason: "an unknown escape") }
    at += 4
    return value
  }
}
