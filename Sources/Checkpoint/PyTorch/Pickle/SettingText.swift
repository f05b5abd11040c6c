// What a setting says, as Python writes it, as far as a line holds it.

/// A setting's text.
struct SettingText {
  /// What it says, or, where that is long, what it is.
  let text: String
  /// Whether ``text`` says all of it.
  var isWhole = true

  /// The longest integers and byte strings that are written out, in bytes.
  static let writtenLimit = 1024

  /// The text of a value; nil for what has none.
  init?(_ node: PickleNode) {
    switch node {
    case .none: text = "None"
    case .bool(let value): text = value ? "True" : "False"
    case .integer(let value): text = "\(value)"
    case .bigInteger(let bytes) where bytes.count <= Self.writtenLimit: text = Self.decimal(bytes)
    case .bigInteger(let bytes): (text, isWhole) = ("an integer of \(bytes.count) bytes or more", false)
    case .real(let value): text = "\(value)"
    case .string(let value): text = value
    case .bytes(let value) where value.count <= Self.writtenLimit: text = Self.literal(value)
    case .byteString(let value) where value.count <= Self.writtenLimit: text = Self.literal(value)
    case .bytes(let value), .byteString(let value): (text, isWhole) = ("\(value.count) bytes", false)
    case .global(.dtype(let dtype)), .numpyType(.number(let dtype)): text = dtype.rawValue
    case .global(.otherType(let type)): text = type.rawValue
    default: return nil
    }
  }

  /// An integer in decimal.
  ///
  /// - Parameter little: its bytes in two's complement, the lowest first.
  private static func decimal(_ little: [UInt8]) -> String {
    let isNegative = little.last.map { $0 >= 0x80 } ?? false
    // The magnitude, the highest byte first.
    var carry = 1
    let magnitude = little.map { byte -> UInt8 in
      guard isNegative else { return byte }
      carry += Int(~byte)
      defer { carry >>= 8 }
      return UInt8(truncatingIfNeeded: carry)
    }
    // Nine digits a place, the lowest first.
    var places: [Int] = [0]
    for byte in magnitude.reversed() {
      var carry = Int(byte)
      for index in places.indices {
        let value = places[index] << 8 + carry
        (places[index], carry) = (value % 1_000_000_000, value / 1_000_000_000)
      }
      if carry > 0 { places.append(carry) }
    }
    let rest = places.dropLast().reversed().map { String(String($0 + 1_000_000_000).dropFirst()) }
    return (isNegative ? "-" : "") + String(places[places.count - 1]) + rest.joined()
  }

  /// Bytes as Python writes them.
  private static func literal(_ bytes: [UInt8]) -> String {
    let hexadecimal = Array("0123456789abcdef")
    var text = "b'"
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "'"): text += "\\'"
      case UInt8(ascii: "\\"): text += "\\\\"
      case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += "\\x" + String([hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]])
      }
    }
    return text + "'"
  }
}
