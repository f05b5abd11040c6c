// Weights of sixteen rows at a time: laid out anew, or in the blocks that a file has. Kernels: CBelleKernels/packed.c and
// stored.c, whose sums have one order.

import CBelleKernels
import Checkpoint

/// Integers with their scales, in strips of 16 rows and blocks of 32 inputs.
protocol StripWeights: Sendable {
  /// Blocks of 32 inputs in a row.
  var blocks: Int { get }
  /// The input that stands at each of the places, -1 for none; nil where places are inputs.
  var order: [Int32]? { get }
  /// The bytes that a product with one input reads.
  var byteCount: Int { get }

  /// y[r] = Σ weight[r, k] · x[k] for the rows of some strips.
  ///
  /// - Parameters:
  ///   - x: 32 numbers for each block.
  ///   - sums: two for each block, of belle_packed_sums.
  ///   - y: has 16 numbers for each strip of the matrix.
  func multiply(
    _ strips: Range<Int>, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>)

  /// The weights of some strips and blocks, an input to a row of `out` and 16 columns to a strip.
  func expand(_ strips: Range<Int>, _ blocks: Range<Int>, into out: UnsafeMutablePointer<Float>, stride: Int)
}

/// Integers in planes of bits; belle_packed says how they lie.
struct PackedStrips: StripWeights {
  let bits: Int
  let kind: belle_packed_scales
  let blocks: Int
  /// Blocks that share a record of scales.
  let recordBlocks: Int
  let codes: WeightMemory
  let scales: WeightMemory
  let order: [Int32]?

  var byteCount: Int { codes.count + scales.count }

  func multiply(
    _ strips: Range<Int>, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    unsafe withDescription {
      unsafe belle_packed_multiply(Kernels.variant, $0, strips.lowerBound, strips.upperBound, x, sums, y)
    }
  }

  func expand(_ strips: Range<Int>, _ blocks: Range<Int>, into out: UnsafeMutablePointer<Float>, stride: Int) {
    unsafe withDescription {
      unsafe belle_packed_expand(
        Kernels.variant, $0, strips.lowerBound, strips.upperBound, blocks.lowerBound, blocks.upperBound, out, stride)
    }
  }

  /// Calls a kernel with the description of the weights.
  private func withDescription(_ body: (UnsafePointer<belle_packed>) -> Void) {
    // SAFETY: the memory lives as long as this value; the description does not leave the call.
    var description = unsafe belle_packed(
      bits: UInt32(bits), kind: kind, blocks: blocks, record_blocks: recordBlocks,
      codes: codes.pointer.assumingMemoryBound(to: UInt8.self),
      scales: scales.pointer.assumingMemoryBound(to: UInt8.self))
    unsafe withUnsafePointer(to: &description) { unsafe body($0) }
  }
}

/// GGUF's blocks as their file has them, in the file's own memory or in a copy.
struct StoredStrips: StripWeights {
  /// Their type, for which belle_stored_is_known says yes.
  let type: BlockType
  /// Rows of the matrix; at least one.
  let rows: Int
  let blocks: Int
  let memory: WeightMemory
  /// Which of the stored rows each of the matrix's is; nil where they stand in its order.
  let rowOrder: [Int32]?

  var order: [Int32]? { nil }
  var byteCount: Int { memory.count }

  func multiply(
    _ strips: Range<Int>, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    unsafe withDescription {
      unsafe belle_stored_multiply(Kernels.variant, $0, strips.lowerBound, strips.upperBound, x, sums, y)
    }
  }

  func expand(_ strips: Range<Int>, _ blocks: Range<Int>, into out: UnsafeMutablePointer<Float>, stride: Int) {
    unsafe withDescription {
      unsafe belle_stored_expand(
        Kernels.variant, $0, strips.lowerBound, strips.upperBound, blocks.lowerBound, blocks.upperBound, out, stride)
    }
  }

  /// The same weights laid out anew; nil where the type's integers have no bits.
  func packed() -> PackedStrips? {
    guard let bits = type.bits else { return nil }
    let strips = (rows + 15) / 16
    let (codeSize, recordSize) = (
      blocks * 64 * bits, blocks * 32 / type.elements * belle_packed_record_bytes(type.scales)
    )
    let (codes, scales) = (
      WeightMemory(uninitialized: strips * codeSize), WeightMemory(uninitialized: strips * recordSize)
    )
    unsafe withDescription { weights in
      for strip in 0..<strips {
        // SAFETY: the strip's part of both has the size that the kernel writes.
        let to = unsafe (codes.pointer + strip * codeSize).assumingMemoryBound(to: UInt8.self)
        let records = unsafe (scales.pointer + strip * recordSize).assumingMemoryBound(to: UInt8.self)
        unsafe belle_stored_pack(Kernels.variant, weights, strip, to, records)
      }
    }
    return PackedStrips(
      bits: bits, kind: type.scales, blocks: blocks, recordBlocks: type.elements / 32, codes: codes, scales: scales,
      order: nil)
  }

  private func withDescription(_ body: (UnsafePointer<belle_stored>) -> Void) {
    guard let rowOrder else { return unsafe call(body, nil) }
    unsafe rowOrder.withUnsafeBufferPointer { unsafe call(body, $0.baseAddress) }
  }

  private func call(_ body: (UnsafePointer<belle_stored>) -> Void, _ order: UnsafePointer<Int32>?) {
    // SAFETY: the memory lives as long as this value; the description does not leave the call. An order has a number below
    // `rows` for each row.
    var description = unsafe belle_stored(
      type: type.number, rows: rows, blocks: blocks, bytes: memory.pointer.assumingMemoryBound(to: UInt8.self),
      order: order)
    unsafe withUnsafePointer(to: &description) { unsafe body($0) }
  }
}
