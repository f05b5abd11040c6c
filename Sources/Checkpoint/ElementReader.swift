// The elements of a tensor as numbers, for figures and comparisons.

/// Reads elements of one type as double-precision numbers; exact for all types but the 64-bit integers beyond 2^53.
struct ElementReader {
  private let dtype: DType
  private let size: Int

  /// A reader for a type; nil for types that are no numbers of one part (complex), or smaller than a half.
  init?(_ dtype: DType) {
    switch dtype {
    case .f64, .f32, .f16, .bf16, .i64, .u64, .i32, .u32, .i16, .u16, .i8, .u8, .bool: break
    default: return nil
    }
    self.dtype = dtype
    size = dtype.bitCount / 8
  }

  /// The value of an element.
  func value(_ bytes: [UInt8], _ index: Int) -> Double {
    var bits: UInt64 = 0
    for byte in bytes[index * size..<(index + 1) * size].reversed() { bits = bits << 8 | UInt64(byte) }
    return value(bits)
  }

  /// Calls a body with every element's value.
  func forEach(_ part: RawSpan, _ body: (Double) -> Void) {
    switch size {
    case 1: each(part, UInt8.self, body)
    case 2: each(part, UInt16.self, body)
    case 4: each(part, UInt32.self, body)
    default: each(part, UInt64.self, body)
    }
  }

  private func each<Bits: FixedWidthInteger & BitwiseCopyable>(
    _ part: RawSpan, _ type: Bits.Type, _ body: (Double) -> Void
  ) {
    // SAFETY: every offset is a multiple of the size below the span's end; any bit pattern is an integer.
    unsafe part.withUnsafeBytes { bytes in
      for offset in stride(from: 0, through: bytes.count - size, by: size) {
        body(value(UInt64(Bits(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self)))))
      }
    }
  }

  private func value(_ bits: UInt64) -> Double {
    switch dtype {
    case .f64: Double(bitPattern: bits)
    case .f32: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .f16: Self.half(UInt16(truncatingIfNeeded: bits))
    case .bf16: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits) << 16))
    case .i64: Double(Int64(bitPattern: bits))
    case .i32: Double(Int32(truncatingIfNeeded: bits))
    case .i16: Double(Int16(truncatingIfNeeded: bits))
    case .i8: Double(Int8(truncatingIfNeeded: bits))
    default: Double(bits)
    }
  }

  /// A half-precision number's value: 1 sign bit, 5 of exponent, 10 of fraction (IEEE 754 binary16).
  static func half(_ bits: UInt16) -> Double {
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Double(bits & 0x3FF)
    let magnitude =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? Double.infinity : Double.nan
      default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
      }
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}
