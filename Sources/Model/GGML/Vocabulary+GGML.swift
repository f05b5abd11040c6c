// The tokens of llama.cpp's files of before GGUF as a vocabulary: text that was decoded, which has lost what kind of piece
// it was. Unknown and control pieces are the first three, bytes are 3 to 258, as in LLaMA's SentencePiece model.
// Source: llama.cpp of March to August 2023, convert.py (SentencePieceVocab); its convert_llama_ggml_to_gguf.py.
// Refused: tokens that are no UTF-8, fewer than the first three.

import ByteIO
import Checkpoint
import Tokenizer

extension Vocabulary {
  /// What is set aside: as in every file of that time.
  static let ggmlSpecial: SpecialTokens = {
    var special = SpecialTokens()
    (special.unknown, special.bos, special.eos, special.prefix) = (0, 1, 2, [1])
    return special
  }()

  /// The token of the first byte, and how many there are.
  private static let (firstByte, byteCount) = (3, 256)

  /// The vocabulary of a file.
  ///
  /// Where the file has no scores they are those that SentencePiece's trainer gives: the order of the pieces.
  ///
  /// - Throws: ``ModelError``.
  package init(_ vocabulary: GGMLVocabulary, file path: String) throws {
    guard vocabulary.count >= Self.firstByte else {
      throw ModelError(.malformed, file: path, reason: "it has \(vocabulary.count) tokens; expected at least 3")
    }
    let firstPiece = Self.firstByte + Self.byteCount
    // The first converter lost the bytes of no ASCII, which have no text of their own.
    let hasBytes =
      vocabulary.count >= firstPiece && (0..<128).allSatisfy { vocabulary[Self.firstByte + $0] == [UInt8($0)] }
    let tokens = try (0..<vocabulary.count).map { id throws -> Token in
      let score = vocabulary.scores?[id] ?? (id < firstPiece ? 0 : -Float(id - firstPiece))
      switch id {
      case 0: return Token("<unk>", score: score, kind: .unknown)
      case 1: return Token("<s>", score: score, kind: .control)
      case 2: return Token("</s>", score: score, kind: .control)
      default: break
      }
      let bytes = vocabulary[id]
      guard let first = bytes.first else { return Self.padding(id) }
      if id < firstPiece, hasBytes || bytes.count == 1 && Int(first) == id - Self.firstByte {
        return Token(Self.byteName(UInt8(id - Self.firstByte)), score: score, kind: .byte)
      }
      let marked = bytes.flatMap { $0 == UInt8(ascii: " ") ? Array("\u{2581}".utf8) : [$0] }
      guard let text = String(validating: marked, as: UTF8.self) else {
        throw ModelError(.malformed, file: path, reason: "token \(id) is not UTF-8")
      }
      return Token(text, score: score, kind: .normal)
    }
    self.init(model: .sentencePiece(addsSpacePrefix: true), tokens: tokens, special: Self.ggmlSpecial)
  }
}
