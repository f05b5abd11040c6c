// Byte-pair encoding whose smallest symbols are characters: of a vocabulary in the alphabet of bytes, or of one where what no
// token spells becomes the tokens of its bytes. Source: huggingface/tokenizers, models/bpe/model.rs.

import ByteIO

/// BPE over characters.
struct CharacterBPE: Sendable {
  private let path: String
  private let vocabulary: StringTable
  private let merges: MergeTable
  /// What stands for a character that has no token.
  private let unknown: Int32?
  /// Whether several of them in a row are one.
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  /// The tokens of bytes; empty where there are none.
  private let bytes: [Int32]
  /// Pairs of symbols that a merge may join: `left << 32 | right`. Long words are cut between others.
  private let joints: Set<UInt64>

  /// A longer word is merged in parts.
  private static let partLength = 1 << 14
  /// The longest run without a place to cut, in symbols; each takes a hundred bytes.
  private static let runLimit = 4 << 20

  init(_ contents: TokenizerFile) throws {
    path = contents.path
    vocabulary = contents.vocabulary
    try contents.refuseUnknownModelParts()
    merges = try contents.mergeTable()
    unknown = try contents.unknownToken()
    fusesUnknown = contents.model["fuse_unk"]?.truth ?? false
    ignoresMerges = contents.model["ignore_merges"]?.truth ?? false
    let named = (0...255).map { contents.vocabulary.id(Array(Vocabulary.byteName($0).utf8)) ?? -1 }
    bytes = contents.spellsBytes ? named : []
    joints = Self.joints(contents.vocabulary, merges)
  }

  /// What stands side by side inside of a token was joined by a merge: the last symbol of its left half and the first of its
  /// right half. A half may itself be a symbol: a byte's token, a character.
  private static func joints(_ vocabulary: StringTable, _ merges: MergeTable) -> Set<UInt64> {
    var ends: [Int32: (first: Int32, last: Int32)] = [:]
    vocabulary.forEach { spelling, id in
      let starts = spelling.indices.filter { spelling[$0] & 0xC0 != 0x80 }
      guard let last = starts.last, let second = starts.dropFirst().first,
        let firstID = vocabulary.id(spelling[..<second]), let lastID = vocabulary.id(spelling[last...])
      else { return }
      ends[id] = (firstID, lastID)
    }
    var joints: Set<UInt64> = []
    for (left, right, _) in merges.ordered {
      for one in Set([left, ends[left]?.last ?? left]) {
        for other in Set([right, ends[right]?.first ?? right]) { joints.insert(pair(one, other)) }
      }
    }
    return joints
  }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Appends the ids of a word.
  func append(_ word: ArraySlice<UInt8>, to ids: inout [Int32], _ merger: inout PairMerger) throws {
    if ignoresMerges, let id = vocabulary.id(word) { return ids.append(id) }
    let symbols = symbols(word)
    var start = 0
    while start < symbols.count {
      var end = min(start + Self.partLength, symbols.count)
      while end < symbols.count, joints.contains(Self.pair(symbols[end - 1], symbols[end])) { end += 1 }
      guard end - start <= Self.runLimit else {
        throw TokenizerError(
          .badText, file: path,
          reason: "the text goes on for more than \(Self.runLimit) characters without a place to cut it")
      }
      merger.merge(symbols[start..<end], by: merges, to: &ids)
      start = end
    }
  }

  /// The symbols of a word. A character for which there is nothing is left out, as tokenizers does it.
  private func symbols(_ word: ArraySlice<UInt8>) -> [Int32] {
    var symbols: [Int32] = []
    symbols.reserveCapacity(word.count)
    var followsUnknown = false
    var at = word.startIndex
    while at < word.endIndex {
      var end = at + 1
      while end < word.endIndex, word[end] & 0xC0 == 0x80 { end += 1 }
      let character = word[at..<end]
      at = end
      if let id = vocabulary.id(character) {
        symbols.append(id)
        followsUnknown = false
        continue
      }
      let spelled = bytes.isEmpty ? [] : character.map { bytes[Int($0)] }
      if !spelled.isEmpty, spelled.allSatisfy({ $0 >= 0 }) {
        symbols += spelled
        followsUnknown = false
      } else if let unknown {
        if !(fusesUnknown && followsUnknown) { symbols.append(unknown) }
        followsUnknown = true
      }
    }
    return symbols
  }
}
