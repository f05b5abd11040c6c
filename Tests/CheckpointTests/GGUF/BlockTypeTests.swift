// The table of ggml's types, as Swift sees it.

import Testing

@testable import Checkpoint

@Suite("BlockType") struct BlockTypeTests {
  @Test("every row of the table has a type here, and every name and number once")
  func rows() {
    #expect(BlockType.all.count == 34 + 9)
    #expect(Set(BlockType.all.map(\.number)).count == BlockType.all.count)
    for type in BlockType.all {
      #expect(DType(ggmlNumber: type.number) == (type.isFormer ? nil : type.dtype))
      #expect(type.dtype.ggmlNumber == (type.isFormer ? nil : type.number))
      #expect(type.elements > 1 || type.dtype.byteCount == type.bytes)
      #expect(!type.isWritten || type.bits != nil)
    }
  }

  @Test("what ggml has no more is written nowhere, and one of today's holds its integers where there is one")
  func former() {
    let former = BlockType.all.filter(\.isFormer)
    #expect(former.count == 9 && former.allSatisfy { !$0.isWritten && $0.fileType == nil })
    #expect(former.filter { $0.successor == nil }.map(\.dtype) == [.q4_2, .q4_3])
    for type in former {
      guard let next = type.successor else { continue }
      #expect(next.bits == type.bits && next.hasMinimum == type.hasMinimum && !next.isFormer)
      #expect(type.dtype.rawValue.hasPrefix(next.dtype.rawValue))
    }
    #expect(BlockType(.q4_0)?.successor == nil)
  }

  @Test("rows that are no whole blocks fall back to blocks of 32 or to halves")
  func fallbacks() {
    #expect(GGUFTypes.fitting(.q4_K, rows: 512) == .q4_K)
    #expect(GGUFTypes.fitting(.q4_K, rows: 320) == .q5_0)
    #expect(GGUFTypes.fitting(.q5_K, rows: 320) == .q5_1)
    #expect(GGUFTypes.fitting(.q6_K, rows: 320) == .q8_0)
    #expect(GGUFTypes.fitting(.q2_K, rows: 320) == .q4_0)
    #expect(GGUFTypes.fitting(.q3_K, rows: 320) == .q4_0)
    #expect(GGUFTypes.fitting(.iq4_XS, rows: 320) == .iq4_NL)
    #expect(GGUFTypes.fitting(.iq4_NL, rows: 100) == .f16)
    #expect(GGUFTypes.fitting(.q4_K, rows: 100) == .f16)
    #expect(GGUFTypes.fitting(.q4_0, rows: 100) == .f16)
    #expect(GGUFTypes.fitting(.f32, rows: 100) == .f32)
  }

  @Test("the level of zero is the middle of the integers, where there is no minimum")
  func middles() {
    #expect(BlockType(.q4_0)?.middle == 8)
    #expect(BlockType(.q5_0)?.middle == 16)
    #expect(BlockType(.q8_0)?.middle == 128)
    #expect(BlockType(.iq4_NL)?.middle == 128)
    #expect(BlockType(.q4_1)?.middle == nil)
    #expect(BlockType(.iq1_S)?.middle == nil)
  }
}
