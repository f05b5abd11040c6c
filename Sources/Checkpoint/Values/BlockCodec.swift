// Blocks of quantized weights to floats and back: the door to the kernels in CBelleKernels/blocks.c.
// Refuses block types whose layout is not known there.

import ByteIO
import CBelleKernels
import Synchronization

/// The blocks of one type.
public struct BlockCodec: Sendable {
  /// The type.
  public let dtype: DType
  /// Weights of one block.
  public let elements: Int
  /// Bytes of one block.
  public let bytes: Int

  private let kind: belle_block

  private let type: BlockType

  /// Whether floats can be made into these blocks; all that are known can be read.
  public var canQuantize: Bool { type.isWritten }

  /// The blocks of a type.
  ///
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` for types of single elements, and blocks not known here.
  public init(_ dtype: DType) throws(CheckpointError) {
    guard let type = BlockType(dtype), type.bits != nil else {
      throw CheckpointError(
        .unsupportedType, reason: "values of \(dtype.rawValue) blocks are not read here",
        remedy:
          "those of these types are: \(BlockType.all.filter { $0.bits != nil }.map(\.dtype.rawValue).joined(separator: ", "))"
      )
    }
    self.dtype = dtype
    self.type = type
    kind = belle_block(rawValue: type.number)
    (elements, bytes) = (type.elements, type.bytes)
  }

  /// Writes the weights that blocks stand for.
  ///
  /// - Parameters:
  ///   - blocks: a whole number of them.
  ///   - values: takes as many float32 values as they hold, from its beginning.
  /// - Complexity: O(n), near the speed of memory.
  public func dequantize(_ blocks: RawSpan, into values: inout MutableRawSpan) {
    let count = blocks.byteCount / bytes
    precondition(blocks.byteCount % bytes == 0, "a part of a block")
    precondition(values.byteCount / 4 / elements >= count, "the target is too small")
    // SAFETY: the kernel reads `count` blocks and writes their values, which both spans have room for.
    unsafe blocks.withUnsafeBytes { blocks in
      unsafe values.withUnsafeMutableBytes { values in
        guard let from = blocks.baseAddress, let to = values.baseAddress else { return }
        unsafe belle_dequantize(
          belle_best_variant(), kind, from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self),
          count)
      }
    }
  }

  /// Quantizes weights.
  ///
  /// - Parameters:
  ///   - values: float32, a whole number of blocks' worth.
  ///   - blocks: takes the blocks, from its beginning.
  ///   - threads: how many may search for scales; the blocks are the same.
  /// - Returns: how many blocks are useless, for they hold a value that is not finite, or one beyond what they can hold.
  /// - Complexity: O(n); Q4_K, Q5_K and Q6_K take some hundred operations a weight.
  public func quantize(_ values: RawSpan, into blocks: inout MutableRawSpan, threads: Int = 1) -> Int {
    precondition(canQuantize, "blocks that are not written")
    let count = values.byteCount / 4 / elements
    precondition(values.byteCount % (4 * elements) == 0, "a part of a block")
    precondition(blocks.byteCount / bytes >= count, "the target is too small")
    // SAFETY: the kernel reads the values of `count` blocks and writes them, which both spans have room for; each piece
    // reads and writes blocks of its own, and all have ended when this returns.
    return unsafe values.withUnsafeBytes { values in
      unsafe blocks.withUnsafeMutableBytes { blocks in
        guard let from = values.baseAddress, let to = blocks.baseAddress else { return 0 }
        let work = unsafe Work(kind: kind, from: from, to: to, elements: elements, bytes: bytes)
        let pieces = (count + Self.pieceSize - 1) / Self.pieceSize
        // Rounding alone is as fast as memory.
        guard threads > 1, pieces > 1, elements == 256 else { return unsafe work.run(0..<count) }
        let useless = SharedCount()
        let next = SharedCount()
        onSeveralThreads(min(threads, pieces)) {
          while true {
            let piece = next.value.add(1, ordering: .relaxed).oldValue
            guard piece < pieces else { return }
            let first = piece * Self.pieceSize
            let found = unsafe work.run(first..<min(count, first + Self.pieceSize))
            useless.value.add(found, ordering: .relaxed)
          }
        }
        return useless.value.load(ordering: .relaxed)
      }
    }
  }

  /// Blocks that are searched in one go: an even number, for the kernel takes them in pairs.
  private static let pieceSize = 64

  /// The memory of one call, which its threads share.
  @unsafe private struct Work: @unchecked Sendable {
    let kind: belle_block
    let from: UnsafeRawPointer
    let to: UnsafeMutableRawPointer
    let elements: Int
    let bytes: Int

    func run(_ blocks: Range<Int>) -> Int {
      unsafe belle_quantize(
        belle_best_variant(), kind,
        (from + 4 * elements * blocks.lowerBound).assumingMemoryBound(to: UInt8.self), nil,
        (to + bytes * blocks.lowerBound).assumingMemoryBound(to: UInt8.self), blocks.count)
    }
  }

  /// Blocks taken apart into integers and what scales them.
  package struct Levels: Sendable {
    /// An integer for each weight, from 0.
    package var integers: [UInt8]
    /// A scale for each block.
    package var scales: [Float]
    /// What is added, for each block; zeros in types without minimums.
    package var minimums: [Float]
  }

  /// Takes blocks of at most 32 weights apart.
  ///
  /// - Parameter blocks: a whole number of them.
  /// - Complexity: O(n).
  package func levels(of blocks: RawSpan) -> Levels {
    precondition(elements <= 32 && blocks.byteCount % bytes == 0, "whole blocks of at most 32")
    let count = blocks.byteCount / bytes
    var levels = Levels(
      integers: [UInt8](repeating: 0, count: count * elements), scales: [Float](repeating: 0, count: count),
      minimums: [Float](repeating: 0, count: count))
    // SAFETY: the kernel reads `count` blocks, and writes as many scales and minimums, and the integers of all.
    unsafe blocks.withUnsafeBytes { blocks in
      guard let from = blocks.baseAddress else { return }
      unsafe belle_take_levels(
        kind, from.assumingMemoryBound(to: UInt8.self), &levels.integers, &levels.scales, &levels.minimums, count)
    }
    return levels
  }

  /// Makes of blocks that ggml has no more those of their successor.
  ///
  /// - Parameters:
  ///   - blocks: a whole number of them, of a type with a successor.
  ///   - restated: takes as many of the other type.
  /// - Returns: how many have a scale or a minimum that half precision does not have, and how many one that is beyond its
  ///   range or no finite number.
  package func restate(_ blocks: RawSpan, into restated: inout MutableRawSpan) -> (changed: Int, useless: Int) {
    let count = blocks.byteCount / bytes
    precondition(blocks.byteCount % bytes == 0, "a part of a block")
    precondition(type.successor.map { restated.byteCount / $0.bytes >= count } ?? false, "the target is too small")
    var useless = 0
    // SAFETY: the kernel reads `count` blocks and writes as many of the successor's, which both spans have room for.
    let changed = unsafe blocks.withUnsafeBytes { blocks in
      unsafe restated.withUnsafeMutableBytes { restated in
        guard let from = blocks.baseAddress, let to = restated.baseAddress else { return 0 }
        return unsafe belle_restate_blocks(
          kind, from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self), count, &useless)
      }
    }
    return (changed, useless)
  }

  /// Makes blocks of integers that are there already.
  ///
  /// - Parameters:
  ///   - levels: 32 for each block, as the block counts them from 0.
  ///   - scales: the bits of a half for each block.
  ///   - minima: the bits of a half for each block of Q4_1 and Q5_1; nil for the types without.
  /// - Complexity: O(n).
  public func pack(_ levels: [UInt8], scales: [UInt16], minima: [UInt16]?) -> [UInt8] {
    let count = scales.count
    precondition(elements == 32 && levels.count == 32 * count, "32 levels for each block of 32")
    precondition(
      minima?.count ?? 0 == (type.hasMinimum ? count : 0), "a minimum for each block, where the type has them")
    // SAFETY: the kernel reads 32 levels, a scale and, where there are any, a minimum for each of `count` blocks, and
    // writes as many blocks.
    return unsafe [UInt8](unsafeUninitializedCapacity: count * bytes) { blocks, initialized in
      initialized = count * bytes
      guard let to = blocks.baseAddress else { return }
      if let minima {
        unsafe belle_pack_levels(kind, levels, scales, minima, to, count)
      } else {
        unsafe belle_pack_levels(kind, levels, scales, nil, to, count)
      }
    }
  }
}

/// A count that threads share.
private final class SharedCount: Sendable {
  let value = Atomic<Int>(0)
}
