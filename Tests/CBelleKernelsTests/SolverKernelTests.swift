import CBelleKernels
import TestSupport
import Testing

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

  /// Groups of some columns in pieces of a size.
  static func groups(_ columns: Int, _ size: Int) -> [UInt32] { (0..<columns).map { UInt32($0 / size) } }

  @Test("the columns of a block", arguments: variants, [1, 5, 33, 128])
  func block(variant: belle_variant, columns: Int) {
    for (lanes, stride, size) in [(16, 16, 32), (48, 64, 20), (128, 128, 128)] {
      var source = Source(UInt64(columns * lanes))
      let groupCount = (columns + size - 1) / size
      var factor = source.normals(columns * columns, 0.2)
      for i in 0..<columns { factor[i * columns + i] = 1 + abs(factor[i * columns + i]) }
      let weights = source.normals(columns * stride)
      let products = source.normals(columns * stride, 0.1)
      let scales = source.normals(groupCount * stride, 0.02).map { 0.1 + abs($0) }
      let zeros = source.integers(groupCount * stride, below: 16).map { Float($0) }
      let minimums = source.normals(groupCount * stride, 0.5)
      let groups = Self.groups(columns, size)
      func run(_ variant: belle_variant) -> (bits: [[UInt32]], integers: [UInt8]) {
        var (weights, losses) = (weights, [Float](repeating: 0.5, count: stride))
        var integers = [UInt8](repeating: 77, count: columns * stride)
        weights.withUnsafeMutableBufferPointer { weights in
          var work = belle_gptq_block_work(
            columns: columns, lanes: lanes, stride: stride, grid_stride: stride, factor: factor,
            weights: weights.baseAddress, products: products, groups: groups, scales: scales, zeros: zeros,
            minimums: minimums, integers: &integers, losses: &losses, max_integer: 15)
          belle_gptq_block(variant, &work)
        }
        return ([Self.bits(weights), Self.bits(losses)], integers)
      }
      let (expected, found) = (run(BELLE_SCALAR), run(variant))
      #expect(found.integers == expected.integers)
      #expect(found.bits == expected.bits)
      // Lanes beyond the count are left alone.
      if lanes < stride { #expect(expected.integers[lanes] == 77) }
    }
  }

  @Test("a block of a sweep", arguments: variants, [1, 7, 64, 200])
  func sweep(variant: belle_variant, columns: Int) {
    for (lanes, size, minimums, negative) in [(16, 32, false, true), (80, 25, true, false), (64, 200, true, true)] {
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
      let scales = source.normals(groupCount * lanes, 0.05).map { ($0 < 0 && negative ? -0.05 : 0.05) + $0 }
      let zeros = [Float](repeating: minimums ? 0 : 8, count: groupCount * lanes)
      let lows = minimums ? source.normals(groupCount * lanes) : zeros.map { _ in 0 }
      let integers = source.integers(columns * lanes, below: 16)
      let order = (0..<columns).map { UInt32($0) }.reversed() + []
      let groups = Self.groups(columns, size)
      func run(_ variant: belle_variant, half: Bool) -> (bits: [[UInt32]], integers: [UInt8]) {
        var (errors, scales, lows, integers) = (errors, scales, lows, integers)
        var gains = [Float](repeating: 0, count: lanes)
        var work = belle_sweep_block_work()
        hessian.withUnsafeBufferPointer { hessian in
          errors.withUnsafeMutableBufferPointer { errors in
            scales.withUnsafeMutableBufferPointer { scales in
              lows.withUnsafeMutableBufferPointer { lows in
                integers.withUnsafeMutableBufferPointer { integers in
                  work = belle_sweep_block_work(
                    columns: columns, lanes: lanes, stride: lanes, grid_stride: lanes, hessian: hessian.baseAddress,
                    left: left, right: right, errors: errors.baseAddress, order: order, groups: groups,
                    scales: scales.baseAddress, minimums: lows.baseAddress, zeros: zeros,
                    integers: integers.baseAddress, gains: &gains, max_integer: 15, smallest_scale: 0x1p-24,
                    moves_integers: true, refits: true, has_minimums: minimums, half: half, negative_scales: negative)
                  belle_sweep_block(variant, &work)
                }
              }
            }
          }
        }
        return ([errors, scales, lows, gains].map(Self.bits), integers)
      }
      for half in [true, false] {
        let (expected, found) = (run(BELLE_SCALAR, half: half), run(variant, half: half))
        #expect(found.integers == expected.integers)
        #expect(found.bits == expected.bits)
        #expect(expected.integers != integers)
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
      func run(_ variant: belle_variant, half: Bool, weighted: Bool, negative: Bool) -> [[UInt32]] {
        var grids = [[Float]](repeating: .init(repeating: 0, count: lanes), count: 3)
        var (scales, zeros, minimums) = (grids[0], grids[1], grids[2])
        weights.withUnsafeBufferPointer { weights in
          var work = belle_grid_work(
            columns: columns, lanes: lanes, stride: lanes, values: values,
            column_weights: weighted ? weights.baseAddress : nil, scales: &scales, zeros: &zeros, minimums: &minimums,
            form: Self.forms[form], max_integer: 15, lowest_zero: 1, smallest_scale: 0x1p-24, norm: norm,
            coarse: weighted, half: half, negative_scales: negative)
          belle_grid(variant, &work)
        }
        grids = [scales, zeros, minimums]
        return grids.map(Self.bits)
      }
      for half in [true, false] {
        for weighted in [true, false] {
          let negative = form == 0 && weighted
          #expect(
            run(variant, half: half, weighted: weighted, negative: negative)
              == run(BELLE_SCALAR, half: half, weighted: weighted, negative: negative))
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
        var values = [Float](repeating: .nan, count: rows * columns)
        var expected = values
        for row in 0..<rows {
          for column in 0..<columns {
            let at = row * groups + (isIndexed ? Int(index[column]) : column / size)
            let steps = Float(integers[row * columns + column]) - zeros[at]
            expected[row * columns + column] = (hasMinimums ? minimums[at] : 0).addingProduct(scales[at], steps)
          }
        }
        minimums.withUnsafeBufferPointer { minimums in
          index.withUnsafeBufferPointer { index in
            var work = belle_values_work(
              rows: rows, columns: columns, groups: groups, group_size: size, integers: integers, scales: scales,
              zeros: zeros, minimums: hasMinimums ? minimums.baseAddress : nil,
              group_index: isIndexed ? index.baseAddress : nil, values: &values,
              value_stride: columns)
            belle_values(variant, &work)
          }
        }
        #expect(values == expected)
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
