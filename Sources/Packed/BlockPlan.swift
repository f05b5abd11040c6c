// What GGUF block a GPTQ module's integers go into as they are. A block is one scale over 32 inputs, and an integer in a
// range: scale · (integer − zero) is the same number in both, bit for bit, where
//   each run of 32 inputs lies in one group, the scales are half-precision numbers, and
//   integer − zero lies in the block's range: −8…7 in Q4_0, −16…15 in Q5_0, −128…127 in Q8_0.
// Q4_1 and Q5_1 hold the integers as they are and −scale · zero as a half: that product is rounded.

import ByteIO
import CBelleKernels
import Checkpoint

/// How the integers of one module become blocks of a type.
struct BlockPlan: Sendable {
  /// The type of the blocks.
  let type: DType
  /// What is added to integer − zero: the level of zero in the block; nil for blocks with a minimum.
  let middle: Int?
  /// The group of each run of 32 inputs.
  let groups: [Int]

  /// The types that integers go into as they are: blocks of one scale.
  static let types: [DType] = BlockType.all.filter {
    $0.isWritten && $0.elements == 32 && $0.levels == BELLE_LEVELS_EVEN
  }.map(\.dtype)

  /// Looks at a module.
  ///
  /// - Parameters:
  ///   - weights: the module's integers and grids.
  ///   - type: one of ``types``.
  ///   - name: what errors call it.
  /// - Throws: ``CheckpointError`` with code `.lossy` and the reason.
  init(_ weights: PackedLinear, _ type: DType, name: String, file: String) throws(CheckpointError) {
    let refusal = { (reason: String, remedy: Remedy?) in
      CheckpointError(
        .lossy, file: file, reason: "\(displayName(name)) cannot become \(type.rawValue) as it is: \(reason)",
        remedy: remedy)
    }
    let rounding: Remedy = "\(.losing) \(.blockType(type.rawValue.lowercased())) rounds the weights again"
    guard weights.inFeatures % 32 == 0 else {
      throw refusal("its \(weights.inFeatures) inputs are not a multiple of 32, a block", "\(.losing) stores it as F16")
    }
    var groups: [Int] = []
    for start in stride(from: 0, to: weights.inFeatures, by: 32) {
      let run = weights.groups[start..<start + 32]
      let group = Int(run[start])
      guard run.allSatisfy({ Int($0) == group }) else {
        throw refusal(
          "the inputs \(start) to \(start + 31) lie in \(Set(run).count) groups, and a block has one scale", rounding)
      }
      groups.append(group)
    }
    guard case .zeros(let zeros) = weights.offsets else { throw refusal("its grids have minimums", rounding) }
    // Version 1 cannot tell a zero point of 0 from one of 2^bits, and means the latter: then no integer is above zero.
    let (lowest, highest) = zeros.reduce((Int.max, Int.min)) { (min($0.0, Int($1)), max($0.1, Int($1))) }
    guard let block = BlockType(type), let bits = block.bits else {
      throw refusal("such blocks cannot take the integers of a quantized model", rounding)
    }
    let (middle, levels) = (block.middle, 1 << bits)
    let largest = 1 << weights.bits - 1
    if let middle {
      guard middle - highest >= 0, middle + largest - lowest < levels else {
        throw refusal(
          "with zero points of \(lowest) to \(highest) its integers lie outside of \(-middle) to \(levels - 1 - middle)",
          weights.bits == 4 && type == .q4_0
            ? "\(.blockType("q5_0")) holds them as they are, q4_1 with rounded minima; \(rounding)" : rounding)
      }
    } else if largest >= levels {
      throw refusal("its integers have \(weights.bits) bits, more than such blocks hold", rounding)
    }
    if weights.scaleType != .f16, let scale = weights.scales.first(where: { Half(exactly: $0) == nil }) {
      throw refusal("half precision does not have the scale \(scale)", rounding)
    }
    if middle == nil,
      zip(weights.scales, zeros).contains(where: { abs($0) * Float($1) >= 65520 })
    {
      throw refusal("a minimum is beyond half precision", rounding)
    }
    self.type = type
    self.middle = middle
    self.groups = groups
  }
}
