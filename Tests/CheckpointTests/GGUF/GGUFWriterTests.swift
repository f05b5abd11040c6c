import ByteIO
import TestSupport
import Testing

@testable import Checkpoint

@Suite("GGUFWriter") struct GGUFWriterTests {
  private func write(
    _ source: any TensorSource, _ values: GGUFMetadata, _ name: String, _ folder: TemporaryFolder
  ) throws -> [UInt8] {
    var writer = try GGUFWriter(source.tensors, values: values)
    #expect(
      try writer.take(source, Array(source.tensors.indices), as: name, in: folder.path, replacing: false))
    return try readBytes(folder.file(name))
  }

  private func randomValue(_ random: inout SplitMix64, depth: Int = 0) -> GGUFValue {
    let word = random.next()
    let types = GGUFValueType.allCases
    switch types[Int(word % UInt64(types.count))] {
    case .uint8: return .uint8(UInt8(truncatingIfNeeded: word >> 8))
    case .int8: return .int8(Int8(truncatingIfNeeded: word >> 8))
    case .uint16: return .uint16(UInt16(truncatingIfNeeded: word >> 8))
    case .int16: return .int16(Int16(truncatingIfNeeded: word >> 8))
    case .uint32: return .uint32(UInt32(truncatingIfNeeded: word >> 8))
    case .int32: return .int32(Int32(truncatingIfNeeded: word >> 8))
    case .uint64: return .uint64(word)
    case .int64: return .int64(Int64(bitPattern: word))
    case .float32: return .float32(Float(Int64(bitPattern: word)))
    case .float64: return .float64(Double(Int64(bitPattern: word)) / 3)
    case .bool: return .bool(word & 256 != 0)
    case .string: return .string(String(repeating: "模\u{0}é", count: Int(word >> 8 & 15)))
    case .array:
      guard depth < 3 else { return .array(.string, []) }
      let first = randomValue(&random, depth: depth + 1)
      var elements = [first]
      for _ in 0..<word >> 8 & 7 {
        let next = randomValue(&random, depth: depth + 1)
        if next.type == first.type { elements.append(next) }
      }
      return .array(first.type, word & 1 << 20 == 0 ? elements : [])
    }
  }

  @Test(
    "values of all types and tensors of all types are read back, and written again to the same bytes", arguments: 0..<80
  )
  func roundTrip(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let folder = try TemporaryFolder()
    var values = GGUFMetadata()
    for number in 0..<Int.random(in: 0...9, using: &random) { values["key.\(number)"] = randomValue(&random) }
    if seed % 3 == 0 { values["general.alignment"] = .uint32(8 << UInt32(random.next() % 5)) }
    let types: [DType] = [.f64, .f32, .f16, .bf16, .i64, .i32, .i16, .i8, .q4_0, .q5_1, .q8_0, .q6_K, .iq2_XXS]
    let source = MemorySource(
      (0..<Int.random(in: 0...7, using: &random)).map { number in
        let dtype = types.randomElement(using: &random) ?? .f32
        var shape = (0..<Int.random(in: 0...3, using: &random)).map { _ in Int.random(in: 0...4, using: &random) }
        if let block = dtype.block { shape.append(block.elements * Int.random(in: 0...2, using: &random)) }
        let size = TensorInfo.size(of: shape, dtype)?.bytes ?? 0
        return ("t.\(number)", dtype, shape, SplitMix64.bytes(seed: random.next(), count: size))
      })
    let bytes = try write(source, values, "a.gguf", folder)
    let read = try GGUFFile(InputFile(folder.file("a.gguf")))
    #expect(read.values == values)
    #expect(read.tensors.map(\.name) == source.tensors.map(\.name))
    for index in source.tensors.indices {
      #expect(read.tensors[index].dtype == source.tensors[index].dtype)
      #expect(read.tensors[index].shape == source.tensors[index].shape)
      #expect(try read.allBytes(index) == source.values[index])
    }
    #expect(try write(read, read.values, "b.gguf", folder) == bytes)
  }

  @Test("the gguf package's own file comes out byte for byte")
  func reference() throws {
    let folder = try TemporaryFolder()
    let path = project("Tests/Fixtures/gguf/blocks.gguf")
    let file = try GGUFFile(InputFile(path))
    #expect(try write(file, file.values, "a.gguf", folder) == readBytes(path))
  }

  @Test("a model's output is one file, whatever its size")
  func modelOutput() throws {
    let folder = try TemporaryFolder()
    let file = try GGUFFile(InputFile(project("Tests/Fixtures/gguf/blocks.gguf")))
    let plan = ModelOutput(file, to: folder.file("out.gguf"), container: nil, shardSize: 1000)
    #expect(plan.container == .gguf && plan.files.count == 1 && !plan.isFolder)
    try plan.write(file, metadata: [:], replacing: false, progress: { _ in })
    #expect(try readBytes(folder.file("out.gguf")) == readBytes(project("Tests/Fixtures/gguf/blocks.gguf")))
    #expect {
      try Container.safetensors.write(
        file, [3], metadata: [:], as: "x.safetensors", in: folder.path, replacing: false, progress: { _ in })
    } throws: { ($0 as? CheckpointError)?.code == .unsupportedType }
  }

  @Test("what llama.cpp would not load is not written")
  func refusals() throws {
    let info = { (name: String, dtype: DType, shape: [Int]) in
      TensorInfo(name: name, dtype: dtype, shape: shape, file: "f", byteCount: 0)
    }
    for tensors in [
      [info(String(repeating: "x", count: 64), .f32, [0])], [info("a", .f32, [0]), info("a", .f32, [0])],
      [info("a", .f32, [0, 1, 1, 1, 1])], [info("a", .c64, [0])],
    ] {
      #expect { try GGUFWriter(tensors, values: GGUFMetadata()) } throws: {
        ($0 as? CheckpointError)?.code == .unsupportedType
      }
    }
    var values = GGUFMetadata()
    values["general.alignment"] = .uint32(12)
    #expect { try GGUFWriter([], values: values) } throws: { ($0 as? CheckpointError)?.code == .malformed }
    values = GGUFMetadata()
    values["mixed"] = .array(.uint8, [.uint8(1), .int8(1)])
    #expect { try GGUFWriter([], values: values) } throws: { ($0 as? CheckpointError)?.code == .malformed }
  }
}

@Suite("GGUFMetadata") struct GGUFMetadataTests {
  @Test("values are set, replaced and removed under names that differ in any byte")
  func subscripts() {
    var values = GGUFMetadata()
    values["é"] = .uint8(1)
    values["e\u{301}"] = .uint8(2)
    values["x"] = .uint8(3)
    #expect(values.entries.count == 3)
    values["é"] = .bool(true)
    #expect(values["é"] == .bool(true) && values["e\u{301}"] == .uint8(2))
    values["é"] = nil
    values["nothing"] = nil
    #expect(values["é"] == nil && values["x"] == .uint8(3) && values.entries.map(\.value) == [.uint8(2), .uint8(3)])
  }
}
