import ByteIO
import TestSupport
import Testing

@testable import Checkpoint
@testable import Packed

@Suite("GPTQ's integers as GGUF blocks") struct BlockPackedSourceTests {
  /// Bits of the values of a source's first tensor.
  private func values(_ source: any TensorSource) throws -> [UInt8] { try DequantizedSource(source).allBytes(0) }

  /// A grid and the types that hold it as it is.
  struct Grid: Sendable, CustomTestStringConvertible {
    let bits: Int
    let zero: Int
    let types: [DType]
    /// What is chosen without a wish; nil where there is none.
    let chosen: DType?
    var testDescription: String { "\(bits) bits, zero \(zero)" }
  }

  static let grids: [Grid] = [
    Grid(bits: 4, zero: 8, types: [.q4_0, .q5_0, .q8_0], chosen: .q4_0),
    Grid(bits: 4, zero: 3, types: [.q5_0, .q8_0], chosen: .q4_1),
    Grid(bits: 4, zero: 16, types: [.q5_0, .q8_0], chosen: .q4_1),
    Grid(bits: 3, zero: 4, types: [.q4_0, .q5_0, .q8_0], chosen: .q4_0),
    Grid(bits: 3, zero: 1, types: [.q4_0, .q5_0, .q8_0], chosen: .q4_0),
    Grid(bits: 2, zero: 2, types: [.q4_0, .q5_0, .q8_0], chosen: .q4_0),
    Grid(bits: 8, zero: 128, types: [.q8_0], chosen: .q8_0),
    Grid(bits: 8, zero: 100, types: [], chosen: nil),
  ]

  @Test(
    "values are the same bit for bit in every type whose range holds the integers, and refused in the others",
    arguments: grids)
  func exact(grid: Grid) throws {
    for (number, groupSize) in [32, 64, 128].enumerated() {
      let folder = try TemporaryFolder()
      let module = GPTQModule(bits: grid.bits, groupSize: groupSize, zero: { _, _ in grid.zero }, seed: UInt64(number))
      let (_, packed) = try module.source(in: folder)
      let expected = try packed.allBytes(0)
      for type in [DType.q4_0, .q5_0, .q8_0] {
        guard grid.types.contains(type) else {
          #expect { try BlockPackedSource(packed, type: type) } throws: { ($0 as? CheckpointError)?.code == .lossy }
          continue
        }
        let source = try BlockPackedSource(packed, type: type)
        #expect(source.tensors.map(\.dtype) == [type, .f16])
        #expect(try values(source) == expected, "\(type)")
      }
      if let chosen = grid.chosen {
        #expect(try BlockPackedSource(packed, type: nil).type == chosen)
      } else {
        #expect { try BlockPackedSource(packed, type: nil) } throws: { ($0 as? CheckpointError)?.code == .lossy }
      }
    }
  }

  @Test("the integers stand in the blocks as they are")
  func integers() throws {
    let folder = try TemporaryFolder()
    let module = GPTQModule(groupSize: 32)
    let (_, packed) = try module.source(in: folder)
    let blocks = try BlockPackedSource(packed, type: .q4_0).allBytes(0)
    let (integers, scales) = (module.integers, module.scales)
    for output in 0..<module.outFeatures {
      for input in 0..<module.inFeatures {
        let block = Array(blocks[(output * 4 + input / 32) * 18..<(output * 4 + input / 32 + 1) * 18])
        let byte = Int(block[2 + input % 16])
        #expect((input % 32 < 16 ? byte & 15 : byte >> 4) == integers[output][input])
        #expect(Half(scales[input / 32][output]).bits == UInt16(block[0]) | UInt16(block[1]) << 8)
      }
    }
  }

  @Test(
    "blocks with a minimum hold the integers, and the minimum is the rounded product", arguments: [DType.q4_1, .q5_1])
  func minimum(type: DType) throws {
    let folder = try TemporaryFolder()
    let module = GPTQModule(zero: { group, output in 1 + (5 * group + 3 * output) % 16 })
    let (_, packed) = try module.source(in: folder)
    let found = try values(try BlockPackedSource(packed, type: type))
    let expected = try packed.allBytes(0)
    let scales = module.scales
    var worst: Float = 0
    for at in stride(from: 0, to: found.count, by: 4) {
      let one = Float(bitPattern: UInt32(found.u32(at: at)))
      let other = Float(bitPattern: UInt32(expected.u32(at: at)))
      // A half has eleven bits: the product's rounding is all that is lost.
      let (output, input) = (at / 4 / module.inFeatures, at / 4 % module.inFeatures)
      let scale = scales[input / 64][output]
      #expect(abs(one - other) <= abs(scale) * 16 * 0x1p-11)
      worst = max(worst, abs(one - other))
    }
    #expect(worst > 0)
    // A symmetric grid's minimum is a half: nothing is rounded.
    let symmetric = try GPTQModule().source(in: folder).packed
    let (one, other) = (try values(try BlockPackedSource(symmetric, type: type)), try symmetric.allBytes(0))
    for at in stride(from: 0, to: one.count, by: 4) {
      // As numbers: a sum's zero has no sign, a product's has.
      #expect(Float(bitPattern: UInt32(one.u32(at: at))) == Float(bitPattern: UInt32(other.u32(at: at))))
    }
  }

  @Test("groups in any order are taken, as long as no block lies in two")
  func groups() throws {
    let folder = try TemporaryFolder()
    // Runs of 32, their groups shuffled.
    let (_, shuffled) = try GPTQModule(group: { [1, 0, 0, 1][$0 / 32] }).source(in: folder)
    #expect(try values(try BlockPackedSource(shuffled, type: nil)) == shuffled.allBytes(0))
    for module in [GPTQModule(group: { $0 % 2 }), GPTQModule(groupSize: 16)] {
      let (_, packed) = try module.source(in: folder)
      #expect { try BlockPackedSource(packed, type: nil) } throws: {
        let error = $0 as? CheckpointError
        return error?.code == .lossy && error?.reason.contains("lie in 2 groups, and a block has one scale") == true
      }
    }
  }

  @Test("single-precision scales are taken where they are halves, and only there")
  func scales() throws {
    let folder = try TemporaryFolder()
    let (_, halves) = try GPTQModule(scaleType: .f32).source(in: folder)
    #expect(try values(try BlockPackedSource(halves, type: nil)) == halves.allBytes(0))
    let (_, others) = try GPTQModule(scaleType: .f32, scaleFactor: 1.00001).source(in: folder)
    #expect { try BlockPackedSource(others, type: nil) } throws: {
      ($0 as? CheckpointError)?.reason.contains("half precision does not have the scale") == true
    }
  }

  @Test("inputs that are no whole blocks, and types that hold no integers, are refused")
  func refusals() throws {
    let folder = try TemporaryFolder()
    let (_, odd) = try GPTQModule(inFeatures: 48, groupSize: 48).source(in: folder)
    #expect { try BlockPackedSource(odd, type: nil) } throws: { ($0 as? CheckpointError)?.code == .lossy }
    let (_, packed) = try GPTQModule().source(in: folder)
    for type in [DType.q4_K, .q6_K, .f16] {
      #expect { try BlockPackedSource(packed, type: type) } throws: { ($0 as? CheckpointError)?.code == .lossy }
    }
  }
}

@Suite("GPTQForm") struct GPTQFormTests {
  @Test("version 1 becomes version 2 and version 1 again, its bytes the same, its values too", arguments: [2, 3, 4, 8])
  func roundTrip(bits: Int) throws {
    let folder = try TemporaryFolder()
    let zero = { (group: Int, output: Int) in 1 + (7 * group + 5 * output) % (1 << bits - 1) }
    // 32 outputs fill the words of any number of bits.
    let first = GPTQModule(bits: bits, outFeatures: 32, zero: zero)
    let second = GPTQModule(bits: bits, outFeatures: 32, isVersion2: true, zero: zero)
    let (stored, packed) = try first.source(in: folder)
    let changed = try packed.restated(stored, in: .second)
    for (index, entry) in second.entries("m").enumerated() { #expect(try changed.allBytes(index) == entry.values) }
    let (storedSecond, packedSecond) = try second.source(in: folder)
    #expect(try packedSecond.allBytes(0) == packed.allBytes(0))
    let back = try packedSecond.restated(storedSecond, in: .first)
    for (index, entry) in first.entries("m").enumerated() { #expect(try back.allBytes(index) == entry.values) }
  }

  @Test("a zero point that the other version has no field for is refused")
  func refusals() throws {
    let folder = try TemporaryFolder()
    let (stored, packed) = try GPTQModule(zero: { $1 == 3 ? 16 : 8 }).source(in: folder)
    #expect { try packed.restated(stored, in: .second) } throws: {
      ($0 as? CheckpointError)?.reason.contains("a zero point of 16, for which gptq_v2") == true
    }
    let (storedSecond, second) = try GPTQModule(isVersion2: true, zero: { $1 == 3 ? 0 : 8 }).source(in: folder)
    #expect { try second.restated(storedSecond, in: .first) } throws: {
      ($0 as? CheckpointError)?.reason.contains("a zero point of 0, for which gptq") == true
    }
  }
}
