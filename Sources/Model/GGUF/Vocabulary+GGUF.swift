// A vocabulary in a GGUF file's metadata, and back. Source: ggml-org/ggml, docs/gguf.md; llama.cpp, src/llama-vocab.cpp.
// Refused: tokenizers other than `llama` (SentencePiece) and `gpt2` (byte-level BPE), lists that do not fit together.

import ByteIO
import Checkpoint
import Tokenizer

extension Vocabulary {
  private static let prefix = GGUFTokenIDs.prefix

  /// Tokens that only chat templates ask for: their names there, and in a file, ggml's own spelling first. llama.cpp has no
  /// use for that of `cls` any more, and writes and reads the others. Source: gguf-py, constants.py; llama.cpp before b4500.
  private static let namedKeys = [
    ("sep_token", ["seperator", "separator"]), ("cls_token", ["cls"]), ("mask_token", ["mask"]),
  ]

  /// The names of tokens that the chat template asks for and that a file has no place for.
  var namesWithoutPlace: [String] {
    guard let chatTemplate else { return [] }
    let roles = ["bos_token", "eos_token", "unk_token", "pad_token"] + Self.namedKeys.map(\.0)
    return special.named.keys.filter { !roles.contains($0) && chatTemplate.contains($0) }.sorted()
  }

  // MARK: To GGUF

  /// The values that llama.cpp builds the tokenizer from.
  ///
  /// - Parameters:
  ///   - rows: those of the embedding: what has no token is filled with such as stand for nothing.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` with code `.mismatch` where there are more tokens than rows, `.unsupported` where two tokens
  ///   have one text.
  package func ggufValues(rows: Int, file path: String) throws -> [(key: String, value: GGUFValue)] {
    // What is over may go where it stands for nothing, or was added to a model that has no row for it.
    guard tokens.count <= rows || tokens[rows...].allSatisfy({ $0.kind == .unused || $0.isSetAside }) else {
      throw ModelError(
        .mismatch, file: path, reason: "the tokenizer has \(tokens.count) tokens, and the embedding \(rows) rows",
        remedy: "put the model's own tokenizer beside it, or resize the embedding")
    }
    let all = Array(tokens.prefix(rows)) + (min(tokens.count, rows)..<rows).map(Vocabulary.padding)
    // By their bytes: Swift takes different spellings of a character for the same.
    var ids: [[UInt8]: Int] = [:]
    for (id, token) in all.enumerated() {
      guard let other = ids.updateValue(id, forKey: Array(token.text.utf8)) else { continue }
      throw ModelError(
        .unsupported, file: path,
        reason: "two tokens are called \(displayName(token.text)): \(other) and \(id); llama.cpp takes no such file",
        remedy: "give one of them another name in the tokenizer's files")
    }
    var values: [(key: String, value: GGUFValue)] = []
    let key = { (name: String) in Self.prefix + name }
    switch model {
    case .sentencePiece: values += [(key("model"), .string("llama")), (key("pre"), .string("default"))]
    case .byteLevelBPE(let pattern, _): values += [(key("model"), .string("gpt2")), (key("pre"), .string(pattern))]
    }
    values.append((key("tokens"), .strings(all.map(\.text))))
    if case .sentencePiece = model { values.append((key("scores"), .array(.float32, all.map { .float32($0.score) }))) }
    values.append((key("token_type"), .array(.int32, all.map { .int32($0.kind.rawValue) })))
    if case .byteLevelBPE(_, let merges) = model { values.append((key("merges"), .strings(merges))) }
    for (name, id) in [
      ("bos_token_id", special.bos), ("eos_token_id", special.eos), ("unknown_token_id", special.unknown),
      ("padding_token_id", special.pad), ("eot_token_id", namedEnds.turn), ("eom_token_id", namedEnds.message),
    ] {
      if let id, id >= 0, id < rows { values.append((key(name), .uint32(UInt32(id)))) }
    }
    for (name, keys) in Self.namedKeys {
      guard let text = special.named[name], let id = ids[Array(text.utf8)] else { continue }
      values.append((key("\(keys[0])_token_id"), .uint32(UInt32(id))))
    }
    values.append((key("add_bos_token"), .bool(!special.prefix.isEmpty)))
    values.append((key("add_eos_token"), .bool(!special.suffix.isEmpty)))
    if case .sentencePiece(let addsSpacePrefix) = model {
      values.append((key("add_space_prefix"), .bool(addsSpacePrefix)))
    }
    if let chatTemplate { values.append(("tokenizer.chat_template", .string(chatTemplate))) }
    return values
  }

  /// The ends besides the end of a text that a file has names for: of a turn, and of a message, which llama.cpp ends a text at
  /// as well.
  private var namedEnds: (turn: Int32?, message: Int32?) {
    var ends = otherEnds.filter { $0 != special.eos && tokens.indices.contains(Int($0)) }
    let take = { (isWanted: (String) -> Bool) -> Int32? in
      guard let place = ends.firstIndex(where: { isWanted(tokens[Int($0)].text) }) else { return nil }
      return ends.remove(at: place)
    }
    let message = take { $0 == "<|eom_id|>" }
    let turn = take { ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>"].contains($0) }
    // Those at which llama.cpp ends a text by their texts need no place: first come the others.
    let other = { take { !GGUFTokenIDs.isEnd($0) } ?? take { _ in true } }
    return (turn ?? other(), message ?? other())
  }

  /// How many tokens end a text that a GGUF file has no place for, and at which llama.cpp ends none by their texts.
  package var endsWithoutPlace: Int {
    let named = namedEnds
    return otherEnds.count { id in
      id != special.eos && tokens.indices.contains(Int(id)) && id != named.turn && id != named.message
        && !GGUFTokenIDs.isEnd(tokens[Int(id)].text)
    }
  }

  // MARK: From GGUF

  /// The vocabulary of a GGUF file.
  ///
  /// - Throws: ``ModelError``.
  package init(_ values: GGUFMetadata, file path: String) throws {
    let malformed = { (reason: String) in ModelError(.malformed, file: path, reason: reason) }
    let value = { (name: String) in values[Self.prefix + name] }
    guard let kind = value("model")?.string else {
      throw ModelError(.missing, file: path, reason: "there is no tokenizer in it")
    }
    guard let texts = value("tokens")?.elements, !texts.isEmpty else {
      throw malformed("it has no tokenizer.ggml.tokens")
    }
    let list = { (name: String) throws -> [GGUFValue]? in
      guard let found = value(name) else { return nil }
      guard let elements = found.elements, elements.count == texts.count else {
        throw malformed("expected a list of \(texts.count) values, one a token, as tokenizer.ggml.\(name)")
      }
      return elements
    }
    let scores = try list("scores")
    let kinds = try list("token_type")
    let tokens = try texts.enumerated().map { id, text in
      guard let text = text.string else { throw malformed("tokenizer.ggml.tokens holds other values than strings") }
      let score = scores?[id].number ?? 0
      let number = kinds?[id].integer ?? Int(Kind.normal.rawValue)
      guard let kind = Int32(exactly: number).flatMap(Kind.init) else {
        throw malformed("the token \(id) has the kind \(number), which is not known")
      }
      return Token(text, score: Float(score), kind: kind)
    }
    let model: Vocabulary.Model
    switch kind {
    case "llama":
      guard scores != nil else { throw malformed("it has no tokenizer.ggml.scores") }
      model = .sentencePiece(addsSpacePrefix: value("add_space_prefix")?.bool ?? true)
    case "gpt2":
      guard let merges = value("merges")?.elements?.map(\.string) else {
        throw malformed("it has no tokenizer.ggml.merges")
      }
      guard let pattern = value("pre")?.string else {
        throw ModelError(
          .unsupported, file: path, reason: "it has no tokenizer.ggml.pre: how words are cut is not known",
          remedy: "convert the model again, with a newer program")
      }
      model = .byteLevelBPE(pattern: pattern, merges: merges.map { $0 ?? "" })
    default:
      throw ModelError(
        .unsupported, file: path, reason: "the tokenizer is \(displayName(kind)), which is not known",
        remedy: "known are llama and gpt2")
    }
    let ids = GGUFTokenIDs(values)
    var special = SpecialTokens()
    // llama.cpp's defaults for its SentencePiece models.
    let isLlama = kind == "llama"
    special.bos = ids.id("bos") ?? (isLlama && tokens.count > 2 ? 1 : nil)
    special.eos = ids.id("eos") ?? (isLlama && tokens.count > 2 ? 2 : nil)
    special.unknown = ids.id("unknown") ?? (isLlama ? 0 : nil)
    special.pad = ids.id("padding")
    for (name, keys) in Self.namedKeys {
      if let id = keys.lazy.compactMap(ids.id).first { special.named[name] = tokens[Int(id)].text }
    }
    var addsBOS = isLlama
    if case .byteLevelBPE(let pattern, _) = model { addsBOS = Vocabulary.addsBOS(pattern: pattern) }
    if value("add_bos_token")?.bool ?? addsBOS, let bos = special.bos { special.prefix = [bos] }
    if value("add_eos_token")?.bool ?? false, let eos = special.eos { special.suffix = [eos] }
    self.init(
      model: model, tokens: tokens, special: special, chatTemplate: values["tokenizer.chat_template"]?.string)
    otherEnds = ids.ends.filter { $0 != special.eos }.sorted()
  }
}
