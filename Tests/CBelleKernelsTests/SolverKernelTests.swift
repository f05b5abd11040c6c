import CBelleKernels
import TestSupport
import Testing

/// Arrays that C may keep pointers to, as long as this lives.
private final class Memory {
  private var blocks: [UnsafeMutableRawPointer] = []
  deinit { for block in blocks { block.deallocate() } }

  func copy<Element: BitwiseCopyable>(_ values: [Element]) -> UnsafeMutablePointer<Element> {
    let block = UnsafeMutablePointer<Element>.allocate(capacity: max(1, values.count))
    block.initialize(from: values, count: values.count)
    blocks.append(UnsafeMutableRawPointer(block))
    return block
  }
}

private func array<Element>(_ pointer: UnsafeMutablePointer<Element>, _ count: Int) -> [Element] {
  Array(UnsafeBufferPointer(start: pointer, count: count))
}

/// Every variant of a kernel of the solver must give the scalar one's bits.
@Suite("Kernels of the solver") struct SolverKernelTests {
  static let variants = [BELLE_AVX2, BELLE_AVX512, BELLE_NEON].filter(belle_variant_available)
  static let forms = [BELLE_GRID_SYMMETRIC, BELLE_GRID_ZERO_POINT, BELLE_GRID_MINIMUM]

  /// Random numbers of about a normal distribution.
  struct Source {
    var generator: SplitMix64
    init(_ seed: UInt64) { generator = SplitMix64(seed: seed) }
    mutating func normals(_ count: Int, _ scale: Float = 1) -> [Float] {
      (0..<count).map { _ in
        var sum: Float = 0
        for _ in 0..<4 { sum += Float(generator.next() >> 40) * 0x1p-24 - 0.5 }
        return sum * scale
      }
    }
    mutating func integers(_ count: Int, below limit: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8(generator.next() % UInt64(limit)) }
    }
  }

  static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  /// ggml's kvalues_iq4nl, as integers: 128 more.
  static let codes = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113].map { UInt8(128 + $0) }

  /// Groups of some columns in pieces of a size.
  static func groups(_ columns: Int, _ size: Int) -> [UInt32] { (0..<columns).map { UInt32($0 / size) } }

  @Test("the columns of a block", arguments: variants, [1, 5, 33, 128])
  func block(variant: belle_variant, columns: Int) {
    for (lanes, stride, size, levels) in [
      (16, 16, 32, BELLE_LEVELS_EVEN), (48, 64, 20, BELLE_LEVELS_EVEN), (128, 128, 128, BELLE_LEVELS_EVEN),
      (80, 80, 32, BELLE_LEVELS_IQ4),
    ] {
      let isCoded = levels == BELLE_LEVELS_IQ4
      var source = Source(UInt64(columns * lanes))
      let groupCount = (columns + size - 1) / size
      var factor = source.normals(columns * columns, 0.2)
      for i in 0..<columns { factor[i * columns + i] = 1 + abs(factor[i * columns + i]) }
      let weights = source.normals(columns * stride)
      let products = source.normals(columns * stride, 0.1)
      let scales = source.normals(groupCount * stride, 0.02).map { 0.1 + abs($0) }
      let zeros = source.integers(groupCount * stride, below: 16).map { isCoded ? 128 : Float($0) }
      let minimums = source.normals(groupCount * stride, isCoded ? 0 : 0.5)
      let groups = Self.groups(columns, size)
      func run(_ variant: belle_variant) -> (bits: [[UInt32]], integers: [UInt8]) {
        let memory = Memory()
        let (errors, losses) = (memory.copy(weights), memory.copy([Float](repeating: 0.5, count: stride)))
        let integers = memory.copy([UInt8](repeating: 77, count: columns * stride))
        var work = belle_gptq_block_work(
          columns: columns, lanes: lanes, stride: stride, grid_stride: stride, factor: memory.copy(factor),
          weights: errors, products: memory.copy(products), groups: memory.copy(groups), scales: memory.copy(scales),
          zeros: memory.copy(zeros), minimums: memory.copy(minimums), integers: integers, losses: losses,
          max_integer: isCoded ? 255 : 15, levels: levels)
        return withExtendedLifetime(memory) {
          belle_gptq_block(variant, &work)
          let bits = [Self.bits(array(errors, columns * stride)), Self.bits(array(losses, stride))]
          return (bits, array(integers, columns * stride))
        }
      }
      let (expected, found) = (run(BELLE_SCALAR), run(variant))
      if isCoded { #expect(expected.integers.allSatisfy(Self.codes.contains)) }
      #expect(found.integers == expected.integers)
      #expect(found.bits == expected.bits)
      // Lanes beyond the count are left alone.
      if lanes < stride { #expect(expected.integers[lanes] == 77) }
    }
  }

  @Test("what the feedback adds to a block", arguments: variants, [1, 4, 5, 33, 128])
  func solve(variant: belle_variant, columns: Int) {
    for (lanes, stride) in [(16, 16), (80, 96)] {
      var source = Source(UInt64(columns + lanes))
      // Element i·columns + j is U_ji.
      var factor = source.normals(columns * columns, 0.2)
      for i in 0..<columns { factor[i * columns + i] = 1 + abs(factor[i * columns + i]) }
      let products = source.normals(columns * stride)
      func run(_ variant: belle_variant) -> [Float] {
        let memory = Memory()
        let result = memory.copy(products)
        var work = belle_solve_block_work(
          columns: columns, lanes: lanes, stride: stride, factor: memory.copy(factor), products: result)
        return withExtendedLifetime(memory) {
          belle_solve_block(variant, &work)
          return array(result, columns * stride)
        }
      }
      let found = run(variant)
      #expect(Self.bits(found) == Self.bits(run(BELLE_SCALAR)))
      for i in 0..<columns {
        for lane in 0..<stride {
          let before = products[i * stride + lane]
          // Lanes beyond the count are left alone; the others give the products back.
          guard lane < lanes else {
            #expect(found[i * stride + lane] == before)
            continue
          }
          let terms = (0...i).map { found[$0 * stride + lane] * factor[i * columns + $0] }
          #expect(abs(terms.reduce(0, +) - before) <= 1e-5 * (1 + terms.map(abs).reduce(0, +)))
        }
      }
    }
  }

  @Test("a block of a sweep", arguments: variants, [1, 7, 64, 200])
  func sweep(variant: belle_variant, columns: Int) {
    for (lanes, size, minimums, negative, levels) in [
      (16, 32, false, true, BELLE_LEVELS_EVEN), (80, 25, true, false, BELLE_LEVELS_EVEN),
      (64, 200, true, true, BELLE_LEVELS_EVEN), (80, 32, false, true, BELLE_LEVELS_IQ4),
    ] {
      let isCoded = levels == BELLE_LEVELS_IQ4
      var source = Source(UInt64(columns + lanes))
      let groupCount = (columns + size - 1) / size
      var hessian = [Float](repeating: 0, count: columns * columns)
      let mixing = source.normals(columns * 4)
      for i in 0..<columns {
        for j in 0..<columns {
          hessian[i * columns + j] = (0..<4).reduce(i == j ? 0.5 : 0) { $0 + mixing[i * 4 + $1] * mixing[j * 4 + $1] }
        }
      }
      let (left, right) = (source.normals(columns * lanes, 0.1), source.normals(columns * lanes, 0.1))
      let errors = source.normals(columns * lanes, 0.05)
      let scales = source.normals(groupCount * lanes, 0.05).map {
        (($0 < 0 && negative ? -0.05 : 0.05) + $0) / (isCoded ? 15 : 1)
      }
      let zeros = [Float](repeating: minimums ? 0 : isCoded ? 128 : 8, count: groupCount * lanes)
      let lows = minimums ? source.normals(groupCount * lanes) : zeros.map { _ in 0 }
      let integers = source.integers(columns * lanes, below: 16).map { isCoded ? Self.codes[Int($0)] : $0 }
      let order = [UInt32]((0..<UInt32(columns)).reversed())
      let groups = Self.groups(columns, size)
      let units = source.normals(groupCount * lanes, 0.002).map { 0.005 + abs($0) }
      func run(_ variant: belle_variant, half: Bool, hasUnits: Bool) -> (bits: [[UInt32]], integers: [UInt8]) {
        let memory = Memory()
        let parameters = [errors, scales, lows, [Float](repeating: 0, count: lanes)]
        let pointers = parameters.map(memory.copy)
        let moved = memory.copy(integers)
        let unit = hasUnits ? memory.copy(units) : nil
        var work = belle_sweep_block_work(
          columns: columns, lanes: lanes, stride: lanes, grid_stride: lanes, hessian: memory.copy(hessian),
          left: memory.copy(left), right: memory.copy(right), errors: pointers[0], order: memory.copy(order),
          groups: memory.copy(groups), scales: pointers[1], minimums: pointers[2], zeros: memory.copy(zeros),
          integers: moved, gains: pointers[3], max_integer: isCoded ? 255 : 15, smallest_scale: 0x1p-24,
          moves_integers: true,
          refits: true, has_minimums: minimums, half: half, negative_scales: negative, scale_units: unit,
          minimum_units: unit, super_groups: 1, least_multiple: 1, most_multiple: 63,
          most_minimum: 63, levels: levels)
        return withExtendedLifetime(memory) {
          belle_sweep_block(variant, &work)
          return (zip(pointers, parameters).map { Self.bits(array($0, $1.count)) }, array(moved, integers.count))
        }
      }
      for (half, hasUnits) in [(true, false), (false, false), (false, true)] {
        let expected = run(BELLE_SCALAR, half: half, hasUnits: hasUnits)
        let found = run(variant, half: half, hasUnits: hasUnits)
        #expect(found.integers == expected.integers)
        #expect(found.bits == expected.bits)
        #expect(expected.integers != integers)
        if isCoded { #expect(expected.integers.allSatisfy(Self.codes.contains)) }
      }
    }
  }

  @Test("the grid of a group", arguments: variants, forms.indices)
  func grid(variant: belle_variant, form: Int) {
    for (columns, lanes, norm) in [(1, 16, 2), (32, 48, 0), (100, 64, 2.4), (128, 32, 2)] as [(Int, Int, Float)] {
      var source = Source(UInt64(columns))
      var values = source.normals(columns * lanes, 0.05)
      // One row of zeros, and one of equal numbers.
      for i in 0..<columns { (values[i * lanes], values[i * lanes + 1]) = (0, 0.25) }
      let weights = source.normals(columns).map { 0.1 + abs($0) }
      func run(
        _ variant: belle_variant, half: Bool, weighted: Bool, negative: Bool, _ levels: belle_levels
      ) -> [[UInt32]] {
        let memory = Memory()
        let grids = (0..<3).map { _ in memory.copy([Float](repeating: 0, count: lanes)) }
        var work = belle_grid_work(
          columns: columns, lanes: lanes, stride: lanes, values: memory.copy(values),
          column_weights: weighted ? memory.copy(weights) : nil, scales: grids[0], zeros: grids[1],
          minimums: grids[2], form: Self.forms[form], max_integer: levels == BELLE_LEVELS_IQ4 ? 255 : 15,
          lowest_zero: 1, smallest_scale: 0x1p-24, norm: norm, coarse: weighted, half: half,
          negative_scales: negative, in_super_block: !half, levels: levels)
        return withExtendedLifetime(memory) {
          belle_grid(variant, &work)
          return grids.map { Self.bits(array($0, lanes)) }
        }
      }
      for half in [true, false] {
        for weighted in [true, false] {
          let negative = form == 0 && weighted
          for levels in form == 0 ? [BELLE_LEVELS_EVEN, BELLE_LEVELS_IQ4] : [BELLE_LEVELS_EVEN] {
            #expect(
              run(variant, half: half, weighted: weighted, negative: negative, levels)
                == run(BELLE_SCALAR, half: half, weighted: weighted, negative: negative, levels))
          }
        }
      }
    }
  }

  @Test("values of integers", arguments: variants + [BELLE_SCALAR])
  func values(variant: belle_variant) {
    var source = Source(3)
    for (rows, columns, size) in [(1, 1, 1), (3, 40, 16), (5, 100, 33), (2, 7, 7)] {
      let groups = (columns + size - 1) / size
      let integers = source.integers(rows * columns, below: 256)
      let (scales, minimums) = (source.normals(rows * groups), source.normals(rows * groups))
      let zeros = source.integers(rows * groups, below: 256).map { Float($0) }
      let index = (0..<columns).map { Int32(($0 * 5) % groups) }
      for (isIndexed, hasMinimums) in [(false, false), (false, true), (true, false), (true, true)] {
        let values = [Float](repeating: .nan, count: rows * columns)
        var expected = values
        for row in 0..<rows {
          for column in 0..<columns {
            let at = row * groups + (isIndexed ? Int(index[column]) : column / size)
            let steps = Float(integers[row * columns + column]) - zeros[at]
            expected[row * columns + column] = (hasMinimums ? minimums[at] : -0.0).addingProduct(scales[at], steps)
          }
        }
        let memory = Memory()
        let found = memory.copy(values)
        var work = belle_values_work(
          rows: rows, columns: columns, groups: groups, group_size: size, integers: memory.copy(integers),
          scales: memory.copy(scales), zeros: memory.copy(zeros),
          minimums: hasMinimums ? memory.copy(minimums) : nil, group_index: isIndexed ? memory.copy(index) : nil,
          values: found, value_stride: columns)
        withExtendedLifetime(memory) {
          belle_values(variant, &work)
          #expect(array(found, rows * columns) == expected)
        }
      }
    }
  }

  @Test("the units of a super-block, and multiples of them", arguments: variants)
  func superBlock(variant: belle_variant) {
    let (columns, groups, lanes) = (32, 8, 32)
    var source = Source(21)
    let values = source.normals(columns * groups * lanes, 0.05)
    let scales = source.normals(groups * lanes, 0.01).map { 0.001 + abs($0) }
    let minimums = source.normals(groups * lanes, 0.05).map { -abs($0) }
    let weights = source.normals(columns * groups).map { 0.1 + abs($0) }
    func run(_ variant: belle_variant, weighted: Bool) -> [[Float]] {
      let memory = Memory()
      let results = [scales, minimums, .init(repeating: 0, count: lanes), .init(repeating: 0, count: lanes)]
        .map(memory.copy)
      var work = belle_super_grid_work(
        columns: columns, groups: groups, lanes: lanes, stride: lanes, grid_stride: lanes,
        values: memory.copy(values), column_weights: weighted ? memory.copy(weights) : nil, scales: results[0],
        minimums: results[1], scale_unit: results[2], minimum_unit: results[3], max_integer: 15, least_multiple: 1,
        most_multiple: 63, most_minimum: 63, levels: BELLE_LEVELS_EVEN)
      return withExtendedLifetime(memory) {
        belle_super_grid(variant, &work)
        return zip(results, [groups * lanes, groups * lanes, lanes, lanes]).map { array($0, $1) }
      }
    }
    for weighted in [true, false] {
      let found = run(variant, weighted: weighted)
      #expect(found.map(Self.bits) == run(BELLE_SCALAR, weighted: weighted).map(Self.bits))
      for lane in 0..<lanes {
        for group in 0..<groups {
          let at = group * lanes + lane
          let (scale, minimum) = (found[0][at] / found[2][lane], -found[1][at] / found[3][lane])
          #expect((1...63).contains(scale) && scale == scale.rounded())
          #expect((0...63).contains(minimum) && minimum == minimum.rounded())
          // Near to what the group wanted.
          #expect(abs(found[0][at] - scales[at]) <= 1.6 * found[2][lane])
          #expect(abs(found[1][at] - minimums[at]) <= 1.6 * found[3][lane])
        }
      }
    }
  }

  @Test("the unit of a super-block without minimums, and multiples of both signs", arguments: variants)
  func signedSuperBlock(variant: belle_variant) {
    let (columns, groups, lanes) = (16, 16, 32)
    var source = Source(22)
    let values = source.normals(columns * groups * lanes, 0.05)
    // Groups with hardly any scale among them.
    let scales = source.normals(groups * lanes, 0.01).enumerated().map { $0 % 7 == 0 ? 0x1p-24 : $1 }
    for (least, most, levels) in [
      (-32, 31, BELLE_LEVELS_EVEN), (-32, -1, BELLE_LEVELS_EVEN), (-128, 127, BELLE_LEVELS_EVEN),
      (-32, 31, BELLE_LEVELS_IQ4),
    ] as [(Float, Float, belle_levels)] {
      let wanted = most > 0 ? scales : scales.map(abs)
      func run(_ variant: belle_variant) -> [[Float]] {
        let memory = Memory()
        let results = [wanted, .init(repeating: 0, count: groups * lanes), .init(repeating: 0, count: lanes)]
          .map(memory.copy)
        let minimumUnit = memory.copy([Float](repeating: 0, count: lanes))
        var work = belle_super_grid_work(
          columns: columns, groups: groups, lanes: lanes, stride: lanes, grid_stride: lanes,
          values: memory.copy(values), column_weights: nil, scales: results[0], minimums: results[1],
          scale_unit: results[2], minimum_unit: minimumUnit, max_integer: levels == BELLE_LEVELS_IQ4 ? 255 : 7,
          least_multiple: least, most_multiple: most, most_minimum: 0, levels: levels)
        return withExtendedLifetime(memory) {
          belle_super_grid(variant, &work)
          return zip(results, [groups * lanes, groups * lanes, lanes]).map { array($0, $1) }
        }
      }
      let found = run(variant)
      #expect(found.map(Self.bits) == run(BELLE_SCALAR).map(Self.bits))
      #expect(found[1].allSatisfy { $0 == 0 })
      for lane in 0..<lanes {
        for group in 0..<groups {
          let at = group * lanes + lane
          let multiple = found[0][at] / found[2][lane]
          #expect((least...most).contains(multiple) && multiple == multiple.rounded() && multiple != 0)
          // A neighbour of the nearest one, and −1 in place of 0.
          #expect(abs(found[0][at] - wanted[at]) <= 2.5 * abs(found[2][lane]))
          if most < 0 { #expect(found[0][at] > 0) }
        }
      }
    }
  }

  @Test("numbers become the nearest of half precision")
  func halves() {
    var source = Source(9)
    for exponent in -30...20 {
      let scale = exponent < 0 ? 1 / Float(1 << -exponent) : Float(1 << exponent)
      var values = source.normals(200, scale)
      let expected = values.map { min(max(Float(Float16($0)), -65504), 65504) }
      belle_round_halves(&values, values.count, 0)
      #expect(values == expected)
    }
    var small: [Float] = [1e-9, -1e-9, 0, 0x1p-24]
    belle_round_halves(&small, small.count, 0x1p-24)
    #expect(small == [0x1p-24, -0x1p-24, 0x1p-24, 0x1p-24])
  }
}
