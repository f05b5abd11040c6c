// Blocks of memory that matrices have given back, kept for the next ones while a long piece of work asks for it: a page
// that the system must find and clear first can cost more than the arithmetic on it (0.2 to 0.7 GB/s on a virtual machine
// that gives idle pages back to its host: benchmarks/runs).

import Foundation
import Synchronization

/// Memory for matrices, used again.
public enum MatrixMemory {
  /// Smaller blocks are the allocator's business.
  static let smallest = 1 << 20

  private static let kept = Mutex(KeptBlocks())

  /// Does work during which large blocks are kept for later matrices; after it they are freed.
  ///
  /// - Parameters:
  ///   - budget: bytes that matrices' large blocks and kept ones may have together. Where matrices need more they get it,
  ///     and nothing is kept.
  ///   - work: the work; may itself do work of this kind, whose budgets add up.
  public static func keeping<Result>(budget: Int, _ work: () throws -> Result) rethrows -> Result {
    kept.withLock { $0.budget += budget }
    defer {
      kept.withLock {
        $0.budget -= budget
        $0.makeRoom(for: 0)
      }
    }
    return try work()
  }

  /// A block of at least so many bytes, aligned to 64.
  ///
  /// - Returns: the block, and whether its bytes are zeros because nobody has touched them yet.
  static func take(_ bytes: Int) -> (block: MemoryBlock, isFresh: Bool) {
    let count = max(64, bytes)
    if count >= smallest, let block = kept.withLock({ $0.take(count) }) { return (block, false) }
    let block = MemoryBlock(bytes: count)
    return (block, block.isMapped)
  }

  /// Takes a block back.
  static func give(_ block: MemoryBlock) {
    guard block.bytes >= smallest, kept.withLock({ $0.give(block) }) else { return block.free() }
  }
}

/// Blocks that no matrix uses at the moment.
struct KeptBlocks {
  /// Bytes of blocks in use and kept ones together.
  var budget = 0
  /// Bytes of the blocks that are in use.
  private(set) var inUse = 0
  /// In the order in which they were given back.
  private(set) var blocks: [MemoryBlock] = []
  private var bytes = 0

  /// The smallest block that fits, unless it is half as large again as what is wanted; nil for one to be made.
  mutating func take(_ count: Int) -> MemoryBlock? {
    let fitting = blocks.indices.filter { blocks[$0].bytes >= count && blocks[$0].bytes <= count + count / 2 }
    guard let best = fitting.min(by: { blocks[$0].bytes < blocks[$1].bytes }) else {
      makeRoom(for: count)
      inUse += count
      return nil
    }
    let block = blocks.remove(at: best)
    bytes -= block.bytes
    inUse += block.bytes
    return block
  }

  /// - Returns: whether the block is kept; otherwise it is to be freed.
  mutating func give(_ block: MemoryBlock) -> Bool {
    inUse -= block.bytes
    guard inUse + bytes + block.bytes <= budget else { return false }
    blocks.append(block)
    bytes += block.bytes
    return true
  }

  /// Frees the blocks that wait longest until so many more bytes are within the budget.
  mutating func makeRoom(for count: Int) {
    while !blocks.isEmpty, inUse + bytes + count > budget {
      let oldest = blocks.removeFirst()
      bytes -= oldest.bytes
      oldest.free()
    }
  }
}

/// Memory of a matrix: whoever holds it last frees it or gives it back.
///
/// Large blocks are the system's own pages: what the allocator makes of them, long-lived ones between short-lived ones,
/// cannot be foretold, and memory is promised beforehand.
@safe struct MemoryBlock: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let bytes: Int
  /// Whether its pages came from the system, as zeros.
  let isMapped: Bool

  init(bytes: Int) {
    self.bytes = bytes
    if bytes >= MatrixMemory.smallest,
      let pages = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0),
      unsafe pages != MAP_FAILED
    {
      unsafe base = pages
      isMapped = true
      // Fewer entries for the processor's table of pages, which strides over long rows exhaust.
      #if os(Linux)
        if bytes >= 8 << 20 { unsafe madvise(pages, bytes, MADV_HUGEPAGE) }
      #endif
    } else {
      unsafe base = .allocate(byteCount: bytes, alignment: 64)
      isMapped = false
    }
  }

  func free() { if isMapped { unsafe munmap(base, bytes) } else { unsafe base.deallocate() } }
}
