// What one look at a packed module tells: what a form that it shall be written in asks of it.

import ByteIO
import Checkpoint

/// What there is to know of a packed module without its integers.
package struct ModuleSurvey: Sendable {
  /// The number of its weight in the checkpoint.
  let index: Int
  /// The name of its weight, and the file that it is in.
  package let name: String
  package let file: String?
  /// Bits of an integer.
  package let bits: Int
  /// Outputs.
  package let outFeatures: Int
  /// Inputs.
  package let inFeatures: Int
  /// Groups of inputs.
  package let groupCount: Int
  /// Inputs of a group; nil where they are scattered.
  package let groupSize: Int?
  /// The lowest and the highest zero point; nil where minimums are stored.
  package let zeros: ClosedRange<UInt16>?
  /// Whether all zero points are the middle of the range.
  let isSymmetric: Bool
  /// Whether half precision has all scales.
  package let hasHalfScales: Bool

  /// Looks at a module.
  ///
  /// - Parameters:
  ///   - name: what errors call it, and the file that it is in.
  ///   - index: the number of its weight in the checkpoint.
  package init(_ weights: PackedLinear, name: String, file: String? = nil, index: Int = 0) {
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
