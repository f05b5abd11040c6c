import Testing

@testable import LinearAlgebra

@Suite("Memory that matrices use again") struct MatrixMemoryTests {
  @Test("a block is used again where it fits, the smallest first")
  func again() throws {
    var kept = KeptBlocks()
    kept.budget = 1000
    for size in [150, 120, 400] {
      #expect(kept.take(size) == nil)
      let isKept = kept.give(MemoryBlock(bytes: size))
      #expect(isKept)
    }
    #expect(kept.take(110)?.bytes == 120)
    #expect(kept.take(110)?.bytes == 150)
    #expect(kept.take(110) == nil, "a block of 400 would be wasted on it")
    #expect(kept.inUse == 380)
    kept.budget = 0
    kept.makeRoom(for: 0)
    #expect(kept.blocks.isEmpty)
  }

  @Test("what is in use and what is kept stay within the budget together")
  func budget() throws {
    var kept = KeptBlocks()
    kept.budget = 300
    for size in [100, 140] { _ = kept.take(size) }
    let areKept = [100, 140].map { kept.give(MemoryBlock(bytes: $0)) }
    #expect(areKept == [true, true])
    // The one that waits longest makes room.
    #expect(kept.take(160) == nil)
    #expect(kept.blocks.map(\.bytes) == [140])
    #expect(kept.take(90)?.bytes == nil)
    #expect(kept.blocks.isEmpty, "90 more would not be within the budget")
  }

  @Test("matrices hold zeros, whatever their memory held before")
  func zeros() {
    MatrixMemory.keeping(budget: 1 << 30) {
      for size in [600, 700, 800] {
        for threads in [1, 3] {
          let matrix = Matrix<Float>(rows: size, columns: size, threads: threads)
          #expect(matrix.values.allSatisfy { $0 == 0 })
          matrix.slice.fill(7)
          #expect(Matrix<Float>(rows: size, columns: size).values.allSatisfy { $0 == 0 })
        }
      }
    }
  }
}
