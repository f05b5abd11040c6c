// Tokens added to a tokenizer.json: its list of added tokens is longer, and the rest stays byte for byte.

import ByteIO
import Foundation

extension TokenizerFile {
  /// A tokenizer.json with more added tokens: they are put behind those of its list.
  ///
  /// - Throws: ``TokenizerError`` for a file without such a list.
  static func text(_ path: String, adding tokens: [AddedTokens.Token]) throws -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a tokenizer.json")
    }
    let bytes = try file.bytes(count: file.size)
    var place: (end: Int, isEmpty: Bool)?
    do {
      var reader = try JSONReader(bytes, depthLimit: 64)
      try reader.largeObject { json, name in
        guard name.elementsEqual("added_tokens".utf8), json.peek() == UInt8(ascii: "[") else { return try json.skip() }
        var count = 0
        try json.array { json in
          try json.skip()
          count += 1
        }
        place = (json.at - 1, count == 0)
      }
    } catch let failure as JSONReader.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(failure.offset)", reason: failure.reason)
    }
    guard let place else {
      throw TokenizerError(.unsupported, file: path, reason: "it has no list of added tokens (added_tokens)")
    }
    let entries = try tokens.map { token in
      let object = token.object.merging(["id": Int(token.id)]) { one, _ in one }
      let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
      return [UInt8](try JSONSerialization.data(withJSONObject: object, options: options))
    }
    let text = entries.joined(separator: [UInt8(ascii: ",")])
    return bytes[..<place.end] + (place.isEmpty ? [] : [UInt8(ascii: ",")]) + text + bytes[place.end...]
  }
}
