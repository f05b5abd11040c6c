import ByteIO
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Checkpoint

/// Bytes in memory that count how many of them are read.
private final class CountingBytes: ByteSource {
  let path = "memory"
  let bytes: [UInt8]
  var size: Int { bytes.count }
  private let counter = Mutex(0)
  var count: Int { counter.withLock { $0 } }

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    counter.withLock { $0 += buffer.byteCount }
    let part = bytes[offset..<offset + buffer.byteCount]
    buffer.withUnsafeMutableBytes { $0.copyBytes(from: part) }
  }
}

@Suite("TensorCursor") struct TensorCursorTests {
  /// The bytes that a range may begin and end at.
  private func unit(_ dtype: DType) -> Int { dtype.block?.bytes ?? dtype.byteCount ?? 1 }

  /// Pulls ranges of a tensor in any order, and holds each against the whole.
  private func expectAnyRange(_ source: any TensorSource, _ index: Int, _ random: inout SplitMix64) throws {
    let info = source.tensors[index]
    let whole = try source.allBytes(index)
    #expect(whole.count == info.byteCount)
    let cursor = try source.cursor(index)
    #expect(cursor.byteCount == info.byteCount)
    let units = info.byteCount / unit(info.dtype)
    guard units > 0 else { return }
    for _ in 0..<12 {
      let first = Int.random(in: 0..<units, using: &random)
      let last = Int.random(in: first..<units, using: &random)
      let range = first * unit(info.dtype)..<(last + 1) * unit(info.dtype)
      var found: [UInt8] = []
      try cursor.read(range) { part in
        #expect(part.byteCount % unit(info.dtype) == 0)
        part.withUnsafeBytes { found += $0 }
      }
      #expect(found == Array(whole[range]), "\(info.name) \(range)")
      var all: [UInt8] = []
      try cursor.withAll(of: range) { part in part.withUnsafeBytes { all += $0 } }
      #expect(all == found)
    }
  }

  @Test("any range of a file's tensors is what the whole has there", arguments: Fixtures.good.keys.sorted())
  func files(name: String) throws {
    let source = try Checkpoint.open(Fixtures.path(name))
    var random = SplitMix64(seed: 5)
    for index in source.tensors.indices { try expectAnyRange(source, index, &random) }
  }

  @Test("any range of what is converted, dequantized, quantized or in another order is what the whole has there")
  func views() throws {
    var random = SplitMix64(seed: 6)
    let values = (0..<128 * 3000).map { Float($0 % 977) - 400 }.withUnsafeBytes { Array($0) }
    let plain = MemorySource([("w", .f32, [3000, 128], values)])
    let halves = try ConvertedSource(plain, dtype: .f16)
    let blocks = try QuantizedSource(plain, types: [.q4_0])
    let rows = try TensorView([TensorView.Entry(plain.tensors[0], .rows(0, in: .halves(heads: 10)))], of: plain)
    for source in [
      halves, blocks, rows, try DequantizedSource(blocks), try ConvertedSource(rows, dtype: .f64),
      try QuantizedSource(halves, types: [.q5_1]), TensorView(blocks) { _ in true },
    ] as [any TensorSource] {
      try expectAnyRange(source, 0, &random)
    }
  }

  @Test("a range of a strided view larger than a part is gathered from where it begins")
  func strided() throws {
    let storage = PickleStorage(dtype: .u16, key: "0", count: 3_000_000, wholeCount: 3_000_000)
    // Three dimensions of which the inner two are transposed, and every other element of the outermost.
    let view = PickleTensor(
      storage: storage, dtype: .u16, offset: 0, shape: [2, 700, 1000], strides: [1_500_000, 2, 1500])
    let bytes = (0..<3_000_000).map { UInt16(truncatingIfNeeded: $0 &* 40503) }.withUnsafeBytes { Array($0) }
    let element = { (at: Int) -> Int in
      at / 700_000 * 1_500_000 + at / 1000 % 700 * 2 + at % 1000 * 1500
    }
    let cursor = view.cursor(over: bytes)
    #expect(cursor.byteCount == 2 * 1_400_000)
    for range in [0..<3, 524_280..<524_300, 1_399_990..<1_400_000, 699_999..<700_001] {
      var found: [UInt8] = []
      try cursor.read(2 * range.lowerBound..<2 * range.upperBound) { part in part.withUnsafeBytes { found += $0 } }
      #expect(found == range.flatMap { Array(bytes[2 * element($0)..<2 * element($0) + 2]) })
    }
  }

  @Test("no more of a file is read than what is asked for")
  func economy() throws {
    let folder = try TemporaryFolder()
    let values = SplitMix64.bytes(seed: 1, count: 8 << 20)
    _ = try SafetensorsWriter.write(
      MemorySource([("w", .f32, [2048, 1024], values)]), [0], metadata: [:], as: "a.safetensors", in: folder.path,
      replacing: false)
    let bytes = CountingBytes(try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("a.safetensors")))))
    let source = try SafetensorsFile(bytes)
    let before = bytes.count
    let cursor = source.cursor(0)
    for row in [2000, 3, 1024] {
      try cursor.read(row * 4096..<(row + 1) * 4096) { part in
        part.withUnsafeBytes { #expect($0.elementsEqual(values[row * 4096..<(row + 1) * 4096])) }
      }
    }
    #expect(bytes.count - before == 3 * 4096)
  }

  @Test("what is converted counts each value that became infinite once, however often it is read")
  func overflows() throws {
    let values = (0..<300_000).map { $0 % 3 == 0 ? Float(1e6) : 1 }.withUnsafeBytes { Array($0) }
    let halves = try ConvertedSource(MemorySource([("w", .f32, [300_000], values)]), dtype: .f16)
    let cursor = try halves.cursor(0)
    for _ in 0..<2 { try cursor.read(0..<cursor.byteCount) { _ in } }
    #expect(halves.overflowCount == 100_000)
  }
}
