import CBelleKernels
import TestSupport
import Testing

@Suite("Figures of tensors") struct FiguresTests {
  static let variants = (0..<UInt32(BELLE_VARIANT_COUNT)).filter { belle_variant_available(belle_variant($0)) }
  static let kinds = (0..<UInt32(12)).map { $0 }

  /// Random elements of a kind; of floats, some are NaN, infinite, zero or very small.
  static func numbers(_ kind: UInt32, _ count: Int, seed: UInt64) -> [UInt8] {
    let size = belle_number_size(belle_number(kind))
    guard let float = FloatKind.all.first(where: { $0.kind == kind }) else {
      return SplitMix64.bytes(seed: seed, count: count * size)
    }
    var random = SplitMix64(seed: seed)
    return (0..<count).flatMap { _ in
      let bits = float.sample(&random)
      // Large doubles overflow when they are squared, and what comes of it says little.
      let tame = kind == BELLE_NUMBER_F64.rawValue ? bits & ~(1 << 62) : bits
      return (0..<size).map { UInt8(truncatingIfNeeded: tame >> UInt64(8 * $0)) }
    }
  }

  /// The value of an element by Swift's own types.
  static func value(_ kind: UInt32, _ bytes: [UInt8], _ index: Int) -> Double {
    func load<T: BitwiseCopyable>(_ type: T.Type) -> T {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: type) }
    }
    switch belle_number(kind) {
    case BELLE_NUMBER_F64: return load(Double.self)
    case BELLE_NUMBER_F32: return Double(load(Float.self))
    case BELLE_NUMBER_F16: return value(.f16, UInt64(load(UInt16.self)))
    case BELLE_NUMBER_BF16: return value(.bf16, UInt64(load(UInt16.self)))
    case BELLE_NUMBER_I64: return Double(load(Int64.self))
    case BELLE_NUMBER_U64: return Double(load(UInt64.self))
    case BELLE_NUMBER_I32: return Double(load(Int32.self))
    case BELLE_NUMBER_U32: return Double(load(UInt32.self))
    case BELLE_NUMBER_I16: return Double(load(Int16.self))
    case BELLE_NUMBER_U16: return Double(load(UInt16.self))
    case BELLE_NUMBER_I8: return Double(load(Int8.self))
    default: return Double(load(UInt8.self))
    }
  }

  private static func value(_ kind: FloatKind, _ bits: UInt64) -> Double {
    if kind.isNaN(bits) { return .nan }
    if kind.magnitude(bits) == kind.infinity { return bits & kind.signBit == 0 ? .infinity : -.infinity }
    return kind.value(bits)
  }

  static func bits(_ value: belle_statistics) -> [UInt64] {
    [value.count, value.nans, value.infinities, value.minimum.bitPattern, value.maximum.bitPattern]
      + withUnsafeBytes(of: value.sums) { Array($0.bindMemory(to: UInt64.self)) }
  }

  static func bits(_ value: belle_differences) -> [UInt64] {
    [value.count, value.different, value.maximum.bitPattern]
      + withUnsafeBytes(of: value.differences) { Array($0.bindMemory(to: UInt64.self)) }
      + withUnsafeBytes(of: value.squares) { Array($0.bindMemory(to: UInt64.self)) }
  }

  static func statistics(_ kind: UInt32, _ bytes: [UInt8], _ variant: UInt32, pieces: [Int]) -> belle_statistics {
    var state = belle_statistics()
    (state.minimum, state.maximum) = (.infinity, -.infinity)
    let size = belle_number_size(belle_number(kind))
    bytes.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return }
      var (at, piece) = (0, 0)
      while at < bytes.count / size {
        let count = min(pieces[piece % pieces.count], bytes.count / size - at)
        belle_statistics_add(belle_variant(variant), &state, belle_number(kind), start + at * size, count)
        (at, piece) = (at + count, piece + 1)
      }
    }
    return state
  }

  static func differences(
    _ kinds: (UInt32, UInt32), _ x: [UInt8], _ y: [UInt8], _ variant: UInt32, pieces: [Int]
  ) -> belle_differences {
    var state = belle_differences()
    let sizes = (belle_number_size(belle_number(kinds.0)), belle_number_size(belle_number(kinds.1)))
    x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        guard let a = x.baseAddress, let b = y.baseAddress else { return }
        var (at, piece) = (0, 0)
        while at < x.count / sizes.0 {
          let count = min(pieces[piece % pieces.count], x.count / sizes.0 - at)
          belle_differences_add(
            belle_variant(variant), &state, belle_number(kinds.0), a + at * sizes.0, belle_number(kinds.1),
            b + at * sizes.1, count)
          (at, piece) = (at + count, piece + 1)
        }
      }
    }
    return state
  }

  @Test("the scalar figures are those of the definition", arguments: kinds)
  func definition(kind: UInt32) {
    let bytes = Self.numbers(kind, 3000, seed: UInt64(kind))
    let values = (0..<3000).map { Self.value(kind, bytes, $0) }
    let finite = values.filter(\.isFinite)
    let found = Self.statistics(kind, bytes, BELLE_SCALAR.rawValue, pieces: [3000])
    #expect(found.count == 3000)
    #expect(found.nans == values.count(where: \.isNaN))
    #expect(found.infinities == values.count(where: \.isInfinite))
    #expect(found.minimum == finite.min())
    #expect(found.maximum == finite.max())
    var lanes = [Double](repeating: 0, count: 16)
    for (index, value) in values.enumerated() where value.isFinite { lanes[index % 16] += value }
    #expect(withUnsafeBytes(of: found.sums) { Array($0.bindMemory(to: Double.self)) } == lanes)
    #expect(belle_lanes_sum(lanes) == lanes.reduce(0, +))
  }

  @Test(
    "every variant gives the same bits, whatever pieces the values come in", arguments: kinds, variants)
  func statisticsVariants(kind: UInt32, variant: UInt32) {
    for count in [0, 1, 15, 16, 17, 511, 512, 513, 5000] {
      let bytes = Self.numbers(kind, count, seed: UInt64(kind) + 50)
      let expected = Self.bits(Self.statistics(kind, bytes, BELLE_SCALAR.rawValue, pieces: [max(count, 1)]))
      for pieces in [[max(count, 1)], [1, 30, 7], [16], [3, 512]] {
        let found = Self.statistics(kind, bytes, variant, pieces: pieces)
        #expect(Self.bits(found) == expected, "\(count) values in pieces of \(pieces)")
      }
    }
  }

  @Test(
    "differences are the same bits too, and those of the definition",
    arguments: [(0, 0), (1, 1), (2, 2), (3, 2), (1, 2), (0, 3), (4, 4), (6, 1), (11, 10)] as [(UInt32, UInt32)],
    variants)
  func differencesVariants(kinds: (UInt32, UInt32), variant: UInt32) {
    for count in [0, 1, 17, 512, 3001] {
      let x = Self.numbers(kinds.0, count, seed: 7)
      var y = Self.numbers(kinds.1, count, seed: 8)
      // Where the kinds are one, every other block of twenty is equal.
      let size = belle_number_size(belle_number(kinds.0))
      if kinds.0 == kinds.1 {
        for index in 0..<count where index / 20 % 2 == 0 {
          y.replaceSubrange(index * size..<(index + 1) * size, with: x[index * size..<(index + 1) * size])
        }
      }
      let expected = Self.differences(kinds, x, y, BELLE_SCALAR.rawValue, pieces: [max(count, 1)])
      var (different, maximum) = (UInt64(0), 0.0)
      for index in 0..<count {
        let (a, b) = (Self.value(kinds.0, x, index), Self.value(kinds.1, y, index))
        if a == b || a.isNaN && b.isNaN { continue }
        different += 1
        maximum = max(maximum, abs(a - b).isNaN ? .infinity : abs(a - b))
      }
      #expect(expected.different == different)
      #expect(expected.maximum == maximum)
      for pieces in [[max(count, 1)], [1, 30, 7], [3, 512]] {
        let found = Self.differences(kinds, x, y, variant, pieces: pieces)
        #expect(Self.bits(found) == Self.bits(expected), "\(count) pairs in pieces of \(pieces)")
      }
    }
  }
}
