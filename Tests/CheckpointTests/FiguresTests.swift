import ByteIO
import Synchronization
import TestSupport
import Testing

@testable import Checkpoint

/// A source that hands its values over in parts of a size of one's choice, and can fail.
private struct PiecewiseSource: TensorSource {
  let memory: MemorySource
  let elements: Int
  var failsAt: Int?
  var format: String { "memory" }
  var tensors: [TensorInfo] { memory.tensors }
  var metadata: [(name: String, value: String)] { [] }

  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  func cursor(_ index: Int) -> any TensorCursor {
    let values = memory.values[index]
    let step = elements * (tensors[index].dtype.byteCount ?? 1)
    return PartCursor(byteCount: values.count, partSize: step) { range, bytes in
      if let failsAt, range.lowerBound >= failsAt {
        throw ByteIOError(.shrank, file: "memory", reason: "the file ended here")
      }
      bytes = Array(values[range])
    }
  }
}

@Suite("Figures and comparisons as streams") struct FiguresTests {
  private func floats(_ count: Int, _ value: (Int) -> Float) -> [UInt8] {
    (0..<count).map(value).withUnsafeBytes { Array($0) }
  }

  @Test("the figures of a tensor do not depend on the pieces that it comes in", arguments: [1, 7, 16, 1000])
  func pieces(elements: Int) throws {
    let values = floats(5003) { index in
      switch index % 100 {
      case 7: .nan
      case 9: -.infinity
      default: 1 / Float(index + 1)
      }
    }
    let memory = MemorySource([
      ("a", .f32, [5003], values), ("b", .f8E4M3, [3], [1, 2, 3]), ("c", .i8, [2], [0xFF, 1]),
    ])
    let whole = try TensorStatistics(memory, 0)
    let found = try TensorStatistics(PiecewiseSource(memory: memory, elements: elements), 0)
    #expect(found.mean == whole.mean)
    #expect(found.sha256 == whole.sha256)
    #expect((found.minimum, found.maximum) == (Double(1 / Float(5003)), 1))
    #expect(found.nanCount == 50)
    #expect(found.infinityCount == 50)
    #expect(try TensorStatistics(memory, 1).mean == nil)
    let small = try TensorStatistics(memory, 2)
    #expect((small.minimum, small.maximum) == (-1, 1))
    #expect(small.mean == 0)
  }

  @Test("a tensor of nothing but NaN and infinity has no extremes and no mean")
  func nothingFinite() throws {
    let found = try TensorStatistics(MemorySource([("a", .f32, [2], floats(2) { $0 == 0 ? .nan : .infinity })]), 0)
    #expect(found.minimum == nil && found.maximum == nil && found.mean == nil)
    #expect(found.nanCount == 1 && found.infinityCount == 1)
  }

  @Test("figures come in the order of the tensors, however many threads there are", arguments: [1, 2, 7])
  func order(jobs: Int) throws {
    let source = MemorySource((0..<30).map { ("t\($0)", .u8, [$0], [UInt8](repeating: UInt8($0), count: $0)) })
    var seen: [Int] = []
    try TensorStatistics.forEach(of: source, jobs: jobs) { index, statistics in
      seen.append(index)
      #expect(statistics.maximum == (index == 0 ? nil : Double(index)))
    }
    #expect(seen == Array(0..<30))
  }

  @Test(
    "two tensors are compared element by element, whatever pieces they come in",
    arguments: [(1, 3), (5, 100_000), (100_000, 7), (100_000, 100_000)])
  func lockstep(sizes: (Int, Int)) throws {
    let count = 100_003
    let one = MemorySource([("a", .f32, [count], floats(count) { Float($0 % 1000) })])
    let other = try ConvertedSource(one, dtype: .f16)
    var half: [UInt8] = []
    try other.read(0) { part in part.withUnsafeBytes { half += $0 } }
    let converted = MemorySource([("a", .f16, [count], half)])
    let same = try compare(one, converted, sizes)
    #expect(same.status == .equal)
    #expect(same.differingCount == 0)
    // One value near the end is another.
    half[2 * 100_000] = 0xFF
    let changed = try compare(one, MemorySource([("a", .f16, [count], half)]), sizes)
    #expect(changed.status == .different)
    #expect(changed.differingCount == 1)
    let identical = try compare(one, one, sizes)
    #expect(identical.status == .equal)
    #expect(identical.maximumDifference == 0)
  }

  private func compare(_ one: MemorySource, _ other: MemorySource, _ sizes: (Int, Int)) throws -> TensorComparison {
    var results: [TensorComparison] = []
    try Comparison(
      PiecewiseSource(memory: one, elements: sizes.0), PiecewiseSource(memory: other, elements: sizes.1), tolerance: 0
    ).run { results.append($0) }
    return try #require(results.first)
  }

  @Test(
    "a source that fails in the middle ends the comparison with its error", arguments: [0, 400_000], [false, true])
  func failure(at offset: Int, isFirst: Bool) throws {
    let memory = MemorySource([("a", .u8, [1_000_000], [UInt8](repeating: 1, count: 1_000_000))])
    let good = PiecewiseSource(memory: memory, elements: 10_000)
    let bad = PiecewiseSource(memory: memory, elements: 10_000, failsAt: offset)
    let comparison = Comparison(isFirst ? bad : good, isFirst ? good : bad, tolerance: 0)
    let error = try #require(throws: ByteIOError.self) { try comparison.run { _ in } }
    #expect(error.code == .shrank)
  }

  @Test(
    "a source that gives too few or too many values is told so", arguments: [(1000, 999), (999, 1000), (400_000, 3)])
  func unequal(counts: (Int, Int)) throws {
    func source(_ count: Int) -> MemorySource {
      // What it says is a thousand more or less than what it gives.
      MemorySource([("a", .u8, [500_000], [UInt8](repeating: 1, count: count))])
    }
    let error = try #require(throws: CheckpointError.self) {
      try Comparison(source(counts.0), source(counts.1), tolerance: 0).run { _ in }
    }
    #expect(error.code == .badTensor)
  }

  @Test("results are equal at any number of threads", arguments: [1, 3])
  func jobs(count: Int) throws {
    let (one, other) = (MemorySource(seed: 11), MemorySource(seed: 12))
    var results: [String] = []
    try Comparison(one, other, tolerance: 0).run(jobs: count) { results.append("\($0)") }
    var again: [String] = []
    try Comparison(one, other, tolerance: 0).run(jobs: 1) { again.append("\($0)") }
    #expect(results == again)
  }
}
