// The packed integers of one linear module, in memory, with what they are scaled by: what an engine multiplies by and a
// writer packs anew. Whatever the file: GPTQ folders of both versions, BELLE's and GPTQ-for-LLaMA's `.pt`.

import ByteIO
import CBelleKernels

/// A linear module's weights as integers on grids: weight = scale · (integer − zero), by output and group of inputs.
public struct PackedWeights: Sendable {
  /// Bits of an integer: 2, 3, 4 or 8.
  public let bits: Int
  /// Outputs.
  public let outFeatures: Int
  /// Inputs.
  public let inFeatures: Int
  /// Groups of inputs.
  public let groupCount: Int
  /// `[ceil(in · bits / 32), out]`: each output's integers as one little-endian stream of bits.
  public let words: [UInt32]
  /// `[groups, out]`. Version 1 of the format cannot tell 0 from 2^bits, and means the latter.
  public let zeros: [UInt16]
  /// `[groups, out]`.
  public let scales: [Float]
  /// The type that the scales are stored in: f16, bf16 or f32.
  public let scaleType: DType
  /// The group of each input.
  public let groups: [Int32]

  init(
    bits: Int, outFeatures: Int, inFeatures: Int, words: [UInt32], zeros: [UInt16], scales: [Float], scaleType: DType,
    groups: [Int32]
  ) {
    (self.bits, self.outFeatures, self.inFeatures) = (bits, outFeatures, inFeatures)
    (self.words, self.zeros, self.scales, self.scaleType) = (words, zeros, scales, scaleType)
    self.groups = groups
    groupCount = outFeatures > 0 ? scales.count / outFeatures : 0
  }

  /// Inputs of a group, where groups are contiguous and of one size (the last may be shorter); nil where they are not,
  /// as after quantizing in the order of activations.
  public var groupSize: Int? {
    guard groupCount > 0 else { return nil }
    let size = groups.firstIndex { $0 != groups.first } ?? inFeatures
    guard size > 0, groups.enumerated().allSatisfy({ Int($1) == $0 / size }) else { return nil }
    return size
  }

  /// Whether every zero point is the middle of the range: then the grid is symmetric.
  public var isSymmetric: Bool { zeros.allSatisfy { $0 == 1 << UInt16(bits - 1) } }

  /// The integers of some outputs, row by row: `[rows, in]`.
  ///
  /// - Complexity: O(rows · in).
  public func integers(ofRows rows: Range<Int>) -> [UInt8] {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= outFeatures)
    guard !rows.isEmpty, inFeatures > 0 else { return [] }
    // SAFETY: rows lie inside the words' columns, which was just checked; the kernel writes rows.count · in bytes.
    return unsafe [UInt8](unsafeUninitializedCapacity: rows.count * inFeatures) { buffer, count in
      unsafe words.withUnsafeBufferPointer { words in
        if let from = words.baseAddress, let to = buffer.baseAddress {
          unsafe belle_unpack_inputs(
            from + rows.lowerBound, outFeatures, 0, rows.count, inFeatures, UInt32(bits), to, inFeatures)
        }
      }
      count = rows.count * inFeatures
    }
  }
}

/// A source some of whose tensors stand for packed integers, which can be had as they are.
public protocol PackedTensorSource: TensorSource {
  /// The integers and grids of a tensor; nil for one that is stored as numbers.
  func packedWeights(_ index: Int) throws -> PackedWeights?
}
