// Numbers of a tensor's type as doubles, and back with one rounding.

import ByteIO
import Checkpoint

/// What a tensor's numbers are between being read and being written.
struct Doubles: Sendable {
  private let widening: DTypeConversion
  private let rounding: DTypeConversion
  /// The bytes of one number of the type.
  let size: Int

  /// - Throws: `CheckpointError` with code `.unsupportedType` for what holds no numbers.
  init(_ dtype: DType) throws(CheckpointError) {
    (widening, rounding) = (try DTypeConversion(from: dtype, to: .f64), try DTypeConversion(from: .f64, to: dtype))
    size = dtype.bitCount / 8
  }

  /// Puts numbers at the beginning of an array.
  func read(_ part: RawSpan, into values: inout [Double]) {
    var span = values.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = widening.convert(part, into: &raw)
  }

  /// Puts numbers at the beginning of an array.
  func read(_ bytes: [UInt8], into values: inout [Double]) { unsafe read(bytes.span.bytes, into: &values) }

  /// Puts numbers, rounded once, at the beginning of their bytes.
  ///
  /// - Returns: how many finite ones became infinite.
  func write(_ values: [Double], into bytes: inout [UInt8]) -> Int {
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    return unsafe rounding.convert(values.span.bytes, into: &raw)
  }
}
