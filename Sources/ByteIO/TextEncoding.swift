// In which encoding a text's bytes are, and the same text in UTF-8: what editors, PowerShell and spreadsheets write.
// Sources: Unicode 16, sections 3.9 to 3.10 and 23.8 (the byte order mark); GB 18030-2022 (which bytes follow which).
// UTF-16 and UTF-32 are read; GB18030 is told and not read: other encodings of East Asia have the same bytes.

/// The encoding of a text.
public enum TextEncoding: Sendable, Equatable {
  /// UTF-8; ASCII too.
  case utf8
  /// UTF-16, by a byte order mark or by what it holds.
  case utf16(isBigEndian: Bool)
  /// UTF-32, by a byte order mark.
  case utf32(isBigEndian: Bool)
  /// UTF-8, but for a few bytes; the first of these.
  case damagedUTF8(at: Int)
  /// Every byte fits GB18030 (GBK and GB2312 are parts of it), and most are common Chinese characters.
  case gb18030
  /// Something else.
  case unknown

  /// Tells the encoding of a whole text.
  public init(of bytes: [UInt8]) {
    if bytes.starts(with: [0xFF, 0xFE, 0, 0]) && bytes.count % 4 == 0 {
      self = .utf32(isBigEndian: false)
    } else if bytes.starts(with: [0, 0, 0xFE, 0xFF]) {
      self = .utf32(isBigEndian: true)
    } else if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      self = .utf16(isBigEndian: bytes[0] == 0xFE)
    } else if let isBigEndian = Self.unmarkedUTF16(bytes) {
      self = .utf16(isBigEndian: isBigEndian)
    } else {
      let (first, faults, characters) = Self.faultsOfUTF8(bytes)
      if let first {
        let isChinese = Self.isGB18030(bytes)
        // Of the characters of a text in GB18030 one in seven looks like UTF-8.
        self =
          faults * 20 <= characters ? .damagedUTF8(at: first) : isChinese ? .gb18030 : .unknown
      } else {
        self = .utf8
      }
    }
  }

  /// What is wrong with a text in such an encoding, and what to do; nil for those that ``utf8(_:)`` reads.
  public var complaint: (reason: String, remedy: Remedy)? {
    switch self {
    case .utf8, .utf16, .utf32: nil
    case .damagedUTF8(let at):
      (
        "it is UTF-8 but for some bytes, the first of them at byte \(at)",
        "the file was cut or put together in the middle of characters: iconv -c -f UTF-8 -t UTF-8 leaves these out"
      )
    case .gb18030:
      (
        "it is not UTF-8; its bytes are those of GB18030 (GBK), or of another encoding of East Asia",
        "convert it: iconv -f GB18030 -t UTF-8 where it is Chinese; Korean is EUC-KR, mostly, and Japanese EUC-JP"
      )
    case .unknown:
      ("it is not UTF-8, UTF-16 or GB18030", "find out its encoding, and convert it: iconv -f <encoding> -t UTF-8")
    }
  }

  /// A text in UTF-8, without a byte order mark; nil where the bytes are not what the encoding takes.
  public func utf8(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    switch self {
    case .utf8: return bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
    case .utf16(let isBigEndian):
      guard bytes.count % 2 == 0 else { return nil }
      var text: [UInt8] = []
      // Two bytes become at most three.
      text.reserveCapacity(bytes.count / 2 * 3)
      var decoder = UTF16()
      var units = Units(bytes: bytes, isBigEndian: isBigEndian)
      while true {
        switch decoder.decode(&units) {
        case .scalarValue(let scalar): text.append(contentsOf: scalar.utf8)
        case .emptyInput: return Self.unmarked(text)
        case .error: return nil
        }
      }
    case .utf32(let isBigEndian):
      guard bytes.count % 4 == 0 else { return nil }
      var text: [UInt8] = []
      text.reserveCapacity(bytes.count)
      for start in stride(from: 0, to: bytes.count, by: 4) {
        let four = bytes[start..<start + 4]
        let value = (isBigEndian ? Array(four) : four.reversed()).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let scalar = Unicode.Scalar(value) else { return nil }
        text.append(contentsOf: scalar.utf8)
      }
      return Self.unmarked(text)
    case .damagedUTF8, .gb18030, .unknown: return nil
    }
  }

  private static func unmarked(_ text: [UInt8]) -> ArraySlice<UInt8> {
    text.starts(with: [0xEF, 0xBB, 0xBF]) ? text[3...] : text[...]
  }

  // MARK: UTF-16 without a mark

  /// The byte order of UTF-16 without a mark; nil where the bytes are not that for sure.
  ///
  /// Pairs of letters of other encodings look like Chinese characters too. So spaces, line ends and Chinese punctuation must
  /// be among the units, as they are in every text, and nearly all units must be of common blocks; or a quarter must be ASCII,
  /// each with its zero, and none what no text has.
  private static func unmarkedUTF16(_ bytes: [UInt8]) -> Bool? {
    guard bytes.count >= 8, bytes.count % 2 == 0 else { return nil }
    let part = Array(bytes.prefix(64 << 10))
    let hasZeros = part.contains(0)
    // What is UTF-8 without zeros is that.
    guard hasZeros || String(validating: part.prefix(256), as: UTF8.self) == nil else { return nil }
    let fitting = [false, true].filter { isBigEndian in
      var common = 0
      var marks = 0
      var count = 0
      var (ascii, odd) = (0, 0)
      var units = Units(bytes: part, isBigEndian: isBigEndian)
      while let unit = units.next() {
        count += 1
        switch unit {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E: ascii += 1
        case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF: odd += 1
        default: break
        }
        switch unit {
        case 0x20, 0x0A, 0x3001, 0x3002, 0xFF0C: (common, marks) = (common + 1, marks + 1)
        case 0x09, 0x0D, 0x21...0x7E, 0x3000...0x30FF, 0x4E00...0x9FFF, 0xFF01...0xFF5E, 0x2010...0x2026:
          common += 1
        default: break
        }
      }
      return common * 20 >= count * 19 && marks * 500 >= count && marks > 0 || ascii * 4 >= count && odd == 0
    }
    return fitting.count == 1 ? fitting[0] : nil
  }

  private struct Units: IteratorProtocol {
    let bytes: [UInt8]
    let isBigEndian: Bool
    var at = 0

    mutating func next() -> UInt16? {
      guard at + 2 <= bytes.count else { return nil }
      let (one, two) = (UInt16(bytes[at]), UInt16(bytes[at + 1]))
      at += 2
      return isBigEndian ? one << 8 | two : two << 8 | one
    }
  }

  // MARK: Bytes that are no UTF-8

  /// Where UTF-8 is broken first, how often, and how many characters of several bytes are sound.
  private static func faultsOfUTF8(_ bytes: [UInt8]) -> (first: Int?, faults: Int, characters: Int) {
    if isUTF8(bytes) { return (nil, 0, 0) }
    var first: Int?
    var (faults, characters, at) = (0, 0, 0)
    while at < bytes.count {
      let length = characterLength(bytes, at)
      if length == 1 {
        at += 1
      } else if length > 1 {
        (characters, at) = (characters + 1, at + length)
      } else {
        first = first ?? at
        (faults, at) = (faults + 1, at + 1)
        // What is left of a character is one fault.
        while at < bytes.count, bytes[at] & 0xC0 == 0x80 { at += 1 }
      }
    }
    return (first, faults, characters)
  }

  /// Whether a text is UTF-8; in parts, so that no second copy of it is made.
  private static func isUTF8(_ bytes: [UInt8]) -> Bool {
    var start = 0
    while start < bytes.count {
      var end = min(start + 1 << 20, bytes.count)
      // Not within a character.
      for _ in 0..<3 where end < bytes.count && bytes[end] & 0xC0 == 0x80 { end -= 1 }
      guard String(validating: bytes[start..<end], as: UTF8.self) != nil else { return false }
      start = end
    }
    return true
  }

  /// How many bytes the character has that begins at a place; 0 where none does. Unicode 16, table 3-7.
  private static func characterLength(_ bytes: [UInt8], _ at: Int) -> Int {
    let first = bytes[at]
    let length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0
    guard length > 1 else { return length }
    guard at + length <= bytes.count, bytes[at + 1..<at + length].allSatisfy({ $0 & 0xC0 == 0x80 }) else { return 0 }
    let second = bytes[at + 1]
    switch first {
    case 0xE0: return second >= 0xA0 ? 3 : 0
    case 0xED: return second < 0xA0 ? 3 : 0
    case 0xF0: return second >= 0x90 ? 4 : 0
    case 0xF4: return second < 0x90 ? 4 : 0
    default: return length
    }
  }

  /// Whether all bytes are GB18030's, and most characters those of GB2312 that texts are made of.
  private static func isGB18030(_ bytes: [UInt8]) -> Bool {
    var (characters, common, kana, at) = (0, 0, 0, 0)
    while at < bytes.count {
      let byte = bytes[at]
      if byte < 0x80 {
        at += 1
        continue
      }
      // A file that was cut may end within a character.
      guard at + 1 < bytes.count else { return characters > 0 && common * 5 >= characters * 4 }
      let next = bytes[at + 1]
      characters += 1
      switch (byte, next) {
      case (0x81...0xFE, 0x30...0x39):
        guard at + 3 < bytes.count, (0x81...0xFE).contains(bytes[at + 2]), (0x30...0x39).contains(bytes[at + 3]) else {
          return false
        }
        at += 4
        continue
      case (0x81...0xFE, 0x40...0x7E), (0x81...0xFE, 0x80...0xFE): break
      default: return false
      }
      // Rows of signs, and of the characters in use.
      if (0xA1...0xA3).contains(byte) || (0xB0...0xF7).contains(byte), next >= 0xA1 { common += 1 }
      if byte == 0xA4 || byte == 0xA5 { kana += 1 }
      at += 2
    }
    // Japanese in EUC has the same bytes, and a third of them are kana.
    return characters > 0 && common * 5 >= characters * 4 && kana * 10 < characters
  }
}
