// A strict reader of the JSON of safetensors headers and shard indexes. Foundation's does not see a name that occurs
// twice, and tells no byte; both matter here. RFC 8259; nested at most 16 deep; integers must be whole and fit a word.

/// A JSON value with the byte where it begins.
indirect enum HeaderJSON: Equatable {
  case object([(name: String, value: HeaderJSON)], at: Int)
  case array([HeaderJSON], at: Int)
  case string(String, at: Int)
  case integer(Int, at: Int)
  case other(at: Int)

  static func == (a: HeaderJSON, b: HeaderJSON) -> Bool { a.offset == b.offset }

  /// Where the value begins.
  var offset: Int {
    switch self {
    case .object(_, let at), .array(_, let at), .string(_, let at), .integer(_, let at), .other(let at): at
    }
  }

  /// What is wrong, and where.
  struct Failure: Error {
    let offset: Int
    let reason: String
  }

  /// Parses a whole text; spaces may follow it.
  static func parse(_ bytes: [UInt8]) throws(Failure) -> HeaderJSON {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw Failure(offset: 0, reason: "it is not UTF-8") }
    var parser = Parser(bytes: bytes)
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.at == bytes.count else { throw Failure(offset: parser.at, reason: "something follows the JSON value") }
    return value
  }

  private struct Parser {
    let bytes: [UInt8]
    var at = 0

    var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    mutating func skipSpace() {
      while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
    }

    mutating func expect(_ byte: UInt8) throws(Failure) {
      guard next == byte else {
        throw Failure(offset: at, reason: "expected \(Character(Unicode.Scalar(byte)))")
      }
      at += 1
    }

    mutating func value(depth: Int) throws(Failure) -> HeaderJSON {
      guard depth < 16 else { throw Failure(offset: at, reason: "nested too deep") }
      skipSpace()
      let start = at
      switch next {
      case UInt8(ascii: "{"): return try object(depth: depth)
      case UInt8(ascii: "["):
        at += 1
        var values: [HeaderJSON] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
          at += 1
          return .array([], at: start)
        }
        while true {
          values.append(try value(depth: depth + 1))
          skipSpace()
          if next == UInt8(ascii: "]") { break }
          try expect(UInt8(ascii: ","))
        }
        at += 1
        return .array(values, at: start)
      case UInt8(ascii: "\""): return .string(try string(), at: start)
      case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
      default:
        for word in ["true", "false", "null"] where bytes[at...].starts(with: word.utf8) {
          at += word.utf8.count
          return .other(at: start)
        }
        throw Failure(offset: at, reason: at < bytes.count ? "not JSON" : "the JSON ends too early")
      }
    }

    mutating func object(depth: Int) throws(Failure) -> HeaderJSON {
      let start = at
      at += 1
      var members: [(name: String, value: HeaderJSON)] = []
      var names: Set<String> = []
      skipSpace()
      if next == UInt8(ascii: "}") {
        at += 1
        return .object([], at: start)
      }
      while true {
        skipSpace()
        let nameAt = at
        let name = try string()
        guard names.insert(name).inserted else {
          throw Failure(offset: nameAt, reason: "the name \(name) occurs twice")
        }
        skipSpace()
        try expect(UInt8(ascii: ":"))
        members.append((name, try value(depth: depth + 1)))
        skipSpace()
        if next == UInt8(ascii: "}") { break }
        try expect(UInt8(ascii: ","))
      }
      at += 1
      return .object(members, at: start)
    }

    /// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
    mutating func number() throws(Failure) -> HeaderJSON {
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
      guard isInteger else { return .other(at: start) }
      guard let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) else {
        throw Failure(offset: start, reason: "the number does not fit 64 bits")
      }
      return .integer(value, at: start)
    }

    /// Passes over digits.
    private mutating func digits() -> Int {
      let start = at
      while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
      return at - start
    }

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
}
