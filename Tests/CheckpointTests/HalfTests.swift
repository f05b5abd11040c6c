import Testing

@testable import Checkpoint

@Suite("Half") struct HalfTests {
  @Test("halves are rounded as IEEE 754 says, all of them come back, and all lie next to their neighbours' middle")
  func halves() {
    for bits in UInt16.min...UInt16.max where bits & 0x7C00 != 0x7C00 || bits & 0x3FF == 0 {
      let value = Float(halfBits: bits)
      #expect(Half(value).bits == bits && Half(exactly: value)?.bits == bits && Float(Half(value)) == value)
    }
    #expect(Half(65519.996).bits == 0x7BFF && Half(65520).bits == 0x7C00 && Half(-70000).bits == 0xFC00)
    #expect(Half(0x1p-25).bits == 0 && Half(0x1.000002p-25).bits == 1 && Half(0x1.8p-24).bits == 2)
    #expect(Half(1 + 0x1p-11).bits == 0x3C00 && Half(1 + 0x1.8p-10).bits == 0x3C02)
    #expect(Half(.nan).bits & 0x7FFF > 0x7C00)
    #expect(Half(exactly: 65504)?.bits == 0x7BFF && Half(exactly: 0x1p-24)?.bits == 1 && Half(exactly: -0.0) != nil)
    for value in [65505, 0x1p-25, 1 + 0x1p-11, .nan] as [Float] { #expect(Half(exactly: value) == nil) }
  }
}

extension Float {
  /// A half's value by its definition.
  fileprivate init(halfBits bits: UInt16) {
    let (power, fraction) = (Int(bits >> 10 & 31), Float(bits & 0x3FF))
    let magnitude: Float =
      power == 31
      ? .infinity
      : power == 0
        ? fraction * 0x1p-24 : (1 + fraction / 1024) * Float(sign: .plus, exponent: power - 15, significand: 1)
    self = bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}
