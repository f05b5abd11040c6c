// tokenizer.json written: a byte-level BPE vocabulary, as GGUF files hold it, in the form that transformers reads.

import ByteIO
import Foundation

extension TokenizerFile {
  /// A file that says the same as a vocabulary of byte-level BPE.
  ///
  /// - Parameters:
  ///   - pattern: llama.cpp's name of the pattern that words are cut by.
  ///   - merges: two tokens each, with a space between.
  ///   - path: what errors name.
  /// - Throws: ``TokenizerError`` for a pattern that is not known.
  static func text(
    _ vocabulary: Vocabulary, pattern name: String, merges: [String], file path: String
  ) throws -> [UInt8] {
    let pattern = try PreTokenizer(name: name, file: path)
    let row = NamedPattern.named(name)
    let byteLevel: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
    ]
    var added: [[String: Any]] = []
    var spellings: [String] = []
    let last = vocabulary.tokens.lastIndex { $0.kind == .normal || $0.kind == .byte } ?? -1
    for (id, token) in vocabulary.realTokens.enumerated() where token.kind != .unused {
      // What is found between words only is no word of the model's own, which would be found where merges are ignored.
      let isOutside = id > last && vocabulary.flags[Int32(id)]?.contains(.isSingleWord) == true
      if !isOutside { spellings.append("\(try quoted(token.text)):\(id)") }
      guard token.kind == .control || token.kind == .userDefined || token.kind == .unknown else { continue }
      let said: [String: Any] = ["id": id, "content": token.text, "special": token.kind != .userDefined]
      added.append(said.merging((vocabulary.flags[Int32(id)] ?? []).object) { one, _ in one })
    }
    let special = vocabulary.special
    let texts = { (ids: [Int32]) in ids.compactMap { vocabulary.token($0)?.text } }
    let template = (texts(special.prefix), texts(special.suffix))
    var postProcessor: [String: Any] = byteLevel
    if !template.0.isEmpty || !template.1.isEmpty {
      let part = { (text: String) -> [String: Any] in ["SpecialToken": ["id": text, "type_id": 0]] }
      let sequence: [String: Any] = ["Sequence": ["id": "A", "type_id": 0]]
      let pieces = template.0.map(part) + [sequence] + template.1.map(part)
      let ids = Dictionary(
        (special.prefix + special.suffix).compactMap { id in
          vocabulary.token(id).map {
            ($0.text, ["id": $0.text, "ids": [Int(id)], "tokens": [$0.text]] as [String: Any])
          }
        }
      ) { one, _ in one }
      postProcessor = [
        "type": "TemplateProcessing", "single": pieces,
        "pair": pieces + [["Sequence": ["id": "B", "type_id": 1]] as [String: Any]], "special_tokens": ids,
      ]
    }
    let outer: [String: Any] = [
      "version": "1.0", "truncation": NSNull(), "padding": NSNull(), "added_tokens": added,
      "normalizer": row?.composes == true ? ["type": "NFC"] as Any : NSNull(),
      "pre_tokenizer": [
        "type": "Sequence",
        "pretokenizers": pattern.steps.map {
          ["type": "Split", "pattern": ["Regex": $0.expression], "behavior": "Isolated", "invert": false]
            as [String: Any]
        } + [byteLevel],
      ] as [String: Any],
      "post_processor": postProcessor, "decoder": byteLevel,
    ]
    let head = try JSONSerialization.data(withJSONObject: outer, options: [.sortedKeys, .withoutEscapingSlashes])
    // The vocabulary keeps its order, which a dictionary would lose.
    let model =
      #""model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"#
      + #""end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":\#(row?.ignoresMerges ?? false),"#
      + #""vocab":{\#(spellings.joined(separator: ","))},"merges":[\#(try merges.map(quoted).joined(separator: ","))]}"#
    return [UInt8](head).dropLast() + Array(",\(model)}\n".utf8)
  }

  private static func quoted(_ text: String) throws -> String {
    let data = try JSONSerialization.data(withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }
}
