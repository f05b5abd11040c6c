// torch keeps the conjugate of complex numbers, and the negative of their imaginary parts, as a mark on the values as
// they were; a pickle says so in a dictionary after the other parts of a tensor. The values that are meant have other signs.
// Source: torch/_tensor.py, _reduce_ex_internal; torch/csrc/jit/serialization/pickler.h, getTensorMetadata.

/// Which signs of a tensor's values are the other way round.
struct SignBits: Sendable, Equatable {
  var isConjugate = false
  var isNegative = false

  /// Bytes of the numbers whose signs may change; nil for types that have none.
  private static func width(_ dtype: DType) -> Int? {
    switch dtype {
    case .f16, .bf16: 2
    case .f32, .c64: 4
    case .f64, .c128: 8
    default: nil
    }
  }

  /// Whether values of a type can have them.
  func fit(_ dtype: DType) -> Bool {
    self == SignBits() || Self.width(dtype) != nil && (!isConjugate || dtype == .c64 || dtype == .c128)
  }

  /// Whole elements with the signs that are meant.
  func apply(to part: RawSpan, _ dtype: DType) -> [UInt8] {
    var bytes = unsafe part.withUnsafeBytes { unsafe Array($0) }
    guard let width = Self.width(dtype) else { return bytes }
    for (number, offset) in stride(from: width - 1, to: bytes.count, by: width).enumerated() {
      // Real and imaginary parts alternate; the conjugate changes the imaginary ones.
      if isNegative != (isConjugate && number % 2 == 1) { bytes[offset] ^= 0x80 }
    }
    return bytes
  }
}
