// Byte-level byte-pair encoding from `tokenizer.json`: BLOOM, GPT-2, Llama 3, Qwen2. Text is cut into added tokens and
// words; a word's bytes are merged in the order of the merges list. Source: huggingface/tokenizers (models/bpe,
// pre_tokenizers/byte_level.rs). What it refuses: ByteLevelBPE+Loading.swift.

import ByteIO
import Foundation

/// A byte-level BPE tokenizer.
public struct ByteLevelBPE: Tokenizer {
  /// What it is.
  public var kind: String { "byte-level-bpe" }
  /// Ids are `0 ..< vocabularySize`.
  public let vocabularySize: Int
  /// The ids that are set aside, and which of them a text gets.
  public let special: SpecialTokens

  let path: String
  let vocabulary: StringTable
  let added: AddedTokens
  let preTokenizer: PreTokenizer
  let addsPrefixSpace: Bool
  let normalizesNFC: Bool
  /// A word that is in the vocabulary as a whole is not merged from its bytes.
  let ignoresMerges: Bool
  /// The pair of ids, the left one in the high half → its rank, and the id that it becomes.
  let merges: [UInt64: Merge]
  /// The id of each single byte; -1 where the vocabulary lacks it.
  let byteIDs: [Int32]
  /// The bytes of every id: `tokenBytes[tokenEnds[id - 1]..<tokenEnds[id]]`.
  let tokenBytes: [UInt8]
  let tokenEnds: [Int]

  struct Merge: Sendable {
    let rank: Int32
    let id: Int32
  }

  /// The ids of a text, without those that stand before and after it; added tokens in it are taken as such.
  public func encode(_ text: String) throws -> [Int32] {
    guard text.utf8.count <= Self.textLimit else {
      throw TokenizerError(.badText, file: path, reason: "a text of \(text.utf8.count) bytes is too long")
    }
    let bytes = Array((normalizesNFC ? text.precomposedStringWithCanonicalMapping : text).utf8)
    var ids: [Int32] = []
    var merger = Merger(self)
    for part in added.parts(bytes) {
      switch part {
      case .token(let id): ids.append(id)
      case .text(let range):
        var segment = Array(bytes[range])
        if addsPrefixSpace, segment.first != 0x20 { segment.insert(0x20, at: 0) }
        try preTokenizer.forEachPiece(segment) { try merger.append($0, to: &ids) }
      }
    }
    return ids
  }

  /// The text of ids.
  public func decode(_ ids: [Int32]) throws -> String {
    var bytes: [UInt8] = []
    for id in ids {
      guard id >= 0, id < tokenEnds.count else {
        throw TokenizerError(
          .unknownID, file: path, reason: "there is no token \(id): the last is \(tokenEnds.count - 1)")
      }
      bytes += tokenBytes[(id == 0 ? 0 : tokenEnds[Int(id) - 1])..<tokenEnds[Int(id)]]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
