// Differences of integers of 64 bits: a double does not tell neighbours beyond 2⁵³ apart, so the kernels cannot.

import ByteIO

extension DType {
  /// Whether values are integers that a double may not hold.
  var isWideInteger: Bool { self == .i64 || self == .u64 }
}

/// What two tensors of wide integers differ by.
struct IntegerDifferences {
  /// The largest difference.
  private(set) var maximum: Double = 0
  /// How many values differ.
  private(set) var count = 0
  private var differences = 0.0
  private var squares = 0.0

  /// As ``TensorComparison/relativeDifference``.
  var relative: Double { count == 0 ? 0 : squares > 0 ? (differences / squares).squareRoot() : .infinity }

  /// Takes equally many values of two tensors.
  mutating func add(_ one: RawSpan, _ dtype: DType, _ other: RawSpan, _ otherDType: DType) {
    precondition(one.byteCount == other.byteCount)
    for offset in stride(from: 0, to: one.byteCount - 7, by: 8) {
      let (x, y) = (Self.value(one, offset, dtype), Self.value(other, offset, otherDType))
      let difference = Double((x - y).magnitude)
      squares += Double(x) * Double(x)
      guard x != y else { continue }
      count += 1
      differences += difference * difference
      maximum = max(maximum, difference)
    }
  }

  private static func value(_ bytes: RawSpan, _ offset: Int, _ dtype: DType) -> Int128 {
    // SAFETY: the caller's loop ends eight bytes before the end.
    let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    return dtype == .i64 ? Int128(Int64(bitPattern: word)) : Int128(word)
  }
}
