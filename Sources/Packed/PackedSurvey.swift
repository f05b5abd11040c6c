// What one look at all packed modules of a checkpoint tells: what a form that they shall be written in asks, and what the
// settings say afterwards.

import ByteIO
import Checkpoint

/// The packed modules of a checkpoint.
public struct PackedSurvey: Sendable {
  /// What there is to know of a module without its integers.
  public struct Module: Sendable {
    /// The number of its weight in the checkpoint.
    let index: Int
    /// The name of its weight, and the file that it is in.
    let name: String
    let file: String?
    /// Bits of an integer.
    public let bits: Int
    /// Outputs.
    public let outFeatures: Int
    /// Inputs.
    public let inFeatures: Int
    /// Groups of inputs.
    public let groupCount: Int
    /// Inputs of a group; nil where they are scattered.
    public let groupSize: Int?
    /// The lowest and the highest zero point; nil where minimums are stored.
    public let zeros: ClosedRange<UInt16>?
    /// Whether all zero points are the middle of the range.
    let isSymmetric: Bool
    /// Whether half precision has all scales.
    public let hasHalfScales: Bool

    /// Looks at a module.
    ///
    /// - Parameters:
    ///   - name: what errors call it, and the file that it is in.
    ///   - index: the number of its weight in the checkpoint.
    public init(_ weights: PackedLinear, name: String, file: String? = nil, index: Int = 0) {
      (self.index, self.name, self.file) = (index, name, file)
      (bits, outFeatures, inFeatures) = (weights.bits, weights.outFeatures, weights.inFeatures)
      (groupCount, groupSize) = (weights.groupCount, weights.groupSize)
      (isSymmetric, hasHalfScales) = (weights.isSymmetric, weights.hasHalfScales)
      guard case .zeros(let zeros) = weights.offsets else {
        self.zeros = nil
        return
      }
      self.zeros = zeros.reduce(into: (zeros.first ?? 0)...(zeros.first ?? 0)) { range, zero in
        if !range.contains(zero) { range = min(range.lowerBound, zero)...max(range.upperBound, zero) }
      }
    }

    /// What a form has no place for.
    func refusal(_ reason: String, _ remedy: Remedy?) -> CheckpointError {
      CheckpointError(.lossy, file: file, reason: "\(displayName(name)) \(reason)", remedy: remedy)
    }

    /// What the settings call its group's size: -1 for whole rows, and for scattered groups how many inputs there are to one.
    var statedGroupSize: Int {
      groupCount == 1 ? -1 : groupSize ?? (inFeatures + groupCount - 1) / max(1, groupCount)
    }
  }

  /// The modules, in the checkpoint's order.
  public let modules: [Module]

  /// Reads all packed modules once.
  ///
  /// - Throws: `CheckpointError` with code `.unsupportedType` where there is none.
  public init(_ checkpoint: PackedCheckpoint) throws {
    modules = try checkpoint.tensors.enumerated().compactMap { index, info in
      try checkpoint.packedLinear(index).map { Module($0, name: info.name, file: info.file, index: index) }
    }
    guard !modules.isEmpty else {
      throw CheckpointError(
        .unsupportedType, file: checkpoint.tensors.first?.file, reason: "no weight in it is packed",
        remedy: "quantize the model first")
    }
  }

  /// Bits of an integer: the most of any module.
  public var bits: Int { modules.map(\.bits).max() ?? 0 }
  /// Whether a module's groups are scattered over its inputs, or modules have groups of different sizes.
  public var isScattered: Bool { groupSize == nil }
  /// Inputs of a group, or -1 for whole rows; nil where they are scattered, or differ.
  public var groupSize: Int? {
    let sizes = Set(modules.map(\.statedGroupSize))
    return sizes.count == 1 && modules.allSatisfy { $0.groupSize != nil } ? sizes.first : nil
  }
  /// The same, and for scattered groups how many inputs there are to one; -1 where sizes differ.
  public var statedGroupSize: Int {
    let sizes = Set(modules.map(\.statedGroupSize))
    return sizes.count == 1 ? sizes.first ?? -1 : -1
  }
  /// Whether every grid is symmetric.
  public var isSymmetric: Bool { modules.allSatisfy(\.isSymmetric) }
  /// Whether half precision has all scales.
  public var hasHalfScales: Bool { modules.allSatisfy(\.hasHalfScales) }

  /// The version of GPTQ's form that holds all modules: the first for symmetric grids, which every engine reads, and the
  /// second for others, for GPTQModel reads no others; but the first where a zero point is 2^bits.
  ///
  /// - Throws: `CheckpointError` with code `.lossy` where neither holds them.
  public func version() throws(CheckpointError) -> GPTQForm.Version {
    let hasTop = modules.contains { module in module.zeros.map { $0.upperBound == 1 << UInt16(module.bits) } ?? false }
    let hasZero = modules.contains { $0.zeros?.lowerBound == 0 }
    guard !(hasTop && hasZero) else {
      throw CheckpointError(
        .lossy, file: modules.first?.file,
        reason: "it has zero points of 0 and of 2^bits, and each version of the format has a place for one of them",
        remedy: "\(.dequantizing) writes the weights that they stand for")
    }
    return isSymmetric || hasTop ? .first : .second
  }
}
