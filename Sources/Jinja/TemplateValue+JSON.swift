// What a template is given, from JSON and to JSON: objects keep the order of their names, for templates write tools as they came.
// Numbers are Python's: whole ones are whole, all others floating point.

import ByteIO
import Foundation

extension TemplateValue {
  /// Values of one text: each takes some hundred bytes.
  private static let jsonLimit = 1 << 18

  /// Reads a JSON text.
  ///
  /// - Throws: `JSONReader.Failure`, also for a name that occurs twice, a number that is too large (whole ones have 64 bits),
  ///   and too many values.
  package init(json bytes: [UInt8]) throws {
    var json = try JSONReader(bytes, depthLimit: Limits.valueDepth - 2)
    var valuesLeft = Self.jsonLimit
    try self.init(&json, bytes, &valuesLeft)
    try json.end()
  }

  private init(_ json: inout JSONReader, _ bytes: [UInt8], _ valuesLeft: inout Int) throws {
    guard valuesLeft > 0 else {
      throw JSONReader.Failure(offset: json.at, reason: "more than \(Self.jsonLimit) values")
    }
    valuesLeft -= 1
    switch json.peek() {
    case UInt8(ascii: "{"):
      var entries: [(String, TemplateValue)] = []
      try json.object { json, name in entries.append((name, try TemplateValue(&json, bytes, &valuesLeft))) }
      self = .mapping(entries)
    case UInt8(ascii: "["):
      var elements: [TemplateValue] = []
      try json.array { json in elements.append(try TemplateValue(&json, bytes, &valuesLeft)) }
      self = .list(elements)
    default:
      let start = json.at
      switch try json.scalar() {
      case .string(let text): self = .text(text)
      case .integer(let number): self = .int(number)
      case .bool(let truth): self = .bool(truth)
      case .null, nil: self = .none
      case .number:
        let text = String(decoding: bytes[start..<json.at], as: UTF8.self)
        guard text.contains(where: { ".eE".contains($0) }) else {
          throw JSONReader.Failure(offset: start, reason: "a whole number of more than 64 bits")
        }
        guard let number = Double(text), number.isFinite else {
          throw JSONReader.Failure(offset: start, reason: "a number that is too large")
        }
        self = .float(number)
      }
    }
  }

  /// The value as JSON, on one line, as Python writes it.
  ///
  /// - Throws: ``JinjaError`` for what is larger than a text may be here.
  package var json: String {
    get throws {
      let machine = Machine([:], .standard, now: Date())
      do { return try machine.text(of: machine.json(try value(nil), Arguments())).string } catch let failure as Failure
      {
        throw JinjaError(failure.code, reason: failure.reason)
      }
    }
  }

  // MARK: Parts

  /// What a dictionary has under a name; nil for none, and for anything else.
  package subscript(name: String) -> TemplateValue? {
    guard case .mapping(let entries) = self else { return nil }
    return entries.first { $0.0 == name }?.1
  }

  /// The text; nil for anything else.
  package var text: String? { if case .text(let text) = self { text } else { nil } }
  /// The elements of a list; nil for anything else.
  package var elements: [TemplateValue]? { if case .list(let elements) = self { elements } else { nil } }
  /// The entries of a dictionary, in their order; nil for anything else.
  package var entries: [(String, TemplateValue)]? { if case .mapping(let entries) = self { entries } else { nil } }
  /// Whether it is none.
  package var isNone: Bool { if case .none = self { true } else { false } }
}
