// Byte-level byte-pair encoding: BLOOM, GPT-2, Llama 3, Qwen2, DeepSeek and most others. Text is cut into added tokens and
// words; a word's bytes are merged in the order of the merges list. Source: huggingface/tokenizers (models/bpe,
// pre_tokenizers/byte_level.rs). What it refuses: ByteLevelBPE+Loading.swift.

import ByteIO

/// A byte-level BPE tokenizer.
package struct ByteLevelBPE: Tokenizer {
  /// What it is.
  package var kind: String { "byte-level-bpe" }
  /// Ids are `0 ..< vocabularySize`.
  package let vocabularySize: Int
  /// How many of them are of the tokenizer's own file.
  package let ownSize: Int
  /// The ids that are set aside, and which of them a text gets.
  package let special: SpecialTokens
  /// What is to be told of the files that it was read from.
  package let remarks: [String]

  let path: String
  let vocabulary: StringTable
  let added: AddedTokens
  let preTokenizer: PreTokenizer
  let addsPrefixSpace: Bool
  /// What is done with a text before it is cut.
  let normalizers: [TextNormalizer]
  /// A word that is in the vocabulary as a whole is not merged from its bytes.
  let ignoresMerges: Bool
  let merges: MergeTable
  /// The id of each single byte; -1 where the vocabulary lacks it.
  let byteIDs: [Int32]
  /// The bytes of every id: `tokenBytes[tokenEnds[id - 1]..<tokenEnds[id]]`.
  let tokenBytes: [UInt8]
  let tokenEnds: [Int]

  /// The ids of a text, without those that stand before and after it; added tokens in it are taken as such.
  package func encode(_ text: String) throws -> [Int32] { try encode(text, atLeast: .max) }

  /// The first ids of a text.
  package func encode(_ text: String, atLeast count: Int) throws -> [Int32] {
    guard text.utf8.count <= Self.textLimit else {
      throw TokenizerError(
        .badText, file: path,
        reason: "a text of \(text.utf8.count) bytes is too long: at most \(Self.textLimit) are taken")
    }
    var ids: [Int32] = []
    var merger = Merger(self)
    try forEachPart(text) { part in
      switch part {
      case .token(let id): ids.append(id)
      case .text(let bytes):
        let segment = addsPrefixSpace && bytes.first != 0x20 ? [0x20] + bytes : bytes
        do {
          try preTokenizer.forEachPiece(segment, pieceLimit: Self.runLimit) {
            try merger.append($0, to: &ids)
            return ids.count < count
          }
        } catch is PreTokenizer.PieceTooLong {
          throw TokenizerError(
            .badText, file: path,
            reason: "the text goes on for more than \(Self.runLimit) bytes without a place to cut it")
        }
      }
      return ids.count < count
    }
    return ids
  }

  private func forEachPart(_ text: String, _ body: (AddedTokens.Part) throws -> Bool) throws {
    do { try added.forEachPart(Array(text.utf8), body) } catch is WordPattern.TooManySteps {
      throw TokenizerError(.badText, file: path, reason: "an expression of its rules takes too long for the text")
    }
  }

  /// What normalizers make of a part of a text; nil for none.
  static func normalize(_ steps: [TextNormalizer]) -> (@Sendable (ArraySlice<UInt8>) throws -> [UInt8])? {
    guard !steps.isEmpty else { return nil }
    return { @Sendable text in try TextNormalizer.apply(steps, text) }
  }

  /// The text of ids. Those that fill up the embedding's rows stand for no text.
  package func decode(_ ids: [Int32]) throws -> String {
    var bytes: [UInt8] = []
    for id in ids {
      guard id >= 0 else { throw TokenizerError(.unknownID, file: path, reason: "there is no token \(id)") }
      guard id < tokenEnds.count else { continue }
      bytes += tokenBytes[(id == 0 ? 0 : tokenEnds[Int(id) - 1])..<tokenEnds[Int(id)]]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
