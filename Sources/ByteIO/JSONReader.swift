// A strict reader of JSON from front to back: nothing is made of it but what the caller keeps. Foundation's does not see a
// name that occurs twice, tells no byte, and takes seconds for a tokenizer of half a million strings; all three matter.
// RFC 8259; refused are names that occur twice in an object, and values nested deeper than a limit.

/// A place in a JSON text.
public struct JSONReader {
  /// What is wrong, and where.
  public struct Failure: Error {
    /// The byte of the text.
    public let offset: Int
    /// The complaint, without the place.
    public let reason: String

    /// A complaint at a byte.
    public init(offset: Int, reason: String) { (self.offset, self.reason) = (offset, reason) }
  }

  /// A value that is not made up of others.
  public enum Scalar: Equatable, Sendable {
    /// A string.
    case string(String)
    /// A whole number that fits a word.
    case integer(Int)
    /// Another number.
    case number
    /// A truth value.
    case bool(Bool)
    /// Null.
    case null
  }

  /// The next byte to be read.
  public private(set) var at = 0
  private let bytes: [UInt8]
  private let depthLimit: Int
  private var depth = 0

  /// Begins to read.
  ///
  /// - Parameter depthLimit: how deep objects and arrays may be nested.
  /// - Throws: ``Failure`` where the bytes are not UTF-8.
  public init(_ bytes: [UInt8], depthLimit: Int = 32) throws(Failure) {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw Failure(offset: 0, reason: "it is not UTF-8") }
    self.bytes = bytes
    self.depthLimit = depthLimit
  }

  /// The byte that comes next, spaces left out: what kind of value begins here; nil at the end.
  public mutating func peek() -> UInt8? {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
    return next
  }

  /// Makes sure that nothing follows.
  public mutating func end() throws(Failure) {
    if peek() != nil { throw Failure(offset: at, reason: "something follows the JSON value") }
  }

  /// Reads an object.
  ///
  /// - Parameter member: called with each name; must read its value.
  public mutating func object(_ member: (inout JSONReader, String) throws -> Void) throws {
    var names: Set<String> = []
    try members("{", "}") { json in
      _ = json.peek()
      let start = json.at
      let name = try json.string()
      guard names.insert(name).inserted else { throw Failure(offset: start, reason: "the name \(name) occurs twice") }
      try json.expect(":")
      try member(&json, name)
    }
  }

  /// Reads an object of very many members: names are not made into strings, and may occur twice.
  public mutating func largeObject(_ member: (inout JSONReader, [UInt8]) throws -> Void) throws {
    var name: [UInt8] = []
    try members("{", "}") { json in
      name.removeAll(keepingCapacity: true)
      try json.string(into: &name)
      try json.expect(":")
      try member(&json, name)
    }
  }

  /// Reads an array.
  ///
  /// - Parameter element: called for each element; must read it.
  public mutating func array(_ element: (inout JSONReader) throws -> Void) throws { try members("[", "]", element) }

  private mutating func members(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONReader) throws -> Void
  ) throws {
    try expect(open)
    guard depth < depthLimit else { throw Failure(offset: at - 1, reason: "nested too deep") }
    depth += 1
    defer { depth -= 1 }
    if peek() != UInt8(ascii: close) {
      while true {
        try body(&self)
        if peek() == UInt8(ascii: close) { break }
        try expect(",")
      }
    }
    at += 1
  }

  /// Reads a list of whole numbers that are not negative.
  ///
  /// - Parameter limit: how many there may be.
  /// - Returns: nil for anything else, which is read all the same.
  public mutating func naturals(limit: Int) throws -> [Int]? {
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

  /// Reads a value.
  ///
  /// - Returns: nil for an array or object, which is passed over.
  public mutating func scalar() throws -> Scalar? {
    switch peek() {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      try skip()
      return nil
    case UInt8(ascii: "\""): return .string(try string())
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
    default:
      for (word, value) in [("true", Scalar.bool(true)), ("false", .bool(false)), ("null", .null)]
      where bytes[at...].starts(with: word.utf8) {
        at += word.utf8.count
        return value
      }
      throw Failure(offset: at, reason: at < bytes.count ? "not JSON" : "the JSON ends too early")
    }
  }

  /// Passes over a value.
  public mutating func skip() throws {
    switch peek() {
    case UInt8(ascii: "{"): try object { json, _ in try json.skip() }
    case UInt8(ascii: "["): try array { json in try json.skip() }
    default: _ = try scalar()
    }
  }

  private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard peek() == UInt8(ascii: character) else { throw Failure(offset: at, reason: "expected \(character)") }
    at += 1
  }

  /// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
  private mutating func number() throws(Failure) -> Scalar {
    let start = at
    let failure = Failure(offset: start, reason: "not a JSON number")
    if next == UInt8(ascii: "-") { at += 1 }
    let whole = digits()
    guard whole == 1 || whole > 1 && bytes[at - whole] != UInt8(ascii: "0") else { throw failure }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      isInteger = false
      at += 1
      guard digits() > 0 else { throw failure }
    }
    if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      guard digits() > 0 else { throw failure }
    }
    guard isInteger, let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) else { return .number }
    return .integer(value)
  }

  /// Passes over digits.
  private mutating func digits() -> Int {
    let start = at
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
    return at - start
  }

  /// Reads a string.
  public mutating func string() throws(Failure) -> String {
    var text: [UInt8] = []
    try string(into: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads a string onto the end of a buffer, as UTF-8.
  public mutating func string(into text: inout [UInt8]) throws(Failure) {
    try expect("\"")
    while let byte = next {
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return
      case UInt8(ascii: "\\"): text.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20: throw Failure(offset: at - 1, reason: "a control character in a string")
      default: text.append(byte)
      }
    }
    throw Failure(offset: at, reason: "a string that does not end")
  }

  /// The complaint on an escape that names half a character; Python takes it.
  static let halfPair = "half a surrogate pair"

  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard let byte = next else { throw Failure(offset: at, reason: "a string that does not end") }
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
      let half = Failure(offset: at, reason: Self.halfPair)
      guard high < 0xDC00, bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else { throw half }
      at += 2
      let low = try hex4()
      guard (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
      else { throw half }
      return scalar
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
