import CBelleKernels
import TestSupport
import Testing

@Suite("belle_xor") struct XorTests {
  static let variants = (0..<UInt32(BELLE_VARIANT_COUNT)).map { belle_variant($0) }.filter(belle_variant_available)

  @Test("the scalar variant is always there, and the best one is available")
  func availability() {
    #expect(belle_variant_available(BELLE_SCALAR))
    #expect(belle_variant_available(belle_best_variant()))
    #expect(!belle_variant_available(belle_variant(99)))
  }

  @Test("every variant equals a byte-by-byte XOR, at every length and alignment", arguments: variants.map(\.rawValue))
  func equalsOracle(variant: UInt32) {
    for length in Array(0...200) + [1023, 4096, 65537] {
      for shift in [0, 1, 7, 31] {
        let data = SplitMix64.bytes(seed: UInt64(length), count: length + shift)
        let key = SplitMix64.bytes(seed: UInt64(length) + 1, count: length + shift + 3)
        var result = data
        result.withUnsafeMutableBufferPointer { result in
          key.withUnsafeBufferPointer { key in
            guard let result = result.baseAddress, let key = key.baseAddress else { return }
            belle_xor(belle_variant(variant), result + shift, key + shift + 3, length)
          }
        }
        let expected = data.prefix(shift) + zip(data.dropFirst(shift), key.dropFirst(shift + 3)).map { $0 ^ $1 }
        #expect(result == Array(expected), "length \(length), shift \(shift)")
      }
    }
  }

  @Test("the best kernel is its own inverse")
  func inverse() {
    let data = SplitMix64.bytes(seed: 5, count: 100_003)
    let key = SplitMix64.bytes(seed: 6, count: 100_003)
    var result = data
    for _ in 0..<2 {
      result.withUnsafeMutableBufferPointer { result in
        key.withUnsafeBufferPointer { key in
          guard let result = result.baseAddress, let key = key.baseAddress else { return }
          belle_xor(belle_best_variant(), result, key, 100_003)
        }
      }
      #expect((result == data) != (result != data))
    }
    #expect(result == data)
  }
}
