// Blocks of memory that matrices have given back, kept for the next ones while a long piece of work asks for it: a page
// that the system must find and clear first can cost more than the arithmetic on it (0.2 to 0.7 GB/s on a virtual machine
// that gives idle pages back to its host: benchmarks/runs).

import Synchronization

/// Memory for matrices, used again.
public enum MatrixMemory {
  /// Smaller blocks are the allocator's business.
  static let smallest = 1 << 20

  /// Does work during which large blocks are kept for later matrices; after it they are freed.
  ///
  /// - Parameters:
  ///   - budget: bytes that matrices' large blocks and kept ones may have together. Where matrices need more they get it,
  ///     and nothing is kept.
  ///   - work: the work; may itself do work of this kind, whose budgets add up.
  public static func keeping<Result>(budget: Int, _ work: () throws -> Result) rethrows -> Result {
    state.withLock { $0.budget += budget }
    defer {
      state.withLock {
        $0.budget -= budget
        $0.makeRoom(for: 0)
      }
    }
    return try work()
  }

  /// A block of at least so many bytes, aligned to 64; not cleared.
  static func take(_ bytes: Int) -> MemoryBlock {
    let count = max(64, bytes)
    guard count >= smallest else { return MemoryBlock(bytes: count) }
    let kept = state.withLock { state in
      let kept = state.takeKept(count)
      if kept == nil { state.makeRoom(for: count) }
      state.inUse += kept?.bytes ?? count
      return kept
    }
    return kept ?? MemoryBlock(bytes: count)
  }

  /// Takes a block back.
  static func give(_ block: MemoryBlock) {
    guard block.bytes >= smallest else { return block.free() }
    let isKept = state.withLock { state in
      state.inUse -= block.bytes
      guard state.inUse + state.keptBytes + block.bytes <= state.budget else { return false }
      state.kept.append(block)
      state.keptBytes += block.bytes
      return true
    }
    if !isKept { block.free() }
  }

  private struct State {
    var budget = 0
    /// Bytes of the matrices' large blocks.
    var inUse = 0
    /// Blocks that no matrix uses, in the order in which they were given back.
    var kept: [MemoryBlock] = []
    var keptBytes = 0

    /// The smallest block that fits, unless it is half as large again as what is wanted.
    mutating func takeKept(_ bytes: Int) -> MemoryBlock? {
      let fitting = kept.indices.filter { kept[$0].bytes >= bytes && kept[$0].bytes <= bytes + bytes / 2 }
      guard let best = fitting.min(by: { kept[$0].bytes < kept[$1].bytes }) else { return nil }
      keptBytes -= kept[best].bytes
      return kept.remove(at: best)
    }

    /// Frees the blocks that wait longest until so many more bytes are within the budget.
    mutating func makeRoom(for bytes: Int) {
      while !kept.isEmpty, inUse + keptBytes + bytes > budget {
        let oldest = kept.removeFirst()
        keptBytes -= oldest.bytes
        oldest.free()
      }
    }
  }

  private static let state = Mutex(State())
}

/// Memory of a matrix: whoever holds it last frees it or gives it back.
@safe struct MemoryBlock: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let bytes: Int

  init(bytes: Int) {
    unsafe base = .allocate(byteCount: bytes, alignment: 64)
    self.bytes = bytes
  }

  func free() { unsafe base.deallocate() }
}
