// A linear module's weights as integers on grids: what the solver finds, files hold and the engine multiplies by. How
// integers lie in a file's tensors is a PackedForm's matter.

import ByteIO
import CBelleKernels
import Checkpoint

/// A linear module's weights as integers on grids: weight = scale · (integer − zero), or scale · integer + minimum, by
/// output and group of inputs.
package struct PackedLinear: Sendable {
  /// The integers, in one of two ways.
  package enum Codes: Sendable {
    /// A byte each, `[out, in]`: as the solver finds them.
    case bytes([UInt8])
    /// `[ceil(in · bits / 32), out]`: each output's integers as one little-endian stream of bits, as files hold them.
    case words([UInt32])
  }

  /// What there is beside the scales, `[out, groups]`.
  package enum Offsets: Sendable, Equatable {
    /// Whole zero points.
    case zeros([UInt16])
    /// Minimums, in the scales' precision.
    case minimums([Float])
  }

  /// Bits of an integer: 2, 3, 4, 5, 6 or 8.
  package let bits: Int
  /// Outputs.
  package let outFeatures: Int
  /// Inputs.
  package let inFeatures: Int
  /// The integers.
  package let codes: Codes
  /// `[out, groups]`.
  package let scales: [Float]
  /// The type that the scales are stored in: f16, bf16 or f32.
  package let scaleType: DType
  /// Zero points, or minimums.
  package let offsets: Offsets
  /// The group of each input.
  package let groups: [Int32]
  /// Groups of inputs.
  package let groupCount: Int
  /// Inputs of a group, where groups are contiguous and of one size (the last may be shorter); nil where they are not,
  /// as after quantizing in the order of activations.
  package let groupSize: Int?

  /// A module's weights; the arrays have the shapes that the members' descriptions say.
  package init(
    bits: Int, outFeatures: Int, inFeatures: Int, codes: Codes, scales: [Float], scaleType: DType, offsets: Offsets,
    groups: [Int32]
  ) {
    (self.bits, self.outFeatures, self.inFeatures, self.codes) = (bits, outFeatures, inFeatures, codes)
    (self.scales, self.scaleType, self.offsets, self.groups) = (scales, scaleType, offsets, groups)
    groupCount = outFeatures > 0 ? scales.count / outFeatures : 0
    groupSize = Self.size(of: groups)
    precondition(groups.count == inFeatures && scales.count == groupCount * outFeatures)
    switch codes {
    case .bytes(let bytes): precondition(bytes.count == outFeatures * inFeatures)
    case .words(let words): precondition(words.count == (inFeatures * bits + 31) / 32 * outFeatures)
    }
    switch offsets {
    case .zeros(let zeros): precondition(zeros.count == scales.count)
    case .minimums(let minimums): precondition(minimums.count == scales.count)
    }
  }

  /// Groups of a size, one after the other, the last one perhaps shorter.
  package static func contiguousGroups(of size: Int, inputs: Int) -> [Int32] {
    (0..<inputs).map { Int32($0 / size) }
  }

  private static func size(of groups: [Int32]) -> Int? {
    let size = groups.firstIndex { $0 != groups.first } ?? groups.count
    guard size > 0, groups.enumerated().allSatisfy({ Int($1) == $0 / size }) else { return nil }
    return size
  }

  /// Zero points, `[out, groups]`; empty where minimums are stored.
  package var zeros: [UInt16] {
    if case .zeros(let zeros) = offsets { zeros } else { [] }
  }

  /// Minimums, `[out, groups]`; empty where zero points are stored.
  package var minimums: [Float] {
    if case .minimums(let minimums) = offsets { minimums } else { [] }
  }

  /// Whether every zero point is the middle of the range: then the grid is symmetric.
  package var isSymmetric: Bool {
    guard case .zeros(let zeros) = offsets else { return false }
    return zeros.allSatisfy { $0 == 1 << UInt16(bits - 1) }
  }

  /// Whether half precision has all scales.
  var hasHalfScales: Bool { scaleType == .f16 || scales.allSatisfy { Half(exactly: $0) != nil } }

  // MARK: Integers

  /// The integers of some outputs, row by row: `[rows, in]`.
  ///
  /// - Complexity: O(rows · in).
  package func integers(ofRows rows: Range<Int>) -> [UInt8] {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= outFeatures)
    switch codes {
    case .bytes(let bytes) where rows.count == outFeatures: return bytes
    case .bytes(let bytes): return Array(bytes[rows.lowerBound * inFeatures..<rows.upperBound * inFeatures])
    case .words(let words):
      return PackedWords.unpacked(words, ofRows: rows, rows: outFeatures, columns: inFeatures, bits: bits)
    }
  }

  /// The integers as files hold them, `[ceil(in · bits / 32), out]`.
  ///
  /// - Parameter threads: how many to use where they have to be packed.
  package func words(threads: Int = 1) -> [UInt32] {
    switch codes {
    case .words(let words): words
    case .bytes(let bytes):
      PackedWords.packed(bytes, rows: outFeatures, columns: inFeatures, bits: bits, threads: threads)
    }
  }

  // MARK: Values

  /// Writes the weights of some outputs.
  ///
  /// - Parameters:
  ///   - rows: which outputs.
  ///   - target: takes `in` floats for each of them, `stride` floats apart.
  package func write(rows: Range<Int>, to target: UnsafeMutablePointer<Float>, stride: Int) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= outFeatures && stride >= inFeatures)
    guard !rows.isEmpty, inFeatures > 0 else { return }
    let part = rows.lowerBound * groupCount..<rows.upperBound * groupCount
    let (zeros, minimums): ([Float], [Float]) =
      switch offsets {
      case .zeros(let all): (all[part].map { Float($0) }, [])
      case .minimums(let all): ([Float](repeating: 0, count: part.count), Array(all[part]))
      }
    let integers: ArraySlice<UInt8>
    if case .bytes(let bytes) = codes {
      integers = bytes[rows.lowerBound * inFeatures..<rows.upperBound * inFeatures]
    } else {
      integers = self.integers(ofRows: rows)[...]
    }
    // SAFETY: the arrays have the shapes that the kernel's header asks for, which `init` checked; groups are below the
    // number of groups, which their makers checked; the target is the caller's promise.
    unsafe integers.withUnsafeBufferPointer { integers in
      unsafe scales[part].withUnsafeBufferPointer { scales in
        unsafe zeros.withUnsafeBufferPointer { zeros in
          unsafe minimums.withUnsafeBufferPointer { minimums in
            unsafe groups.withUnsafeBufferPointer { groups in
              guard let q = integers.baseAddress, let s = scales.baseAddress, let z = zeros.baseAddress else { return }
              var work = unsafe belle_values_work(
                rows: rows.count, columns: inFeatures, groups: groupCount, group_size: groupSize ?? 1, integers: q,
                scales: s, zeros: z, minimums: minimums.isEmpty ? nil : minimums.baseAddress,
                group_index: groupSize == nil ? groups.baseAddress : nil, values: target, value_stride: stride)
              unsafe belle_values(belle_best_variant(), &work)
            }
          }
        }
      }
    }
  }

  /// The weights as float32, `[out, in]`, row-major.
  ///
  /// - Complexity: 16 rows of weights are in memory.
  func cursor() -> any TensorCursor {
    guard inFeatures > 0 else { return BytesCursor([]) }
    let rowSize = 4 * inFeatures
    return PartCursor(byteCount: rowSize * outFeatures, partSize: 16 * rowSize) { range, bytes in
      // SAFETY: the rows of the range take as many bytes as there are; an array's memory is aligned for floats.
      unsafe bytes.withUnsafeMutableBytes { bytes in
        guard let target = unsafe bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
        unsafe write(
          rows: range.lowerBound / rowSize..<range.upperBound / rowSize, to: target, stride: inFeatures)
      }
    }
  }
}
