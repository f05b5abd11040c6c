// What a tokenizer.json says besides its vocabulary: small values, kept as a whole.

import ByteIO

/// A small JSON value as a whole.
indirect enum JSONTree: Equatable {
  case object([String: JSONTree])
  case array([JSONTree])
  case string(String)
  case integer(Int)
  case bool(Bool)
  case other

  /// Reads any value.
  ///
  /// - Parameter valuesLeft: how many more values may become part of a tree: each takes some hundred bytes.
  init(_ json: inout JSONReader, valuesLeft: inout Int) throws {
    guard valuesLeft > 0 else {
      throw JSONReader.Failure(
        offset: json.at, reason: "too many values for what a tokenizer says besides its vocabulary")
    }
    valuesLeft -= 1
    switch json.peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSONTree] = [:]
      try json.object { json, name in members[name] = try JSONTree(&json, valuesLeft: &valuesLeft) }
      self = .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONTree] = []
      try json.array { json in elements.append(try JSONTree(&json, valuesLeft: &valuesLeft)) }
      self = .array(elements)
    default:
      switch try json.scalar() {
      case .string(let text): self = .string(text)
      case .integer(let number): self = .integer(number)
      case .bool(let truth): self = .bool(truth)
      case .number, .null, nil: self = .other
      }
    }
  }

  /// A member of an object; nil for anything else.
  subscript(name: String) -> JSONTree? { if case .object(let members) = self { members[name] } else { nil } }
  /// The text, where it is one.
  var text: String? { if case .string(let text) = self { text } else { nil } }
  /// The truth, where it is one.
  var truth: Bool? { if case .bool(let truth) = self { truth } else { nil } }
  /// The number, where it is a whole one.
  var number: Int? { if case .integer(let number) = self { number } else { nil } }
  /// The elements, where it is an array.
  var elements: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
}
