// Two models tensor by tensor: by name, whatever containers and types they come in.

import ByteIO
import CBelleKernels

/// How one tensor stands in two models.
public struct TensorComparison: Sendable {
  /// What was found.
  public enum Status: String, Sendable {
    /// Every bit is the same; or, where the types differ, every value.
    case equal
    /// The values differ by no more than the tolerance, or in bits only (a negative zero).
    case close
    /// They differ by more, or their types are no numbers that could be close.
    case different
    /// Only one of the models has it.
    case missing
    /// The shapes differ.
    case shape
  }

  /// The tensor's name.
  public let name: String
  /// What was found.
  public let status: Status
  /// The largest difference of two values; nil where none was taken.
  public let maximumDifference: Double?
  /// The root of the summed squares of the differences over that of the first model's values; nil where none was taken.
  public let relativeDifference: Double?
  /// How many values differ; nil where they were not compared one by one.
  public let differingCount: Int?
  /// What is there to say besides: shapes, or the model that lacks it.
  public let detail: String?

  init(
    _ name: String, _ status: Status, maximum: Double? = nil, relative: Double? = nil, differing: Int? = nil,
    detail: String? = nil
  ) {
    self.name = name
    self.status = status
    maximumDifference = maximum
    relativeDifference = relative
    differingCount = differing
    self.detail = detail
  }
}

/// Compares two models.
///
/// Memory: a mebibyte or two for each tensor that is compared at the time, whatever the tensors' sizes.
public struct Comparison: Sendable {
  private let first: any TensorSource
  private let second: any TensorSource
  /// The models with quantized blocks as the values that they stand for, where they can be read.
  private let firstValues: any TensorSource
  private let secondValues: any TensorSource
  private let tolerance: Double

  /// Prepares to compare.
  ///
  /// - Parameter tolerance: the largest relative difference of a tensor that counts as close.
  public init(_ first: any TensorSource, _ second: any TensorSource, tolerance: Double) {
    self.first = first
    self.second = second
    self.tolerance = tolerance
    firstValues = DequantizedSource.isNeeded(first) ? (try? DequantizedSource(first)) ?? first : first
    secondValues = DequantizedSource.isNeeded(second) ? (try? DequantizedSource(second)) ?? second : second
  }

  /// Compares tensor by tensor, in the order of the first model; then what only the second has.
  ///
  /// - Parameters:
  ///   - jobs: tensors at once. The results do not depend on it.
  ///   - progress: told of the bytes of the first model that are done.
  ///   - receive: called in order, on the calling thread.
  public func run(
    jobs: Int = processorCount, progress: (Int) -> Void = { _ in }, receive: (TensorComparison) -> Void
  ) throws {
    var others = second.indicesByName()
    let pairs = first.tensors.map { others[$0.name] }
    for info in first.tensors { others[info.name] = nil }
    try forEachInOrder(Array(first.tensors.indices), jobs: jobs) { index in
      guard let other = pairs[index] else {
        return (index, TensorComparison(first.tensors[index].name, .missing, detail: "only in the first model"))
      }
      return (index, try compare(index, other))
    } receive: { (index: Int, result: TensorComparison) in
      receive(result)
      progress(first.tensors[index].byteCount)
    }
    for info in second.tensors where others[info.name] != nil {
      receive(TensorComparison(info.name, .missing, detail: "only in the second model"))
    }
  }

  private func compare(_ index: Int, _ otherIndex: Int) throws -> TensorComparison {
    let one = first.tensors[index]
    let other = second.tensors[otherIndex]
    guard one.shape == other.shape else {
      return TensorComparison(one.name, .shape, detail: "\(one.shape) and \(other.shape)")
    }
    let detail = one.dtype == other.dtype ? nil : "\(one.dtype.rawValue) and \(other.dtype.rawValue)"
    // Most tensors that are compared are equal, and to see that costs no more than to read them. Where they are not, the
    // figures need what came before the difference too: it is read again.
    if detail == nil, try isIdentical(index, otherIndex) {
      return TensorComparison(one.name, .equal, maximum: 0, relative: 0, differing: 0)
    }
    if one.dtype.isWideInteger, other.dtype.isWideInteger {
      var found = IntegerDifferences()
      try TensorPair(first, index, second, otherIndex).read { part, otherPart in
        found.add(part, one.dtype, otherPart, other.dtype)
        return true
      }
      let status: TensorComparison.Status =
        found.count == 0 ? .equal : found.relative <= tolerance ? .close : .different
      return TensorComparison(
        one.name, status, maximum: found.maximum, relative: found.relative, differing: found.count, detail: detail)
    }
    guard let number = firstValues.tensors[index].dtype.number,
      let otherNumber = secondValues.tensors[otherIndex].dtype.number
    else { return TensorComparison(one.name, .different, detail: detail) }
    let found = try differences(index, number, otherIndex, otherNumber)
    let differences = lanesSum(found.differences)
    let squares = lanesSum(found.squares)
    // Squares of the smallest numbers vanish: then nothing is known but that they differ.
    let relative =
      found.maximum == 0 ? 0 : differences > 0 && squares > 0 ? (differences / squares).squareRoot() : .infinity
    let isSame = found.maximum == 0
    let status: TensorComparison.Status =
      isSame && detail != nil ? .equal : isSame || relative <= tolerance ? .close : .different
    return TensorComparison(
      one.name, status, maximum: found.maximum, relative: relative.isNaN ? .infinity : relative,
      differing: Int(found.different), detail: detail)
  }

  /// Whether every bit is the same.
  private func isIdentical(_ index: Int, _ otherIndex: Int) throws -> Bool {
    var isSame = true
    try TensorPair(first, index, second, otherIndex).read { one, other in
      // SAFETY: both spans have equally many bytes, for their types are equal.
      isSame = unsafe one.withUnsafeBytes { one in
        unsafe other.withUnsafeBytes { other in
          guard let start = one.baseAddress, let otherStart = other.baseAddress else { return one.count == other.count }
          return unsafe one.count == other.count && memcmp(start, otherStart, one.count) == 0
        }
      }
      return isSame
    }
    return isSame
  }

  private func differences(
    _ index: Int, _ number: belle_number, _ otherIndex: Int, _ otherNumber: belle_number
  ) throws -> belle_differences {
    var state = belle_differences()
    try TensorPair(firstValues, index, secondValues, otherIndex).read { one, other in
      // SAFETY: both spans have equally many numbers of their kinds.
      unsafe one.withUnsafeBytes { one in
        unsafe other.withUnsafeBytes { other in
          guard let start = one.baseAddress, let otherStart = other.baseAddress else { return }
          unsafe belle_differences_add(
            belle_best_variant(), &state, number, start.assumingMemoryBound(to: UInt8.self), otherNumber,
            otherStart.assumingMemoryBound(to: UInt8.self), one.count / belle_number_size(number))
        }
      }
      return true
    }
    return state
  }
}
