// Byte-pair encoding of one word: always the pair with the lowest rank, the leftmost of equals, until none is left.

/// Merges symbols. Made once for a text: what it allocates is kept for the next word.
struct PairMerger {
  private var symbols: [Symbol] = []
  private var heap: [Candidate] = []

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

  /// Appends what a word's symbols become.
  ///
  /// - Complexity: O(n log n): a heap of the pairs; those that no longer stand are passed over.
  mutating func merge(_ word: some Collection<Int32>, by merges: MergeTable, to ids: inout [Int32]) {
    symbols.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    let count = word.count
    for (place, id) in word.enumerated() {
      symbols.append(Symbol(id: id, previous: place - 1, next: place + 1 < count ? place + 1 : -1))
    }
    for place in symbols.indices { consider(place, merges) }
    while let candidate = pop() {
      let place = candidate.position
      let right = symbols[place].next
      guard right >= 0, symbols[place].id == candidate.left, symbols[right].id == candidate.right,
        let merge = merges[candidate.left, candidate.right]
      else { continue }
      symbols[place].id = merge.id
      symbols[place].next = symbols[right].next
      if symbols[right].next >= 0 { symbols[symbols[right].next].previous = place }
      symbols[right].id = -1
      if symbols[place].previous >= 0 { consider(symbols[place].previous, merges) }
      consider(place, merges)
    }
    var place = symbols.isEmpty ? -1 : 0
    while place >= 0 {
      ids.append(symbols[place].id)
      place = symbols[place].next
    }
  }

  /// Puts the pair that begins at a place on the heap, where the merges have it.
  private mutating func consider(_ place: Int, _ merges: MergeTable) {
    let right = symbols[place].next
    guard right >= 0, let merge = merges[symbols[place].id, symbols[right].id] else { return }
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
