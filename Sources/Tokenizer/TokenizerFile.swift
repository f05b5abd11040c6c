// tokenizer.json as it is written, before anything is made of it. Refused: what is no such JSON, ids out of range, tokens that
// occur twice, merges of other than two tokens. Source: huggingface/tokenizers, the `Serialize` implementations of its parts.

import ByteIO

/// What a `tokenizer.json` says.
struct TokenizerFile {
  static let sizeLimit = 256 << 20
  static let tokenLimit = 1 << 22

  let path: String
  var model: JSONScanner.Tree = .object([:])
  var vocabulary = StringTable(capacity: 1 << 18)
  var spelledMerges: [UInt8] = []
  /// Where the left and the right half of each merge end.
  var mergeEnds: [(left: Int, right: Int)] = []
  var added: [JSONScanner.Tree] = []
  var normalizer: JSONScanner.Tree = .other
  var preTokenizer: JSONScanner.Tree = .other
  var postProcessor: JSONScanner.Tree = .other
  var decoder: JSONScanner.Tree = .other

  private init(path: String) { self.path = path }

  /// Reads a file.
  init(_ path: String) throws {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a tokenizer.json")
    }
    if let complaint = try FileKind(of: file).complaint {
      throw TokenizerError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    let bytes = try file.bytes(count: file.size)
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw TokenizerError(.malformed, file: path, reason: "it is not UTF-8")
    }
    do { self = try Self.scan(bytes, path) } catch let error as JSONScanner.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
  }

  /// Whether bytes that no token spells are spelled `<0x..>`: then it is a SentencePiece model in another dress.
  var spellsBytes: Bool { model["byte_fallback"]?.truth == true }

  private static func scan(_ bytes: [UInt8], _ path: String) throws -> TokenizerFile {
    var contents = TokenizerFile(path: path)
    var scanner = JSONScanner(bytes)
    try scanner.object { scanner, name in
      switch name {
      case "added_tokens": contents.added = try scanner.tree().elements ?? []
      case "normalizer": contents.normalizer = try scanner.tree()
      case "pre_tokenizer": contents.preTokenizer = try scanner.tree()
      case "post_processor": contents.postProcessor = try scanner.tree()
      case "decoder": contents.decoder = try scanner.tree()
      case "model": try scanModel(&scanner, &contents, path)
      default: try scanner.skip()
      }
    }
    try scanner.end()
    return contents
  }

  private static func scanModel(_ scanner: inout JSONScanner, _ contents: inout TokenizerFile, _ path: String) throws {
    var rest: [String: JSONScanner.Tree] = [:]
    try scanner.object { scanner, name in
      switch name {
      case "vocab":
        guard scanner.isNext("{") else {
          throw TokenizerError(.unsupported, file: path, reason: "the vocabulary is a list: the model is not BPE")
        }
        try scanner.largeObject { scanner, token in
          let at = scanner.at
          let id = try scanner.integer()
          guard (0..<tokenLimit).contains(id) else {
            throw JSONScanner.Failure(offset: at, reason: "the id \(id) is out of range")
          }
          guard contents.vocabulary.insert(token, id: Int32(id)) else {
            throw JSONScanner.Failure(offset: at, reason: "a token occurs twice")
          }
        }
      case "merges": try scanMerges(&scanner, &contents)
      default: rest[name] = try scanner.tree()
      }
    }
    contents.model = .object(rest)
  }

  /// Each merge is `"left right"`, or in newer files `["left", "right"]`.
  private static func scanMerges(_ scanner: inout JSONScanner, _ contents: inout TokenizerFile) throws {
    try scanner.array { scanner in
      let at = scanner.at
      guard contents.mergeEnds.count < tokenLimit else {
        throw JSONScanner.Failure(offset: at, reason: "too many merges")
      }
      let start = contents.spelledMerges.count
      if scanner.isNext("[") {
        var ends: [Int] = []
        try scanner.array { scanner in
          try scanner.string(into: &contents.spelledMerges)
          ends.append(contents.spelledMerges.count)
        }
        guard ends.count == 2 else { throw JSONScanner.Failure(offset: at, reason: "a merge of other than two tokens") }
        contents.mergeEnds.append((ends[0], ends[1]))
      } else {
        try scanner.string(into: &contents.spelledMerges)
        // A space is spelled otherwise in the alphabet: there is exactly one.
        guard let space = contents.spelledMerges[start...].firstIndex(of: 0x20),
          !contents.spelledMerges[(space + 1)...].contains(0x20)
        else { throw JSONScanner.Failure(offset: at, reason: "a merge of other than two tokens") }
        contents.spelledMerges.remove(at: space)
        contents.mergeEnds.append((space, contents.spelledMerges.count))
      }
    }
  }

  /// The added tokens, checked.
  func addedTokens() throws -> [AddedTokens.Token] {
    try added.map { tree in
      guard let id = tree["id"]?.number, let content = tree["content"]?.text, (0..<Self.tokenLimit).contains(id),
        !content.isEmpty
      else { throw TokenizerError(.malformed, file: path, reason: "an added token without id or content") }
      guard tree["single_word"]?.truth != true else {
        throw TokenizerError(
          .unsupported, file: path, reason: "the added token \(displayName(content)) is one for single words")
      }
      return AddedTokens.Token(
        id: Int32(id), content: Array(content.utf8), stripsLeft: tree["lstrip"]?.truth ?? false,
        stripsRight: tree["rstrip"]?.truth ?? false, isSpecial: tree["special"]?.truth ?? false)
    }
  }

  /// BOS and EOS: what the post-processor's template says; without one, what tokenizer_config.json says.
  func specialTokens(_ added: [AddedTokens.Token], _ configuration: TokenizerConfiguration) -> SpecialTokens {
    let id = { (text: String?) -> Int32? in
      guard let text else { return nil }
      return added.first { $0.content == Array(text.utf8) }?.id ?? vocabulary.id(Array(text.utf8))
    }
    var special = SpecialTokens()
    special.bos = id(configuration.bos_token?.content)
    special.eos = id(configuration.eos_token?.content)
    special.unknown = id(configuration.unk_token?.content ?? model["unk_token"]?.text)
    special.pad = id(configuration.pad_token?.content)
    let steps = postProcessor["processors"]?.elements ?? [postProcessor]
    guard let template = steps.first(where: { $0["type"]?.text == "TemplateProcessing" }) else {
      if configuration.add_bos_token == true, let bos = special.bos { special.prefix = [bos] }
      if configuration.add_eos_token == true, let eos = special.eos { special.suffix = [eos] }
      return special
    }
    var isBefore = true
    for piece in template["single"]?.elements ?? [] {
      if piece["Sequence"] != nil { isBefore = false }
      guard let name = piece["SpecialToken"]?["id"]?.text else { continue }
      let ids = template["special_tokens"]?[name]?["ids"]?.elements?.compactMap {
        $0.number.map { Int32(clamping: $0) }
      }
      for id in ids ?? [id(name)].compactMap({ $0 }) {
        if isBefore { special.prefix.append(id) } else { special.suffix.append(id) }
      }
    }
    return special
  }
}
