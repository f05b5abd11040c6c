// A vocabulary at work: the tokenizer that it describes, and the files that transformers reads it from.

import ByteIO
import Foundation

extension Vocabulary {
  /// The tokenizer.
  ///
  /// - Parameter path: what errors name: the file that the vocabulary came from.
  /// - Throws: ``TokenizerError`` for patterns that are not known, merges of tokens that are not there, and what the
  ///   kind of tokenizer cannot take.
  public func tokenizer(file path: String) throws -> any Tokenizer {
    switch model {
    case .sentencePiece: try SentencePieceModel(bytes: try sentencePieceFile(path), special: special, path: path)
    case .byteLevelBPE: try ByteLevelBPE(self, file: path)
    }
  }

  /// The files that hold the tokenizer beside a model, by name.
  ///
  /// - Throws: see ``tokenizer(file:)``.
  public func files(file path: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    switch model {
    case .sentencePiece: files["tokenizer.model"] = try sentencePieceFile(path)
    case .byteLevelBPE: files["tokenizer.json"] = try tokenizerFile(path)
    }
    files["tokenizer_config.json"] = try configurationFile()
    return files
  }

  /// The tokens up to the last that stands for something: what fills up to the embedding's rows is no token.
  private var realTokens: ArraySlice<Token> {
    tokens[..<((tokens.lastIndex { $0.kind != .unused } ?? -1) + 1)]
  }

  // MARK: SentencePiece

  /// `tokenizer.model`.
  private func sentencePieceFile(_ path: String) throws -> [UInt8] {
    guard case .sentencePiece(let addsSpacePrefix) = model else { return [] }
    var proto = SentencePieceProto()
    proto.pieces = Array(realTokens)
    proto.algorithm = .bpe
    proto.addsSpacePrefix = addsSpacePrefix
    proto.removesExtraSpaces = false
    let bytes = proto.pieces.count { $0.kind == .byte }
    guard bytes == 0 || bytes == 256 else {
      throw TokenizerError(.malformed, file: path, reason: "its vocabulary has tokens for \(bytes) of the 256 bytes")
    }
    proto.hasByteFallback = bytes > 0
    return proto.serialized(special)
  }

  // MARK: Byte-level BPE

  /// `tokenizer.json`.
  private func tokenizerFile(_ path: String) throws -> [UInt8] {
    guard case .byteLevelBPE(let name, let merges) = model else { return [] }
    guard let pattern = PreTokenizer(name: name) else { throw unknownPattern(name, path) }
    let byteLevel: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
    ]
    var added: [[String: Any]] = []
    var vocabulary: [String] = []
    for (id, token) in realTokens.enumerated() where token.kind != .unused {
      vocabulary.append("\(try Self.quoted(token.text)):\(id)")
      guard token.kind == .control || token.kind == .userDefined || token.kind == .unknown else { continue }
      added.append([
        "id": id, "content": token.text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": token.kind != .userDefined,
      ])
    }
    let texts = { (ids: [Int32]) in ids.compactMap { self.token($0)?.text } }
    let template = (texts(special.prefix), texts(special.suffix))
    var postProcessor: [String: Any] = byteLevel
    if !template.0.isEmpty || !template.1.isEmpty {
      let part = { (text: String) -> [String: Any] in ["SpecialToken": ["id": text, "type_id": 0]] }
      let sequence: [String: Any] = ["Sequence": ["id": "A", "type_id": 0]]
      let pieces = template.0.map(part) + [sequence] + template.1.map(part)
      let ids = Dictionary(
        (special.prefix + special.suffix).compactMap { id in
          self.token(id).map { ($0.text, ["id": $0.text, "ids": [Int(id)], "tokens": [$0.text]] as [String: Any]) }
        }
      ) { one, _ in one }
      postProcessor = [
        "type": "TemplateProcessing", "single": pieces,
        "pair": pieces + [["Sequence": ["id": "B", "type_id": 1]] as [String: Any]], "special_tokens": ids,
      ]
    }
    let outer: [String: Any] = [
      "version": "1.0", "truncation": NSNull(), "padding": NSNull(), "added_tokens": added,
      "normalizer": pattern == .qwen2 ? ["type": "NFC"] as Any : NSNull(),
      "pre_tokenizer": [
        "type": "Sequence",
        "pretokenizers": [
          [
            "type": "Split", "pattern": ["Regex": pattern.regex], "behavior": "Isolated", "invert": false,
          ] as [String: Any], byteLevel,
        ],
      ] as [String: Any],
      "post_processor": postProcessor, "decoder": byteLevel,
    ]
    let head = try JSONSerialization.data(withJSONObject: outer, options: [.sortedKeys, .withoutEscapingSlashes])
    // The vocabulary keeps its order, which a dictionary would lose.
    let model =
      #""model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"#
      + #""end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":\#(pattern == .llama3),"#
      + #""vocab":{\#(vocabulary.joined(separator: ","))},"merges":[\#(try merges.map(Self.quoted).joined(separator: ","))]}"#
    return [UInt8](head).dropLast() + Array(",\(model)}\n".utf8)
  }

  private static func quoted(_ text: String) throws -> String {
    let data = try JSONSerialization.data(withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }

  func unknownPattern(_ name: String, _ path: String) -> TokenizerError {
    TokenizerError(
      .unsupported, file: path, reason: "its words are cut by the pattern \(displayName(name)), which is not known",
      remedy: "known are \(PreTokenizer.names.joined(separator: ", "))")
  }

  // MARK: Both

  /// `tokenizer_config.json`.
  private func configurationFile() throws -> [UInt8] {
    var object: [String: Any] = [
      "add_bos_token": !special.prefix.isEmpty, "add_eos_token": !special.suffix.isEmpty,
      "clean_up_tokenization_spaces": false,
    ]
    switch model {
    case .sentencePiece: object["tokenizer_class"] = "LlamaTokenizer"
    case .byteLevelBPE: object["tokenizer_class"] = "PreTrainedTokenizerFast"
    }
    for (key, id) in [
      ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
      ("pad_token", special.pad),
    ] {
      if let token = token(id) { object[key] = token.text }
    }
    if let chatTemplate { object["chat_template"] = chatTemplate }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }
}
