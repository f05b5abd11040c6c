// Reads tokenizer.json. Refused: models that are no byte-level BPE, parts that this reader does not know (it would give
// other ids in silence), ids that occur twice or leave a gap beyond the limit, merges of tokens that are not there.
// Source: huggingface/tokenizers, the `Serialize` implementations of its parts.

import ByteIO

extension ByteLevelBPE {
  static let sizeLimit = 256 << 20
  static let tokenLimit = 1 << 22

  /// What was read, before it is checked.
  private struct Contents {
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
  }

  /// Reads a file.
  init(_ path: String, _ configuration: TokenizerConfiguration) throws {
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
    let contents: Contents
    do { contents = try Self.scan(bytes, path) } catch let error as JSONScanner.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
    let unsupported = { (what: String) in
      TokenizerError(
        .unsupported, file: path, reason: what,
        remedy: "byte-level BPE as BLOOM, GPT-2, Llama 3 and Qwen2 have it is known here; a SentencePiece "
          + "tokenizer.model beside it would be taken instead")
    }
    guard contents.model["type"]?.text ?? "BPE" == "BPE" else {
      throw unsupported("the model is \(contents.model["type"]?.text ?? "unknown"), not BPE")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = contents.model[name]?.text, !text.isEmpty { throw unsupported("the model has a \(name)") }
    }
    if contents.model["byte_fallback"]?.truth == true {
      throw unsupported("the model spells bytes as <0x..>: it is a SentencePiece model in another dress")
    }
    guard contents.decoder["type"]?.text == "ByteLevel" else {
      throw unsupported("the decoder is \(contents.decoder["type"]?.text ?? "none"), not ByteLevel")
    }
    switch contents.normalizer {
    case .other: normalizesNFC = false
    case .object where contents.normalizer["type"]?.text == "NFC": normalizesNFC = true
    default: throw unsupported("the normalizer \(contents.normalizer["type"]?.text ?? "unknown") is not known")
    }
    guard let (preTokenizer, addsPrefixSpace) = Self.preTokenizer(contents.preTokenizer) else {
      throw unsupported("the pre-tokenizer's pattern is not known")
    }
    (self.preTokenizer, self.addsPrefixSpace) = (preTokenizer, addsPrefixSpace)
    ignoresMerges = contents.model["ignore_merges"]?.truth ?? false

    let malformed = { (reason: String) in TokenizerError(.malformed, file: path, reason: reason) }
    let added = try Self.addedTokens(contents.added, path)
    var count = 0
    contents.vocabulary.forEach { count = max(count, Int($1) + 1) }
    for token in added { count = max(count, Int(token.id) + 1) }
    vocabularySize = count

    // The bytes of every id; an added token's own where both name it.
    var spellings = [[UInt8]?](repeating: nil, count: count)
    try contents.vocabulary.forEach { spelling, id in
      guard spellings[Int(id)] == nil else { throw malformed("the id \(id) stands for two tokens") }
      spellings[Int(id)] = ByteAlphabet.decode(spelling) ?? Array(spelling)
    }
    for token in added { spellings[Int(token.id)] = token.content }
    tokenBytes = spellings.flatMap { $0 ?? [] }
    var end = 0
    tokenEnds = spellings.map {
      end += $0?.count ?? 0
      return end
    }
    byteIDs = ByteAlphabet.spelling.map { contents.vocabulary.id($0) ?? -1 }
    merges = try Self.merges(contents.spelledMerges, contents.mergeEnds, contents.vocabulary, path)
    self.path = path
    vocabulary = contents.vocabulary
    self.added = AddedTokens(added)
    special = Self.specialTokens(contents, added, configuration)
  }

  private static func scan(_ bytes: [UInt8], _ path: String) throws -> Contents {
    var contents = Contents()
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

  private static func scanModel(_ scanner: inout JSONScanner, _ contents: inout Contents, _ path: String) throws {
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
  private static func scanMerges(_ scanner: inout JSONScanner, _ contents: inout Contents) throws {
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

  /// The merges, found by what they merge.
  ///
  /// - Parameters:
  ///   - text: all halves, one behind the other.
  ///   - ends: where the left and the right half of each end.
  static func merges(
    _ text: [UInt8], _ ends: [(left: Int, right: Int)], _ vocabulary: StringTable, _ path: String
  ) throws -> [UInt64: Merge] {
    var merges = [UInt64: Merge](minimumCapacity: ends.count)
    var start = 0
    for (rank, ends) in ends.enumerated() {
      guard let left = vocabulary.id(text[start..<ends.left]), let right = vocabulary.id(text[ends.left..<ends.right]),
        let id = vocabulary.id(text[start..<ends.right])
      else {
        throw TokenizerError(
          .malformed, file: path, reason: "merge \(rank) is of tokens that the vocabulary does not have",
          remedy: "download it again")
      }
      // The first of equal pairs counts: a later one could never be reached.
      let pair = Merger.pair(left, right)
      if merges[pair] == nil { merges[pair] = Merge(rank: Int32(rank), id: id) }
      start = ends.right
    }
    return merges
  }

  private static func preTokenizer(_ tree: JSONScanner.Tree) -> (PreTokenizer, addsPrefixSpace: Bool)? {
    var steps = [tree]
    if tree["type"]?.text == "Sequence", let inner = tree["pretokenizers"]?.elements { steps = inner }
    guard let last = steps.popLast(), last["type"]?.text == "ByteLevel", steps.count <= 1 else { return nil }
    let addsPrefixSpace = last["add_prefix_space"]?.truth ?? true
    let usesRegex = last["use_regex"]?.truth ?? true
    guard let split = steps.first else { return usesRegex ? (.gpt2, addsPrefixSpace) : nil }
    guard split["type"]?.text == "Split", split["behavior"]?.text == "Isolated", split["invert"]?.truth != true,
      !usesRegex, !addsPrefixSpace, let regex = split["pattern"]?["Regex"]?.text,
      let pattern = PreTokenizer(regex: regex)
    else { return nil }
    return (pattern, false)
  }

  private static func addedTokens(_ trees: [JSONScanner.Tree], _ path: String) throws -> [AddedTokens.Token] {
    try trees.map { tree in
      guard let id = tree["id"]?.number, let content = tree["content"]?.text, (0..<tokenLimit).contains(id),
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
  private static func specialTokens(
    _ contents: Contents, _ added: [AddedTokens.Token], _ configuration: TokenizerConfiguration
  ) -> SpecialTokens {
    let id = { (text: String?) -> Int32? in
      guard let text else { return nil }
      return added.first { $0.content == Array(text.utf8) }?.id ?? contents.vocabulary.id(Array(text.utf8))
    }
    var special = SpecialTokens()
    special.bos = id(configuration.bos_token?.content)
    special.eos = id(configuration.eos_token?.content)
    special.unknown = id(configuration.unk_token?.content ?? contents.model["unk_token"]?.text)
    special.pad = id(configuration.pad_token?.content)
    let steps = contents.postProcessor["processors"]?.elements ?? [contents.postProcessor]
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
