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
      } else if decoder.codingPath.count < 2, let object = try? value.decode([String: Value].self) {
        self = .object(object)
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
    do { values = try decodeBoundedJSON([String: Value].self, from: json, file: file) } catch let error as ByteIOError {
      throw error
    } catch { throw ModelError(.malformed, file: file, reason: "it is not a JSON object", remedy: "download it again") }
    self.file = file
  }

  private func wrong(_ name: String, _ wanted: String) -> ModelError {
    ModelError(.malformed, file: file, reason: "\(name) is not \(wanted)")
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
      throw ModelError(.malformed, file: file, reason: "\(name) is \(number)")
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

  /// The text of an object, as both configurations are written.
  static func text(_ object: [String: Any]) throws -> [UInt8] {
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }
}
