// A small JSON text as a tree, with its members in their order: peft takes the first pattern of several that match a
// name. Read by JSONReader, which refuses names that occur twice and nesting without end.

import ByteIO

/// A value of an adapter's configuration.
indirect enum ConfigurationValue: Sendable, Equatable {
  /// A member of an object.
  struct Member: Sendable, Equatable {
    let name: String
    let value: ConfigurationValue
  }

  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([ConfigurationValue])
  case object([Member])

  /// Reads a text.
  ///
  /// - Throws: `JSONReader.Failure`.
  static func read(_ bytes: [UInt8]) throws -> ConfigurationValue {
    var json = try JSONReader(bytes)
    let value = try read(&json, bytes)
    try json.end()
    return value
  }

  private static func read(_ json: inout JSONReader, _ bytes: [UInt8]) throws -> ConfigurationValue {
    switch json.peek() {
    case UInt8(ascii: "{"):
      var members: [Member] = []
      try json.object { json, name in members.append(Member(name: name, value: try read(&json, bytes))) }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [ConfigurationValue] = []
      try json.array { json in elements.append(try read(&json, bytes)) }
      return .list(elements)
    default:
      let start = json.at
      switch try json.scalar() {
      case .string(let text): return .text(text)
      case .bool(let flag): return .flag(flag)
      case .integer(let number): return .number(Double(number))
      case .number:
        let text = String(decoding: bytes[start..<json.at], as: UTF8.self)
        guard let number = Double(text), number.isFinite else {
          throw JSONReader.Failure(offset: start, reason: "the number \(text) is too large")
        }
        return .number(number)
      case .null, nil: return .null
      }
    }
  }

  /// Whether it says nothing: null, false, an empty text, list or object.
  var isUnset: Bool {
    switch self {
    case .null, .flag(false), .text(""), .list([]), .object([]): true
    default: false
    }
  }

  /// How a message shows it.
  var words: String {
    switch self {
    case .null: "null"
    case .flag(let flag): "\(flag)"
    case .number(let number): Int(exactly: number).map { "\($0)" } ?? "\(number)"
    case .text(let text): displayName(text)
    case .list: "a list"
    case .object: "an object"
    }
  }
}
