// Conversion of floating-point numbers from one type to another: the door to the kernels in CBelleKernels/convert.c.
// Rounds once, to nearest even; refuses types that are no floating-point numbers of 16, 32 or 64 bits.

import ByteIO
import CBelleKernels

/// A conversion between two of f64, f32, f16 and bf16.
///
/// Rounds to nearest even, once; subnormal numbers are kept. A NaN stays one: quiet, with its sign and the upper bits of
/// its payload. A finite number that is too large becomes infinite, which is counted. Between equal types every bit
/// stays.
public struct DTypeConversion: Sendable {
  /// What is converted.
  public let source: DType
  /// What it becomes.
  public let target: DType

  private let sourceKind: belle_float
  private let targetKind: belle_float
  private let sourceSize: Int
  private let targetSize: Int

  /// Whether a type is one of those that can be converted: f64, f32, f16, bf16.
  public static func isConvertible(_ dtype: DType) -> Bool { kind(dtype) != nil }

  /// A conversion.
  ///
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` where one of the types is not f64, f32, f16 or bf16.
  public init(from source: DType, to target: DType) throws(CheckpointError) {
    guard let sourceKind = Self.kind(source), let targetKind = Self.kind(target) else {
      let wrong = Self.kind(source) == nil ? source : target
      throw CheckpointError(
        .unsupportedType, reason: "\(wrong.rawValue) is not converted here",
        remedy: "F64, F32, F16 and BF16 are")
    }
    self.source = source
    self.target = target
    self.sourceKind = sourceKind
    self.targetKind = targetKind
    sourceSize = source.bitCount / 8
    targetSize = target.bitCount / 8
  }

  /// Converts elements.
  ///
  /// - Parameters:
  ///   - source: a whole number of elements, little-endian, contiguous; needs no alignment.
  ///   - target: takes as many elements, from its beginning; what lies behind them is left alone.
  /// - Returns: how many finite numbers became infinite.
  /// - Complexity: O(n), at the speed of memory.
  public func convert(_ source: RawSpan, into target: inout MutableRawSpan) -> Int {
    let count = source.byteCount / sourceSize
    precondition(source.byteCount % sourceSize == 0, "a part of an element")
    precondition(target.byteCount / targetSize >= count, "the target is too small")
    // SAFETY: the kernel reads and writes `count` elements, which both spans have; a mutable span overlaps no other.
    return unsafe source.withUnsafeBytes { source in
      unsafe target.withUnsafeMutableBytes { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return 0 }
        return unsafe belle_convert(
          belle_best_variant(), sourceKind, targetKind, source.assumingMemoryBound(to: UInt8.self),
          target.assumingMemoryBound(to: UInt8.self), count)
      }
    }
  }

  private static func kind(_ dtype: DType) -> belle_float? {
    switch dtype {
    case .f64: BELLE_F64
    case .f32: BELLE_F32
    case .f16: BELLE_F16
    case .bf16: BELLE_BF16
    default: nil
    }
  }
}
