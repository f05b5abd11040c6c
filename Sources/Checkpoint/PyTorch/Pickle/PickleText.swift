// Texts and digits in a pickle, as Python's codecs and CPython's C code read them. Where two readings are possible, the
// one here is CPython's, byte for byte: a text that is read otherwise may hide the bytes that a loader gets.
// Source: CPython, Modules/_pickle.c (load_int, load_long, load_string, load_unicode), Objects/unicodeobject.c
// (PyUnicode_DecodeRawUnicodeEscape), Objects/bytesobject.c (_PyBytes_DecodeEscape), Objects/longobject.c
// (PyLong_FromString).

enum PickleText {
  /// What stands for a surrogate that has no other half: a Swift string cannot hold one, and no name has it.
  private static let lone = Unicode.Scalar(UInt32(0xFFFD)) ?? " "

  /// UTF-8 as the codec `surrogatepass` takes it; nil where it is none.
  static func utf8(_ slice: ArraySlice<UInt8>) -> String? {
    if let text = String(validating: slice, as: UTF8.self) { return text }
    // The three bytes of a surrogate, which UTF-8 does not have: ED A0 80 to ED BF BF.
    var repaired = Array(slice)
    var at = repaired.startIndex
    while let found = repaired[at...].firstIndex(of: 0xED) {
      at = found + 1
      guard found + 2 < repaired.count, repaired[found + 1] >= 0xA0, repaired[found + 1] <= 0xBF,
        repaired[found + 2] & 0xC0 == 0x80
      else { continue }
      repaired.replaceSubrange(found..<found + 3, with: [0xEF, 0xBF, 0xBD])
      at = found + 3
    }
    return String(validating: repaired, as: UTF8.self)
  }

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

  /// A string in quotes with Python's escapes (STRING); nil for an escape that Python does not know.
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

  /// A line of Latin-1 with `\u` and `\U` for what lies beyond (UNICODE); nil for an escape that is cut short or out of
  /// range. A backslash takes the character behind it along: of two, the second begins no escape.
  static func rawUnicode(_ line: ArraySlice<UInt8>) -> String? {
    var result = String.UnicodeScalarView()
    var rest = line
    while let byte = rest.popFirst() {
      result.append(Unicode.Scalar(byte))
      guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else { continue }
      guard next == UInt8(ascii: "u") || next == UInt8(ascii: "U") else {
        result.append(Unicode.Scalar(next))
        continue
      }
      guard let value = hexadecimal(&rest, next == UInt8(ascii: "u") ? 4 : 8), value <= 0x10FFFF else { return nil }
      result.removeLast()
      result.append(Unicode.Scalar(value) ?? lone)
    }
    return String(result)
  }

  private static func hexadecimal(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> UInt32? {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = rest.popFirst(), let number = hexDigit(digit) else { return nil }
      value = value << 4 | number
    }
    return value
  }

  private static func hexDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
    default: nil
    }
  }

  // MARK: Integers

  /// An integer as Python's `int(text, radix)` takes it, with blanks around it, a sign, single underscores between digits
  /// and, for radix 0, a prefix; nil where it is none.
  static func integer(_ text: ArraySlice<UInt8>, radix: Int) -> PickleArgument? {
    guard case (let isNegative, var digits)? = signed(text) else { return nil }
    var base = radix
    if radix == 8 || radix == 16, digits.count > 2, digits.first == UInt8(ascii: "0"),
      digits.dropFirst().first.map({ $0 | 0x20 }) == (radix == 8 ? UInt8(ascii: "o") : UInt8(ascii: "x"))
    {
      digits = digits.dropFirst(2)
      if digits.first == UInt8(ascii: "_") { digits = digits.dropFirst() }
    } else if radix == 0 {
      base = 10
      if digits.first == UInt8(ascii: "0"), let letter = digits.dropFirst().first {
        switch letter | 0x20 {
        case UInt8(ascii: "x"): base = 16
        case UInt8(ascii: "o"): base = 8
        case UInt8(ascii: "b"): base = 2
        default: guard digits.allSatisfy({ $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: "_") }) else { return nil }
        }
        if base != 10 {
          digits = digits.dropFirst(2)
          if digits.first == UInt8(ascii: "_") { digits = digits.dropFirst() }
        }
      }
    }
    guard let first = digits.first, let last = digits.last, first != UInt8(ascii: "_"), last != UInt8(ascii: "_") else {
      return nil
    }
    var value = 0
    var isWide = false
    var wasUnderscore = false
    for byte in digits {
      let isUnderscore = byte == UInt8(ascii: "_")
      if isUnderscore {
        guard !wasUnderscore else { return nil }
      } else {
        guard let digit = hexDigit(byte), digit < base else { return nil }
        let (product, over) = value.multipliedReportingOverflow(by: base)
        let (sum, more) = product.addingReportingOverflow(isNegative ? -Int(digit) : Int(digit))
        isWide = isWide || over || more
        value = sum
      }
      wasUnderscore = isUnderscore
    }
    // Beyond 64 bits it can only be a setting: its digits say all that is shown of it.
    return isWide ? .digits(String(decoding: text.prefix(PickleArgument.integerLimit), as: UTF8.self)) : .integer(value)
  }

  /// A number with a point, as Python's `float` takes it, with blanks around it and single underscores between digits.
  static func real(_ text: ArraySlice<UInt8>) -> Double? {
    guard let (isNegative, digits) = signed(text), let first = digits.first, first != UInt8(ascii: "-"),
      first != UInt8(ascii: "+")
    else { return nil }
    var plain: [UInt8] = []
    for (index, byte) in zip(digits.indices, digits) {
      guard byte == UInt8(ascii: "_") else {
        plain.append(byte)
        continue
      }
      let isBetween = [index - 1, index + 1].allSatisfy {
        digits.indices.contains($0) && (0x30...0x39).contains(digits[$0])
      }
      guard isBetween else { return nil }
    }
    let string = String(decoding: plain, as: UTF8.self)
    // Swift's own also takes hexadecimal digits.
    guard !string.contains("x"), !string.contains("X"), let value = Double(string) else { return nil }
    return isNegative ? -value : value
  }

  /// Digits that begin with 0, as C's strtol reads them with base 0; nil where they are not all octal.
  static func octal(_ text: ArraySlice<UInt8>) -> Int? {
    guard let (isNegative, digits) = signed(text, trailing: false), digits.first == UInt8(ascii: "0"), digits.count > 1
    else { return nil }
    var value = 0
    for byte in digits {
      guard (0x30...0x37).contains(byte) else { return nil }
      let (product, over) = value.multipliedReportingOverflow(by: 8)
      guard !over else { return nil }
      value = product + Int(byte - 0x30)
    }
    return isNegative ? -value : value
  }

  private static func signed(_ text: ArraySlice<UInt8>, trailing: Bool = true) -> (
    isNegative: Bool, digits: ArraySlice<UInt8>
  )? {
    let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
    var digits = text.drop(while: isBlank)
    while trailing, let last = digits.last, isBlank(last) { digits = digits.dropLast() }
    let sign = digits.first
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { digits = digits.dropFirst() }
    return digits.isEmpty ? nil : (sign == UInt8(ascii: "-"), digits)
  }
}
