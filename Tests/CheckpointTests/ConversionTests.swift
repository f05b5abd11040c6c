import ByteIO
import TestSupport
import Testing

@testable import Checkpoint

@Suite("Conversion of values") struct ConversionTests {
  private func values(_ source: any TensorSource, _ index: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try source.read(index) { part in part.withUnsafeBytes { bytes += $0 } }
    return bytes
  }

  private func floats(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  @Test("types that are no floating-point numbers are refused", arguments: [DType.i32, .bool, .f8E4M3, .c64, .f4])
  func refused(dtype: DType) throws {
    for (from, to) in [(dtype, DType.f32), (.f32, dtype)] {
      let error = try #require(throws: CheckpointError.self) { try DTypeConversion(from: from, to: to) }
      #expect(error.code == .unsupportedType)
      #expect(error.reason.contains(dtype.rawValue))
    }
    #expect(throws: CheckpointError.self) { try ConvertedSource(MemorySource(seed: 1), dtype: dtype) }
  }

  @Test("floating-point tensors change their type, and all others stay as they are")
  func source() throws {
    let source = MemorySource([
      ("a", .f32, [2, 2], floats([1, -2.5, 70000, .infinity])),
      ("b", .i32, [1], [1, 2, 3, 4]),
      ("c", .bf16, [2], [0x80, 0x3F, 0x80, 0xFF]),
      ("d", .f8E5M2, [3], [1, 2, 3]),
      ("e", .f16, [1], [0x00, 0x7E]),
      ("f", .f64, [0, 4], []),
    ])
    let converted = try ConvertedSource(source, dtype: .f16)
    #expect(converted.tensors.map(\.dtype) == [.f16, .i32, .f16, .f8E5M2, .f16, .f16])
    #expect(converted.tensors.map(\.shape) == source.tensors.map(\.shape))
    #expect(converted.tensors.map(\.byteCount) == [8, 4, 4, 3, 2, 0])
    #expect(converted.overflowCount == 0)
    #expect(try values(converted, 0) == [0x00, 0x3C, 0x00, 0xC1, 0x00, 0x7C, 0x00, 0x7C])
    #expect(try values(converted, 2) == [0x00, 0x3C, 0x00, 0xFC])
    for index in [1, 3, 4, 5] { #expect(try values(converted, index) == source.values[index]) }
    // Read again, as a proof does: still one.
    _ = try values(converted, 0)
    #expect(converted.overflowCount == 1)
    #expect(converted.overflowCount(0) == 1)
    #expect(converted.overflowCount(2) == 0)
  }

  @Test(
    "a tensor of several pieces is converted whole", arguments: [DType.f16, .bf16, .f64], [0, 1, 262_144, 1_000_003])
  func pieces(dtype: DType, count: Int) throws {
    let values = (0..<count).map { Float($0 % 2048) - 1000 }
    let source = MemorySource([("a", .f32, [count], floats(values))])
    let there = try ConvertedSource(source, dtype: dtype)
    #expect(try there.tensors[0].byteCount == self.values(there, 0).count)
    // Whole numbers below 2048 are exact in half; in bfloat16 those below 256 are.
    let back = try self.values(ConvertedSource(there, dtype: .f32), 0)
    if dtype == .bf16 {
      #expect(back.count == source.values[0].count)
    } else {
      #expect(back == source.values[0])
    }
  }
}
