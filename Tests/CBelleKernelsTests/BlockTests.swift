import CBelleKernels
import TestSupport
import Testing

@Suite("belle_dequantize and belle_quantize") struct BlockTests {
  static let variants = (0..<UInt32(BELLE_VARIANT_COUNT)).filter { belle_variant_available(belle_variant($0)) }
  static let types: [UInt32] = [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23]
  /// What ggml has no more.
  static let former: [UInt32] = [0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x202, 0x203, 0x208]

  private func dequantize(_ variant: UInt32, _ type: belle_block, _ blocks: [UInt8], _ count: Int) -> [Float] {
    var values = [Float](repeating: .nan, count: count * belle_block_elements(type))
    values.withUnsafeMutableBytes {
      belle_dequantize(
        belle_variant(variant), type, blocks, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), count)
    }
    return values
  }

  private func quantize(
    _ variant: UInt32, _ type: belle_block, _ values: [Float], importance: [Float]? = nil
  ) -> (blocks: [UInt8], useless: Int) {
    let count = values.count / belle_block_elements(type)
    var blocks = [UInt8](repeating: 0xA5, count: count * belle_block_bytes(type))
    let useless = values.withUnsafeBytes { bytes in
      belle_quantize(
        belle_variant(variant), type, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), importance, &blocks, count
      )
    }
    return (blocks, useless)
  }

  /// Values of several magnitudes, with zeros, equal ones and outliers among them.
  private func sample(_ count: Int, _ random: inout SplitMix64) -> [Float] {
    let scale = Float(sign: .plus, exponent: Int.random(in: -12...4, using: &random), significand: 1)
    let kind = random.next() % 6
    return (0..<count).map { _ in
      switch kind {
      case 0: 0
      case 1: scale
      case 2 where random.next() % 31 == 0: 40 * scale
      case 3: abs(Float.random(in: -1...1, using: &random)) * scale + 2 * scale
      default: (0..<4).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) } * scale
      }
    }
  }

  @Test("every variant reads any bytes as the scalar one does", arguments: types + former)
  func variantsRead(number: UInt32) {
    let type = belle_block(number)
    var random = SplitMix64(seed: UInt64(number))
    for count in [0, 1, 2, 3, 17] {
      let blocks = SplitMix64.bytes(seed: random.next(), count: count * belle_block_bytes(type))
      let expected = dequantize(BELLE_SCALAR.rawValue, type, blocks, count)
      for variant in Self.variants {
        let found = dequantize(variant, type, blocks, count)
        // Which NaN it is may differ; that it is one may not.
        #expect(
          zip(found, expected).allSatisfy { $0.isNaN && $1.isNaN || $0.bitPattern == $1.bitPattern },
          "variant \(variant), \(count) blocks")
      }
    }
  }

  @Test("every variant writes the scalar one's blocks, with weights of importance and without", arguments: types)
  func variantsWrite(number: UInt32) {
    let type = belle_block(number)
    var random = SplitMix64(seed: 100 + UInt64(number))
    for _ in 0..<12 {
      let count = Int.random(in: 1...5, using: &random) * belle_block_elements(type)
      let values = sample(count, &random)
      let importance: [Float]? =
        random.next() % 2 == 0 ? nil : (0..<count).map { _ in Float.random(in: 0...3, using: &random) }
      let expected = quantize(BELLE_SCALAR.rawValue, type, values, importance: importance)
      #expect(expected.useless == 0)
      for variant in Self.variants {
        let found = quantize(variant, type, values, importance: importance)
        #expect(found == expected, "variant \(variant)")
      }
    }
  }

  @Test("a block's bytes do not depend on its neighbours", arguments: types)
  func neighbours(number: UInt32) {
    let type = belle_block(number)
    var random = SplitMix64(seed: 200 + UInt64(number))
    let (elements, bytes) = (belle_block_elements(type), belle_block_bytes(type))
    let parts = (0..<7).map { _ in sample(elements, &random) }
    let whole = quantize(belle_best_variant().rawValue, type, Array(parts.joined())).blocks
    for (place, part) in parts.enumerated() {
      let alone = quantize(belle_best_variant().rawValue, type, part).blocks
      #expect(alone == Array(whole[place * bytes..<(place + 1) * bytes]), "block \(place)")
    }
  }

  @Test(
    "no weight is farther from its value than half a step of its block's grid, and zeros stay zeros", arguments: types
  )
  func nearness(number: UInt32) {
    let type = belle_block(number)
    var random = SplitMix64(seed: 300 + UInt64(number))
    let steps: [UInt32: Float] = [2: 8, 3: 15, 6: 16, 7: 31, 8: 127, 10: 3, 11: 4, 12: 8, 13: 16, 14: 32, 20: 4, 23: 4]
    for _ in 0..<20 {
      let values = sample(belle_block_elements(type), &random)
      let (blocks, _) = quantize(BELLE_SCALAR.rawValue, type, values)
      let found = dequantize(BELLE_SCALAR.rawValue, type, blocks, 1)
      let extreme = values.reduce(Float(0)) { max($0, abs($1)) }
      // Q4_0 and Q5_0 cut the far end of the range by up to one step; the searched types trade extremes for the rest.
      let bound = extreme / (steps[number] ?? 1) * 2
      for (value, other) in zip(values, found) { #expect(abs(value - other) <= bound) }
      if extreme == 0 { #expect(found.allSatisfy { $0 == 0 }) }
    }
  }

  @Test("values that no block can hold are counted", arguments: types, [Float.nan, .infinity, 3e9])
  func useless(number: UInt32, value: Float) {
    let type = belle_block(number)
    var values = [Float](repeating: 0.5, count: 3 * belle_block_elements(type))
    values[belle_block_elements(type) + 3] = value
    for variant in Self.variants {
      #expect(quantize(variant, type, values).useless == 1, "variant \(variant)")
    }
  }

  /// Takes blocks apart: their integers, and of each block what its record holds for lane 0, halves and bytes.
  private func takeApart(_ blocks: [UInt8], _ form: belle_block_type, _ count: Int) -> ([UInt8], [[Int]]) {
    var integers = [UInt8](repeating: 0xA5, count: count * Int(form.elements))
    let size = belle_packed_record_bytes(form.scales)
    var records = [UInt8](repeating: 0, count: count * size)
    belle_packed_take_blocks(form.number, blocks, count, 0, &integers, &records)
    let hasMinimum = [BELLE_SCALES_HALF_MINIMUM, BELLE_SCALES_K32_MINIMUM, BELLE_SCALES_K16_MINIMUM].contains(
      form.scales)
    let parts = (0..<count).map { block in
      let record = records[block * size..<(block + 1) * size].map { Int($0) }
      let halves = stride(from: 0, to: hasMinimum ? 64 : 32, by: 32).map { record[$0] | record[$0 + 1] << 8 }
      return halves + stride(from: hasMinimum ? 64 : 32, to: size, by: 16).map { record[$0] }
    }
    return (integers, parts)
  }

  /// An integer that a block of a type can hold.
  private func anyLevel(_ form: belle_block_type, _ random: inout SplitMix64) -> UInt8 {
    let any = random.next()
    guard form.levels == BELLE_LEVELS_EVEN else { return SolverKernelTests.codes[Int(any >> 60)] }
    return UInt8(any >> (64 - UInt64(form.bits)))
  }

  @Test(
    "integers and scales that are put into blocks come out as they were", arguments: [2, 3, 6, 7, 8, 20] as [UInt32])
  func levels(number: UInt32) throws {
    let form = try #require(belle_block_type_of(number)).pointee
    var random = SplitMix64(seed: 400 + UInt64(number))
    let levels = (0..<7 * 32).map { _ in anyLevel(form, &random) }
    let (scales, minima) = (
      (0..<7).map { _ in UInt16(random.next() >> 48) }, (0..<7).map { _ in UInt16(random.next() >> 48) }
    )
    let hasMinimum = form.scales == BELLE_SCALES_HALF_MINIMUM
    var blocks = [UInt8](repeating: 0xA5, count: 7 * Int(form.bytes))
    belle_pack_levels(belle_block(number), levels, scales, hasMinimum ? minima : nil, &blocks, 7)
    let (integers, parts) = takeApart(blocks, form, 7)
    #expect(integers == levels)
    #expect(parts == (0..<7).map { [Int(scales[$0])] + (hasMinimum ? [Int(minima[$0])] : []) })
  }

  @Test(
    "and so do those of blocks of 256, with multiples for their scales and minimums",
    arguments: [10, 11, 12, 13, 14, 23] as [UInt32])
  func superLevels(number: UInt32) throws {
    let form = try #require(belle_block_type_of(number)).pointee
    var random = SplitMix64(seed: 500 + UInt64(number))
    let levels = (0..<5 * 256).map { _ in anyLevel(form, &random) }
    let hasMinimums = [BELLE_SCALES_K32_MINIMUM, BELLE_SCALES_K16_MINIMUM].contains(form.scales)
    let groups = withUnsafePointer(to: form) { belle_block_runs($0) }
    let middle = hasMinimums ? 0 : 1 << (Int(form.multiple_bits) - 1)
    let scales = (0..<5 * groups).map { _ in Int8(Int(random.next() >> (64 - UInt64(form.multiple_bits))) - middle) }
    let minimums = (0..<5 * groups).map { _ in UInt8(random.next() >> (64 - UInt64(form.multiple_bits))) }
    let halves = (0..<2).map { _ in (0..<5).map { _ in UInt16(random.next() >> 48) } }
    var blocks = [UInt8](repeating: 0xA5, count: 5 * Int(form.bytes))
    belle_pack_super_levels(belle_block(number), levels, scales, minimums, halves[0], halves[1], &blocks, 5)
    let (integers, parts) = takeApart(blocks, form, 5)
    #expect(integers == levels)
    let wanted = (0..<5).map { block in
      let part = block * groups..<(block + 1) * groups
      let multiples = scales[part].map { Int(UInt8(bitPattern: $0)) }
      return hasMinimums
        ? halves.map { Int($0[block]) } + multiples + minimums[part].map { Int($0) }
        : [Int(halves[0][block])] + multiples
    }
    #expect(parts == wanted)
  }

  @Test(
    "a block of 256 zeros has no negative unit, as llama.cpp writes it",
    arguments: [10, 11, 12, 13, 14, 20, 23] as [UInt32], variants)
  func zeros(number: UInt32, variant: UInt32) throws {
    let form = try #require(belle_block_type_of(number)).pointee
    let blocks = quantize(variant, belle_block(number), [Float](repeating: 0, count: 512)).blocks
    for parts in takeApart(blocks, form, 512 / Int(form.elements)).1 {
      #expect(parts[0] == 0 && parts.allSatisfy { $0 != 0x8000 })
    }
  }
}
