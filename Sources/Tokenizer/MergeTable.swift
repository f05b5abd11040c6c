// The merges of byte-pair encoding, found by what they merge.

import ByteIO

/// Merges of two tokens into a third, in the order of a list.
struct MergeTable: Sendable {
  /// A merge.
  struct Merge: Sendable {
    /// Its place in the list.
    let rank: Int32
    /// The token that two become.
    let id: Int32
  }

  /// By the pair of ids, the left one in the high half.
  private var merges: [UInt64: Merge]

  /// Merges of a vocabulary's tokens.
  ///
  /// - Parameters:
  ///   - text: all halves, one behind the other.
  ///   - ends: where the left and the right half of each end.
  ///   - path: what errors name.
  ///   - lastCounts: whether of equal pairs the last counts, and not the first: so it is in tokenizers; in llama.cpp it is
  ///     the first.
  /// - Throws: ``TokenizerError`` with code `.malformed` for merges of tokens that are not there.
  init(
    _ text: [UInt8], _ ends: [(left: Int, right: Int)], _ vocabulary: StringTable, file path: String,
    lastCounts: Bool = false
  ) throws {
    merges = [UInt64: Merge](minimumCapacity: ends.count)
    var start = 0
    for (rank, ends) in ends.enumerated() {
      guard let left = vocabulary.id(text[start..<ends.left]), let right = vocabulary.id(text[ends.left..<ends.right]),
        let id = vocabulary.id(text[start..<ends.right])
      else {
        throw TokenizerError(
          .malformed, file: path, reason: "merge \(rank) is of tokens that the vocabulary does not have",
          remedy: "compare the file with the publisher's")
      }
      let pair = Self.pair(left, right)
      if lastCounts || merges[pair] == nil { merges[pair] = Merge(rank: Int32(rank), id: id) }
      start = ends.right
    }
  }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Merges that make all strings of a list that two others make, in the order of the list.
  ///
  /// - Parameters:
  ///   - strings: each once, by rank.
  ///   - vocabulary: the same with their ids.
  init(ranked strings: [[UInt8]], _ vocabulary: StringTable) {
    merges = [:]
    for (rank, string) in strings.enumerated() {
      guard let id = vocabulary.id(string) else { continue }
      for cut in string.indices.dropFirst() {
        guard let left = vocabulary.id(string[..<cut]), let right = vocabulary.id(string[cut...]) else { continue }
        merges[Self.pair(left, right)] = Merge(rank: Int32(clamping: rank), id: id)
      }
    }
  }

  /// What two tokens become; nil where they stay two.
  subscript(left: Int32, right: Int32) -> Merge? { merges[Self.pair(left, right)] }

  /// All merges, by rank; of a list of ranked strings several may have one.
  var ordered: [(left: Int32, right: Int32, merge: Merge)] {
    merges.sorted { ($0.value.rank, $0.key) < ($1.value.rank, $1.key) }.map { pair, merge in
      (Int32(truncatingIfNeeded: pair >> 32), Int32(truncatingIfNeeded: pair), merge)
    }
  }
}
