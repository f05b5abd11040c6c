// Protobuf's wire format, as far as SentencePiece's models use it: fields of one message, front to back.
// Refused: wire types that are not known (groups), numbers of more than ten bytes, lengths that go past the end.

/// What a message is that cannot be read.
struct ProtobufFailure: Error {
  /// The byte at which reading stopped.
  let offset: Int
  /// What is wrong there.
  let reason: String
}

/// Reads the fields of one message, front to back.
struct ProtobufReader {
  let bytes: [UInt8]
  var at: Int
  let end: Int

  var isEmpty: Bool { at == end }

  func failure(_ reason: String) -> ProtobufFailure { ProtobufFailure(offset: at, reason: reason) }

  mutating func varint() throws(ProtobufFailure) -> UInt64 {
    var value: UInt64 = 0
    for place in 0..<10 {
      guard at < end else { throw failure("it ends within a number") }
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7F) << UInt64(7 * place)
      if byte < 0x80 { return value }
    }
    throw failure("a number has more than ten bytes")
  }

  mutating func key() throws(ProtobufFailure) -> (field: UInt64, wire: UInt64)? {
    guard at < end else { return nil }
    let key = try varint()
    guard key >> 3 > 0 else { throw failure("a field has the number 0") }
    return (key >> 3, key & 7)
  }

  /// The message, or the bytes, that a length stands before.
  mutating func message() throws(ProtobufFailure) -> ProtobufReader {
    let length = try varint()
    guard length <= UInt64(end - at) else { throw failure("a field of \(length) bytes, and \(end - at) are left") }
    defer { at += Int(length) }
    return ProtobufReader(bytes: bytes, at: at, end: at + Int(length))
  }

  mutating func text() throws(ProtobufFailure) -> String {
    let part = try message()
    guard let text = String(validating: bytes[part.at..<part.end], as: UTF8.self) else {
      throw failure("a piece is not UTF-8")
    }
    return text
  }

  mutating func fixed32() throws(ProtobufFailure) -> UInt32 {
    guard end - at >= 4 else { throw failure("it ends within a number") }
    defer { at += 4 }
    return (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
  }

  mutating func skip(_ wire: UInt64) throws(ProtobufFailure) {
    switch wire {
    case 0: _ = try varint()
    case 1:
      _ = try fixed32()
      _ = try fixed32()
    case 2: _ = try message()
    case 5: _ = try fixed32()
    default: throw failure("a field of the wire type \(wire), which is not known")
    }
  }
}

/// Appends fields.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func number(_ field: Int, _ value: UInt64) {
    varint(UInt64(field) << 3)
    varint(value)
  }

  mutating func bytes(_ field: Int, _ value: some Collection<UInt8>) {
    varint(UInt64(field) << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }

  mutating func text(_ field: Int, _ text: String) { bytes(field, Array(text.utf8)) }

  mutating func fixed32(_ field: Int, _ value: UInt32) {
    varint(UInt64(field) << 3 | 5)
    for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
