import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

private enum Golden {
  static let blocks = project("Tests/Fixtures/gguf/blocks.gguf")

  static func file() throws -> GGUFFile { try GGUFFile(InputFile(blocks)) }

  /// A tensor of expected.safetensors.
  static func expected(_ name: String) throws -> [UInt8] {
    let file = try SafetensorsFile(InputFile(project("Tests/Fixtures/gguf/expected.safetensors")))
    let index = try #require(file.tensors.firstIndex { $0.name == name }, "\(name)")
    return try file.allBytes(index)
  }
}

@Suite("GGUFFile") struct GGUFFileTests {
  @Test("the gguf package's file has its metadata, types and all")
  func metadata() throws {
    let values = try Golden.file().values
    let expected: [(String, GGUFValue)] = [
      ("general.architecture", .string("llama")), ("general.name", .string("block fixtures")),
      ("llama.context_length", .uint32(512)), ("test.f32", .float32(1.5)), ("test.strings", .strings(["甲", "b", ""])),
      ("test.ints", .array(.int32, [.int32(1), .int32(-2), .int32(3)])), ("test.bool", .bool(true)),
      ("test.u64", .uint64(1 << 63)),
    ]
    #expect(values.entries.map(\.key) == expected.map(\.0))
    #expect(values.entries.map(\.value) == expected.map(\.1))
  }

  @Test("its tensors have their names, types, shapes and bytes")
  func tensors() throws {
    let file = try Golden.file()
    let types: [DType] = [.f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0]
    #expect(file.tensors.map(\.dtype) == types)
    #expect(file.version == 3 && file.alignment == 32 && file.format == "gguf")
    for (index, info) in file.tensors.enumerated() {
      #expect(info.name == "blk.\(index).\(info.dtype.rawValue.lowercased())")
      #expect(info.shape == [6, 256])
      #expect(try file.allBytes(index) == Golden.expected("\(info.dtype.rawValue).bytes"))
      #expect(file.storedRange(index)?.count == info.byteCount)
    }
  }

  @Test("its values are the gguf package's, bit for bit")
  func values() throws {
    let source = try ConvertedSource(DequantizedSource(Golden.file()), dtype: .f32)
    for (index, info) in source.source.tensors.enumerated() {
      let type = try Golden.file().tensors[index].dtype
      #expect(info.dtype == (type.block == nil ? type : .f32))
      #expect(try source.allBytes(index) == Golden.expected("\(type.rawValue).dequantized"), "\(type)")
    }
  }

  @Test("any file is told by its first bytes, in a folder too; beside another checkpoint it is the other engine's")
  func opening() throws {
    let folder = try TemporaryFolder()
    let bytes = try readBytes(Golden.blocks)
    try folder.write("m/some-name.gguf", bytes)
    #expect(try Checkpoint.open(folder.file("m")).format == "gguf")
    #expect(try Checkpoint.open(folder.write("x.bin", bytes)).format == "gguf")
    try folder.write("m/weights.safetensors", readBytes(Fixtures.path("dtypes.safetensors")))
    #expect(try Checkpoint.open(folder.file("m")).format == "safetensors")
  }
}

@Suite("BlockCodec") struct BlockCodecTests {
  static let read: [DType] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_NL, .iq4_XS]
  static let written: [DType] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0]

  @Test("blocks stand for the reference's values, bit for bit", arguments: read)
  func dequantize(type: DType) throws {
    let codec = try BlockCodec(type)
    let blocks = try Golden.expected("\(type.rawValue).bytes")
    var values = [UInt8](repeating: 0, count: blocks.count / codec.bytes * codec.elements * 4)
    var span = values.mutableSpan
    var raw = span.mutableBytes
    codec.dequantize(blocks.span.bytes, into: &raw)
    #expect(try values == Golden.expected("\(type.rawValue).dequantized"))
  }

  @Test("values become the reference's blocks, byte for byte", arguments: written)
  func quantize(type: DType) throws {
    let codec = try BlockCodec(type)
    let values = try Golden.expected("\(type.rawValue).source")
    var blocks = [UInt8](repeating: 0, count: values.count / 4 / codec.elements * codec.bytes)
    var span = blocks.mutableSpan
    var raw = span.mutableBytes
    #expect(codec.quantize(values.span.bytes, into: &raw) == 0)
    #expect(try blocks == Golden.expected("\(type.rawValue).bytes"))
  }

  @Test(
    "any number of threads gives the same blocks, and counts the useless ones",
    arguments: [DType.q4_K, .q6_K, .iq4_NL, .q8_0])
  func threads(type: DType) throws {
    let codec = try BlockCodec(type)
    let blocks = 64 * 3 + 7
    var values: [UInt8] = []
    var random = SplitMix64(seed: 8)
    for place in 0..<blocks * codec.elements {
      let value =
        place == 40 * codec.elements || place == 150 * codec.elements + 5
        ? .nan : Float.random(in: -1...1, using: &random)
      for shift in [0, 8, 16, 24] as [UInt32] { values.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift)) }
    }
    var results: [[UInt8]] = []
    for threads in [1, 2, 5] {
      var result = [UInt8](repeating: 0, count: blocks * codec.bytes)
      var span = result.mutableSpan
      var raw = span.mutableBytes
      #expect(codec.quantize(values.span.bytes, into: &raw, threads: threads) == 2)
      results.append(result)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("the kernels and the table agree on sizes", arguments: read)
  func sizes(type: DType) throws {
    let codec = try BlockCodec(type)
    #expect(type.block.map { [$0.elements, $0.bytes] } == [codec.elements, codec.bytes])
    #expect(type.ggmlNumber.flatMap { DType(ggmlNumber: $0) } == type)
  }

  @Test("types without known values are refused", arguments: [DType.iq2_S, .tq1_0, .f16])
  func refusal(type: DType) {
    #expect { try BlockCodec(type) } throws: { ($0 as? CheckpointError)?.code == .unsupportedType }
  }
}

@Suite("QuantizedSource") struct QuantizedSourceTests {
  /// Hands its bytes on in parts that end anywhere between elements.
  private struct Torn: TensorSource {
    let inner: MemorySource
    let step: Int
    var format: String { inner.format }
    var tensors: [TensorInfo] { inner.tensors }
    var metadata: [(name: String, value: String)] { [] }
    func storedRange(_ index: Int) -> Range<Int>? { nil }
    func verifyChecksums() {}

    func cursor(_ index: Int) -> any TensorCursor {
      let values = inner.values[index]
      return PartCursor(byteCount: values.count, partSize: step) { range, bytes in bytes = Array(values[range]) }
    }
  }

  @Test("blocks do not depend on the parts that values come in", arguments: [4, 12, 100, 128, 4096])
  func parts(step: Int) throws {
    let values = try Golden.expected("Q5_1.source")
    let memory = MemorySource([("w", .f32, [6, 256], values)])
    let source = try QuantizedSource(Torn(inner: memory, step: step), types: [.q5_1])
    #expect(source.tensors[0].dtype == .q5_1)
    #expect(try source.allBytes(0) == Golden.expected("Q5_1.bytes"))
  }

  @Test("halves are quantized as the values that they are, and other types rounded")
  func types() throws {
    let halves = try Golden.expected("F16.bytes")
    let memory = MemorySource([
      ("a", .f16, [6, 256], halves), ("b", .f16, [6, 256], halves), ("c", .f16, [6, 256], halves),
    ])
    let source = try QuantizedSource(memory, types: [.q8_0, .f32, nil])
    #expect(source.tensors.map(\.dtype) == [.q8_0, .f32, .f16])
    #expect(try source.allBytes(1) == Golden.expected("F16.dequantized"))
    #expect(try source.allBytes(2) == halves)
    let plain = MemorySource([("a", .f32, [6, 256], try Golden.expected("F16.dequantized"))])
    #expect(try source.allBytes(0) == QuantizedSource(plain, types: [.q8_0]).allBytes(0))
  }

  @Test("what cannot be quantized is refused by name, before anything is read")
  func refusals() throws {
    let odd = MemorySource([("odd", .f32, [1, 48], [UInt8](repeating: 0, count: 192))])
    let integers = MemorySource([("n", .i32, [1, 32], [UInt8](repeating: 0, count: 128))])
    for (source, type, reason) in [
      (odd, DType.q4_0, "its rows are not whole blocks"), (integers, .q4_0, "it holds no floating-point numbers"),
      (
        MemorySource([("k", .f32, [1, 256], [UInt8](repeating: 0, count: 1024))]), .q4_2,
        "such blocks are not written here"
      ),
    ] {
      #expect { try QuantizedSource(source, types: [type]) } throws: {
        let error = $0 as? CheckpointError
        return error?.code == .unsupportedType && error?.reason.contains(reason) == true
      }
    }
    let bad = MemorySource([("nan", .f32, [1, 32], [UInt8](repeating: 0xFF, count: 128))])
    #expect { try QuantizedSource(bad, types: [.q4_0]).allBytes(0) } throws: {
      ($0 as? CheckpointError)?.code == .badTensor
    }
  }
}
