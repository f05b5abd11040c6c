// JSON as Python and pandas write it: NaN, Infinity and halves of surrogate pairs, none of which is JSON.
// Source: CPython, Lib/json (allow_nan, ensure_ascii); RFC 8259, sections 6 and 8.2.

/// Makes JSON of what Python writes.
enum RelaxedJSON {
  private static let words = ["NaN", "-Infinity", "Infinity"].map { Array($0.utf8) }

  /// The same text with null for numbers that JSON has not, and U+FFFD for halves of surrogate pairs.
  ///
  /// - Returns: nil where nothing of the kind is in it.
  static func repaired(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var isText = false
    var isChanged = false
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let byte = bytes[at]
      if !isText, let word = words.first(where: { bytes[at...].starts(with: $0) }) {
        result += Array("null".utf8)
        isChanged = true
        at += word.count
        continue
      }
      if isText, byte == UInt8(ascii: "\\"), at + 1 < bytes.endIndex {
        if let half = unit(bytes, at), (0xD800...0xDFFF).contains(half) {
          let isPair = half < 0xDC00 && (unit(bytes, at + 6).map { (0xDC00...0xDFFF).contains($0) } ?? false)
          result += isPair ? Array(bytes[at..<at + 12]) : Array("\\ufffd".utf8)
          if !isPair { isChanged = true }
          at += isPair ? 12 : 6
        } else {
          result += bytes[at..<at + 2]
          at += 2
        }
        continue
      }
      if byte == UInt8(ascii: "\"") { isText.toggle() }
      result.append(byte)
      at += 1
    }
    return isChanged ? result : nil
  }

  /// The number of an escape `\uXXXX`; nil where there is none.
  private static func unit(_ bytes: ArraySlice<UInt8>, _ at: Int) -> UInt32? {
    guard at + 6 <= bytes.endIndex, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
      return nil
    }
    let digits = bytes[at + 2..<at + 6]
    guard digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }) else { return nil }
    return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
