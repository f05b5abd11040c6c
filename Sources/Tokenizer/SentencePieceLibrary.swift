// The door to libsentencepiece: a serialized model, text to ids and back. What is not a model is refused with what it is.

import ByteIO
import CSentencePiece

/// A model in libsentencepiece.
@safe final class SentencePieceLibrary: Sendable {
  let path: String
  /// Ids are `0 ..< count`.
  let count: Int
  // SAFETY: immutable after loading; the library's encode and decode are const and thread-safe. Freed in deinit alone.
  private nonisolated(unsafe) let model: OpaquePointer

  /// Loads a serialized model.
  ///
  /// - Throws: ``TokenizerError`` for bytes that are none, with code `.unsupported` for those that are known otherwise.
  init(_ bytes: [UInt8], path: String) throws {
    guard !SentencePieceProto.hasTooManyPieces(bytes) else {
      throw TokenizerError(
        .limit, file: path,
        reason: "it has more than \(SentencePieceProto.pieceLimit) pieces, and no more are read here")
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
        .malformed, file: path, reason: "this is not a SentencePiece model (\(displayName(reason)))",
        remedy: "compare the file with the publisher's")
    }
    self.path = path
    unsafe model = loaded
    count = Int(unsafe belle_sentencepiece_count(loaded))
  }

  deinit { unsafe belle_sentencepiece_free(model) }

  /// The ids that the model sets aside.
  var special: SpecialTokens {
    let ids = unsafe belle_sentencepiece_special(model)
    let id = { (value: Int32) in value >= 0 ? value : nil }
    var special = SpecialTokens()
    (special.unknown, special.bos, special.eos, special.pad) = (id(ids.unknown), id(ids.bos), id(ids.eos), id(ids.pad))
    return special
  }

  /// Whether an id stands for what is never part of a text.
  func isControl(_ id: Int32) -> Bool { unsafe belle_sentencepiece_kind(model, id) == BELLE_PIECE_CONTROL }

  /// How many pieces stand before the first that is part of a text.
  var headCount: Int {
    let heads = (0..<Int32(clamping: count)).prefix { id in
      let kind = unsafe belle_sentencepiece_kind(model, id)
      return kind == BELLE_PIECE_CONTROL || kind == BELLE_PIECE_UNKNOWN
    }
    return heads.count
  }

  /// The ids of pieces that are spelled so.
  func ids(of texts: Set<[UInt8]>) -> [[UInt8]: Int32] {
    let lengths = Set(texts.map(\.count))
    var ids: [[UInt8]: Int32] = [:]
    for id in 0..<Int32(clamping: count) {
      var length = 0
      // SAFETY: the id is in range; only the length is looked at.
      _ = unsafe belle_sentencepiece_piece(model, id, &length)
      guard lengths.contains(length) else { continue }
      let piece = piece(id)
      if texts.contains(piece) { ids[piece] = ids[piece] ?? id }
    }
    return ids
  }

  /// The piece of an id.
  func piece(_ id: Int32) -> [UInt8] {
    var length = 0
    // SAFETY: the id is in range; the piece lives as long as the model, and is copied.
    let piece = unsafe belle_sentencepiece_piece(model, id, &length)
    return unsafe UnsafeRawBufferPointer(start: piece, count: length).map { $0 }
  }

  /// The ids of a text that goes to the library in one piece.
  func encode(_ text: String) throws -> [Int32] {
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
