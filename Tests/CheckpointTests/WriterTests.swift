import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Tensors in memory, for round trips.
struct MemorySource: TensorSource {
  var format: String { "memory" }
  let tensors: [TensorInfo]
  let values: [[UInt8]]
  var metadata: [(name: String, value: String)] { [] }

  init(_ entries: [(name: String, dtype: DType, shape: [Int], values: [UInt8])]) {
    tensors = entries.map {
      TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape, file: "memory", byteCount: $0.values.count)
    }
    values = entries.map(\.values)
  }

  /// Tensors of random types, shapes and bytes.
  init(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let types: [DType] = [.f64, .f32, .f16, .bf16, .i64, .i32, .i16, .i8, .u8, .bool, .u64, .c64, .f8E4M3]
    self.init(
      (0..<Int.random(in: 0...12, using: &random)).map { number in
        let dtype = types.randomElement(using: &random) ?? .f32
        let shape = (0..<Int.random(in: 0...3, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
        let size = TensorInfo.size(of: shape, dtype)?.bytes ?? 0
        let name = ["w", "模型\"\\\n", "a.b", "\u{1}"].randomElement(using: &random) ?? "w"
        return ("\(name)\(number)", dtype, shape, SplitMix64.bytes(seed: random.next(), count: size))
      })
  }

  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  func cursor(_ index: Int) -> any TensorCursor { BytesCursor(values[index]) }
}

@Suite("SafetensorsWriter") struct SafetensorsWriterTests {
  private func write(
    _ source: any TensorSource, _ name: String, _ folder: TemporaryFolder, metadata: [String: String] = ["format": "pt"]
  ) throws {
    let written = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: metadata, as: name, in: folder.path, replacing: false)
    #expect(written)
  }

  @Test("what is written is read back, and written again to the same bytes", arguments: 0..<60)
  func roundTrip(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let source = MemorySource(seed: seed)
    try write(source, "a.safetensors", folder)
    let read = try SafetensorsFile(InputFile(folder.file("a.safetensors")))
    #expect(try Fixtures.contents(read) == Fixtures.contents(source))
    try write(read, "b.safetensors", folder)
    #expect(try readBytes(folder.file("a.safetensors")) == readBytes(folder.file("b.safetensors")))
  }

  @Test("the order and the values of a file of every type are the reference's")
  func everyType() throws {
    let folder = try TemporaryFolder()
    let source = try SafetensorsFile(InputFile(Fixtures.path("dtypes.safetensors")))
    let metadata = Dictionary(source.metadata.map { ($0.name, $0.value) }) { $1 }
    try write(source, "a.safetensors", folder, metadata: metadata)
    #expect(try readBytes(folder.file("a.safetensors")) == readBytes(Fixtures.path("dtypes.safetensors")))
  }

  @Test("a file that is there is not replaced unasked")
  func existing() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.safetensors", "mine")
    let source = MemorySource(seed: 1)
    let written = try SafetensorsWriter.write(
      source, [], metadata: [:], as: "a.safetensors", in: folder.path, replacing: false)
    #expect(!written)
    #expect(try readBytes(folder.file("a.safetensors")) == Array("mine".utf8))
  }
}

@Suite("MetaFolder") struct MetaFolderTests {
  @Test("shards that are missing or do not fit together are refused")
  func refusals() throws {
    let folder = try TemporaryFolder()
    let file = { (name: String) in try readBytes(Fixtures.path(name)) }
    try folder.write("params.json", file("meta-2shard/params.json"))
    try folder.write("consolidated.01.pth", file("meta-2shard/consolidated.01.pth"))
    let missing = #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.path) }
    #expect(missing?.reason == "the shard consolidated.00.pth is missing")
    try folder.write("consolidated.00.pth", file("meta-1shard/consolidated.00.pth"))
    let mixed = #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.path) }
    #expect(mixed?.reason.contains("different shapes or types") == true)
    try folder.write("params.json", "{\"dim\": 0}")
    #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.path) }
    try folder.write("params.json", "nothing")
    #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.path) }
  }
}

@Suite("Comparison") struct ComparisonTests {
  private func f32(_ values: [Float]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0) { Array($0) } } }

  private func compare(_ a: MemorySource, _ b: MemorySource, tolerance: Double = 0) throws -> [String: TensorComparison]
  {
    var results: [String: TensorComparison] = [:]
    try Comparison(a, b, tolerance: tolerance).run { results[$0.name] = $0 }
    return results
  }

  @Test("equal, close, different, missing and shape are told apart")
  func statuses() throws {
    let a = MemorySource([
      ("equal", .f32, [2], f32([1, .nan])), ("near", .f32, [2], f32([3, 4])), ("shape", .f32, [2], f32([1, 2])),
      ("gone", .f32, [1], f32([1])), ("zero", .f32, [1], f32([0])), ("type", .f32, [2], f32([1, 0.5])),
    ])
    let b = MemorySource([
      ("equal", .f32, [2], f32([1, .nan])), ("near", .f32, [2], f32([3, 4.5])), ("shape", .f32, [1, 2], f32([1, 2])),
      ("zero", .f32, [1], f32([-0.0])), ("new", .f32, [1], f32([1])), ("type", .f16, [2], [0x00, 0x3C, 0x00, 0x38]),
    ])
    let strict = try compare(a, b)
    #expect(
      strict.mapValues(\.status) == [
        "equal": .equal, "near": .different, "shape": .shape, "gone": .missing, "zero": .close, "new": .missing,
        "type": .equal,
      ])
    #expect(strict["near"]?.maximumDifference == 0.5)
    #expect(strict["near"]?.relativeDifference == 0.1)
    #expect(try compare(a, b, tolerance: 0.1)["near"]?.status == .close)
  }
}
