// The values of a GGUF file's architecture: those whose keys begin with its name.

import ByteIO
import Checkpoint

/// The values of an architecture, by their keys without its name.
struct GGUFArchitectureValues {
  let metadata: GGUFMetadata
  let architecture: String
  let path: String

  /// The whole key.
  func name(_ key: String) -> String { "\(architecture).\(key)" }

  /// A value; nil where there is none.
  subscript(_ key: String) -> GGUFValue? { metadata[name(key)] }

  func malformed(_ reason: String) -> ModelError { ModelError(.malformed, file: path, reason: reason) }

  func unsupported(_ reason: String, _ remedy: Remedy? = nil) -> ModelError {
    ModelError(.unsupported, file: path, reason: reason, remedy: remedy)
  }

  /// A measure: a positive whole number that is not too large.
  func count(_ key: String) throws -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.integer, (1...1 << 24).contains(number) else {
      throw malformed("\(name(key)) is \(displayName(value.text)); expected 1 to \(1 << 24)")
    }
    return number
  }

  /// A measure that there must be.
  func needed(_ key: String) throws -> Int {
    guard let number = try count(key) else { throw malformed("it has no \(name(key))") }
    return number
  }

  /// A positive number.
  func number(_ key: String) throws -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.number, number > 0, number.isFinite else {
      throw malformed("\(name(key)) is \(displayName(value.text)); expected a positive number")
    }
    return number
  }

  /// A number from 0 on.
  func numberFromZero(_ key: String) throws -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.number, number >= 0, number.isFinite else {
      throw malformed("\(name(key)) is \(displayName(value.text)); expected a number from 0 on")
    }
    return number
  }
}
