// tokenizer.json as it is written, before anything is made of it. Refused: what is no such JSON, ids out of range, tokens that
// occur twice, merges of other than two tokens. Source: huggingface/tokenizers, the `Serialize` implementations of its parts.

import ByteIO

/// What a `tokenizer.json` says.
struct TokenizerFile {
  static let sizeLimit = 256 << 20
  static let tokenLimit = StringTable.tokenLimit
  /// Values that may be kept besides the vocabulary: each takes some hundred bytes.
  private static let treeLimit = 1 << 20

  let path: String
  var model: JSONTree = .object([:])
  var vocabulary = StringTable(capacity: 1 << 18)
  /// Unigram's scores, by id.
  var scores: [Double] = []
  /// Whether merges are left out at random.
  var isDropping = false
  var spelledMerges: [UInt8] = []
  /// Where the left and the right half of each merge end.
  var mergeEnds: [(left: Int, right: Int)] = []
  var added: [JSONTree] = []
  var normalizer: JSONTree = .other
  var preTokenizer: JSONTree = .other
  var postProcessor: JSONTree = .other
  var decoder: JSONTree = .other

  /// Nothing said.
  init(path: String) { self.path = path }

  /// Reads a file.
  init(_ path: String) throws {
    try ByteRanks.refuseTekken(file: path)
    let bytes = try Self.bytes(path)
    do { self = try Self.scan(bytes, path) } catch let error as JSONReader.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
  }

  /// Reads a `vocab.json`: a vocabulary and nothing else.
  init(vocabulary path: String) throws {
    self.init(path: path)
    let bytes = try Self.bytes(path)
    do {
      var json = try JSONReader(bytes)
      try Self.scanVocabulary(&json, &self)
      try json.end()
    } catch let error as JSONReader.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(error.offset)", reason: error.reason)
    }
  }

  private static func bytes(_ path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a tokenizer.json")
    }
    if let complaint = try FileKind(of: file).complaint {
      throw TokenizerError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    return try file.bytes(count: file.size)
  }

  /// Takes the merges of a `merges.txt`: a line each, two tokens with a space between, behind a line with the version.
  mutating func takeMerges(_ path: String) throws {
    for (number, line) in try Self.bytes(path).split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || number == 0 && line.starts(with: "#version".utf8) { continue }
      guard let space = line.firstIndex(of: 0x20), space > line.startIndex, space < line.endIndex - 1,
        !line[(space + 1)...].contains(0x20), mergeEnds.count < Self.tokenLimit
      else {
        throw TokenizerError(
          .malformed, file: path, place: "line \(number + 1)", reason: "expected two tokens with a space between")
      }
      spelledMerges += line[..<space]
      let left = spelledMerges.count
      spelledMerges += line[(space + 1)...]
      mergeEnds.append((left, spelledMerges.count))
    }
  }

  /// Whether bytes that no token spells are spelled `<0x..>`: then it is a SentencePiece model in another dress.
  var spellsBytes: Bool { model["byte_fallback"]?.truth == true }

  private static func scan(_ bytes: [UInt8], _ path: String) throws -> TokenizerFile {
    var contents = TokenizerFile(path: path)
    var json = try JSONReader(bytes)
    var valuesLeft = treeLimit
    try json.object { json, name in
      switch name {
      case "added_tokens": contents.added = try JSONTree(&json, valuesLeft: &valuesLeft).elements ?? []
      case "normalizer": contents.normalizer = try JSONTree(&json, valuesLeft: &valuesLeft)
      case "pre_tokenizer": contents.preTokenizer = try JSONTree(&json, valuesLeft: &valuesLeft)
      case "post_processor": contents.postProcessor = try JSONTree(&json, valuesLeft: &valuesLeft)
      case "decoder": contents.decoder = try JSONTree(&json, valuesLeft: &valuesLeft)
      case "model": try scanModel(&json, &contents, &valuesLeft, bytes)
      default: try json.skip()
      }
    }
    try json.end()
    return contents
  }

  private static func scanModel(
    _ json: inout JSONReader, _ contents: inout TokenizerFile, _ valuesLeft: inout Int, _ bytes: [UInt8]
  ) throws {
    var rest: [String: JSONTree] = [:]
    try json.object { json, name in
      switch name {
      case "vocab":
        if json.peek() == UInt8(ascii: "{") {
          try scanVocabulary(&json, &contents)
        } else {
          try scanPieces(&json, &contents, bytes)
        }
      case "merges": try scanMerges(&json, &contents)
      case "dropout":
        if json.peek() == UInt8(ascii: "n") {
          try json.skip()
        } else {
          contents.isDropping = try real(&json, bytes) > 0
        }
      default: rest[name] = try JSONTree(&json, valuesLeft: &valuesLeft)
      }
    }
    contents.model = .object(rest)
  }

  /// Tokens and their ids.
  private static func scanVocabulary(_ json: inout JSONReader, _ contents: inout TokenizerFile) throws {
    try json.largeObject { json, token in
      let at = json.at
      guard case .integer(let id) = try json.scalar() else {
        throw JSONReader.Failure(offset: at, reason: "expected a whole number")
      }
      guard (0..<tokenLimit).contains(id) else {
        throw JSONReader.Failure(offset: at, reason: "the id \(id) is out of range")
      }
      guard contents.vocabulary.insert(token, id: Int32(id)) else {
        throw JSONReader.Failure(offset: at, reason: "a token occurs twice")
      }
    }
  }

  /// Unigram's pieces with their scores: `["piece", -1.5]`, in the order of their ids.
  private static func scanPieces(
    _ json: inout JSONReader, _ contents: inout TokenizerFile, _ bytes: [UInt8]
  ) throws {
    try json.array { json in
      let at = json.at
      guard contents.scores.count < tokenLimit else { throw JSONReader.Failure(offset: at, reason: "too many pieces") }
      var piece: [UInt8]?
      var score: Double?
      try json.array { json in
        if piece == nil {
          var text: [UInt8] = []
          try json.string(into: &text)
          piece = text
        } else if score == nil {
          score = try real(&json, bytes)
        } else {
          throw JSONReader.Failure(offset: json.at, reason: "a piece of more than a text and a score")
        }
      }
      guard let piece, let score else { throw JSONReader.Failure(offset: at, reason: "a piece without a score") }
      guard contents.vocabulary.insert(piece, id: Int32(contents.scores.count)) else {
        throw JSONReader.Failure(offset: at, reason: "a piece occurs twice")
      }
      contents.scores.append(score)
    }
  }

  /// A number of any kind, which is read again from the bytes.
  private static func real(_ json: inout JSONReader, _ bytes: [UInt8]) throws -> Double {
    _ = json.peek()
    let start = json.at
    switch try json.scalar() {
    case .integer, .number: break
    default: throw JSONReader.Failure(offset: start, reason: "expected a number")
    }
    guard let value = Double(asTokenizersReads: bytes[start..<json.at]) else {
      throw JSONReader.Failure(offset: start, reason: "not a number that can be held")
    }
    return value
  }

  /// Each merge is `"left right"`, or in newer files `["left", "right"]`.
  private static func scanMerges(_ json: inout JSONReader, _ contents: inout TokenizerFile) throws {
    try json.array { json in
      let at = json.at
      guard contents.mergeEnds.count < tokenLimit else {
        throw JSONReader.Failure(offset: at, reason: "too many merges")
      }
      let start = contents.spelledMerges.count
      if json.peek() == UInt8(ascii: "[") {
        var ends: [Int] = []
        try json.array { json in
          try json.string(into: &contents.spelledMerges)
          ends.append(contents.spelledMerges.count)
        }
        guard ends.count == 2 else { throw JSONReader.Failure(offset: at, reason: "a merge of other than two tokens") }
        contents.mergeEnds.append((ends[0], ends[1]))
      } else {
        try json.string(into: &contents.spelledMerges)
        // A space is spelled otherwise in the alphabet: there is exactly one.
        guard let space = contents.spelledMerges[start...].firstIndex(of: 0x20),
          !contents.spelledMerges[(space + 1)...].contains(0x20)
        else { throw JSONReader.Failure(offset: at, reason: "a merge of other than two tokens") }
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
      return AddedTokens.Token(
        id: Int32(id), content: Array(content.utf8), stripsLeft: tree["lstrip"]?.truth ?? false,
        stripsRight: tree["rstrip"]?.truth ?? false, isSingleWord: tree["single_word"]?.truth ?? false,
        isNormalized: tree["normalized"]?.truth ?? false, isSpecial: tree["special"]?.truth ?? false)
    }
  }

  /// The added tokens of the file, and those of its folder besides.
  func lists(_ configuration: TokenizerConfiguration) throws -> AddedTokenLists {
    var count = 0
    vocabulary.forEach { count = max(count, Int($1) + 1) }
    return try AddedTokenLists(
      folder: Folder.parent(of: path), configuration: configuration, count: count, own: addedTokens(),
      lookUp: { texts in
        Dictionary(uniqueKeysWithValues: texts.compactMap { text in vocabulary.id(text).map { (text, $0) } })
      })
  }

  /// BOS and EOS: what the post-processor's template says; without one, what tokenizer_config.json says.
  func specialTokens(_ lists: AddedTokenLists) -> SpecialTokens {
    let configuration = lists.configuration
    var special = SpecialTokens()
    special.bos = lists.id(of: configuration.bos_token)
    special.eos = lists.id(of: configuration.eos_token)
    special.unknown =
      configuration.unk_token.map(lists.id(of:)) ?? model["unk_token"]?.text.flatMap { vocabulary.id(Array($0.utf8)) }
    special.pad = lists.id(of: configuration.pad_token)
    special.named = configuration.named
    let steps = postProcessor["processors"]?.elements ?? [postProcessor]
    if let pair = steps.first(where: { ["BertProcessing", "RobertaProcessing"].contains($0["type"]?.text) }) {
      // A text and its number each.
      let id = { (name: String) in pair[name]?.elements?.last?.number.flatMap { Int32(exactly: $0) } }
      (special.prefix, special.suffix) = (id("cls").map { [$0] } ?? [], id("sep").map { [$0] } ?? [])
      return special
    }
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
      let content = Array(name.utf8)
      let known = lists.tokens.first { $0.content == content }?.id ?? vocabulary.id(content)
      for id in ids ?? [known].compactMap({ $0 }) {
        if isBefore { special.prefix.append(id) } else { special.suffix.append(id) }
      }
    }
    return special
  }
}
