// The parts of a serialized SentencePiece model (`tokenizer.model`) that libsentencepiece does not show: scores, and how a
// text is normalized. Source: google/sentencepiece, src/sentencepiece_model.proto.
// Refused: what is no such message, kinds that are not known, more pieces than the limit.

import ByteIO

/// A SentencePiece model, as far as a vocabulary goes.
struct SentencePieceProto: Sendable, Equatable {
  /// The algorithms, by the numbers of `TrainerSpec.ModelType`.
  enum Algorithm: UInt64, Sendable {
    case unigram = 1
    case bpe = 2
    case word = 3
    case char = 4
  }

  var pieces: [Vocabulary.Token] = []
  var algorithm = Algorithm.unigram
  var hasByteFallback = false
  /// Whether a space is put before a text.
  var addsSpacePrefix = true
  /// Whether runs of spaces become one.
  var removesExtraSpaces = true
  /// Whether the space before a word is put behind it instead.
  var putsSpacesBehind = false
  /// Whether a space is spelled `▁`.
  var escapesSpaces = true
  /// Whether characters are replaced by others before anything else.
  var hasCharacterMap = false
  /// What the pieces that are set aside are called: unknown, bos, eos, pad.
  var setAside = ["<unk>", "<s>", "</s>", "<pad>"]

  /// What a file is that cannot be read.
  typealias Failure = ProtobufFailure

  static let pieceLimit = 1 << 19

  /// Whether a serialized model has more pieces than the limit: told before anything is made of them. What cannot be read is
  /// told by whoever reads it.
  static func hasTooManyPieces(_ bytes: [UInt8]) -> Bool {
    var reader = ProtobufReader(bytes: bytes, at: 0, end: bytes.count)
    var count = 0
    while let key = try? reader.key(), (try? reader.skip(key.wire)) != nil {
      if key.field == 1 { count += 1 }
      if count > pieceLimit { return true }
    }
    return false
  }

  /// Reads a serialized model.
  init(_ bytes: [UInt8]) throws(Failure) {
    var reader = ProtobufReader(bytes: bytes, at: 0, end: bytes.count)
    while let (field, wire) = try reader.key() {
      switch (field, wire) {
      case (1, 2):
        guard pieces.count < Self.pieceLimit else {
          throw reader.failure("there are more than \(Self.pieceLimit) pieces")
        }
        var piece = try reader.message()
        pieces.append(try Self.piece(&piece))
      case (2, 2):
        var message = try reader.message()
        try readTrainer(&message)
      case (3, 2):
        var message = try reader.message()
        try readNormalizer(&message)
      default: try reader.skip(wire)
      }
    }
  }

  private static func piece(_ reader: inout ProtobufReader) throws(Failure) -> Vocabulary.Token {
    var token = Vocabulary.Token("")
    while let (field, wire) = try reader.key() {
      switch (field, wire) {
      case (1, 2): token.text = try reader.text()
      case (2, 5): token.score = Float(bitPattern: try reader.fixed32())
      case (3, 0):
        let number = try reader.varint()
        guard let kind = Int32(exactly: number).flatMap(Vocabulary.Kind.init) else {
          throw reader.failure("a piece has the kind \(number), which is not known")
        }
        token.kind = kind
      default: try reader.skip(wire)
      }
    }
    return token
  }

  private mutating func readTrainer(_ reader: inout ProtobufReader) throws(Failure) {
    while let (field, wire) = try reader.key() {
      switch (field, wire) {
      case (3, 0):
        let number = try reader.varint()
        guard let known = Algorithm(rawValue: number) else {
          throw reader.failure("the algorithm \(number) is not known")
        }
        algorithm = known
      case (24, 0): putsSpacesBehind = try reader.varint() != 0
      case (35, 0): hasByteFallback = try reader.varint() != 0
      case (45...48, 2): setAside[Int(field) - 45] = try reader.text()
      default: try reader.skip(wire)
      }
    }
  }

  private mutating func readNormalizer(_ reader: inout ProtobufReader) throws(Failure) {
    while let (field, wire) = try reader.key() {
      switch (field, wire) {
      case (2, 2): hasCharacterMap = try !reader.message().isEmpty
      case (3, 0): addsSpacePrefix = try reader.varint() != 0
      case (4, 0): removesExtraSpaces = try reader.varint() != 0
      case (5, 0): escapesSpaces = try reader.varint() != 0
      default: try reader.skip(wire)
      }
    }
  }

  /// The ids that the model sets aside, as libsentencepiece tells them (sentencepiece_processor.cc, `unk_id` to `pad_id`): a
  /// name of no piece is the unknown one's.
  var special: SpecialTokens {
    let id = { (name: String, kind: Vocabulary.Kind) -> Int32? in
      let named = pieces.firstIndex { $0.text == name } ?? pieces.firstIndex { $0.kind == .unknown }
      return named.flatMap { pieces[$0].kind == kind ? Int32($0) : nil }
    }
    var special = SpecialTokens()
    special.unknown = id(setAside[0], .unknown)
    special.bos = id(setAside[1], .control)
    special.eos = id(setAside[2], .control)
    special.pad = id(setAside[3], .control)
    return special
  }

  /// What says the same as a vocabulary of SentencePiece's.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``TokenizerError`` where some bytes have a token and others have none.
  init(_ vocabulary: Vocabulary, addsSpacePrefix: Bool, file path: String) throws {
    pieces = Array(vocabulary.realTokens)
    // SentencePiece would find these in the middle of a word, too; they are looked for before it sees the text.
    for token in vocabulary.addedTokens where token.isSingleWord && !token.isSpecial {
      pieces[Int(token.id)].kind = .control
    }
    // For SentencePiece one piece is the unknown one. GGUF files of Phi-3, as llama.cpp's converter writes them, have it as one
    // of control, and call the tokens that fill the embedding up (`[PAD32011]`) unknown.
    if let unknown = vocabulary.special.unknown.map(Int.init), pieces.indices.contains(unknown) {
      for id in pieces.indices where pieces[id].kind == .unknown { pieces[id].kind = .unused }
      pieces[unknown].kind = .unknown
    }
    algorithm = .bpe
    self.addsSpacePrefix = addsSpacePrefix
    removesExtraSpaces = false
    let bytes = pieces.count { $0.kind == .byte }
    guard bytes == 0 || bytes == 256 else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected tokens for none or all of the 256 bytes, found \(bytes)")
    }
    hasByteFallback = bytes > 0
  }

  /// The message: what libsentencepiece reads.
  ///
  /// - Parameter special: whose tokens' names the message must say, where they are not the usual ones.
  func serialized(_ special: SpecialTokens) -> [UInt8] {
    var writer = ProtobufWriter()
    for piece in pieces {
      var inner = ProtobufWriter()
      inner.text(1, piece.text)
      inner.fixed32(2, piece.score.bitPattern)
      if piece.kind != .normal { inner.number(3, UInt64(piece.kind.rawValue)) }
      writer.bytes(1, inner.bytes)
    }
    var trainer = ProtobufWriter()
    trainer.number(3, algorithm.rawValue)
    trainer.number(4, UInt64(pieces.count))
    if hasByteFallback { trainer.number(35, 1) }
    for (field, id) in [(40, special.unknown), (41, special.bos), (42, special.eos), (43, special.pad)]
      as [(Int, Int32?)]
    {
      trainer.number(field, UInt64(bitPattern: Int64(id ?? -1)))
    }
    for (field, id) in [(45, special.unknown), (46, special.bos), (47, special.eos), (48, special.pad)]
      as [(Int, Int32?)]
    {
      if let id, pieces.indices.contains(Int(id)) { trainer.text(field, pieces[Int(id)].text) }
    }
    writer.bytes(2, trainer.bytes)
    var normalizer = ProtobufWriter()
    normalizer.text(1, "identity")
    normalizer.number(3, addsSpacePrefix ? 1 : 0)
    normalizer.number(4, removesExtraSpaces ? 1 : 0)
    normalizer.number(5, escapesSpaces ? 1 : 0)
    writer.bytes(3, normalizer.bytes)
    return writer.bytes
  }
}
