// The door to libsentencepiece: a serialized model, text to ids and back. What is not a model is refused with what it is.

import ByteIO
import CSentencePiece

/// A model in libsentencepiece.
///
/// Without the library it still says what its pieces are, which it reads itself; only texts and ids cannot become each other.
@safe final class SentencePieceLibrary: Sendable {
  let path: String
  /// Ids are `0 ..< count`.
  let count: Int
  /// The ids that the model sets aside.
  let special: SpecialTokens
  // SAFETY: immutable after loading; the library's encode and decode are const and thread-safe. Freed in deinit alone.
  private nonisolated(unsafe) let model: OpaquePointer?
  /// The pieces, where there is no library that knows them.
  private let pieces: [Vocabulary.Token]

  /// Makes sure that there is a library.
  ///
  /// - Throws: ``ByteIOError`` with code `.missingLibrary`.
  static func require() throws(ByteIOError) {
    guard belle_sentencepiece_library() != BELLE_SENTENCEPIECE_READY else { return }
    throw .missing(
      library: "SentencePiece", need: "ids of texts",
      isOther: belle_sentencepiece_library() == BELLE_SENTENCEPIECE_UNKNOWN,
      // SAFETY: a constant C string.
      said: unsafe String(cString: belle_sentencepiece_problem()), package: "libsentencepiece0",
      variable: "BELLE_SENTENCEPIECE")
  }

  /// Loads a serialized model.
  ///
  /// - Parameter usesLibrary: whether libsentencepiece is to load it, where there is one.
  /// - Throws: ``TokenizerError`` for bytes that are none, with code `.unsupported` for those that are known otherwise.
  init(_ bytes: [UInt8], path: String, usesLibrary: Bool = true) throws {
    guard !SentencePieceProto.hasTooManyPieces(bytes) else {
      throw TokenizerError(
        .limit, file: path,
        reason: "it has more than \(SentencePieceProto.pieceLimit) pieces, and no more are read here")
    }
    self.path = path
    guard usesLibrary, belle_sentencepiece_library() == BELLE_SENTENCEPIECE_READY else {
      let proto: SentencePieceProto
      do throws(SentencePieceProto.Failure) { proto = try SentencePieceProto(bytes) } catch {
        throw Self.malformed(path, "\(error.reason) at byte \(error.offset)")
      }
      guard !proto.pieces.isEmpty else { throw Self.malformed(path, "it has no pieces") }
      (pieces, count, special) = (proto.pieces, proto.pieces.count, proto.special)
      unsafe model = nil
      return
    }
    // SAFETY: the library reads the bytes before it returns, and writes at most the message's size.
    var message = [CChar](repeating: 0, count: 512)
    let loaded = unsafe bytes.withUnsafeBytes { bytes in
      unsafe message.withUnsafeMutableBufferPointer { message in
        unsafe belle_sentencepiece_load(bytes.baseAddress, bytes.count, message.baseAddress, message.count)
      }
    }
    guard let loaded = unsafe loaded else {
      throw Self.malformed(
        path, String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    unsafe model = loaded
    pieces = []
    count = Int(unsafe belle_sentencepiece_count(loaded))
    let ids = unsafe belle_sentencepiece_special(loaded)
    let id = { (value: Int32) in value >= 0 ? value : nil }
    var special = SpecialTokens()
    (special.unknown, special.bos, special.eos, special.pad) = (id(ids.unknown), id(ids.bos), id(ids.eos), id(ids.pad))
    self.special = special
  }

  private static func malformed(_ path: String, _ reason: String) -> TokenizerError {
    TokenizerError(
      .malformed, file: path, reason: "this is not a SentencePiece model (\(displayName(reason)))",
      remedy: "compare the file with the publisher's")
  }

  deinit { unsafe belle_sentencepiece_free(model) }

  /// Whether an id stands for what is never part of a text.
  func isControl(_ id: Int32) -> Bool { kind(id) == .control }

  /// What an id in range stands for: of what is found in texts some are said to be normal.
  private func kind(_ id: Int32) -> Vocabulary.Kind {
    guard let model = unsafe model else { return pieces[Int(id)].kind }
    return switch unsafe belle_sentencepiece_kind(model, id) {
    case BELLE_PIECE_UNKNOWN: .unknown
    case BELLE_PIECE_CONTROL: .control
    case BELLE_PIECE_UNUSED: .unused
    case BELLE_PIECE_BYTE: .byte
    default: .normal
    }
  }

  /// How many pieces stand before the first that is part of a text.
  var headCount: Int {
    (0..<Int32(clamping: count)).prefix { [.control, .unknown].contains(kind($0)) }.count
  }

  /// The ids of pieces that are spelled so.
  func ids(of texts: Set<[UInt8]>) -> [[UInt8]: Int32] {
    let lengths = Set(texts.map(\.count))
    var ids: [[UInt8]: Int32] = [:]
    for id in 0..<Int32(clamping: count) {
      guard lengths.contains(length(id)) else { continue }
      let piece = piece(id)
      if texts.contains(piece) { ids[piece] = ids[piece] ?? id }
    }
    return ids
  }

  /// The bytes of an id's piece.
  private func length(_ id: Int32) -> Int {
    guard let model = unsafe model else { return pieces[Int(id)].text.utf8.count }
    var length = 0
    // SAFETY: the id is in range; only the length is looked at.
    _ = unsafe belle_sentencepiece_piece(model, id, &length)
    return length
  }

  /// The piece of an id.
  func piece(_ id: Int32) -> [UInt8] {
    guard let model = unsafe model else { return Array(pieces[Int(id)].text.utf8) }
    var length = 0
    // SAFETY: the id is in range; the piece lives as long as the model, and is copied.
    let piece = unsafe belle_sentencepiece_piece(model, id, &length)
    return unsafe UnsafeRawBufferPointer(start: piece, count: length).map { $0 }
  }

  /// The ids of a text that goes to the library in one piece.
  func encode(_ text: String) throws -> [Int32] {
    guard let model = unsafe model else { throw Self.unloaded }
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

  /// The text of ids, all in range.
  func decode(_ ids: [Int32]) throws -> String {
    guard let model = unsafe model else { throw Self.unloaded }
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

  /// The error of a model that the library did not load.
  private static var unloaded: any Error {
    do { try require() } catch { return error }
    return TokenizerError(.unsupported, reason: "the model was opened without SentencePiece")
  }
}
