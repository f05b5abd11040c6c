// The fields of a configuration in JSON, by name. What is asked for must have the type that it is asked for as: a field
// of another type is refused by its name, null is as if it were not there.

import ByteIO
import Foundation

/// The fields of config.json, or of params.json.
struct JSONFields {
  /// What a field holds.
  private enum Value: Decodable {
    case null
    case integer(Int)
    case real(Double)
    case flag(Bool)
    case text(String)
    case object([String: Value])
    case list([Value])
    case other

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if value.decodeNil() {
        self = .null
      } else if let text = try? value.decode(String.self) {
        self = .text(text)
      } else if let number = try? value.decode(Int.self) {
        self = .integer(number)
      } else if let number = try? value.decode(Double.self) {
        self = .real(number)
      } else if let flag = try? value.decode(Bool.self) {
        self = .flag(flag)
      } else if decoder.codingPath.count < 4, let object = try? value.decode([String: Value].self) {
        self = .object(object)
      } else if decoder.codingPath.count < 4, let list = try? value.decode([Value].self) {
        self = .list(list)
      } else {
        self = .other
      }
    }
  }

  private let values: [String: Value]
  private let file: String

  private init(_ values: [String: Value], file: String) { (self.values, self.file) = (values, file) }

  /// Reads a text.
  ///
  /// - Parameter file: what errors name.
  /// - Throws: ``ModelError`` with code `.malformed`; `ByteIOError` where there are too many values.
  init(_ json: [UInt8], file: String) throws {
    let complaint = FileKind(head: Array(json.prefix(FileKind.headSize)), size: json.count).naming(isWeights: true)
    if let complaint {
      throw ModelError(.malformed, file: file, reason: complaint.reason, remedy: complaint.remedy)
    }
    do { values = try decodeBoundedJSON([String: Value].self, from: json, file: file) } catch let error as ByteIOError {
      throw error
    } catch { throw ModelError(.malformed, file: file, reason: "it is not a JSON object") }
    self.file = file
    if let name = Self.repeated(json) {
      throw ModelError(
        .contradictory, file: file, reason: "the field \(displayName(name)) occurs twice",
        remedy: "leave only the one that is right: programs take one or the other")
    }
  }

  /// The objects whose fields count as well.
  private static let inner: Set<String> = ["rope_scaling", "rope_parameters", "model"]

  /// A name that occurs twice, of which decoders take the first and Python the last: in the object, or in one of those in it
  /// that count.
  private static func repeated(_ json: [UInt8]) -> String? {
    guard var reader = try? JSONReader(json, depthLimit: 128), reader.peek() == UInt8(ascii: "{") else { return nil }
    // What is no JSON for this reader was taken by the decoder, and names nothing twice that is known of.
    var found: String?
    try? repeated(&reader, &found, isOuter: true)
    return found
  }

  private static func repeated(_ reader: inout JSONReader, _ found: inout String?, isOuter: Bool) throws {
    var names: Set<[UInt8]> = []
    var first = found
    try reader.largeObject { json, name in
      let text = String(decoding: name, as: UTF8.self)
      if !names.insert(name).inserted { first = first ?? text }
      if isOuter, inner.contains(text), json.peek() == UInt8(ascii: "{") {
        try repeated(&json, &first, isOuter: false)
      } else {
        try json.skip()
      }
    }
    found = first
  }

  private func wrong(_ name: String, _ wanted: String) -> ModelError {
    let isText = if case .text(let text) = values[name] { pythonNumber(text) == nil } else { false }
    return ModelError(
      .malformed, file: file, reason: "\(name) is \(isText ? "the text " : "")\(shown(name)), not \(wanted)")
  }

  /// The names of the fields that are not null, sorted.
  var names: [String] { values.keys.filter(contains).sorted() }

  /// Whether there is a field of this name, be it null.
  func mentions(_ name: String) -> Bool { values[name] != nil }

  /// A field's value as a message shows it.
  func shown(_ name: String) -> String {
    switch values[name] {
    case nil, .null: "null"
    case .integer(let number): "\(number)"
    case .real(let number): "\(number)"
    case .flag(let flag): "\(flag)"
    case .text(let text): pythonNumber(text) ?? displayName(text)
    case .object: "an object"
    case .list: "a list"
    case .other: "something else"
    }
  }

  /// The objects among the fields, by name.
  var objects: [String: JSONFields] {
    values.compactMapValues { if case .object(let object) = $0 { JSONFields(object, file: file) } else { nil } }
  }

  /// Whether a field is one of some values: numbers, truth values, texts, or a list of nothing else.
  func isOne(_ name: String, of wanted: [JSONScalar]) -> Bool {
    func isWanted(_ value: Value) -> Bool {
      switch value {
      case .integer(let number): wanted.contains(.number(Double(number)))
      case .real(let number): wanted.contains(.number(number))
      case .flag(let flag): wanted.contains(.flag(flag))
      case .text(let text): wanted.contains(.text(text))
      case .list(let list): list.allSatisfy(isWanted)
      case .object(let object): object.isEmpty
      case .null: true
      case .other: false
      }
    }
    return values[name].map(isWanted) ?? true
  }

  /// Whether there is a field other than null.
  func contains(_ name: String) -> Bool {
    switch values[name] {
    case nil, .null: false
    default: true
    }
  }

  /// A whole number.
  func integer(_ name: String) throws -> Int? {
    switch values[name] {
    case nil, .null: nil
    case .integer(let number): number
    default: throw wrong(name, "a whole number")
    }
  }

  /// A measure of a model: a positive whole number that is not too large.
  func measure(_ name: String) throws -> Int? {
    let number = try integer(name)
    if let number, !(1...1 << 24).contains(number) {
      throw ModelError(.malformed, file: file, reason: "\(name) is \(number); expected 1 to \(1 << 24)")
    }
    return number
  }

  /// A number.
  func number(_ name: String) throws -> Double? {
    switch values[name] {
    case nil, .null: nil
    case .integer(let number): Double(number)
    case .real(let number): number
    default: throw wrong(name, "a number")
    }
  }

  /// Yes or no.
  func flag(_ name: String) throws -> Bool? {
    switch values[name] {
    case nil, .null: nil
    case .flag(let flag): flag
    default: throw wrong(name, "true or false")
    }
  }

  /// A text.
  func text(_ name: String) throws -> String? {
    switch values[name] {
    case nil, .null: nil
    case .text(let text): text
    default: throw wrong(name, "a text")
    }
  }

  /// A list of numbers.
  func numbers(_ name: String) throws -> [Double]? {
    guard contains(name) else { return nil }
    guard case .list(let list) = values[name] else { throw wrong(name, "a list of numbers") }
    return try list.map { value in
      switch value {
      case .integer(let number): Double(number)
      case .real(let number): number
      case .flag(let flag): flag ? 1 : 0
      default: throw wrong(name, "a list of numbers only")
      }
    }
  }

  /// A list of texts.
  func texts(_ name: String) throws -> [String]? {
    guard contains(name) else { return nil }
    guard case .list(let list) = values[name] else { throw wrong(name, "a list of texts") }
    return try list.map { value in
      guard case .text(let text) = value else { throw wrong(name, "a list of texts only") }
      return text
    }
  }

  /// An object.
  func object(_ name: String) throws -> JSONFields? {
    switch values[name] {
    case nil, .null: nil
    case .object(let object): JSONFields(object, file: file)
    default: throw wrong(name, "an object")
    }
  }

  /// Of a field that has several names the one that is there; the first where none is.
  func name(of names: [String]) -> String { names.first(where: contains) ?? names[0] }

  // MARK: Writing

  /// null, as it is written.
  static var null: Any { NSNull() }

  /// A number as JSON has it: a whole one without a fraction.
  static func written(_ value: Double) -> Any { Int(exactly: value).map { $0 as Any } ?? value }

  /// The text of an object, as both configurations are written.
  static func text(_ object: [String: Any]) throws -> [UInt8] {
    try jsonText(object)
  }
}

/// A value of a field that is not made up of others.
enum JSONScalar: Sendable, Equatable {
  case number(Double)
  case flag(Bool)
  case text(String)
}
