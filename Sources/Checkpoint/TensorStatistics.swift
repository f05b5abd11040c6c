// What `inspect --stats` says of a tensor: extremes, mean, NaN and infinity counts, and the digest of its values.

import ByteIO
import Checksum

/// Figures of a tensor's values.
public struct TensorStatistics: Sendable {
  /// The least of the finite values; nil where there is none, or where the type is not one of numbers in order.
  public private(set) var minimum: Double?
  /// The greatest of the finite values.
  public private(set) var maximum: Double?
  /// The mean of the finite values, summed in double precision.
  public var mean: Double? { finite > 0 ? sum / Double(finite) : nil }
  /// How many values are not a number.
  public private(set) var nanCount = 0
  /// How many values are infinite.
  public private(set) var infinityCount = 0
  /// SHA-256 of the values: contiguous, row-major, little-endian.
  public let sha256: Digest

  private var sum = 0.0
  private var finite = 0

  /// Reads a tensor and works its figures out.
  public init(_ source: any TensorSource, _ index: Int) throws {
    let digest = try DigestStream(.sha256)
    let dtype = source.tensors[index].dtype
    var accumulator = Accumulator()
    try source.read(index) { part in
      digest.update(part)
      accumulator.take(part, dtype)
    }
    sha256 = digest.finish()
    (minimum, maximum) = (accumulator.minimum, accumulator.maximum)
    (nanCount, infinityCount) = (accumulator.nanCount, accumulator.infinityCount)
    (sum, finite) = (accumulator.sum, accumulator.finite)
  }

  private struct Accumulator {
    var minimum: Double?
    var maximum: Double?
    var nanCount = 0
    var infinityCount = 0
    var sum = 0.0
    var finite = 0

    mutating func take(_ value: Double) {
      if value.isNaN {
        nanCount += 1
      } else if value.isInfinite {
        infinityCount += 1
      } else {
        if minimum.map({ value < $0 }) ?? true { minimum = value }
        if maximum.map({ value > $0 }) ?? true { maximum = value }
        sum += value
        finite += 1
      }
    }

    mutating func take(_ part: RawSpan, _ dtype: DType) {
      switch dtype {
      case .f64: each(part, Float64.self) { $0 }
      case .f32: each(part, Float32.self) { Double($0) }
      case .f16: each(part, UInt16.self) { Self.half($0) }
      case .bf16: each(part, UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
      case .i64: each(part, Int64.self) { Double($0) }
      case .u64: each(part, UInt64.self) { Double($0) }
      case .i32: each(part, Int32.self) { Double($0) }
      case .u32: each(part, UInt32.self) { Double($0) }
      case .i16: each(part, Int16.self) { Double($0) }
      case .u16: each(part, UInt16.self) { Double($0) }
      case .i8: each(part, Int8.self) { Double($0) }
      case .u8, .bool: each(part, UInt8.self) { Double($0) }
      // Eight-bit floats and smaller, and complex numbers: the digest says what is there.
      default: break
      }
    }

    private mutating func each<Value: BitwiseCopyable>(
      _ part: RawSpan, _ type: Value.Type, _ convert: (Value) -> Double
    ) {
      // SAFETY: every offset is a multiple of the size below the span's end; any bit pattern is a value of these types.
      let size = MemoryLayout<Value>.size
      unsafe part.withUnsafeBytes { bytes in
        for offset in stride(from: 0, through: bytes.count - size, by: size) {
          take(convert(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)))
        }
      }
    }

    /// A half-precision number's value: 1 sign bit, 5 of exponent, 10 of fraction (IEEE 754 binary16).
    private static func half(_ bits: UInt16) -> Double {
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
}
