// The 256 characters that byte-level vocabularies are spelled with: printable bytes stand for themselves, the others for
// the characters from U+0100 on, in order. Source: openai/gpt-2, src/encoder.py, `bytes_to_unicode`.

/// Bytes as characters, and back.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        // 0x100 ... 0x143: all of them are scalars.
        return Unicode.Scalar(next) ?? "\u{FFFD}"
      }
    }
  }()

  /// The character of each byte, as UTF-8.
  static let spelling: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  private static let bytes: [UInt16] = {
    var bytes = [UInt16](repeating: 0x100, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt16(byte) }
    return bytes
  }()

  /// The bytes that a token's spelling stands for; nil where a character of it is not in the alphabet.
  static func decode(_ spelling: ArraySlice<UInt8>) -> [UInt8]? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(spelling.count)
    var at = spelling.startIndex
    while at < spelling.endIndex {
      let lead = spelling[at]
      var value = Int(lead)
      if lead >= 0x80 {
        // Two bytes of UTF-8 reach U+07FF; the alphabet ends at U+0143.
        guard lead & 0xE0 == 0xC0, at + 1 < spelling.endIndex else { return nil }
        value = Int(lead & 0x1F) << 6 | Int(spelling[at + 1] & 0x3F)
        at += 1
      }
      guard value < bytes.count, bytes[value] < 0x100 else { return nil }
      decoded.append(UInt8(truncatingIfNeeded: bytes[value]))
      at += 1
    }
    return decoded
  }

  /// The spelling of bytes.
  static func encode(_ bytes: ArraySlice<UInt8>) -> [UInt8] { bytes.flatMap { spelling[Int($0)] } }
}
