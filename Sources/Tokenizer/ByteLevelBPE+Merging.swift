// The merges of one word: always the pair with the lowest rank, the leftmost of equals, until none is left.

import ByteIO

extension ByteLevelBPE {
  /// Merges words; remembers those it has seen, since texts repeat them.
  struct Merger {
    private let tokenizer: ByteLevelBPE
    private var seen: [ArraySlice<UInt8>: [Int32]] = [:]
    private var symbols: [Symbol] = []
    private var heap: [Candidate] = []

    private static let cacheLimit = 1 << 16
    private static let cachedLength = 64
    /// A longer word is merged in parts.
    static let partLength = 1 << 14

    /// The bytes that stand side by side in a token: `256 * left + right`. Made where a long word asks for it.
    private var pairs: [Bool] = []

    private struct Symbol {
      var id: Int32
      /// The neighbours that are left; -1 at the ends. A symbol that was merged away has id -1.
      var previous: Int
      var next: Int
    }

    private struct Candidate {
      let rank: Int32
      let position: Int
      let left: Int32
      let right: Int32

      static func < (a: Candidate, b: Candidate) -> Bool { (a.rank, a.position) < (b.rank, b.position) }
    }

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

    /// - Complexity: O(n log n): a heap of the pairs; those that no longer stand are passed over.
    private mutating func merge(_ word: ArraySlice<UInt8>, to ids: inout [Int32]) throws {
      symbols.removeAll(keepingCapacity: true)
      heap.removeAll(keepingCapacity: true)
      for (place, byte) in word.enumerated() {
        let id = tokenizer.byteIDs[Int(byte)]
        guard id >= 0 else {
          throw TokenizerError(
            .badText, file: tokenizer.path, reason: "the vocabulary has no token for the byte \(byte) of the text")
        }
        symbols.append(Symbol(id: id, previous: place - 1, next: place + 1 < word.count ? place + 1 : -1))
      }
      for place in symbols.indices { consider(place) }
      while let candidate = pop() {
        let place = candidate.position
        let right = symbols[place].next
        guard right >= 0, symbols[place].id == candidate.left, symbols[right].id == candidate.right,
          let merge = tokenizer.merges[candidate.left, candidate.right]
        else { continue }
        symbols[place].id = merge.id
        symbols[place].next = symbols[right].next
        if symbols[right].next >= 0 { symbols[symbols[right].next].previous = place }
        symbols[right].id = -1
        if symbols[place].previous >= 0 { consider(symbols[place].previous) }
        consider(place)
      }
      var place = symbols.isEmpty ? -1 : 0
      while place >= 0 {
        ids.append(symbols[place].id)
        place = symbols[place].next
      }
    }

    /// Puts the pair that begins at a place on the heap, where the merges have it.
    private mutating func consider(_ place: Int) {
      let right = symbols[place].next
      guard right >= 0, let merge = tokenizer.merges[symbols[place].id, symbols[right].id] else { return }
      heap.append(Candidate(rank: merge.rank, position: place, left: symbols[place].id, right: symbols[right].id))
      var child = heap.count - 1
      while child > 0, heap[child] < heap[(child - 1) / 2] {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
    }

    /// Takes the first pair off the heap.
    private mutating func pop() -> Candidate? {
      guard let first = heap.first, let last = heap.popLast() else { return nil }
      guard !heap.isEmpty else { return first }
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
          least = child
        }
        if least == parent { return first }
        heap.swapAt(parent, least)
        parent = least
      }
    }
  }
}
