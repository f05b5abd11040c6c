import Testing

@testable import LinearAlgebra

@Suite("Memory that matrices use again") struct MatrixMemoryTests {
  /// The bytes of the block that is given for some size; nil where one must be made.
  private func take(_ bytes: Int, _ kept: inout KeptBlocks) -> Int? { kept.take(bytes)?.bytes }

  /// Gives blocks back that were taken; whether each is kept.
  private func give(_ sizes: [Int], _ kept: inout KeptBlocks) -> [Bool] {
    sizes.map { kept.give(MemoryBlock(bytes: $0)) }
  }

  @Test("a block is used again where it fits, the smallest first")
  func again() throws {
    var kept = KeptBlocks()
    kept.budget = 1000
    let sizes = [150, 120, 400]
    let fresh = sizes.map { take($0, &kept) }
    #expect(fresh == [nil, nil, nil])
    let areKept = give(sizes, &kept)
    #expect(areKept == [true, true, true])
    // A block of 400 would be wasted on the third.
    let again = [110, 110, 110].map { take($0, &kept) }
    #expect(again == [120, 150, nil])
    #expect(kept.inUse == 380)
    kept.budget = 0
    kept.makeRoom(for: 0)
    #expect(kept.blocks.isEmpty)
  }

  @Test("what is in use and what is kept stay within the budget together")
  func budget() throws {
    var kept = KeptBlocks()
    kept.budget = 300
    let sizes = [100, 140, 200]
    for size in sizes { _ = take(size, &kept) }
    let areKept = give(sizes, &kept)
    // 340 are in use when the first comes back, 200 when the second does.
    #expect(areKept == [false, false, true])
    for size in [30, 50] { _ = take(size, &kept) }
    #expect(kept.blocks.map(\.bytes) == [200])
    // The one that waits longest makes room.
    let large = take(90, &kept)
    #expect(large == nil && kept.blocks.isEmpty && kept.inUse == 170)
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
