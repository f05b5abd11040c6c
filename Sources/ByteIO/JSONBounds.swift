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
  return try JSONDecoder().decode(type, from: Data(bytes))
}

/// The objects of a JSON text of a bounded number of values.
///
/// - Throws: as ``decodeBoundedJSON(_:from:)``.
public func boundedJSONObject(_ bytes: [UInt8]) throws -> Any {
  guard jsonValueCount(bytes) <= jsonValueLimit else { throw tooManyValues(nil) }
  return try JSONSerialization.jsonObject(with: Data(bytes))
}

private func tooManyValues(_ file: String?) -> ByteIOError {
  ByteIOError(
    .limit, file: file, reason: "it has more than \(jsonValueLimit) values, which no configuration needs",
    remedy: "download it again")
}
