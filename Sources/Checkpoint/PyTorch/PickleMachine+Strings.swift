// The strings of the text protocols, as Python's codecs read them. Source: CPython, Lib/pickletools.py (STRING, UNICODE).

extension PickleMachine {
  /// The bytes of a text whose scalars are bytes (Latin-1), as protocol 2 writes them; nil where one is none.
  static func latin1(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      guard let byte = UInt8(exactly: scalar.value) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// A string in quotes with Python's escapes (STRING); nil for an escape that is none.
  static func unescaped(_ line: ArraySlice<UInt8>) -> [UInt8]? {
    guard line.contains(UInt8(ascii: "\\")) else { return Array(line) }
    var result: [UInt8] = []
    var rest = line
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      guard let escape = rest.popFirst() else { return nil }
      switch escape {
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(escape)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "a"): result.append(0x07)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "v"): result.append(0x0B)
      case UInt8(ascii: "x"):
        guard let value = hexadecimal(&rest, 2) else { return nil }
        result.append(UInt8(truncatingIfNeeded: value))
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        var value = Int(escape) - 0x30
        for _ in 0..<2 {
          guard let digit = rest.first, (0x30...0x37).contains(digit) else { break }
          value = value * 8 + Int(digit) - 0x30
          rest.removeFirst()
        }
        result.append(UInt8(truncatingIfNeeded: value))
      default: result += [byte, escape]
      }
    }
    return result
  }

  /// A line of Latin-1 with `\u` and `\U` for what lies beyond (UNICODE); nil for an escape that is none.
  ///
  /// Files of other writers have UTF-8 there: a line that is valid UTF-8 and no escape is taken so.
  static func rawUnicode(_ line: ArraySlice<UInt8>) -> String? {
    if !line.contains(UInt8(ascii: "\\")), let text = String(validating: line, as: UTF8.self) { return text }
    var result = String.UnicodeScalarView()
    var rest = line
    while let byte = rest.popFirst() {
      let isShort = byte == UInt8(ascii: "\\") && rest.first == UInt8(ascii: "u")
      let isLong = byte == UInt8(ascii: "\\") && rest.first == UInt8(ascii: "U")
      guard isShort || isLong else {
        result.append(Unicode.Scalar(byte))
        continue
      }
      rest.removeFirst()
      guard let value = hexadecimal(&rest, isShort ? 4 : 8), let scalar = Unicode.Scalar(value) else { return nil }
      result.append(scalar)
    }
    return String(result)
  }

  private static func hexadecimal(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> UInt32? {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = rest.popFirst(), let number = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
      value = value << 4 | UInt32(truncatingIfNeeded: number)
    }
    return value
  }
}
