// Reads opcodes and their arguments as CPython's unpickler does (Modules/_pickle.c), which also takes what pickletools
// refuses: integers of any base in text, texts with lone surrogates, digits up to a zero byte. What it reads must be read
// here, for a loader runs what stands behind it; what no unpickler reads on from is `.malformedPickle` or `.truncated`.

import ByteIO

/// Reads the opcodes of a pickle, one after the other.
struct PickleReader {
  private let bytes: [UInt8]
  private let file: String
  /// Where `bytes` begin in the file, for places in messages.
  private let base: Int
  /// How many bytes there are to read; more than are here where a long file was cut.
  private let available: Int
  private(set) var at: Int

  /// - Parameters:
  ///   - bytes: which hold the pickle.
  ///   - start: where it begins in them.
  ///   - base: where `bytes` begin in the file.
  ///   - available: how many bytes the file has from there; as many as `bytes` where nil.
  init(_ bytes: [UInt8], from start: Int, base: Int, file: String, available: Int?) {
    self.bytes = bytes
    self.file = file
    self.base = base
    self.available = available ?? bytes.count
    at = start
  }

  /// An error at a byte of the pickle: here, where no other place is given.
  func failure(_ reason: String, _ code: CheckpointErrorCode = .malformedPickle, at place: Int? = nil)
    -> CheckpointError
  {
    CheckpointError(code, file: file, place: "byte \(base + (place ?? at))", reason: reason)
  }

  /// The next opcode and its argument.
  mutating func next() throws(CheckpointError) -> (opcode: PickleOpcode, argument: PickleArgument) {
    let place = at
    guard let byte = try take(1).first else { throw failure("the pickle ends without STOP", .truncated) }
    guard let opcode = PickleOpcode(rawValue: byte) else {
      throw failure("0x\(String(byte, radix: 16)) is not a pickle opcode", at: place)
    }
    return (opcode, try argument(of: opcode, place))
  }

  private mutating func argument(of opcode: PickleOpcode, _ place: Int) throws(CheckpointError) -> PickleArgument {
    switch opcode.argument {
    case .none: return .nothing
    case .uint1: return .integer(try number(1))
    case .uint2: return .integer(try number(2))
    case .uint4: return .integer(try number(4))
    case .int4: return .integer(Int(Int32(truncatingIfNeeded: try number(4))))
    case .uint8:
      // The length of a frame: it helps readers to buffer, and only what is there counts.
      _ = try take(8)
      return .nothing
    case .float8:
      var bits: UInt64 = 0
      for byte in try take(8) { bits = bits << 8 | UInt64(byte) }
      return .real(Double(bitPattern: bits))
    case .bytes1: return .bytes(Array(try take(try number(1))))
    case .bytes4: return .bytes(Array(try take(try number(4))))
    case .string1: return .byteString(Array(try take(try number(1))))
    case .string4: return .byteString(Array(try take(try number(4))))
    case .bytes8, .bytearray8: return .bytes(Array(try take(try number(8))))
    case .unicodestring1: return .text(try text(try take(try number(1)), place))
    case .unicodestring4: return .text(try text(try take(try number(4)), place))
    case .unicodestring8: return .text(try text(try take(try number(8)), place))
    case .long1: return try long(try number(1), place)
    case .long4: return try long(Int(Int32(truncatingIfNeeded: try number(4))), place)
    case .decimalnlShort:
      let digits = Self.cString(try line())
      guard opcode == .int else { return try key(digits, place) }
      if digits.count == 2, digits.elementsEqual("00".utf8) || digits.elementsEqual("01".utf8) {
        return .bool(digits.last == UInt8(ascii: "1"))
      }
      return try integer(digits, place, octalByZero: true)
    case .decimalnlLong:
      var digits = Self.cString(try line())
      if digits.last == UInt8(ascii: "L") { digits = digits.dropLast() }
      return try integer(digits, place, octalByZero: false)
    case .floatnl:
      guard let value = PickleText.real(Self.cString(try line())) else {
        throw failure("FLOAT: expected a float in digits, found other characters", at: place)
      }
      return .real(value)
    case .stringnl:
      let line = try line()
      guard let quote = line.first, quote == line.last, quote == 0x22 || quote == 0x27 else {
        throw failure("STRING: expected a str in quotes, found none", at: place)
      }
      guard line.count >= 2 else { return .refused("STRING: expected two quotes, found one") }
      guard let string = PickleText.unescaped(line.dropFirst().dropLast()) else {
        throw failure("STRING: expected the escapes of Python, found another one", at: place)
      }
      return .byteString(string)
    case .unicodestringnl:
      guard let string = PickleText.rawUnicode(try line()) else {
        throw failure("UNICODE: expected the escapes of Python, found another one", at: place)
      }
      return .text(string)
    case .stringnlNoescape: return .text(try text(try line(), place))
    case .stringnlNoescapePair:
      let module = try text(try line(), place)
      return .names(module: module, name: try text(try line(), place))
    }
  }

  // MARK: Parts

  private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= available - at else {
      // Where the file was cut here, more of it would not help.
      let code: CheckpointErrorCode = available == bytes.count ? .truncated : .malformedPickle
      throw failure("the pickle ends in the middle of an opcode", code)
    }
    guard count <= bytes.count - at else { throw failure("the pickle goes on behind what was read", .truncated) }
    defer { at += count }
    return bytes[at..<at + count]
  }

  private mutating func number(_ width: Int) throws(CheckpointError) -> Int {
    var value: UInt64 = 0
    for byte in try take(width).reversed() { value = value << 8 | UInt64(byte) }
    guard let result = Int(exactly: value) else { throw failure("expected a length below 2^63, found \(value)") }
    return result
  }

  private mutating func line() throws(CheckpointError) -> ArraySlice<UInt8> {
    guard let end = bytes[at...].firstIndex(of: 0x0A) else {
      throw failure("expected a line that ends, found the end of the pickle", .truncated)
    }
    defer { at = end + 1 }
    return bytes[at..<end]
  }

  private func text(_ slice: ArraySlice<UInt8>, _ place: Int) throws(CheckpointError) -> String {
    guard let text = PickleText.utf8(slice) else {
      throw failure("expected a str in UTF-8, found other bytes", at: place)
    }
    return text
  }

  /// Digits as C sees them: up to a zero byte.
  private static func cString(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> { line.prefix { $0 != 0 } }

  private func key(_ digits: ArraySlice<UInt8>, _ place: Int) throws(CheckpointError) -> PickleArgument {
    guard let key = PickleText.integer(digits, radix: 10) else {
      throw failure("expected a memo index in digits, found other characters", at: place)
    }
    if case .integer(let number) = key, number < 0 {
      return .refused("expected a memo index of at least 0, found a negative one")
    }
    return key
  }

  /// An integer in text.
  ///
  /// - Parameter octalByZero: whether digits that begin with 0 are octal, as C's strtol has it for INT.
  private func integer(_ digits: ArraySlice<UInt8>, _ place: Int, octalByZero: Bool) throws(CheckpointError)
    -> PickleArgument
  {
    if octalByZero, let value = PickleText.octal(digits) { return .integer(value) }
    if let value = PickleText.integer(digits, radix: 0) { return value }
    guard PickleText.integer(digits, radix: 10) != nil else {
      throw failure("expected an int in digits, found other characters", at: place)
    }
    return .refused("expected an int in digits, found one that begins with 0")
  }

  private mutating func long(_ length: Int, _ place: Int) throws(CheckpointError) -> PickleArgument {
    let little = try take(length)
    guard length > 8 else {
      var value: UInt64 = little.last.map { $0 & 0x80 != 0 ? UInt64.max : 0 } ?? 0
      for byte in little.reversed() { value = value << 8 | UInt64(byte) }
      return .integer(Int(Int64(bitPattern: value)))
    }
    return .bigInteger(Array(little.prefix(PickleArgument.integerLimit)))
  }
}
