// Tokens added to a folder's tokenizer_config.json, where transformers looks first.

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
