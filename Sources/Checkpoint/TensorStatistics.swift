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
    // Eight-bit floats and smaller, and complex numbers, have no figures: the digest says what is there.
    let reader = ElementReader(source.tensors[index].dtype)
    var accumulator = Accumulator()
    try source.read(index) { part in
      digest.update(part)
      reader?.forEach(part) { accumulator.take($0) }
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
  }
}
