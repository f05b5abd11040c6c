// Two serialized SentencePiece models as one: the pieces of the second that the first does not have stand behind those of
// the first, whose bytes and ids stay. Nothing else is taken of the second, and of the first all: its trainer's and its
// normalizer's fields are copied as they are. Texts are compared byte by byte: Swift's strings would take two characters of
// one canonical form (U+F900 and U+8C48) for one.
// Sources: BELLE, train/scripts/merge_tokenizers.py (whole pieces, with their scores); Chinese-LLaMA-Alpaca,
// scripts/merge_tokenizer/merge_tokenizers.py (text alone, score 0); both as python-protobuf writes them.
// Refused: pieces of a kind that a model has once for all (unknown, bytes, unused).

import ByteIO

/// A merge of two SentencePiece models.
struct SentencePieceMerge: Sendable {
  /// The merged model.
  let bytes: [UInt8]
  /// The texts of the appended pieces, in their order.
  let added: [[UInt8]]
  /// How many pieces the first model has.
  let ownCount: Int
  /// How many pieces of the second the first has already.
  let knownCount: Int
  /// How many appended pieces were set aside in the second, and are ordinary ones now.
  let flattenedCount: Int

  /// A piece where it lies.
  private struct Piece {
    /// The message of the piece.
    let message: Range<Int>
    /// Its text.
    let text: ArraySlice<UInt8>
    /// Its kind, by the number of `SentencePiece.Type`.
    let kind: UInt64
  }

  /// Merges two models.
  ///
  /// - Parameters:
  ///   - first: the model that is extended.
  ///   - second: the model whose pieces are appended.
  ///   - scores: what the appended pieces' scores are.
  ///   - paths: what errors name.
  /// - Throws: ``TokenizerError``.
  init(_ first: [UInt8], _ second: [UInt8], scores: PieceScores, paths: (first: String, second: String)) throws {
    let (own, end) = try Self.pieces(first, file: paths.first)
    let others = try Self.pieces(second, file: paths.second).pieces
    var texts = Set(own.map(\.text))
    var writer = ProtobufWriter()
    var added: [[UInt8]] = []
    var flattened = 0
    for piece in others where texts.insert(piece.text).inserted {
      let kind = try Self.kind(of: piece, file: paths.second)
      switch scores {
      case .keep: writer.bytes(1, second[piece.message])
      case .zero:
        var message = ProtobufWriter()
        message.bytes(1, piece.text)
        message.fixed32(2, 0)
        writer.bytes(1, message.bytes)
        if kind != .normal { flattened += 1 }
      }
      added.append(Array(piece.text))
    }
    bytes = first[..<end] + writer.bytes + first[end...]
    self.added = added
    (ownCount, knownCount, flattenedCount) = (own.count, others.count - added.count, flattened)
  }

  /// The pieces of a model, and where the last of them ends.
  private static func pieces(_ bytes: [UInt8], file: String) throws -> (pieces: [Piece], end: Int) {
    var reader = ProtobufReader(bytes: bytes, at: 0, end: bytes.count)
    var pieces: [Piece] = []
    var end = 0
    do throws(ProtobufFailure) {
      while let (field, wire) = try reader.key() {
        guard field == 1, wire == 2 else {
          try reader.skip(wire)
          continue
        }
        pieces.append(try piece(reader.message()))
        end = reader.at
      }
    } catch {
      throw TokenizerError(.malformed, file: file, place: "byte \(error.offset)", reason: error.reason)
    }
    return (pieces, end)
  }

  private static func piece(_ whole: ProtobufReader) throws(ProtobufFailure) -> Piece {
    var reader = whole
    var (text, kind): (ArraySlice<UInt8>, UInt64) = ([], 1)
    while let (field, wire) = try reader.key() {
      switch (field, wire) {
      case (1, 2):
        let part = try reader.message()
        text = part.bytes[part.at..<part.end]
      case (3, 0): kind = try reader.varint()
      default: try reader.skip(wire)
      }
    }
    return Piece(message: whole.at..<whole.end, text: text, kind: kind)
  }

  /// The kind of a piece that is to be appended.
  private static func kind(of piece: Piece, file: String) throws -> Vocabulary.Kind {
    let what: String
    switch Int32(exactly: piece.kind).flatMap(Vocabulary.Kind.init) {
    case .normal: return .normal
    case .control: return .control
    case .userDefined: return .userDefined
    case .unknown: what = "stands for what is unknown, for which the model has another piece"
    case .byte: what = "is the piece of a byte, which the model's own tokenizer does not have"
    case .unused: what = "stands for nothing"
    case nil: what = "has the kind \(piece.kind), which is not known"
    }
    throw TokenizerError(
      .unsupported, file: file,
      reason: "\(displayName(String(decoding: piece.text, as: UTF8.self))) \(what): it cannot be appended",
      remedy: "train the second tokenizer with the same special pieces and the same byte fallback as the model's own")
  }
}
