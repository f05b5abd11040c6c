// SentencePiece models (`tokenizer.model`), through libsentencepiece: LLaMA 1 and 2, BELLE, Mistral.
// Refused: what that library does not take, files over 256 MB. BOS rules: tokenizer_config.json, else LLaMA's.

import ByteIO
import CSentencePiece
import Synchronization

/// A SentencePiece model.
@safe package final class SentencePieceModel: Tokenizer {
  /// What it is.
  package var kind: String { "sentencepiece" }
  /// Ids are `0 ..< vocabularySize`.
  package let vocabularySize: Int
  /// The ids that are set aside, and which of them a text gets.
  package let special: SpecialTokens

  static let sizeLimit = 256 << 20
  let path: String
  // SAFETY: immutable after loading; the library's encode and decode are const and thread-safe. Freed in deinit alone.
  private nonisolated(unsafe) let model: OpaquePointer
  /// The model as it was read, for ``cuts``.
  private let bytes: [UInt8]
  /// Found when a long text asks for it.
  private let foundCuts = Mutex<SentencePieceCuts??>(nil)
  /// Bytes of a text that are encoded in one go.
  static let partSize = 1 << 14

  init(_ path: String, _ configuration: TokenizerConfiguration) throws {
    let file = try InputFile(path)
    let kind = FileKind(head: try file.bytes(count: FileKind.headSize), size: file.size)
    if let complaint = kind.complaint {
      throw TokenizerError(.malformed, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    guard file.size <= Self.sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a SentencePiece model")
    }
    let bytes = try file.bytes(count: file.size)
    let loaded = unsafe try Self.load(bytes, path)
    self.path = path
    unsafe model = loaded
    self.bytes = bytes
    vocabularySize = Int(unsafe belle_sentencepiece_count(loaded))
    let ids = unsafe belle_sentencepiece_special(loaded)
    var special = SpecialTokens()
    let id = { (value: Int32) in value >= 0 ? value : nil }
    (special.unknown, special.bos, special.eos, special.pad) = (id(ids.unknown), id(ids.bos), id(ids.eos), id(ids.pad))
    if configuration.add_bos_token ?? true, let bos = special.bos { special.prefix = [bos] }
    if configuration.add_eos_token ?? false, let eos = special.eos { special.suffix = [eos] }
    self.special = special
  }

  /// Makes a model from a serialized one, and from what is known besides of its ids.
  init(bytes: [UInt8], special: SpecialTokens, path: String) throws {
    let loaded = unsafe try Self.load(bytes, path)
    self.path = path
    unsafe model = loaded
    self.bytes = bytes
    vocabularySize = Int(unsafe belle_sentencepiece_count(loaded))
    self.special = special
  }

  private static func load(_ bytes: [UInt8], _ path: String) throws -> OpaquePointer {
    guard !SentencePieceProto.hasTooManyPieces(bytes) else {
      throw TokenizerError(.limit, file: path, reason: "it has more than \(SentencePieceProto.pieceLimit) pieces")
    }
    // SAFETY: the library reads the bytes before it returns, and writes at most the message's size.
    var message = [CChar](repeating: 0, count: 512)
    let loaded = unsafe bytes.withUnsafeBytes { bytes in
      unsafe message.withUnsafeMutableBufferPointer { message in
        unsafe belle_sentencepiece_load(bytes.baseAddress, bytes.count, message.baseAddress, message.count)
      }
    }
    guard let loaded = unsafe loaded else {
      let reason = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw TokenizerError(
        .malformed, file: path, reason: "this is no SentencePiece model (\(displayName(reason)))",
        remedy: "download it again")
    }
    return unsafe loaded
  }

  deinit { unsafe belle_sentencepiece_free(model) }

  /// The ids of a text, without those that stand before and after it; names of control pieces are ordinary text.
  package func encode(_ text: String) throws -> [Int32] { try encode(text, atLeast: .max) }

  /// The first ids of a text. A long one is encoded in parts, which takes a hundredth of the memory.
  package func encode(_ text: String, atLeast count: Int) throws -> [Int32] {
    guard text.utf8.count <= Self.textLimit else {
      throw TokenizerError(.badText, file: path, reason: "a text of \(text.utf8.count) bytes is too long")
    }
    guard text.utf8.count > 2 * Self.partSize, let cuts else { return try encodeWhole(text) }
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
        ids = try encodeWhole(String(text.unicodeScalars[..<end]))
      } else {
        // The character before it keeps away the space that is put before a text; its own ids are there already.
        let before = text.unicodeScalars.index(before: start)
        let known = try encodeWhole(String(text.unicodeScalars[before..<start])).count
        ids += try encodeWhole(String(text.unicodeScalars[before..<end])).dropFirst(known)
      }
      start = end
    }
    return ids
  }

  /// Where a text may be cut; nil for models whose texts must stay whole.
  private var cuts: SentencePieceCuts? {
    foundCuts.withLock { found in
      if let found { return found }
      let made = (try? SentencePieceProto(bytes)).flatMap(SentencePieceCuts.init)
      found = .some(made)
      return made
    }
  }

  /// The ids of a text that goes to the library in one piece.
  func encodeWhole(_ text: String) throws -> [Int32] {
    var text = text
    return try text.withUTF8 { bytes in
      // SAFETY: the text is rebound to the same size of elements; what the library gives is copied and released.
      var ids: UnsafeMutablePointer<Int32>?
      var count = 0
      let isDone = unsafe bytes.withMemoryRebound(to: CChar.self) { bytes in
        unsafe belle_sentencepiece_encode(model, bytes.baseAddress, bytes.count, &ids, &count)
      }
      defer { unsafe belle_sentencepiece_release(ids) }
      guard isDone else {
        throw TokenizerError(.badText, file: path, reason: "SentencePiece could not encode the text")
      }
      return unsafe Array(UnsafeBufferPointer(start: ids, count: count))
    }
  }

  /// The text of ids.
  package func decode(_ ids: [Int32]) throws -> String {
    for id in ids where id < 0 || id >= vocabularySize {
      throw TokenizerError(.unknownID, file: path, reason: "there is no token \(id): the last is \(vocabularySize - 1)")
    }
    var text: UnsafeMutablePointer<CChar>?
    var length = 0
    // SAFETY: the ids are in range, as the library wants; what it gives is copied and released.
    let isDone = unsafe ids.withUnsafeBufferPointer { ids in
      unsafe belle_sentencepiece_decode(model, ids.baseAddress, ids.count, &text, &length)
    }
    defer { unsafe belle_sentencepiece_release(text) }
    guard isDone else { throw TokenizerError(.badText, file: path, reason: "SentencePiece could not decode the ids") }
    return unsafe UnsafeBufferPointer(start: text, count: length).withMemoryRebound(to: UInt8.self) {
      unsafe String(decoding: $0, as: UTF8.self)
    }
  }
}
