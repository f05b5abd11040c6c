// How much JSON a reader may be given: Foundation's readers make up to a hundred bytes of each value, so that a
// configuration of some megabytes could take a gigabyte. Values are counted before anything is made of them.

import Foundation

/// At most how many values a JSON text has: what stands between brackets and commas.
public func jsonValueCount(_ bytes: some Sequence<UInt8>) -> Int {
  var count = 1
  var isText = false
  var isEscape = false
  for byte in bytes {
    if isText {
      if isEscape {
        isEscape = false
      } else if byte == UInt8(ascii: "\\") {
        isEscape = true
      } else if byte == UInt8(ascii: "\"") {
        isText = false
      }
    } else {
      switch byte {
      case UInt8(ascii: "\""): isText = true
      case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"): count += 1
      default: break
      }
    }
  }
  return count
}

/// Values that a configuration may have. The largest that are published list some ten thousand tokens.
public let jsonValueLimit = 1 << 19

/// Decodes a JSON text of a bounded number of values.
///
/// - Parameter file: what errors name.
/// - Throws: what the decoder throws; ``ByteIOError`` where there are too many values.
public func decodeBoundedJSON<Value: Decodable>(
  _ type: Value.Type, from bytes: [UInt8], file: String? = nil
) throws -> Value {
  guard jsonValueCount(bytes) <= jsonValueLimit else { throw tooManyValues(file) }
  return try JSONDecoder().decode(type, from: Data(PythonNumbers.marked(bytes)))
}

/// The objects of a JSON text of a bounded number of values.
///
/// - Throws: as ``decodeBoundedJSON(_:from:)``.
public func boundedJSONObject(_ bytes: [UInt8]) throws -> Any {
  guard jsonValueCount(bytes) <= jsonValueLimit else { throw tooManyValues(nil) }
  return try JSONSerialization.jsonObject(with: Data(PythonNumbers.marked(bytes)))
}

/// The text of an object as configurations are written: sorted, indented, with a line end; Python's numbers as they were, and
/// floating-point numbers with a fraction, `30.0`: transformers refuses 30 where it wants a float.
public func jsonText(_ object: [String: Any]) throws -> [UInt8] {
  let data = try JSONSerialization.data(
    withJSONObject: PythonNumbers.marked(object), options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  return PythonNumbers.restored([UInt8](data)) + [0x0A]
}

/// Why Python's `json` refuses a text that Foundation takes: a mark before it, another encoding than UTF-8, a comma too many,
/// numbers and characters that JSON has not; nil where it takes it.
package func pythonRefusal(_ bytes: [UInt8]) -> String? {
  if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return "it begins with a byte order mark" }
  func skip(_ json: inout JSONReader) throws {
    switch json.peek() {
    // A name may be there twice.
    case UInt8(ascii: "{"): try json.largeObject { json, _ in try skip(&json) }
    case UInt8(ascii: "["): try json.array { json in try skip(&json) }
    default: _ = try json.scalar()
    }
  }
  do {
    var json = try JSONReader(PythonNumbers.marked(bytes), depthLimit: 512)
    try skip(&json)
    try json.end()
  } catch let error as JSONReader.Failure where error.reason != JSONReader.halfPair {
    return error.reason
  } catch {}
  return nil
}

/// The number of Python's that a decoded text stands for; nil for one that the file has as a text.
package func pythonNumber(_ text: String) -> String? { PythonNumbers.word(text) }

/// `NaN`, `Infinity` and `-Infinity`, which Python writes and reads and JSON does not know: texts with a mark stand for them.
private enum PythonNumbers {
  private static let words = ["NaN", "-Infinity", "Infinity"]
  /// A character of private use.
  private static let sign = "\u{F8FF}"
  /// The sign before the word, in quotes.
  private static func mark(_ word: String) -> [UInt8] { Array("\"\(sign)\(word)\"".utf8) }

  /// The word behind the sign.
  static func word(_ text: String) -> String? { words.first { text == sign + $0 } }

  /// A text with marks in place of the numbers.
  static func marked(_ bytes: [UInt8]) -> [UInt8] {
    let (quote, escape) = (UInt8(ascii: "\""), UInt8(ascii: "\\"))
    let starts = Set(words.map { Array($0.utf8)[0] })
    var (result, copied): ([UInt8], Int) = ([], 0)
    var (at, isText) = (0, false)
    while at < bytes.count {
      let byte = bytes[at]
      if isText {
        if byte == quote { isText = false }
        at += byte == escape ? 2 : 1
        continue
      }
      if byte == quote { isText = true }
      if starts.contains(byte), let word = words.first(where: { bytes[at...].starts(with: $0.utf8) }) {
        result += bytes[copied..<at] + mark(word)
        at += word.utf8.count
        copied = at
      } else {
        at += 1
      }
    }
    return copied == 0 ? bytes : result + bytes[copied...]
  }

  /// Values with marks in place of floating-point numbers that have no fraction: Foundation would write them as integers.
  static func marked(_ value: Any) -> Any {
    switch value {
    case let object as [String: Any]: object.mapValues { marked($0) }
    case let list as [Any]: list.map { marked($0) }
    default:
      if let number = float(value), number.description.hasSuffix(fraction) { sign + number.description } else { value }
    }
  }

  private static let fraction = ".0"

  /// A floating-point number of Swift's or of Foundation's; nil for integers and truths.
  private static func float(_ value: Any) -> Double? {
    if type(of: value) == Double.self { return value as? Double }
    // SAFETY: Foundation's name of the type is a text that ends with a zero.
    guard let number = value as? NSNumber, unsafe String(cString: number.objCType) == "d" else { return nil }
    return number.doubleValue
  }

  /// A text with the numbers in place of the marks.
  static func restored(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(0xEF) else { return bytes }
    return Array(String(decoding: bytes, as: UTF8.self).replacing(marks) { $0.1 }.utf8)
  }

  /// A mark with what stands for a number behind the sign.
  private static var marks: Regex<(Substring, Substring)> { /"\u{F8FF}(NaN|-?Infinity|-?[0-9]+\.0)"/ }
}

private func tooManyValues(_ file: String?) -> ByteIOError {
  ByteIOError(
    .limit, file: file, reason: "it has more than \(jsonValueLimit) values, and no more are read here")
}
