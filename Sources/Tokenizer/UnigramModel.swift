// The unigram model: of all ways to cut a word into pieces the one with the greatest sum of scores.
// Source: huggingface/tokenizers, models/unigram/model.rs (`encode_optimized`).

import ByteIO

/// Pieces with scores.
struct UnigramModel: Sendable {
  private let path: String
  private let table: StringTable
  /// The ids in the order of their pieces, byte by byte.
  private let order: [Int32]
  private let pieces: [[UInt8]]
  private let scores: [Double]
  private let unknown: Int32?
  private let unknownScore: Double
  /// The tokens of bytes; empty where there are none.
  private let bytes: [Int32]

  /// How much less than the worst piece a character without one is worth.
  private static let unknownPenalty = 10.0

  init(_ contents: TokenizerFile) throws {
    path = contents.path
    table = contents.vocabulary
    guard contents.scores.count == contents.vocabulary.count else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a list of pieces with their scores as Unigram's vocabulary")
    }
    scores = contents.scores
    var pieces = [[UInt8]](repeating: [], count: contents.scores.count)
    contents.vocabulary.forEach { piece, id in pieces[Int(id)] = Array(piece) }
    self.pieces = pieces
    order = pieces.indices.filter { !pieces[$0].isEmpty }.sorted { pieces[$0].lexicographicallyPrecedes(pieces[$1]) }
      .map { Int32($0) }
    if let id = contents.model["unk_id"]?.number {
      guard pieces.indices.contains(id) else {
        throw TokenizerError(
          .malformed, file: path, reason: "unk_id is \(id), and there are \(pieces.count) pieces")
      }
      unknown = Int32(id)
    } else {
      unknown = nil
    }
    unknownScore = (contents.scores.min() ?? 0) - Self.unknownPenalty
    let named = (0...255).map { contents.vocabulary.id(Array(Vocabulary.byteName($0).utf8)) ?? -1 }
    bytes = contents.spellsBytes ? named : []
  }

  /// The best way to a place.
  private struct Way {
    var score = 0.0
    /// Where its last piece begins; -1 where there is no way yet.
    var start = -1
    var isUnknown = false
  }

  /// Appends the ids of a word.
  ///
  /// - Complexity: O(n · longest piece).
  func append(_ word: ArraySlice<UInt8>, to ids: inout [Int32]) throws {
    let text = Array(word)
    var ways = [Way](repeating: Way(), count: text.count + 1)
    var at = 0
    while at < text.count {
      var end = at + 1
      while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
      let before = ways[at].score
      var hasSingle = false
      forEachPrefix(of: text[at...]) { id, length in
        let score = scores[Int(id)] + before
        let place = at + length
        if ways[place].start < 0 || score > ways[place].score {
          ways[place] = Way(score: score, start: at, isUnknown: id == unknown)
        }
        if place == end { hasSingle = true }
      }
      if !hasSingle, ways[end].start < 0 || before + unknownScore > ways[end].score {
        ways[end] = Way(score: before + unknownScore, start: at, isUnknown: true)
      }
      at = end
    }
    for piece in cuts(ways) { try append(text[piece], piece: &ids) }
  }

  /// The pieces of the best way; unknown ones in a row are one.
  private func cuts(_ ways: [Way]) -> [Range<Int>] {
    var cuts: [Range<Int>] = []
    var end = ways.count - 1
    var behindIsUnknown = false
    while end > 0 {
      let way = ways[end]
      if way.isUnknown, behindIsUnknown, unknown != nil, let last = cuts.popLast() {
        cuts.append(way.start..<last.upperBound)
      } else {
        cuts.append(way.start..<end)
      }
      behindIsUnknown = way.isUnknown
      end = way.start
    }
    return cuts.reversed()
  }

  private func append(_ piece: ArraySlice<UInt8>, piece ids: inout [Int32]) throws {
    if let id = table.id(piece) { return ids.append(id) }
    let spelled = bytes.isEmpty ? [] : piece.map { bytes[Int($0)] }
    if !spelled.isEmpty, spelled.allSatisfy({ $0 >= 0 }) { return ids += spelled }
    guard let unknown else {
      throw TokenizerError(
        .badText, file: path,
        reason:
          "no piece spells \(displayName(String(decoding: piece, as: UTF8.self))), and it names none for what is unknown"
      )
    }
    ids.append(unknown)
  }

  /// Calls a body with every piece that a text begins with, the shortest first: the pieces in order that begin like it
  /// become fewer byte by byte.
  private func forEachPrefix(of text: ArraySlice<UInt8>, _ body: (Int32, Int) -> Void) {
    var (low, high) = (0, order.count)
    var length = 0
    for byte in text {
      low = bound(low, high, length) { $0 < byte }
      high = bound(low, high, length) { $0 <= byte }
      guard low < high else { return }
      length += 1
      if pieces[Int(order[low])].count == length { body(order[low], length) }
    }
  }

  /// The first place in a range whose piece's byte is not before; pieces that end there come first.
  private func bound(_ low: Int, _ high: Int, _ length: Int, _ isBefore: (UInt8) -> Bool) -> Int {
    var (low, high) = (low, high)
    while low < high {
      let middle = (low + high) / 2
      let piece = pieces[Int(order[middle])]
      if piece.count <= length || isBefore(piece[length]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
