// What the values of a tensor are like: extremes, mean, NaN and infinity counts, and the digest of its values.
// The same to the last bit whatever pieces the values come in and however many threads there are.

import ByteIO
import CBelleKernels
import Checksum

/// Figures of a tensor's values.
public struct TensorStatistics: Sendable {
  /// The least of the finite values; nil where there is none, or where the type is not one of numbers in order.
  public let minimum: Double?
  /// The greatest of the finite values.
  public let maximum: Double?
  /// The mean of the finite values, summed in double precision in an order that is fixed.
  public let mean: Double?
  /// How many values are not a number.
  public let nanCount: Int
  /// How many values are infinite.
  public let infinityCount: Int
  /// SHA-256 of the values: contiguous, row-major, little-endian.
  public let sha256: Digest

  /// Reads a tensor and works its figures out.
  ///
  /// - Complexity: one pass; the digest is what takes the time.
  public init(_ source: any TensorSource, _ index: Int) throws {
    let digest = try DigestStream(.sha256)
    var state = belle_statistics()
    (state.minimum, state.maximum) = (.infinity, -.infinity)
    // Eight-bit floats and smaller, and complex numbers, have no figures: the digest says what is there.
    let number = source.tensors[index].dtype.number
    try source.read(index) { part in
      digest.update(part)
      guard let number else { return }
      // SAFETY: the kernel reads the whole numbers that the span holds.
      unsafe part.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return }
        unsafe belle_statistics_add(
          belle_best_variant(), &state, number, start.assumingMemoryBound(to: UInt8.self),
          bytes.count / belle_number_size(number))
      }
    }
    sha256 = digest.finish()
    let finite = state.count - state.nans - state.infinities
    // Zeros of either sign are equal: which one comes first says nothing. Adding +0 makes it +0.
    minimum = finite > 0 ? state.minimum + 0 : nil
    maximum = finite > 0 ? state.maximum + 0 : nil
    mean = finite > 0 ? lanesSum(state.sums) / Double(finite) : nil
    nanCount = Int(state.nans)
    infinityCount = Int(state.infinities)
  }

  /// Works the figures of all tensors of a source out, several at once.
  ///
  /// - Parameters:
  ///   - jobs: tensors at once.
  ///   - receive: called with the number of each tensor and its figures, in order, on the calling thread.
  public static func forEach(
    of source: any TensorSource, jobs: Int, receive: (Int, TensorStatistics) throws -> Void
  ) throws {
    try forEachInOrder(Array(source.tensors.indices), jobs: jobs) { index in
      (index, try TensorStatistics(source, index))
    } receive: {
      try receive($0.0, $0.1)
    }
  }
}

/// A C array of lanes, as Swift imports it: a tuple of as many.
typealias Lanes = (
  Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double,
  Double, Double
)

/// The sum of a kernel's lanes, always added in the same order.
func lanesSum(_ lanes: Lanes) -> Double {
  // SAFETY: a tuple of one type lies in memory as the array that it was imported from.
  unsafe withUnsafeBytes(of: lanes) { bytes in
    guard let start = bytes.baseAddress else { return 0 }
    return unsafe belle_lanes_sum(start.assumingMemoryBound(to: Double.self))
  }
}
