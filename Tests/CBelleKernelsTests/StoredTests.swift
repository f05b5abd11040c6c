import CBelleKernels
import TestSupport
import Testing

/// GGUF's blocks where they lie, against the same blocks laid out row by row: the same bits.
@Suite("Blocks where they lie in their file") struct StoredTests {
  private static let types: [UInt32] = [2, 3, 6, 7, 8, 10, 11, 12, 13, 14]
  private static let variants = [BELLE_SCALAR] + PackedTests.variants

  /// Rows of random blocks with tame scales.
  private struct Blocks {
    let form: belle_block_type
    let rows: Int
    /// Of 32 inputs.
    let blocks: Int
    let bytes: [UInt8]
    let order: [Int32]?

    init?(_ type: UInt32, rows: Int, blocks: Int, isOrdered: Bool) {
      guard let form = belle_block_type_of(type)?.pointee, blocks * 32 % Int(form.elements) == 0 else { return nil }
      (self.form, self.rows, self.blocks) = (form, rows, blocks)
      var bytes = SplitMix64.bytes(seed: UInt64(type), count: rows * blocks * 32 / Int(form.elements) * Int(form.bytes))
      // Scales are halves of about 2^-7; where they stand is the types' own.
      let units: [UInt32: [Int]] = [
        3: [0, 2], 7: [0, 2], 10: [80, 82], 11: [108], 12: [0, 2], 13: [0, 2], 14: [208],
      ]
      for block in stride(from: 0, to: bytes.count, by: Int(form.bytes)) {
        for unit in units[type] ?? [0] { bytes[block + unit + 1] = bytes[block + unit + 1] & 0x83 | 0x20 }
      }
      self.bytes = bytes
      // Any order in which every row stands once.
      order = isOrdered ? (0..<rows).map { Int32($0 * 5 % rows) } : nil
    }

    var strips: Int { (rows + 15) / 16 }
    var rowSize: Int { bytes.count / rows }
    var recordSize: Int { blocks * 32 / Int(form.elements) * belle_packed_record_bytes(form.scales) }
    var codeSize: Int { blocks * 64 * Int(form.bits) }

    func call(_ body: (UnsafePointer<belle_stored>) -> Void) {
      bytes.withUnsafeBufferPointer { bytes in
        (order ?? []).withUnsafeBufferPointer { rowOrder in
          var description = belle_stored(
            type: form.number, rows: rows, blocks: blocks, bytes: bytes.baseAddress,
            order: order == nil ? nil : rowOrder.baseAddress)
          body(&description)
        }
      }
    }

    /// Laid out a row at a time.
    func packed() -> (codes: [UInt8], records: [UInt8]) {
      var codes: [UInt8] = []
      var records: [UInt8] = []
      for strip in 0..<strips {
        var integers = [UInt8](repeating: 0, count: 16 * 32 * blocks)
        var record = [UInt8](repeating: 0, count: recordSize)
        for lane in 0..<16 {
          let place = min(16 * strip + lane, rows - 1)
          let row = order.map { Int($0[place]) } ?? place
          integers.withUnsafeMutableBufferPointer { integers in
            belle_packed_take_blocks(
              form.number, Array(bytes[row * rowSize..<(row + 1) * rowSize]), blocks * 32 / Int(form.elements), lane,
              integers.baseAddress.map { $0 + lane * 32 * blocks }, &record)
          }
        }
        var code = [UInt8](repeating: 0, count: codeSize)
        belle_packed_store(form.bits, integers, 32 * blocks, nil, blocks, &code)
        codes += code
        records += record
      }
      return (codes, records)
    }
  }

  private static func all(_ type: UInt32) -> [Blocks] {
    [(16, 8), (37, 16), (1, 24), (21, 18), (19, 7), (50, 1)].flatMap { rows, blocks in
      [false, true].compactMap { Blocks(type, rows: rows, blocks: blocks, isOrdered: $0 && rows % 5 != 0) }
    }
  }

  @Test("products and weights have the bits of the other layout's, in every variant", arguments: types)
  func products(type: UInt32) {
    for blocks in Self.all(type) {
      let (codes, records) = blocks.packed()
      let (strips, count) = (blocks.strips, blocks.blocks)
      var random = SplitMix64(seed: 9)
      let x = (0..<32 * count).map { _ in Float.random(in: -2...2, using: &random) }
      var sums = [Float](repeating: 0, count: 2 * count)
      belle_packed_sums(x, count, &sums)
      var wanted = [Float](repeating: .nan, count: 16 * strips)
      var weights = [Float](repeating: .nan, count: 32 * count * 16 * strips)
      codes.withUnsafeBufferPointer { codes in
        records.withUnsafeBufferPointer { records in
          var packed = belle_packed(
            bits: blocks.form.bits, kind: blocks.form.scales, blocks: count,
            record_blocks: Int(blocks.form.elements) / 32, codes: codes.baseAddress, scales: records.baseAddress)
          belle_packed_multiply(BELLE_SCALAR, &packed, 0, strips, x, sums, &wanted)
          belle_packed_expand(BELLE_SCALAR, &packed, 0, strips, 0, count, &weights, 16 * strips)
        }
      }
      for variant in Self.variants {
        var found = [Float](repeating: .nan, count: 16 * strips)
        var expanded = [Float](repeating: .nan, count: weights.count)
        blocks.call {
          belle_stored_multiply(variant, $0, 0, strips, x, sums, &found)
          belle_stored_expand(variant, $0, 0, strips, 0, count, &expanded, 16 * strips)
        }
        #expect(found.map(\.bitPattern) == wanted.map(\.bitPattern), "\(blocks.rows) × \(count), \(variant)")
        #expect(expanded.map(\.bitPattern) == weights.map(\.bitPattern), "\(blocks.rows) × \(count), \(variant)")
      }
    }
  }

  @Test("a part of the blocks is expanded as the whole is", arguments: types)
  func parts(type: UInt32) {
    for blocks in Self.all(type) where blocks.blocks > 8 {
      let width = 16 * blocks.strips
      var whole = [Float](repeating: .nan, count: 32 * blocks.blocks * width)
      blocks.call { belle_stored_expand(BELLE_SCALAR, $0, 0, blocks.strips, 0, blocks.blocks, &whole, width) }
      for part in [3..<9, 8..<blocks.blocks, 5..<6] {
        for variant in Self.variants {
          var found = [Float](repeating: .nan, count: 32 * part.count * width)
          blocks.call {
            belle_stored_expand(variant, $0, 0, blocks.strips, part.lowerBound, part.upperBound, &found, width)
          }
          let wanted = whole[32 * part.lowerBound * width..<32 * part.upperBound * width]
          #expect(found == Array(wanted), "\(part) \(variant)")
        }
      }
    }
  }

  @Test("what is laid out sixteen rows at a time is what is laid out row by row", arguments: types)
  func packing(type: UInt32) {
    for blocks in Self.all(type) {
      let wanted = blocks.packed()
      for variant in Self.variants {
        for strip in 0..<blocks.strips {
          var codes = [UInt8](repeating: 0xA5, count: blocks.codeSize)
          var records = [UInt8](repeating: 0xA5, count: blocks.recordSize)
          blocks.call { belle_stored_pack(variant, $0, strip, &codes, &records) }
          #expect(codes == Array(wanted.codes[strip * codes.count..<(strip + 1) * codes.count]), "\(variant)")
          #expect(records == Array(wanted.records[strip * records.count..<(strip + 1) * records.count]), "\(variant)")
        }
      }
    }
  }

  @Test("other types are not multiplied so")
  func others() {
    var count = 0
    let rows = belle_block_types(&count)
    let known = UnsafeBufferPointer(start: rows, count: count).map(\.number).filter { belle_stored_is_known($0) }
    #expect(known.sorted() == Self.types.sorted())
  }
}
