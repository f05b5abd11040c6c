// SplitMix64: random numbers that are the same everywhere. Source: Steele, Lea, Flood, OOPSLA 2014; the constants are those
// of java.util.SplittableRandom.

/// Random numbers from a seed. Shuffling is done here: that of Swift's library may change from one version to the next.
struct SeededGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// Puts elements into a random order (Fisher and Yates, from the end).
  mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      // The high word of the product is below last + 1; its bias is of the order of last / 2^64.
      elements.swapAt(last, Int(next().multipliedFullWidth(by: UInt64(last + 1)).high))
    }
  }
}
