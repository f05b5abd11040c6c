// GGUF's tensor types by ggml's numbers, and the blocks that its quantized weights come in. All that are known can be
// listed and copied; which of them can be read as numbers: Values/BlockCodec.swift. What is known of each stands in one
// table, CBelleKernels/block_types.c.

import CBelleKernels

/// What is known of a type of ggml's: a row of the table.
public struct BlockType: Sendable, Hashable {
  /// Its name here.
  public let dtype: DType
  /// ggml's number; of what ggml has no more, one that only the kernels know.
  public let number: UInt32
  /// Weights of one block; 1 for types of single elements.
  public let elements: Int
  /// Bytes of one block.
  public let bytes: Int
  /// Bits of an integer of a block that was taken apart, 8 of a code book's; nil where none is, and so none is read.
  public let bits: Int?
  /// How its scales are kept when a block is taken apart.
  public let scales: belle_packed_scales
  /// Bits of what a block's units are multiplied by for its scales and minimums; nil where each scale stands for itself.
  package let multipleBits: Int?
  /// Which integers there are: all of so many bits, or those of a code book, which lie around 128.
  package let levels: belle_levels
  /// Whether floats can be made into it, and integers that are there already: what GPTQ finds.
  public let isWritten: Bool
  /// What `general.file_type` calls a file whose matrices are mostly of it.
  public let fileType: UInt32?
  /// Whether ggml has it no more: files of 2023 hold it, and GGUF does not.
  public let isFormer: Bool
  /// The number of the type that holds the same integers today, for one that ggml has no more.
  private let successorNumber: UInt32
  /// The type that rows get that are no whole blocks of it.
  let fallback: UInt32
  /// The type of GGUF's that holds the same integers, for one that ggml has no more; nil where none does, and for all others.
  package var successor: BlockType? { isFormer ? BlockType(number: successorNumber) : nil }
  /// The type that rows get which are not whole blocks, where there is one.
  package var next: BlockType? { BlockType(number: fallback) }

  /// Whether weights have a minimum besides their scale.
  public var hasMinimum: Bool {
    switch scales {
    case BELLE_SCALES_HALF_MINIMUM, BELLE_SCALES_SINGLE_MINIMUM, BELLE_SCALES_K32_MINIMUM,
      BELLE_SCALES_K16_MINIMUM:
      true
    default: false
    }
  }

  /// The level of zero; nil for types with a minimum, and where there are no integers.
  public var middle: Int? { hasMinimum ? nil : bits.map { 1 << ($0 - 1) } }

  /// All types, in the table's order.
  public static let all: [BlockType] = {
    var count = 0
    // SAFETY: the table is constant, and has `count` rows; names are constant strings.
    guard let rows = unsafe belle_block_types(&count) else { return [] }
    return (0..<count).compactMap { index in
      let row = unsafe rows[index]
      guard let dtype = DType(rawValue: unsafe String(cString: row.name)) else { return nil }
      return unsafe BlockType(row, dtype)
    }
  }()

  private static let byDType = Dictionary(uniqueKeysWithValues: all.map { ($0.dtype, $0) })
  private static let byNumber = Dictionary(uniqueKeysWithValues: all.map { ($0.number, $0) })

  /// The row of a type; nil for those that ggml does not have.
  public init?(_ dtype: DType) {
    guard let row = Self.byDType[dtype] else { return nil }
    self = row
  }

  /// The row of a number of the table; nil for those that are not known.
  private init?(number: UInt32) {
    guard let row = Self.byNumber[number] else { return nil }
    self = row
  }

  private init(_ row: belle_block_type, _ dtype: DType) {
    self.dtype = dtype
    (number, elements, bytes) = unsafe (row.number, Int(row.elements), Int(row.bytes))
    bits = unsafe row.bits == 0 ? nil : Int(row.bits)
    (scales, levels, isWritten) = unsafe (row.scales, row.levels, row.is_written)
    multipleBits = unsafe row.multiple_bits == 0 ? nil : Int(row.multiple_bits)
    fileType = unsafe UInt32(exactly: row.file_type)
    isFormer = unsafe row.last != BELLE_GGUF
    (successorNumber, fallback) = unsafe (row.successor, row.fallback)
  }
}

extension DType {
  /// Weights and bytes of one block; nil for types of single elements.
  public var block: (elements: Int, bytes: Int)? {
    guard let type = BlockType(self), type.elements > 1 else { return nil }
    return (type.elements, type.bytes)
  }

  /// The type of one of ggml's numbers; nil for those that are not known, or no longer used.
  ///
  /// - Parameter generation: the files in which it stands.
  init?(ggmlNumber: UInt32, in generation: belle_generation = BELLE_GGUF) {
    // SAFETY: the answer is a row of a constant table, whose name is a constant string.
    guard let row = unsafe belle_block_type_in(generation, ggmlNumber) else { return nil }
    unsafe self.init(rawValue: String(cString: row.pointee.name))
  }

  /// What ggml calls the type; nil for those that it does not have.
  public var ggmlNumber: UInt32? { BlockType(self).flatMap { $0.isFormer ? nil : $0.number } }
}
