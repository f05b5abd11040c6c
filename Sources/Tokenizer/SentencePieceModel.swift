// SentencePiece models (`tokenizer.model`), through libsentencepiece: LLaMA 1 and 2, BELLE, Mistral; with the tokens that a
// model's folder or its GGUF file adds. A text is cut at these first, and the parts between them are SentencePiece's, of
// which only the first gets the space that it puts before a text (transformers' `legacy: false`; or each, where a folder
// says so). `<s>`, `</s>` and `<unk>` in a text are ordinary text, as in SentencePiece.
// Refused: what that library does not take, files over 256 MB. BOS rules: tokenizer_config.json, else LLaMA's.

import ByteIO
import Synchronization

/// A SentencePiece model.
package final class SentencePieceModel: Tokenizer {
  /// What it is.
  package var kind: String { "sentencepiece" }
  /// Ids are `0 ..< vocabularySize`.
  package let vocabularySize: Int
  /// How many of them are pieces.
  package var ownSize: Int { library.count }
  /// The ids that are set aside, and which of them a text gets.
  package let special: SpecialTokens
  /// What is to be told of the files that it was read from.
  package let remarks: [String]

  static let sizeLimit = 256 << 20
  let path: String
  /// The tokens that are found in a text before SentencePiece sees it.
  let added: AddedTokens
  /// The same with those that every model has, `<s>` and `</s>`: in what a chat template made they are meant.
  private let marks: AddedTokens
  /// Whether each part between added tokens gets the space that is put before a text.
  let spacesEveryPart: Bool
  /// Whether a text that begins with a space gets none before it.
  private let sparesSpacedText: Bool
  private let library: SentencePieceLibrary
  /// The model as it was read, for ``cuts`` and ``unspaced``.
  private let bytes: [UInt8]
  /// The texts of added tokens, by id.
  private let addedTexts: [Int32: [UInt8]]
  /// Found when a long text asks for it.
  private let foundCuts = Mutex<SentencePieceCuts??>(nil)
  /// Loaded when a part of a text asks for it.
  private let loadedUnspaced = Mutex<SentencePieceLibrary?>(nil)
  /// Bytes of a text that are encoded in one go.
  static let partSize = 1 << 14

  /// The bytes of a serialized model; what is known to be something else is refused with what it is.
  static func bytes(_ path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    let kind = FileKind(head: try file.bytes(count: FileKind.headSize), size: file.size)
    if let complaint = kind.complaint {
      throw TokenizerError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    guard file.size <= sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a SentencePiece model")
    }
    return try file.bytes(count: file.size)
  }

  convenience init(_ path: String, _ configuration: TokenizerConfiguration) throws {
    let bytes = try Self.bytes(path)
    let library = try SentencePieceLibrary(bytes, path: path)
    let own = library.special
    let lists = try AddedTokenLists(
      folder: Folder.parent(of: path), configuration: configuration, count: library.count,
      beside: { Self.listed(beside: path) }, lookUp: library.ids)
    // The model's own pieces of control are found in a text too, but for those that every model has.
    var added = (0..<Int32(clamping: library.count)).filter(library.isControl).map {
      AddedTokens.Token(id: $0, content: library.piece($0), isSpecial: true)
    }
    let listed = Set(lists.tokens.map(\.id))
    added.removeAll { listed.contains($0.id) }
    added += lists.tokens
    let head = library.headCount
    added.removeAll { Vocabulary.isOwn($0.id, $0.content, own, head: head) }
    let settings = lists.configuration
    var special = SpecialTokens()
    special.bos = lists.id(of: settings.bos_token) ?? own.bos
    special.eos = lists.id(of: settings.eos_token) ?? own.eos
    special.unknown = lists.id(of: settings.unk_token) ?? own.unknown
    special.pad = lists.id(of: settings.pad_token) ?? own.pad
    special.named = settings.named
    if settings.add_bos_token ?? true, let bos = special.bos { special.prefix = [bos] }
    if settings.add_eos_token ?? false, let eos = special.eos { special.suffix = [eos] }
    self.init(
      library, bytes: bytes, special: special, added: added, spacesEveryPart: settings.legacy ?? false,
      remarks: lists.remarks)
  }

  /// What a tokenizer.json beside the model adds; nothing where it cannot be read, for it is not needed.
  private static func listed(beside path: String) -> [AddedTokens.Token] {
    let path = Folder.join(Folder.parent(of: path), "tokenizer.json")
    guard Folder.kind(of: path) == .file else { return [] }
    return (try? TokenizerFile(path).addedTokens()) ?? []
  }

  /// Makes a model from a serialized one, and from what is known besides of its ids.
  convenience init(
    bytes: [UInt8], special: SpecialTokens, added: [AddedTokens.Token] = [], spacesEveryPart: Bool = false,
    sparesSpacedText: Bool = false, remarks: [String] = [], holes: [Int] = [], path: String
  ) throws {
    self.init(
      try SentencePieceLibrary(bytes, path: path), bytes: bytes, special: special, added: added,
      spacesEveryPart: spacesEveryPart, sparesSpacedText: sparesSpacedText, remarks: remarks, holes: holes)
  }

  private init(
    _ library: SentencePieceLibrary, bytes: [UInt8], special: SpecialTokens, added: [AddedTokens.Token],
    spacesEveryPart: Bool, sparesSpacedText: Bool = false, remarks: [String], holes: [Int] = []
  ) {
    path = library.path
    self.remarks = remarks
    self.library = library
    self.bytes = bytes
    self.special = special
    self.added = AddedTokens(added)
    let known = Set(added.map(\.id))
    let ids = Set([special.bos, special.eos, special.unknown, special.pad].compactMap(\.self)).sorted()
    let own = ids.compactMap { (id: Int32) -> AddedTokens.Token? in
      guard !known.contains(id), id >= 0, Int(id) < library.count else { return nil }
      let content = library.piece(id)
      return content.isEmpty ? nil : AddedTokens.Token(id: id, content: content, isSpecial: true)
    }
    marks = AddedTokens(added + own)
    self.spacesEveryPart = spacesEveryPart
    self.sparesSpacedText = sparesSpacedText
    // What only fills up an id stands for nothing.
    addedTexts = Dictionary(
      added.map { ($0.id, $0.content) } + holes.map { (Int32($0), []) }, uniquingKeysWith: { one, _ in one })
    vocabularySize = max(library.count, (added.map { Int($0.id) }.max() ?? -1) + 1)
  }

  /// The ids of a text, without those that stand before and after it; added tokens in it are taken as such.
  package func encode(_ text: String) throws -> [Int32] { try encode(text, atLeast: .max) }

  /// The first ids of a text. A long one is encoded in parts, which takes a hundredth of the memory.
  package func encode(_ text: String, atLeast count: Int) throws -> [Int32] {
    try encode(text, cutAt: added, atLeast: count)
  }

  /// The ids of a text that a chat template made.
  package func encodeChat(_ text: String) throws -> [Int32] { try encode(text, cutAt: marks, atLeast: .max) }

  /// The text that a token is found by.
  package func spelling(of id: Int32) -> String? {
    let text = addedTexts[id] ?? (id >= 0 && Int(id) < library.count ? library.piece(id) : [])
    return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
  }

  private func encode(_ text: String, cutAt added: AddedTokens, atLeast count: Int) throws -> [Int32] {
    guard text.utf8.count <= Self.textLimit else {
      throw TokenizerError(
        .badText, file: path,
        reason: "a text of \(text.utf8.count) bytes is too long: at most \(Self.textLimit) are taken")
    }
    guard !added.isEmpty || sparesSpacedText else { return try encode(text, with: library, atLeast: count) }
    var ids: [Int32] = []
    var isFirst = true
    try added.forEachPart(Array(text.utf8)) { part in
      switch part {
      case .token(let id): ids.append(id)
      case .text(let bytes):
        // A later part gets a space only where it has none, and the first one too where the file's rules say so.
        let isSpaced = bytes.first == 0x20 || bytes.starts(with: [0xE2, 0x96, 0x81])
        let getsSpace = isFirst ? !(sparesSpacedText && isSpaced) : spacesEveryPart && !isSpaced
        let library = getsSpace ? library : try unspaced
        ids += try encode(String(decoding: bytes, as: UTF8.self), with: library, atLeast: count - ids.count)
      }
      isFirst = false
      return ids.count < count
    }
    return ids
  }

  private func encode(_ text: String, with library: SentencePieceLibrary, atLeast count: Int) throws -> [Int32] {
    guard text.utf8.count > 2 * Self.partSize, let cuts else { return try library.encode(text) }
    var ids: [Int32] = []
    var start = text.startIndex
    while start < text.endIndex, ids.count < count {
      var end = text.utf8.index(start, offsetBy: Self.partSize, limitedBy: text.endIndex) ?? text.endIndex
      while end < text.endIndex, text.utf8[end] & 0xC0 == 0x80 { text.utf8.formIndex(before: &end) }
      end = cuts.place(in: text, from: end)
      guard text.utf8.distance(from: start, to: end) <= Self.runLimit else {
        throw TokenizerError(
          .badText, file: path,
          reason: "the text goes on for more than \(Self.runLimit) bytes without a place to cut it")
      }
      if start == text.startIndex {
        ids = try library.encode(String(text.unicodeScalars[..<end]))
      } else {
        // The character before it keeps away the space that is put before a text; its own ids are there already.
        let before = text.unicodeScalars.index(before: start)
        let known = try library.encode(String(text.unicodeScalars[before..<start])).count
        ids += try library.encode(String(text.unicodeScalars[before..<end])).dropFirst(known)
      }
      start = end
    }
    return ids
  }

  /// The ids of a text that goes to the library in one piece.
  func encodeWhole(_ text: String) throws -> [Int32] { try library.encode(text) }

  /// The ids of a text in the middle of another; added tokens in it are ordinary text.
  package func encodeInside(_ text: String) throws -> [Int32] { try unspaced.encode(text) }

  /// A piece's text.
  ///
  /// - Parameter id: less than ``ownSize``.
  func piece(_ id: Int32) -> [UInt8] { library.piece(id) }

  /// Where a text may be cut; nil for models whose texts must stay whole.
  private var cuts: SentencePieceCuts? {
    foundCuts.withLock { found in
      if let found { return found }
      let made = (try? SentencePieceProto(bytes)).flatMap(SentencePieceCuts.init)
      found = .some(made)
      return made
    }
  }

  /// The same model without the space that it puts before a text.
  private var unspaced: SentencePieceLibrary {
    get throws {
      try loadedUnspaced.withLock { loaded in
        if let loaded { return loaded }
        // A message that occurs again is merged into the first: field 3, the normalizer; its field 3, the space; 0.
        let made = try SentencePieceLibrary(bytes + [3 << 3 | 2, 2, 3 << 3, 0], path: path)
        loaded = made
        return made
      }
    }
  }

  /// The text of ids. Those that stand for no text, and those that fill up the embedding's rows, are left out.
  package func decode(_ ids: [Int32]) throws -> String {
    var text = ""
    var run: [Int32] = []
    // SentencePiece takes away the space at the beginning of a text, and only there.
    var isFirst = true
    func flush() throws {
      guard !run.isEmpty else { return }
      text += try (isFirst ? library : unspaced).decode(run)
      run = []
      isFirst = false
    }
    for id in ids {
      guard id >= 0 else { throw TokenizerError(.unknownID, file: path, reason: "there is no token \(id)") }
      if let added = addedTexts[id] {
        try flush()
        text += String(decoding: added, as: UTF8.self)
        isFirst = false
      } else if Int(id) < library.count {
        run.append(id)
      }
    }
    try flush()
    return text
  }
}
