// Two models tensor by tensor: by name, whatever containers and types they come in.

import ByteIO

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
  /// What is there to say besides: shapes, or the model that lacks it.
  public let detail: String?
}

/// Compares two models.
public struct Comparison {
  private let first: any TensorSource
  private let second: any TensorSource
  private let tolerance: Double

  /// Prepares to compare.
  ///
  /// - Parameter tolerance: the largest relative difference of a tensor that counts as close.
  public init(_ first: any TensorSource, _ second: any TensorSource, tolerance: Double) {
    self.first = first
    self.second = second
    self.tolerance = tolerance
  }

  /// Compares tensor by tensor, in the order of the first model; then what only the second has.
  public func run(progress: (Int) -> Void = { _ in }, receive: (TensorComparison) -> Void) throws {
    let others = Dictionary(second.tensors.enumerated().map { ($1.name, $0) }) { one, _ in one }
    for (index, info) in first.tensors.enumerated() {
      guard let other = others[info.name] else {
        receive(missing(info.name, "only in the first model"))
        continue
      }
      receive(try compare(index, other))
      progress(info.byteCount)
    }
    let names = Set(first.tensors.map(\.name))
    for info in second.tensors where !names.contains(info.name) {
      receive(missing(info.name, "only in the second model"))
    }
  }

  private func missing(_ name: String, _ detail: String) -> TensorComparison {
    TensorComparison(name: name, status: .missing, maximumDifference: nil, relativeDifference: nil, detail: detail)
  }

  private func compare(_ index: Int, _ otherIndex: Int) throws -> TensorComparison {
    let one = first.tensors[index]
    let other = second.tensors[otherIndex]
    guard one.shape == other.shape else {
      return TensorComparison(
        name: one.name, status: .shape, maximumDifference: nil, relativeDifference: nil,
        detail: "\(one.shape) and \(other.shape)")
    }
    let a = try first.allBytes(index)
    let b = try second.allBytes(otherIndex)
    let detail = one.dtype == other.dtype ? nil : "\(one.dtype.rawValue) and \(other.dtype.rawValue)"
    if detail == nil, a == b {
      return TensorComparison(name: one.name, status: .equal, maximumDifference: 0, relativeDifference: 0, detail: nil)
    }
    guard let values = ElementReader(one.dtype), let otherValues = ElementReader(other.dtype) else {
      return TensorComparison(
        name: one.name, status: .different, maximumDifference: nil, relativeDifference: nil, detail: detail)
    }
    var maximum = 0.0
    var differences = 0.0
    var squares = 0.0
    for element in 0..<one.elementCount {
      let x = values.value(a, element)
      let y = otherValues.value(b, element)
      // Two NaNs are no difference, nor are two equal infinities.
      if x == y || x.isNaN && y.isNaN {
        if x.isFinite { squares += x * x }
        continue
      }
      let difference = abs(x - y)
      maximum = difference.isNaN ? .infinity : max(maximum, difference)
      differences += difference * difference
      if x.isFinite { squares += x * x }
    }
    let relative = differences == 0 ? 0 : squares > 0 ? (differences / squares).squareRoot() : .infinity
    let isSame = maximum == 0
    let status: TensorComparison.Status =
      isSame && detail != nil ? .equal : isSame || relative <= tolerance ? .close : .different
    return TensorComparison(
      name: one.name, status: status, maximumDifference: maximum.isNaN ? .infinity : maximum,
      relativeDifference: relative.isNaN ? .infinity : relative, detail: detail)
  }
}
