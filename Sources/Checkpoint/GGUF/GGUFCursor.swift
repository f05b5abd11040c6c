// Reads the head of a GGUF file from front to back. Every length is held against what is left of the file before anything is
// allocated for it.

import ByteIO

/// A place in a file, moving forward.
struct GGUFCursor {
  /// The longest string. Chat templates have kilobytes.
  static let stringLimit = 64 << 20
  /// The longest name of a value. Source: docs/gguf.md.
  static let keyLimit = 65535
  /// How many values there may be, elements of arrays counted. A million tokens with scores, types and merges have four
  /// million, and each takes 24 bytes.
  static let valueLimit = 4 << 20
  /// How deep arrays may lie in arrays.
  static let depthLimit = 8

  private var bytes: ByteCursor
  private var valueCount = 0

  init(_ file: any ByteSource) { bytes = ByteCursor(file) }

  /// The byte that comes next.
  var at: Int { bytes.at }
  /// The bytes that are left.
  var left: Int { bytes.left }

  func failure(_ code: CheckpointErrorCode, at offset: Int, _ reason: String) -> CheckpointError {
    bytes.failure(code, at: offset, reason)
  }

  /// A little-endian number.
  mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type, _ what: @autoclosure () -> String) throws
    -> Number
  {
    try bytes.integer(type, what())
  }

  /// A length or a count; what does not fit a word is longer than any file.
  mutating func count(_ what: @autoclosure () -> String) throws -> Int {
    let start = at
    let value = try integer(UInt64.self, what())
    guard let count = Int(exactly: value) else {
      throw failure(.limit, at: start, "\(what()) is \(value), more than a file can hold")
    }
    return count
  }

  /// A length and as many bytes of UTF-8.
  mutating func string(limit: Int = stringLimit, _ what: String) throws -> String {
    let start = at
    let length = try count("the length of \(what)")
    guard length <= left else {
      throw failure(.truncated, at: start, "\(what) has \(length) bytes, and \(left) are left in the file")
    }
    guard length <= limit else { throw failure(.limit, at: start, "\(what) has \(length) bytes, more than \(limit)") }
    guard let text = String(validating: try bytes.take(length, what), as: UTF8.self) else {
      throw failure(.malformed, at: start + 8, "\(what) is not UTF-8")
    }
    return text
  }

  /// The number of a value's type.
  mutating func type(_ what: String) throws -> GGUFValueType {
    let start = at
    let number = try integer(UInt32.self, "the type of \(what)")
    guard let type = GGUFValueType(rawValue: number) else {
      throw failure(.malformed, at: start, "\(what) has the type \(number), which GGUF does not have")
    }
    return type
  }

  /// A value of a type.
  mutating func value(_ type: GGUFValueType, _ what: String, depth: Int = 0) throws -> GGUFValue {
    switch type {
    case .uint8: return .uint8(try integer(UInt8.self, what))
    case .int8: return .int8(try integer(Int8.self, what))
    case .uint16: return .uint16(try integer(UInt16.self, what))
    case .int16: return .int16(try integer(Int16.self, what))
    case .uint32: return .uint32(try integer(UInt32.self, what))
    case .int32: return .int32(try integer(Int32.self, what))
    case .uint64: return .uint64(try integer(UInt64.self, what))
    case .int64: return .int64(try integer(Int64.self, what))
    case .float32: return .float32(Float(bitPattern: try integer(UInt32.self, what)))
    case .float64: return .float64(Double(bitPattern: try integer(UInt64.self, what)))
    case .string: return .string(try string(what))
    case .bool:
      let byte = try integer(UInt8.self, what)
      guard byte <= 1 else { throw failure(.malformed, at: at - 1, "\(what) is \(byte); expected 0 or 1") }
      return .bool(byte == 1)
    case .array:
      let start = at
      guard depth < Self.depthLimit else {
        throw failure(.limit, at: start, "\(what) is nested more than \(Self.depthLimit) deep")
      }
      let type = try self.type(what)
      let count = try self.count("the length of \(what)")
      guard count <= left / type.leastSize else {
        throw failure(.truncated, at: start, "\(what) has \(count) elements, and \(left) bytes are left in the file")
      }
      guard count <= Self.valueLimit - valueCount else {
        throw failure(
          .limit, at: start, "its lists have more than \(Self.valueLimit) values, and no more are read here")
      }
      valueCount += count
      var elements: [GGUFValue] = []
      elements.reserveCapacity(count)
      for _ in 0..<count { elements.append(try value(type, what, depth: depth + 1)) }
      return .array(type, elements)
    }
  }
}
