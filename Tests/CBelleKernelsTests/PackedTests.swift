import CBelleKernels
import Foundation
import TestSupport
import Testing

/// Products with packed weights: every variant gives the scalar one's bits, and that one is near to double precision.
@Suite("Packed weights") struct PackedTests {
  static let variants = [BELLE_AVX2, BELLE_AVX512, BELLE_NEON].filter { belle_variant_available($0) }
  static let kinds = [
    BELLE_SCALES_SINGLE, BELLE_SCALES_HALF, BELLE_SCALES_SINGLE_ZERO, BELLE_SCALES_HALF_ZERO, BELLE_SCALES_HALF_MINIMUM,
    BELLE_SCALES_SINGLE_MINIMUM, BELLE_SCALES_K32_MINIMUM, BELLE_SCALES_K16_MINIMUM, BELLE_SCALES_K16,
    BELLE_SCALES_K32,
  ]

  /// A matrix with random codes and tame scales.
  private struct Matrix {
    let bits: UInt32
    let kind: belle_packed_scales
    let strips: Int
    let blocks: Int
    let recordBlocks: Int
    var codes: [UInt8]
    var scales: [UInt8]

    init(bits: UInt32, kind: belle_packed_scales, strips: Int, blocks: Int, recordBlocks: Int, seed: UInt64) {
      (self.bits, self.kind, self.strips, self.blocks, self.recordBlocks) = (bits, kind, strips, blocks, recordBlocks)
      codes = SplitMix64.bytes(seed: seed, count: strips * blocks * 64 * Int(bits))
      let size = belle_packed_record_bytes(kind)
      let records = strips * ((blocks + recordBlocks - 1) / recordBlocks)
      scales = SplitMix64.bytes(seed: seed + 1, count: records * size)
      // Halves and singles between 2^-8 and 2^-6, either sign; what follows them may be any bytes.
      let isSingle = [BELLE_SCALES_SINGLE, BELLE_SCALES_SINGLE_ZERO, BELLE_SCALES_SINGLE_MINIMUM].contains(kind)
      let singles = kind == BELLE_SCALES_SINGLE_MINIMUM ? 32 : 16
      let ones = [BELLE_SCALES_HALF, BELLE_SCALES_HALF_ZERO, BELLE_SCALES_K16, BELLE_SCALES_K32]
      let halves = ones.contains(kind) ? 16 : isSingle ? 0 : 32
      for record in 0..<records {
        for index in 0..<halves {
          let at = record * size + 2 * index + 1
          scales[at] = scales[at] & 0x83 | 0x20
        }
        if isSingle {
          for lane in 0..<singles {
            let at = record * size + 4 * lane
            (scales[at + 2], scales[at + 3]) = (scales[at + 2] & 0x7F, scales[at + 3] & 0x80 | 0x3C)
          }
        }
        if kind == BELLE_SCALES_SINGLE_ZERO || kind == BELLE_SCALES_HALF_ZERO {
          for lane in 0..<16 { scales[record * size + size - 32 + 2 * lane + 1] = UInt8(lane % 2 == 0 ? 0 : 1) }
        }
      }
    }

    func call(_ body: (UnsafePointer<belle_packed>) -> Void) {
      codes.withUnsafeBufferPointer { codes in
        scales.withUnsafeBufferPointer { scales in
          var description = belle_packed(
            bits: bits, kind: kind, blocks: blocks, record_blocks: recordBlocks, codes: codes.baseAddress,
            scales: scales.baseAddress)
          body(&description)
        }
      }
    }

    /// `[32 · blocks, 16 · strips]`
    func expanded(_ variant: belle_variant) -> [Float] {
      var out = [Float](repeating: .nan, count: 32 * blocks * 16 * strips)
      call { belle_packed_expand(variant, $0, 0, strips, 0, blocks, &out, 16 * strips) }
      return out
    }

    func multiplied(_ variant: belle_variant, _ x: [Float]) -> [Float] {
      var sums = [Float](repeating: 0, count: 2 * blocks)
      belle_packed_sums(x, blocks, &sums)
      var y = [Float](repeating: .nan, count: 16 * strips)
      call { belle_packed_multiply(variant, $0, 0, strips, x, sums, &y) }
      return y
    }
  }

  private static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float.random(in: -2...2, using: &random) }
  }

  @Test(
    "every variant has the scalar one's bits, which are near to the sum of the weights",
    arguments: kinds.map(\.rawValue))
  func products(kind: UInt32) {
    let kind = belle_packed_scales(kind)
    let isK = [BELLE_SCALES_K32_MINIMUM, BELLE_SCALES_K16_MINIMUM, BELLE_SCALES_K16, BELLE_SCALES_K32].contains(kind)
    for bits in [2, 3, 4, 5, 6, 8] as [UInt32] {
      for (strips, blocks, recordBlocks) in isK ? [(3, 8, 8), (1, 24, 8)] : [(1, 1, 1), (3, 8, 4), (2, 7, 3)] {
        let matrix = Matrix(
          bits: bits, kind: kind, strips: strips, blocks: blocks, recordBlocks: recordBlocks, seed: UInt64(bits))
        let x = Self.numbers(32 * blocks, seed: 7)
        let (weights, y) = (matrix.expanded(BELLE_SCALAR), matrix.multiplied(BELLE_SCALAR, x))
        for variant in Self.variants {
          #expect(matrix.expanded(variant).map(\.bitPattern) == weights.map(\.bitPattern), "\(bits) bits, \(variant)")
          #expect(matrix.multiplied(variant, x).map(\.bitPattern) == y.map(\.bitPattern), "\(bits) bits, \(variant)")
        }
        for row in 0..<16 * strips {
          var (wanted, size) = (0.0, 0.0)
          for k in 0..<32 * blocks {
            let term = Double(weights[k * 16 * strips + row]) * Double(x[k])
            wanted += term
            size += abs(term)
          }
          // Sums of integers and of x are taken apart where there are zero points: their rounding counts, not the result's.
          #expect(abs(Double(y[row]) - wanted) <= 4e-6 * size + 1e-4, "\(bits) bits, row \(row)")
        }
      }
    }
  }

  @Test("integers are stored in planes, in the order that is asked for", arguments: [2, 3, 4, 5, 6, 8] as [UInt32])
  func store(bits: UInt32) {
    var random = SplitMix64(seed: UInt64(bits))
    let (blocks, columns) = (3, 80)
    let integers = (0..<16 * columns).map { _ in UInt8(random.next() % (1 << UInt64(bits))) }
    var order = (0..<32 * blocks).map { $0 < columns ? Int32($0) : -1 }
    order.shuffle(using: &random)
    var codes = [UInt8](repeating: 0, count: blocks * 64 * Int(bits))
    belle_packed_store(bits, integers, columns, order, blocks, &codes)
    // Scale 1, no zero point: a weight is its integer less the middle.
    var scales: [UInt8] = []
    for _ in 0..<16 { scales += [0, 0, 0x80, 0x3F] }
    var out = [Float](repeating: 0, count: 32 * blocks * 16)
    codes.withUnsafeBufferPointer { codes in
      scales.withUnsafeBufferPointer { scales in
        var description = belle_packed(
          bits: bits, kind: BELLE_SCALES_SINGLE, blocks: blocks, record_blocks: blocks, codes: codes.baseAddress,
          scales: scales.baseAddress)
        belle_packed_expand(BELLE_SCALAR, &description, 0, 1, 0, blocks, &out, 16)
      }
    }
    let middle = 1 << (Int(bits) - 1)
    for (place, input) in order.enumerated() where input >= 0 {
      for lane in 0..<16 { #expect(Int(out[place * 16 + lane]) == Int(integers[lane * columns + Int(input)]) - middle) }
    }
  }

  /// Those of today, and those that ggml has no more, but for blocks of 16.
  private static let blockTypes: [UInt32] = [
    2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 0x102, 0x103, 0x106, 0x107, 0x202, 0x203, 0x208,
  ]

  @Test("ggml's blocks keep their values to the bit", arguments: blockTypes)
  func blocks(type: UInt32) {
    guard let form = belle_block_type_of(type)?.pointee, form.bits > 0 else {
      Issue.record("the type is not taken apart")
      return
    }
    let (bits, kind, elements, bytes) = (form.bits, form.scales, Int(form.elements), Int(form.bytes))
    let count = 512 / elements
    var codes = [UInt8](repeating: 0, count: 16 * 64 * Int(bits))
    var scales = [UInt8](repeating: 0, count: count * belle_packed_record_bytes(kind))
    var integers = [UInt8](repeating: 0, count: 16 * 512)
    var wanted: [[UInt8]] = []
    for lane in 0..<16 {
      var row = SplitMix64.bytes(seed: UInt64(type) * 100 + UInt64(lane), count: count * bytes)
      // No scale is infinite or NaN: those are no weights.
      for at in row.indices where row[at] & 0x7C == 0x7C { row[at] &= 0xBF }
      var values = [UInt8](repeating: 0, count: 4 * 512)
      belle_dequantize(BELLE_SCALAR, belle_block(type), row, &values, count)
      wanted.append(values)
      integers.withUnsafeMutableBufferPointer {
        belle_packed_take_blocks(type, row, count, lane, $0.baseAddress.map { $0 + lane * 512 }, &scales)
      }
    }
    belle_packed_store(bits, integers, 512, nil, 16, &codes)
    var out = [Float](repeating: 0, count: 512 * 16)
    codes.withUnsafeBufferPointer { codes in
      scales.withUnsafeBufferPointer { scales in
        var description = belle_packed(
          bits: bits, kind: kind, blocks: 16, record_blocks: elements / 32, codes: codes.baseAddress,
          scales: scales.baseAddress)
        belle_packed_expand(BELLE_SCALAR, &description, 0, 1, 0, 16, &out, 16)
      }
    }
    for lane in 0..<16 {
      let row = wanted[lane].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      for k in 0..<512 { #expect(out[k * 16 + lane] == row[k], "row \(lane), weight \(k)") }
    }
  }

  @Test("a type that is not taken apart has no bits", arguments: [0, 1, 9, 15, 16, 39] as [UInt32])
  func listed(type: UInt32) {
    #expect(belle_block_type_of(type)?.pointee.bits == 0)
    #expect(belle_block_type_of(type)?.pointee.scales == BELLE_SCALES_NONE)
  }

  @Test("numbers that are not ggml's have no row", arguments: [4, 5, 31, 1000, UInt32.max])
  func unknown(type: UInt32) { #expect(belle_block_type_of(type) == nil) }

  @Test("the bytes of a block are its integers, its scales and its minimums")
  func sizes() {
    var count = 0
    let rows = belle_block_types(&count)
    for row in UnsafeBufferPointer(start: rows, count: count) where row.bits > 0 {
      let parts: UInt32 =
        switch row.scales {
        case BELLE_SCALES_HALF: 2
        case BELLE_SCALES_HALF_MINIMUM: 2 + 2
        case BELLE_SCALES_SINGLE: 4
        case BELLE_SCALES_SINGLE_MINIMUM: 4 + 4
        case BELLE_SCALES_K32_MINIMUM: 2 + 2 + 8 * 12 / 8
        case BELLE_SCALES_K16_MINIMUM: 2 + 2 + 16
        case BELLE_SCALES_K32: 2 + 8 * 6 / 8
        // Scales of six bits in Q3_K, of eight in Q6_K.
        default: row.bits == 3 ? 2 + 16 * 6 / 8 : 2 + 16
        }
      // A code book's integers are of four bits, and those of scales two bytes and four.
      let bits = row.levels == BELLE_LEVELS_IQ4 ? 4 : row.bits
      #expect(row.bytes == row.elements * bits / 8 + parts, "\(String(cString: row.name))")
    }
  }
}

@Suite("Rows of numbers") struct RowsTests {
  private static let columns = [1, 15, 16, 17, 63, 64, 65, 128, 200]

  @Test(
    "products of every variant have the scalar one's bits",
    arguments: [BELLE_F32, BELLE_F16, BELLE_BF16].map(\.rawValue), columns)
  func products(kind: UInt32, columns: Int) {
    let kind = belle_float(kind)
    let (rows, stride) = (5, columns + 3)
    let size = kind == BELLE_F32 ? 4 : 2
    var random = SplitMix64(seed: UInt64(columns))
    let values = (0..<rows * stride).map { _ in Float.random(in: -1...1, using: &random) }
    let x = (0..<columns).map { _ in Float.random(in: -1...1, using: &random) }
    var weights = [UInt8](repeating: 0, count: rows * stride * size)
    values.withUnsafeBytes {
      _ = belle_convert(
        BELLE_SCALAR, BELLE_F32, kind, $0.bindMemory(to: UInt8.self).baseAddress, &weights, rows * stride)
    }
    var exact = [Float](repeating: 0, count: rows * stride)
    exact.withUnsafeMutableBytes {
      _ = belle_convert(
        BELLE_SCALAR, kind, BELLE_F32, weights, $0.bindMemory(to: UInt8.self).baseAddress, rows * stride)
    }
    let multiplied = { (variant: belle_variant) in
      var y = [Float](repeating: .nan, count: rows)
      belle_rows_multiply(variant, kind, weights, stride, rows, columns, x, &y)
      return y
    }
    let y = multiplied(BELLE_SCALAR)
    for variant in PackedTests.variants { #expect(multiplied(variant).map(\.bitPattern) == y.map(\.bitPattern)) }
    for row in 0..<rows {
      let wanted = (0..<columns).reduce(0.0) { $0 + Double(exact[row * stride + $1]) * Double(x[$1]) }
      #expect(abs(Double(y[row]) - wanted) < 1e-5)
    }
  }

  @Test("every half, and the bits of special ones, are the same in all variants")
  func halves() {
    let weights = (0...UInt16.max).map { $0 }
    let x = [Float](repeating: 1, count: 1)
    let multiplied = { (variant: belle_variant) in
      var y = [Float](repeating: .nan, count: weights.count)
      weights.withUnsafeBytes { belle_rows_multiply(variant, BELLE_F16, $0.baseAddress, 1, weights.count, 1, x, &y) }
      return y
    }
    let scalar = multiplied(BELLE_SCALAR)
    for variant in PackedTests.variants {
      let found = multiplied(variant)
      #expect(zip(found, scalar).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
    }
    var known = [Float](repeating: 0, count: weights.count)
    belle_f16_to_f32(BELLE_SCALAR, &known, weights, weights.count)
    #expect(zip(known, scalar).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
  }

  @Test("sums of rows by factors", arguments: columns)
  func combine(columns: Int) {
    let (rows, stride) = (9, columns + 1)
    var random = SplitMix64(seed: 3)
    let values = (0..<rows * stride).map { _ in Float.random(in: -1...1, using: &random) }
    let factors = (0..<rows).map { _ in Float.random(in: 0...1, using: &random) }
    let combined = { (variant: belle_variant) in
      var out = [Float](repeating: .nan, count: columns)
      belle_rows_combine(variant, values, stride, rows, columns, factors, &out)
      return out
    }
    let scalar = combined(BELLE_SCALAR)
    for variant in PackedTests.variants { #expect(combined(variant).map(\.bitPattern) == scalar.map(\.bitPattern)) }
    for column in 0..<columns {
      let wanted = (0..<rows).reduce(0.0) { $0 + Double(factors[$1]) * Double(values[$1 * stride + column]) }
      #expect(abs(Double(scalar[column]) - wanted) < 1e-5)
    }
  }
}
