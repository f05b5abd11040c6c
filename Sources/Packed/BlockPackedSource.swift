// A GPTQ checkpoint as GGUF blocks with the same integers: what BlockPlan allows, module by module, packed as it is read.

import ByteIO
import Checkpoint

/// The tensors of a checkpoint, the packed ones as blocks.
///
/// Memory: the packed integers of each tensor that is being read. Tensors may be read by several threads at once.
package struct BlockPackedSource: TensorSource {
  /// The tensors, in the order of the source.
  package let tensors: [TensorInfo]
  /// What the container is.
  package var format: String { source.format }
  /// What it holds besides tensors.
  package var metadata: [(name: String, value: String)] { source.metadata }
  /// The type that most modules have: what was asked for, or was found to fit.
  package let type: DType

  private let source: PackedCheckpoint
  private let plans: [BlockPlan?]

  /// Looks at all modules' grids.
  ///
  /// - Parameters:
  ///   - source: with packed tensors.
  ///   - type: Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0; where nil, the smallest of Q4_0 and Q8_0 that holds all modules as they
  ///     are, and Q4_1 for 4 bits and fewer where Q4_0 does not.
  /// - Throws: ``CheckpointError`` with code `.lossy` where a module cannot be held so.
  /// - Complexity: reads all packed tensors once.
  package init(_ source: PackedCheckpoint, type: DType?) throws {
    let candidates = type.map { [$0] } ?? [.q4_0, .q4_1, .q8_0]
    if let type, !BlockPlan.types.contains(type) {
      throw CheckpointError(
        .lossy, file: source.tensors.first?.file,
        reason: "the integers of a quantized model have no place in \(type.rawValue) as they are",
        remedy: "\(.losing) \(.blockType(type.rawValue.lowercased())) rounds the weights again")
    }
    var failures = [CheckpointError?](repeating: nil, count: candidates.count)
    var found = [[BlockPlan?]](repeating: [], count: candidates.count)
    for (index, info) in source.tensors.enumerated() {
      let weights = try source.packedLinear(index)
      for (number, candidate) in candidates.enumerated() where failures[number] == nil {
        do throws(CheckpointError) {
          let plan = try weights.map { weights throws(CheckpointError) in
            try BlockPlan(weights, candidate, name: info.name, file: info.file)
          }
          found[number].append(plan)
        } catch { failures[number] = error }
      }
      // Of all that do not fit the one that comes nearest says why.
      if !failures.contains(nil), let failure = weights?.bits == 8 ? failures.last : failures.first, let failure {
        throw failure
      }
    }
    let number = failures.firstIndex(of: nil) ?? 0
    self.source = source
    self.type = candidates[number]
    plans = found[number]
    tensors = try zip(source.tensors, found[number]).map { info, plan in
      guard let plan else { return info }
      guard let size = TensorInfo.size(of: info.shape, plan.type) else {
        throw CheckpointError(.limit, file: info.file, reason: "\(displayName(info.name)) overflows")
      }
      return TensorInfo(name: info.name, dtype: plan.type, shape: info.shape, file: info.file, byteCount: size.bytes)
    }
  }

  /// What a tensor's values, or its blocks, are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor {
    guard let plan = plans[index], let weights = try source.packedLinear(index) else {
      return try source.cursor(index)
    }
    let codec = try BlockCodec(plan.type)
    let rowSize = weights.inFeatures / 32 * codec.bytes
    guard rowSize > 0 else { return BytesCursor([]) }
    let partSize = max(1, streamPartSize / weights.inFeatures) * rowSize
    return PartCursor(byteCount: tensors[index].byteCount, partSize: partSize) { range, bytes in
      bytes = Self.blocks(
        ofRows: range.lowerBound / rowSize..<range.upperBound / rowSize, of: weights, plan, codec)
    }
  }

  /// Some rows of a module as blocks.
  private static func blocks(
    ofRows rows: Range<Int>, of weights: PackedLinear, _ plan: BlockPlan, _ codec: BlockCodec
  ) -> [UInt8] {
    let blocksOfRow = weights.inFeatures / 32
    let zeros = weights.zeros
    var levels = weights.integers(ofRows: rows)
    var scales: [UInt16] = []
    var minima: [UInt16] = []
    scales.reserveCapacity(rows.count * blocksOfRow)
    for (place, row) in rows.enumerated() {
      for (block, group) in plan.groups.enumerated() {
        let grid = row * weights.groupCount + group
        let scale = weights.scales[grid]
        let zero = Int(zeros[grid])
        scales.append(Half(scale).bits)
        guard let middle = plan.middle else {
          minima.append(Half(-scale * Float(zero)).bits)
          continue
        }
        // In range for every integer: BlockPlan.
        let shift = UInt8(truncatingIfNeeded: middle - zero)
        guard shift != 0 else { continue }
        let start = (place * blocksOfRow + block) * 32
        for at in start..<start + 32 { levels[at] &+= shift }
      }
    }
    return codec.pack(levels, scales: scales, minima: plan.middle == nil ? minima : nil)
  }

  /// Where a tensor's values lie in its file, where they stay what they are.
  package func storedRange(_ index: Int) -> Range<Int>? { plans[index] == nil ? source.storedRange(index) : nil }

  /// Verifies the source.
  package func verifyChecksums() throws { try source.verifyChecksums() }
}
