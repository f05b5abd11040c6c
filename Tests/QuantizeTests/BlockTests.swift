import ByteIO
import Checkpoint
import LinearAlgebra
import Packed
import TestSupport
import Testing

@testable import Quantize

@Suite("GPTQ on the grids of GGUF's blocks") struct BlockTests {
  static let recipes: [Recipe] = [.reference, .fast]

  /// What a reader of the blocks gets.
  private func values(_ packed: PackedBlocks) throws -> [Float] {
    let codec = try BlockCodec(packed.format.type)
    var values = [Float](repeating: 0, count: packed.rows * packed.columns)
    var span = values.mutableSpan
    var bytes = span.mutableBytes
    codec.dequantize(packed.bytes.span.bytes, into: &bytes)
    return values
  }

  @Test("blocks decode to the values of the layer, bit for bit", arguments: BlockFormat.allCases, recipes.indices)
  func exact(format: BlockFormat, _ index: Int) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let problem = RandomProblem(rows: 20, columns: 512, tokens: 600, seed: seed, dead: seed == 2 ? [7] : [])
      let layer = try problem.quantized(format.grid, Self.recipes[index])
      let packed = try PackedBlocks(layer, as: format)
      #expect(packed.bytes.count == 20 * 512 / format.elements * format.byteCount)
      let decoded = try values(packed)
      #expect(decoded.map(\.bitPattern) == layer.dequantized().values.map(\.bitPattern))
      #expect(packed == (try PackedBlocks(layer, as: format, threads: 1)))
      // And they are about the weights.
      let rounded = try RoundToNearest.quantize(
        problem.weights.slice, grid: format.grid, fit: .weightedSearch, layer: "rounded")
      #expect(problem.error(layer) < problem.error(rounded))
      #expect(try values(PackedBlocks(rounded, as: format)) == rounded.dequantized().values)
    }
  }

  @Test("Q3_K holds every multiple of a unit of either sign, and every integer")
  func multiples() throws {
    let format = try #require(BlockFormat(rawValue: "Q3_K"))
    let (rows, columns) = (8, 512)
    var generator = SplitMix64(seed: 11)
    let integers = (0..<rows * columns).map { _ in UInt8(generator.next() % 8) }
    // Of each super-block one multiple is the largest that there is.
    let scales = (0..<rows * columns / 16).map { group in
      let unit = Float(Float16(group / 16 % 2 == 0 ? 0.0123 : -0.0047))
      return unit * (group % 16 == 0 ? -32 : Float(Int(generator.next() % 31) + 1) * (group % 3 == 0 ? -1 : 1))
    }
    let weights = PackedLinear(
      bits: 3, outFeatures: rows, inFeatures: columns, codes: .bytes(integers), scales: scales, scaleType: .f16,
      offsets: .zeros([UInt16](repeating: 4, count: scales.count)),
      groups: PackedLinear.contiguousGroups(of: 16, inputs: columns))
    let report = try RandomProblem(rows: 1, columns: 32, seed: 1).quantized(.q4_0, .fast).report
    let layer = QuantizedLayer(grid: format.grid, weights: weights, report: report)
    let decoded = try values(PackedBlocks(layer, as: format))
    #expect(decoded == zip(integers, integers.indices).map { scales[$1 / 16] * (Float($0) - 4) })
    #expect(decoded == layer.dequantized().values)
  }

  @Test("larger groups of a symmetric grid are blocks too", arguments: [64, 128, nil] as [Int?])
  func largerGroups(size: Int?) throws {
    let problem = RandomProblem(rows: 9, columns: 256, seed: 4)
    for (bits, format) in [(4, BlockFormat.q4_0), (5, .q5_0), (8, .q8_0)] {
      let layer = try problem.quantized(Grid(bits: bits, groupSize: size), .fast)
      #expect(try values(PackedBlocks(layer, as: format)) == layer.dequantized().values)
    }
  }

  @Test("what blocks have no room for is refused")
  func refused() throws {
    func code(_ layer: QuantizedLayer, _ format: BlockFormat) -> QuantizeErrorCode? {
      do throws(QuantizeError) { _ = try PackedBlocks(layer, as: format) } catch { return error.code }
      return nil
    }
    let problem = RandomProblem(rows: 4, columns: 96, seed: 5)
    let layer = try problem.quantized(.q4_0, .fast)
    #expect(code(layer, .q4_0) == nil)
    for format in BlockFormat.allCases where format != .q4_0 { #expect(code(layer, format) == .notStorable) }
    for grid in [
      Grid(bits: 4, groupSize: 48), Grid(bits: 4, groupSize: 32, precision: .single),
      Grid(bits: 4, groupSize: 32, form: .zeroPoint),
    ] { #expect(code(try problem.quantized(grid, .fast), .q4_0) == .notStorable) }
    let scattered = try problem.quantized(.q4_0, Recipe(order: .activation))
    #expect(code(scattered, .q4_0) == .notStorable)
    #expect(throws: QuantizeError.self) { try problem.quantized(.q4_K, .fast) }
    #expect(throws: QuantizeError.self) {
      try RandomProblem(rows: 4, columns: 256, seed: 5).quantized(.q4_K, Recipe(order: .activation))
    }
  }

  static let superBlocks = BlockFormat.allCases.filter { $0.grid.superBlock != nil }

  @Test("no sweep raises what is minimized, on multiples of units either", arguments: superBlocks)
  func descent(format: BlockFormat) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let problem = RandomProblem(rows: 17, columns: 512, tokens: 400, seed: seed, dead: seed == 2 ? [3] : [])
      for negativeScales in [false, true] {
        var recipe = Recipe.fast
        recipe.negativeScales = negativeScales
        var last = Double.infinity
        for sweeps in 1...4 {
          recipe.sweeps = sweeps
          let layer = try problem.quantized(format.grid, recipe)
          #expect(layer.report.loss <= last * (1 + 1e-5), "\(sweeps) sweeps, seed \(seed)")
          let error = problem.error(layer)
          #expect(abs((layer.report.relativeOutputError ?? 0) - error) <= 2e-3 * error + 1e-9)
          if !negativeScales { #expect(layer.scales.allSatisfy { $0 > 0 }) }
          last = layer.report.loss
        }
      }
    }
  }

  @Test(
    "super-blocks of zeros, of equal weights, and of one large weight",
    arguments: superBlocks)
  func unusualSuperBlocks(format: BlockFormat) throws {
    let problem = RandomProblem(rows: 4, columns: 256, seed: 6)
    for kind in 0..<4 {
      let weights = problem.weights.copy()
      for row in 0..<4 {
        for column in 0..<256 {
          switch kind {
          case 0: weights[row, column] = 0
          case 1: weights[row, column] = row % 2 == 0 ? 0.25 : -0.25
          case 2: weights[row, column] *= column == 40 ? 1000 : 1
          default: weights[row, column] = column < 128 ? 0 : abs(weights[row, column])
          }
        }
      }
      for recipe in Self.recipes {
        let layer = try GPTQ.quantize(
          weights.slice, hessian: problem.hessian.copy(), grid: format.grid, recipe: recipe, layer: "x")
        let values = try values(PackedBlocks(layer, as: format))
        #expect(values == layer.dequantized().values)
        // A code book has no zero: what stands for it are levels of the smallest unit, which feedback plays out among them.
        if kind == 0 { #expect(values.allSatisfy { abs($0) <= (format.grid.levels == .even ? 0 : 127 * 0x1p-24) }) }
        if kind == 1 {
          // Where no level has the very value, feedback makes up for it with single weights; the outputs are never worse
          // than with each at its nearest level, which is a seventh of the value away at most.
          let error = relativeError(weights, layer.dequantized(), problem.hessian)
          #expect(error < 0.0205, "\(error)")
          if format.grid.form == .minimum {
            #expect(zip(values, weights.values).allSatisfy { abs($0 - $1) < 0.02 })
          }
        }
      }
    }
  }
}
