import CBelleKernels
import TestSupport
import Testing

/// A kind of floating-point number, with its exact values worked out from the definition and not by a conversion.
struct FloatKind: Sendable, CustomStringConvertible {
  let kind: UInt32
  let description: String
  let size: Int
  let fraction: Int
  let exponent: Int

  static let f64 = FloatKind(kind: BELLE_F64.rawValue, description: "f64", size: 8, fraction: 52, exponent: 11)
  static let f32 = FloatKind(kind: BELLE_F32.rawValue, description: "f32", size: 4, fraction: 23, exponent: 8)
  static let f16 = FloatKind(kind: BELLE_F16.rawValue, description: "f16", size: 2, fraction: 10, exponent: 5)
  static let bf16 = FloatKind(kind: BELLE_BF16.rawValue, description: "bf16", size: 2, fraction: 7, exponent: 8)
  static let all = [f64, f32, f16, bf16]

  var infinity: UInt64 { (1 << UInt64(exponent) - 1) << UInt64(fraction) }
  var signBit: UInt64 { 1 << UInt64(fraction + exponent) }
  var quietBit: UInt64 { 1 << UInt64(fraction - 1) }
  func magnitude(_ bits: UInt64) -> UInt64 { bits & (signBit - 1) }
  func isNaN(_ bits: UInt64) -> Bool { magnitude(bits) > infinity }

  /// The value; the greatest number's successor counts as the next power of two, which is what rounding measures by.
  func value(_ bits: UInt64) -> Double {
    let bias = 1 << (exponent - 1) - 1
    let power = Int(magnitude(bits) >> UInt64(fraction))
    let significand = magnitude(bits) & (1 << UInt64(fraction) - 1)
    let magnitude =
      power == 0
      ? Double(sign: .plus, exponent: 1 - bias - fraction, significand: Double(significand))
      : Double(sign: .plus, exponent: power - bias - fraction, significand: Double(significand | 1 << UInt64(fraction)))
    return bits & signBit == 0 ? magnitude : -magnitude
  }

  /// Bits that meet what is rare: subnormal numbers, ties, the ends of the narrower kinds' ranges, NaNs.
  func sample(_ random: inout SplitMix64) -> UInt64 {
    var bits = random.next() & (signBit << 1 &- 1)
    switch random.next() % 8 {
    case 0:  // few bits set: exact values and ties
      bits = bits & ~(UInt64.max >> UInt64(64 - fraction)) | bits & UInt64(random.next() % 16) << UInt64(fraction - 4)
    case 1 where exponent > 5:  // about the range of half
      let bias = UInt64(1) << UInt64(exponent - 1) - 1
      bits = bits & (signBit | (1 << UInt64(fraction) - 1)) | (bias - 30 + random.next() % 50) << UInt64(fraction)
    case 2 where exponent > 8:  // about the lower end of the range of float
      bits = bits & (signBit | (1 << UInt64(fraction) - 1)) | (1023 - 155 + random.next() % 30) << UInt64(fraction)
    case 3 where exponent > 8:  // about its upper end
      bits = bits & (signBit | (1 << UInt64(fraction) - 1)) | (1023 + 126 + random.next() % 4) << UInt64(fraction)
    case 4: bits &= signBit | (1 << UInt64(fraction) - 1)
    case 5: bits |= infinity
    default: break
    }
    return bits
  }
}

@Suite("belle_convert") struct ConvertTests {
  static let variants = (0..<UInt32(BELLE_VARIANT_COUNT)).filter { belle_variant_available(belle_variant($0)) }
  static let pairs = FloatKind.all.flatMap { from in FloatKind.all.filter { $0.kind != from.kind }.map { (from, $0) } }

  /// Converts bit patterns.
  static func convert(
    _ bits: [UInt64], _ from: FloatKind, _ to: FloatKind, _ variant: UInt32, shift: Int = 0
  ) -> (bits: [UInt64], overflows: Int) {
    var source = [UInt8](repeating: 0xEE, count: shift + bits.count * from.size)
    for (index, value) in bits.enumerated() {
      for byte in 0..<from.size {
        source[shift + index * from.size + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
      }
    }
    var target = [UInt8](repeating: 0xEE, count: shift + bits.count * to.size + 64)
    let overflows = source.withUnsafeBufferPointer { source in
      target.withUnsafeMutableBufferPointer { target -> Int in
        guard let source = source.baseAddress, let target = target.baseAddress else { return 0 }
        return belle_convert(
          belle_variant(variant), belle_float(from.kind), belle_float(to.kind), source + shift, target + shift,
          bits.count)
      }
    }
    #expect(target.suffix(64).allSatisfy { $0 == 0xEE }, "it wrote behind the target")
    let results = bits.indices.map { index in
      (0..<to.size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(target[shift + index * to.size + $1]) }
    }
    return (results, overflows)
  }

  /// What is wrong with a conversion, by the definition of rounding to nearest even; nil where nothing is.
  static func complaint(_ bits: UInt64, _ result: UInt64, _ from: FloatKind, _ to: FloatKind) -> String? {
    let shown = "\(String(bits, radix: 16)) became \(String(result, radix: 16))"
    guard (bits & from.signBit == 0) == (result & to.signBit == 0) else { return shown + ": another sign" }
    if from.isNaN(bits) {
      let shift = from.fraction - to.fraction
      let payload = from.magnitude(bits) & (from.quietBit - 1)
      let kept = shift > 0 ? payload >> UInt64(shift) : payload << UInt64(-shift)
      return to.magnitude(result) == to.infinity | to.quietBit | kept
        ? nil : shown + ": not the quiet NaN of its payload"
    }
    if from.magnitude(bits) == from.infinity {
      return to.magnitude(result) == to.infinity ? nil : shown + ": not infinity"
    }
    let (value, rounded) = (abs(from.value(bits)), to.magnitude(result))
    guard rounded <= to.infinity else { return shown + ": NaN out of a number" }
    // Neighbours lie within a factor of two of the value, or are zero: the differences are exact.
    let error = abs(value - to.value(rounded))
    for neighbour in [rounded &- 1, rounded + 1] where neighbour <= to.infinity {
      let other = abs(value - to.value(neighbour))
      if other < error || other == error && rounded & 1 == 1 { return shown + ": not the nearest" }
    }
    return nil
  }

  /// How many finite numbers became infinite.
  static func overflows(_ bits: [UInt64], _ results: [UInt64], _ from: FloatKind, _ to: FloatKind) -> Int {
    zip(bits, results).count { from.magnitude($0) < from.infinity && to.magnitude($1) == to.infinity }
  }

  @Test(
    "every half and bfloat16 number becomes what it means, and comes back", arguments: [FloatKind.f16, .bf16], variants)
  func everySmallNumber(from: FloatKind, variant: UInt32) {
    let bits = (0..<UInt64(65536)).map { $0 }
    for to in FloatKind.all where to.kind != from.kind {
      let (results, overflows) = Self.convert(bits, from, to, variant)
      #expect(overflows == Self.overflows(bits, results, from, to))
      #expect(zip(bits, results).lazy.compactMap { Self.complaint($0, $1, from, to) }.first == nil)
      guard to.size > 2 else { continue }
      #expect(overflows == 0)
      let back = Self.convert(results, to, from, variant)
      #expect(back.overflows == 0)
      #expect(back.bits == bits.map { from.isNaN($0) ? $0 | from.quietBit : $0 })
    }
  }

  @Test(
    "between two adjacent numbers the even one is taken half way, and the nearer one beside it",
    arguments: [(FloatKind.f32, FloatKind.f16), (.f64, .f16), (.f32, .bf16), (.f64, .bf16)], variants)
  func everyBoundary(kinds: (from: FloatKind, to: FloatKind), variant: UInt32) {
    let (from, to) = kinds
    var bits: [UInt64] = []
    var expected: [UInt64] = []
    for lower in 0..<to.infinity {
      let middle = (to.value(lower) + to.value(lower + 1)) / 2
      // The kinds' own types know their neighbours; the middle is exact in them.
      let pattern = from.size == 4 ? UInt64(Float(middle).bitPattern) : middle.bitPattern
      for sign in [false, true] {
        bits += [pattern - 1, pattern, pattern + 1].map { sign ? $0 | from.signBit : $0 }
        expected += [lower, lower + lower % 2, lower + 1].map { sign ? $0 | to.signBit : $0 }
      }
    }
    let (results, overflows) = Self.convert(bits, from, to, variant)
    #expect(results == expected)
    // Beyond the greatest number: the middle itself, for it is odd, and what lies above; with both signs.
    #expect(overflows == 4)
  }

  @Test("random numbers of every kind are rounded once, to nearest even", arguments: pairs)
  func nearest(from: FloatKind, to: FloatKind) {
    var random = SplitMix64(seed: UInt64(from.kind * 4 + to.kind))
    let bits = (0..<20_000).map { _ in from.sample(&random) }
    let (results, overflows) = Self.convert(bits, from, to, BELLE_SCALAR.rawValue)
    #expect(zip(bits, results).lazy.compactMap { Self.complaint($0, $1, from, to) }.first == nil)
    #expect(overflows == Self.overflows(bits, results, from, to))
  }

  @Test("every variant equals the scalar one, at every length and alignment", arguments: pairs, variants.dropFirst())
  func equalsOracle(kinds: (from: FloatKind, to: FloatKind), variant: UInt32) {
    let (from, to) = kinds
    var random = SplitMix64(seed: UInt64(from.kind * 4 + to.kind) + 100)
    for count in Array(0...40) + [12_345] {
      let bits = (0..<count).map { _ in from.sample(&random) }
      for shift in [0, 1, 7] {
        let expected = Self.convert(bits, from, to, BELLE_SCALAR.rawValue, shift: shift)
        let result = Self.convert(bits, from, to, variant, shift: shift)
        #expect(result.bits == expected.bits, "\(count) elements, shift \(shift)")
        #expect(result.overflows == expected.overflows, "\(count) elements, shift \(shift)")
      }
    }
  }

  @Test("double to half and bfloat16 does not round twice", arguments: variants)
  func doubleRounding(variant: UInt32) {
    // A little more than half way: float would make it half way, and then even would win.
    let value = (1 + 0x1p-11 + 0x1p-40).bitPattern
    #expect(Self.convert([value], .f64, .f16, variant).bits == [0x3C01])
    #expect(Self.convert([(1 + 0x1p-8 + 0x1p-40).bitPattern], .f64, .bf16, variant).bits == [0x3F81])
    // The same among float's subnormal numbers, where bfloat16 still has some.
    #expect(Self.convert([(0x1p-134 + 0x1p-180).bitPattern], .f64, .bf16, variant).bits == [0x0001])
  }
}
