// The words of a text, each merged from its bytes.

import ByteIO

extension ByteLevelBPE {
  /// Merges words; remembers those it has seen, since texts repeat them.
  struct Merger {
    private let tokenizer: ByteLevelBPE
    private var seen: [ArraySlice<UInt8>: [Int32]] = [:]
    private var symbols: [Int32] = []
    private var merger = PairMerger()

    private static let cacheLimit = 1 << 16
    private static let cachedLength = 64
    /// A longer word is merged in parts.
    static let partLength = 1 << 14

    /// The bytes that stand side by side in a token: `256 * left + right`. Made where a long word asks for it.
    private var pairs: [Bool] = []

    init(_ tokenizer: ByteLevelBPE) { self.tokenizer = tokenizer }

    /// Appends the ids of a word; of a longer one than `partLength` part by part.
    mutating func append(
      _ word: ArraySlice<UInt8>, to ids: inout [Int32], partLength: Int = Self.partLength
    ) throws {
      if word.count > partLength {
        for part in parts(of: word) { try merge(part, to: &ids) }
        return
      }
      if let known = seen[word] { return ids.append(contentsOf: known) }
      let start = ids.count
      if tokenizer.ignoresMerges, let id = tokenizer.vocabulary.id(ByteAlphabet.encode(word)) {
        ids.append(id)
      } else {
        try merge(word, to: &ids)
      }
      if word.count <= Self.cachedLength, seen.count < Self.cacheLimit {
        seen[ArraySlice(Array(word))] = Array(ids[start...])
      }
    }

    /// Parts of a word that are merged as they are in the whole: no merge ever joins two bytes that stand side by side in no
    /// token, and those to the left of such a place have nothing to do with those to its right.
    private mutating func parts(of word: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
      if pairs.isEmpty {
        pairs = [Bool](repeating: false, count: 1 << 16)
        tokenizer.vocabulary.forEach { spelling, _ in
          let bytes = ByteAlphabet.decode(spelling) ?? Array(spelling)
          for (left, right) in zip(bytes, bytes.dropFirst()) { pairs[256 * Int(left) + Int(right)] = true }
        }
      }
      var parts: [ArraySlice<UInt8>] = []
      var start = word.startIndex
      var at = start + Self.partLength
      while at < word.endIndex {
        if pairs[256 * Int(word[at - 1]) + Int(word[at])] {
          at += 1
        } else {
          parts.append(word[start..<at])
          start = at
          at += Self.partLength
        }
      }
      parts.append(word[start...])
      return parts
    }

    private mutating func merge(_ word: ArraySlice<UInt8>, to ids: inout [Int32]) throws {
      symbols.removeAll(keepingCapacity: true)
      for byte in word {
        let id = tokenizer.byteIDs[Int(byte)]
        guard id >= 0 else {
          throw TokenizerError(
            .badText, file: tokenizer.path, reason: "the vocabulary has no token for the byte \(byte) of the text")
        }
        symbols.append(id)
      }
      merger.merge(symbols, by: tokenizer.merges, to: &ids)
    }
  }
}
