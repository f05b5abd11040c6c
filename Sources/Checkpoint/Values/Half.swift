// IEEE 754 half precision, one number at a time; Swift's own is not on every platform. Many numbers at once: DTypeConversion.

/// A half-precision number.
package struct Half: Equatable, Sendable {
  /// Its bits.
  package let bits: UInt16

  /// The half nearest to a number, to even between two; what is too large becomes infinite.
  package init(_ value: Float) {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let magnitude = bits & 0x7FFF_FFFF
    switch magnitude {
    case 0x7F80_0001...: self.bits = sign | 0x7E00
    case 0x477F_F000...: self.bits = sign | 0x7C00
    case 0x3880_0000...:
      let rounded = magnitude + 0xFFF + (magnitude >> 13 & 1)
      self.bits = sign | UInt16(truncatingIfNeeded: (rounded >> 13) - 0x1C000)
    default:
      // Below the least normal half: its unit is 2^-24, which adding 1/2 leaves as the last place.
      let shifted = (Float(bitPattern: magnitude) + 0.5).bitPattern - 0x3F00_0000
      self.bits = sign | UInt16(truncatingIfNeeded: shifted)
    }
  }

  /// The half that is a number; nil where half precision does not have it.
  package init?(exactly value: Float) {
    self.init(value)
    guard Float(self) == value else { return nil }
  }
}

extension Float {
  /// The value of a half.
  package init(_ half: Half) {
    let sign = UInt32(half.bits & 0x8000) << 16
    let rest = UInt32(half.bits & 0x7FFF)
    if rest >= 0x7C00 {
      self = Float(bitPattern: sign | 0x7F80_0000 | rest << 13)
    } else {
      let magnitude = Float(bitPattern: rest << 13) * 0x1p112
      self = Float(bitPattern: sign | magnitude.bitPattern)
    }
  }
}
