import CBelleKernels
import Foundation
import TestSupport
import Testing

/// The kernels of the way back against differences in double precision, and every variant against the scalar one, bit by bit.
@Suite("Kernels of the way back") struct GradientKernelTests {
  private static let counts = [1, 15, 16, 17, 100, 257]

  private func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(Double.random(in: -3...3, using: &generator)) }
  }

  /// Holds the gradients of Σ above·f(x) that each variant gives against those that differences of `f` say.
  private func expect(
    _ x: [Float], _ above: [Float], _ f: @escaping ([Double]) -> [Double], _ gradient: (belle_variant) -> [Float]
  ) {
    let found = gradient(BELLE_SCALAR)
    for variant in [BELLE_AVX2, BELLE_AVX512, BELLE_NEON] where belle_variant_available(variant) {
      #expect(gradient(variant).map(\.bitPattern) == found.map(\.bitPattern), "variant \(variant.rawValue)")
    }
    let doubles = x.map(Double.init)
    for index in x.indices {
      let loss = { (step: Double) -> Double in
        var moved = doubles
        moved[index] += step
        return zip(f(moved), above).reduce(0) { $0 + $1.0 * Double($1.1) }
      }
      let wanted = (loss(1e-4) - loss(-1e-4)) / 2e-4
      #expect(abs(Double(found[index]) - wanted) < 2e-5 * max(1, abs(wanted)), "element \(index)")
    }
  }

  @Test("norms", arguments: counts)
  func norms(count: Int) {
    let (x, w, above) = (numbers(count, seed: 1), numbers(count, seed: 2), numbers(count, seed: 3))
    let rms = { (x: [Double]) -> [Double] in
      let factor = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(count) + 1e-2).squareRoot()
      return zip(x, w).map { $0 * factor * Double($1) }
    }
    expect(x, above, rms) { variant in
      var out = above
      belle_rms_norm_gradient(variant, &out, above, x, w, count, 1e-2)
      return out
    }
    let layer = { (x: [Double]) -> [Double] in
      let mean = x.reduce(0, +) / Double(count)
      let factor = 1 / (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count) + 1e-2).squareRoot()
      return zip(x, w).map { ($0 - mean) * factor * Double($1) }
    }
    expect(x, above, layer) { variant in
      var out = above
      belle_layer_norm_gradient(variant, &out, above, x, w, count, 1e-2)
      return out
    }
  }

  @Test("softmax with a scale, and a bound", arguments: counts)
  func softmax(count: Int) {
    let (x, above) = (numbers(count, seed: 4), numbers(count, seed: 5))
    for cap in [nil, 2.5] as [Double?] {
      let bend = { (x: Double) in cap.map { $0 * tanh(0.7 * x / $0) } ?? 0.7 * x }
      let weights = { (x: [Double]) -> [Double] in
        let powers = x.map { exp(bend($0)) }
        return powers.map { $0 / powers.reduce(0, +) }
      }
      let p = weights(x.map(Double.init)).map { Float($0) }
      expect(x, above, weights) { variant in
        var out = above
        belle_softmax_gradient(variant, &out, p, count, 0.7)
        if let cap {
          belle_soft_cap_gradient(variant, &out, x.map { Float(bend(Double($0))) }, count, Float(cap))
        }
        return out
      }
    }
  }

  @Test("activations", arguments: counts)
  func activations(count: Int) {
    let (gate, up, above) = (numbers(count, seed: 6), numbers(count, seed: 7), numbers(count, seed: 8))
    let gelu = { (x: Double) in 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))) }
    let silu = { (x: Double) in x / (1 + exp(-x)) }
    expect(gate, above, { $0.map(gelu) }) { variant in
      var x = gate
      belle_gelu_gradient(variant, &x, above, count)
      return x
    }
    for (function, kernel) in [
      (silu, belle_silu_multiply_gradient), (gelu, belle_gelu_multiply_gradient),
    ] {
      let product = { (x: [Double]) in (0..<count).map { function(x[$0]) * x[count + $0] } }
      expect(gate + up, above, product) { variant in
        var (x, y) = (gate, up)
        kernel(variant, &x, &y, above, count)
        return x + y
      }
    }
  }

  @Test("probabilities", arguments: counts)
  func probabilities(count: Int) {
    let x = numbers(count, seed: 9)
    var results: [[UInt32]] = []
    for variant in [BELLE_SCALAR, BELLE_AVX2, BELLE_AVX512, BELLE_NEON] where belle_variant_available(variant) {
      var out = x
      belle_probabilities(variant, &out, count, 3, 0.25)
      for (value, x) in zip(out, x) { #expect(abs(Double(value) - exp(Double(x) - 3) / 4) < 1e-6) }
      results.append(out.map(\.bitPattern))
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }
}
