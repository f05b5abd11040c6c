// Tokens added to the files of a folder that list such: tokenizer_config.json, where transformers looks first, and a
// tokenizer.json, which is changed in its list alone: the rest stays byte for byte.

import ByteIO
import Foundation

extension TokenizerConfiguration {
  /// Its name in a folder.
  static let fileName = "tokenizer_config.json"

  /// A folder's file with more added tokens.
  ///
  /// - Parameters:
  ///   - vocabulary: the folder's tokenizer.
  ///   - known: the added tokens that it has, for a file that lists none: without its list other files are looked into.
  ///   - tokens: the new ones, with their ids.
  /// - Throws: ``TokenizerError`` for a file that is none.
  static func text(
    of folder: String, _ vocabulary: Vocabulary, known: [AddedTokens.Token], adding tokens: [AddedTokens.Token]
  ) throws -> [UInt8] {
    let path = Folder.join(folder, fileName)
    var bytes = try text(vocabulary)
    if Folder.kind(of: path) == .file {
      // Read once as what is understood: a file that is none is refused with what is wrong.
      _ = try read(folder: folder)
      let file = try InputFile(path)
      bytes = try file.bytes(count: file.size)
    }
    guard var object = try boundedJSONObject(bytes) as? [String: Any] else {
      throw TokenizerError(.malformed, file: path, reason: "expected a JSON object, found something else")
    }
    let key = "added_tokens_decoder"
    var listed = object[key] as? [String: Any]
    if listed == nil {
      for token in known { listed = (listed ?? [:]).merging(entry(token)) { one, _ in one } }
      // With a list the special tokens' own file is no longer read.
      let special = vocabulary.special
      for (key, id) in [
        ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
        ("pad_token", special.pad),
      ] where object[key] == nil {
        if let token = vocabulary.token(id) { object[key] = token.text }
      }
    }
    for token in tokens { listed = (listed ?? [:]).merging(entry(token)) { one, _ in one } }
    object[key] = listed
    return try jsonText(object)
  }

  private static func entry(_ token: AddedTokens.Token) -> [String: Any] { [String(token.id): token.object] }
}

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

extension AddedTokens.Token {
  /// What files say of it besides its id.
  fileprivate var object: [String: Any] {
    let said: [String: Any] = ["content": String(decoding: content, as: UTF8.self), "special": isSpecial]
    return said.merging(flags.object) { one, _ in one }
  }
}
