// What one look at all packed modules of a checkpoint tells: what a form that they shall be written in asks, and what the
// settings say afterwards.

import ByteIO
import Checkpoint

/// The packed modules of a checkpoint.
package struct PackedSurvey: Sendable {
  /// The modules, in the checkpoint's order.
  package let modules: [ModuleSurvey]

  /// A survey of modules.
  init(_ modules: [ModuleSurvey]) { self.modules = modules }

  /// Bits of an integer: the most of any module.
  package var bits: Int { modules.map(\.bits).max() ?? 0 }
  /// Whether a module's groups are scattered over its inputs, or modules have groups of different sizes.
  package var isScattered: Bool { groupSize == nil }
  /// Inputs of a group, or -1 for whole rows; nil where they are scattered, or differ.
  package var groupSize: Int? {
    let sizes = Set(modules.map(\.statedGroupSize))
    return sizes.count == 1 && modules.allSatisfy { $0.groupSize != nil } ? sizes.first : nil
  }
  /// The same, and for scattered groups how many inputs there are to one; -1 where sizes differ.
  package var statedGroupSize: Int {
    let sizes = Set(modules.map(\.statedGroupSize))
    return sizes.count == 1 ? sizes.first ?? -1 : -1
  }
  /// Whether every grid is symmetric.
  package var isSymmetric: Bool { modules.allSatisfy(\.isSymmetric) }
  /// Whether half precision has all scales.
  package var hasHalfScales: Bool { modules.allSatisfy(\.hasHalfScales) }

  /// The version of GPTQ's form that holds all modules: the first for symmetric grids, which every engine reads, and the
  /// second for others, for GPTQModel reads no others; but the first where a zero point is 2^bits.
  ///
  /// - Throws: `CheckpointError` with code `.lossy` where neither holds them.
  package func version() throws(CheckpointError) -> GPTQVersion {
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
