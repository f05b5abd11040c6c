// JSON as Python, pandas and C programs write it: NaN, Infinity, None, numbers beyond all bounds and halves of surrogate pairs,
// none of which is JSON, or which its readers do not take.
// Sources: CPython, Lib/json (allow_nan, ensure_ascii); C17, 7.21.6.1 (printf of infinities and NaN); RFC 8259, sections 6
// and 8.2.

import ByteIO
import Foundation

/// Makes JSON of what other programs write.
enum RelaxedJSON {
  /// Values that one JSON text may have: a conversation has some hundred.
  static let valueLimit = 1 << 17

  /// One JSON value, also as other programs write it; nil for what is none, or has too many values.
  static func value(of bytes: ArraySlice<UInt8>) -> Any? {
    guard jsonValueCount(bytes) <= valueLimit else { return nil }
    if let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) { return value }
    guard let repaired = repaired(bytes) else { return nil }
    return try? JSONSerialization.jsonObject(with: Data(repaired), options: .fragmentsAllowed)
  }

  /// Words that are no JSON, without their sign and in lower case, and what stands for them.
  private static let words = [
    "nan": "null", "infinity": "null", "inf": "null", "none": "null", "undefined": "null", "true": "true",
    "false": "false", "null": "null",
  ]

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
      if !isText, isOfWord(byte) {
        let word = bytes[at...].prefix(while: isOfWord)
        let better = replacement(word)
        result += better ?? Array(word)
        if better != nil { isChanged = true }
        at = word.endIndex
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

  /// Whether a byte is one of which words and numbers are made.
  private static func isOfWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// What stands for a word or a number; nil for JSON's own, and for what is not known.
  private static func replacement(_ word: ArraySlice<UInt8>) -> [UInt8]? {
    // Numbers of such a length are no text's.
    guard word.count <= 4096 else { return nil }
    let text = String(decoding: word, as: UTF8.self)
    let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
    if let other = words[unsigned.lowercased()] { return other == text ? nil : Array(other.utf8) }
    guard let number = Double(text), word.contains(where: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    if !number.isFinite { return Array("null".utf8) }
    return number == 0 && text.contains(where: { ("1"..."9").contains($0) }) ? Array("0".utf8) : nil
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
