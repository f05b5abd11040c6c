import CBelleKernels
import Foundation
import TestSupport
import Testing

/// Every kernel against double precision, and every variant against the scalar one, bit by bit.
@Suite("Kernels of the model") struct KernelTests {
  private func numbers(_ count: Int, seed: UInt64, scale: Double = 4) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(Double.random(in: -scale...scale, using: &generator)) }
  }

  /// The result of each variant that is here; all must be equal.
  private func allVariants(_ body: (belle_variant) -> [Float]) -> [Float] {
    let scalar = body(BELLE_SCALAR)
    for variant in [BELLE_AVX2, BELLE_AVX512, BELLE_NEON] where belle_variant_available(variant) {
      #expect(body(variant).map(\.bitPattern) == scalar.map(\.bitPattern), "variant \(variant.rawValue)")
    }
    return scalar
  }

  private func expectNear(_ found: [Float], _ wanted: [Double], _ tolerance: Double) {
    for (index, (x, y)) in zip(found, wanted).enumerated() {
      #expect(abs(Double(x) - y) <= tolerance * max(1, abs(y)), "element \(index): \(x), wanted \(y)")
    }
  }

  private static let counts = [1, 2, 15, 16, 17, 31, 64, 100, 257]

  @Test("every half-precision number is converted exactly")
  func halves() {
    let bits = (0...UInt16.max).map { $0 }
    let found = allVariants { variant in
      var out = [Float](repeating: 0, count: bits.count)
      belle_f16_to_f32(variant, &out, bits, bits.count)
      return out
    }
    #if arch(arm64)
      for (bits, value) in zip(bits, found) {
        #expect(Float(Float16(bitPattern: bits)).bitPattern == value.bitPattern || value.isNaN)
      }
    #else
      for (bits, value) in zip(bits, found) {
        let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023))
        let magnitude = exponent == 0 ? fraction * 0x1p-24 : (1 + fraction / 1024) * pow(2, Double(exponent - 15))
        let wanted = exponent == 31 ? (fraction == 0 ? Double.infinity : .nan) : magnitude
        #expect(value.isNaN == wanted.isNaN)
        if !wanted.isNaN { #expect(Double(value) == (bits >> 15 == 0 ? wanted : -wanted)) }
      }
    #endif
  }

  @Test("bfloat16 is the upper half of a float")
  func brainHalves() {
    let bits: [UInt16] = [0, 0x8000, 0x3F80, 0xBF80, 0x7F80, 0x0001, 0x4049] + (0..<30).map { $0 * 1999 }
    let found = allVariants { variant in
      var out = [Float](repeating: 0, count: bits.count)
      belle_bf16_to_f32(variant, &out, bits, bits.count)
      return out
    }
    #expect(found.map(\.bitPattern) == bits.map { UInt32($0) << 16 })
  }

  @Test("norms", arguments: counts)
  func norms(count: Int) {
    let (x, w, b) = (numbers(count, seed: 1), numbers(count, seed: 2), numbers(count, seed: 3))
    let rms = allVariants { variant in
      var out = [Float](repeating: 0, count: count)
      belle_rms_norm(variant, &out, x, w, count, 1e-5)
      return out
    }
    let square = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(count)
    expectNear(rms, zip(x, w).map { Double($0) * Double($1) / (square + 1e-5).squareRoot() }, 2e-6)
    let layer = allVariants { variant in
      var out = [Float](repeating: 0, count: count)
      belle_layer_norm(variant, &out, x, w, b, count, 1e-5)
      return out
    }
    let mean = x.reduce(0) { $0 + Double($1) } / Double(count)
    let variance = x.reduce(0) { $0 + pow(Double($1) - mean, 2) } / Double(count)
    expectNear(
      layer,
      (0..<count).map { (Double(x[$0]) - mean) / (variance + 1e-5).squareRoot() * Double(w[$0]) + Double(b[$0]) },
      count == 1 ? 1e-3 : 4e-6)
  }

  @Test("a rotation turns pairs", arguments: [1, 8, 16, 32, 64])
  func rotation(half: Int) {
    let x = numbers(2 * half, seed: 4)
    let angles = numbers(half, seed: 5)
    let found = allVariants { variant in
      var out = x
      belle_rotate(variant, &out, angles.map { cos($0) }, angles.map { sin($0) }, half)
      return out
    }
    let wanted = (0..<2 * half).map { i -> Double in
      let pair = i % half
      let (c, s) = (Double(cos(angles[pair])), Double(sin(angles[pair])))
      return i < half
        ? Double(x[pair]) * c - Double(x[pair + half]) * s : Double(x[pair + half]) * c + Double(x[pair]) * s
    }
    expectNear(found, wanted, 1e-6)
  }

  @Test("softmax with a scale, a slope and a mask", arguments: counts, [0, 0.25] as [Float])
  func softmax(visible: Int, slope: Float) {
    let count = visible + 20
    let x = numbers(count, seed: 6, scale: 30)
    let found = allVariants { variant in
      var out = x
      belle_softmax(variant, &out, visible, count, 0.5, slope)
      return out
    }
    let scores = (0..<visible).map { Double(x[$0]) * 0.5 - Double(slope) * Double(visible - 1 - $0) }
    let peak = scores.max() ?? 0
    let sum = scores.reduce(0) { $0 + exp($1 - peak) }
    expectNear(found, scores.map { exp($0 - peak) / sum } + Array(repeating: 0, count: 20), 1e-6)
    #expect(found[visible...].allSatisfy { $0 == 0 })
  }

  @Test("bounds of scores and products of gates, to the ends of their range")
  func bounds() {
    let x = numbers(1000, seed: 9, scale: 400) + numbers(500, seed: 10, scale: 2) + [0, -0.0, 1e-20, -1e-4, 1e6, -1e6]
    for (scale, cap) in [(1, 50), (0.25, 5)] as [(Float, Float)] {
      let found = allVariants { variant in
        var out = x
        belle_soft_cap(variant, &out, x.count, scale, cap)
        return out
      }
      expectNear(found, x.map { Double(cap) * tanh(Double($0) * Double(scale) / Double(cap)) }, 1e-6)
      // Small values keep their digits.
      #expect(abs(Double(found[x.count - 3]) / (-1e-4 * Double(scale)) - 1) < 1e-6)
    }
    let gate = numbers(1000, seed: 11, scale: 12)
    let up = numbers(gate.count, seed: 12)
    let product = allVariants { variant in
      var out = gate
      belle_gelu_multiply(variant, &out, up, gate.count)
      return out
    }
    let wanted = zip(gate, up).map { gate, up in
      let v = Double(gate)
      return 0.5 * v * (1 + tanh((2 / Double.pi).squareRoot() * (v + 0.044715 * v * v * v))) * Double(up)
    }
    expectNear(product, wanted, 2e-6)
    let scaled = allVariants { variant in
      var out = gate
      belle_multiply(variant, &out, 3, gate.count)
      return out
    }
    #expect(scaled == gate.map { $0 * 3 })
  }

  @Test("activations, to the ends of their range")
  func activations() {
    let x = numbers(1000, seed: 7, scale: 12) + [0, -0.0, 90, -90, 1e4, -1e4, 1e-20]
    let up = numbers(x.count, seed: 8)
    let silu = allVariants { variant in
      var out = x
      belle_silu_multiply(variant, &out, up, x.count)
      return out
    }
    expectNear(silu, zip(x, up).map { Double($0) / (1 + exp(-Double($0))) * Double($1) }, 1e-6)
    let gelu = allVariants { variant in
      var out = x
      belle_gelu(variant, &out, x.count)
      return out
    }
    expectNear(
      gelu,
      x.map {
        let v = Double($0)
        return 0.5 * v * (1 + tanh((2 / Double.pi).squareRoot() * (v + 0.044715 * v * v * v)))
      }, 1e-6)
  }

  @Test("a sum of two vectors", arguments: counts)
  func sum(count: Int) {
    let (x, y) = (numbers(count, seed: 11), numbers(count, seed: 12))
    let found = allVariants { variant in
      var out = x
      belle_add(variant, &out, y, count)
      return out
    }
    #expect(found == zip(x, y).map { $0 + $1 })
  }

  @Test("sums of logits do not depend on the blocks they come in", arguments: [1, 16, 100, 1024, 3000])
  func logits(block: Int) {
    let (p, q) = (numbers(3000, seed: 9, scale: 20), numbers(3000, seed: 10, scale: 20))
    func state(_ variant: belle_variant) -> belle_logits {
      var state = belle_logits()
      belle_logits_begin(&state)
      for first in stride(from: 0, to: p.count, by: block) {
        let range = first..<min(p.count, first + block)
        belle_logits_update(variant, &state, Array(p[range]), Array(q[range]), range.count, Int32(first))
      }
      return state
    }
    let own = state(BELLE_SCALAR)
    for variant in [BELLE_AVX2, BELLE_AVX512, BELLE_NEON] where belle_variant_available(variant) {
      let other = state(variant)
      #expect(other.maximum == own.maximum && other.best == own.best, "variant \(variant.rawValue)")
      #expect(other.sum == own.sum && other.cross == own.cross, "variant \(variant.rawValue)")
    }
    let peak = p.max() ?? 0
    let sum = p.reduce(0) { $0 + exp(Double($1) - Double(peak)) }
    let cross = zip(p, q).reduce(0) { $0 + exp(Double($1.0) - Double(peak)) * (Double($1.0) - Double($1.1)) }
    #expect(own.maximum == peak)
    #expect(Int(own.best) == p.firstIndex(of: peak))
    #expect(abs(own.sum - sum) < 1e-6 * sum)
    #expect(abs(own.cross - cross) < 1e-5 * abs(cross))
  }
}
