import ByteIO
import Checkpoint
import LinearAlgebra
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

  @Test(
    "super-blocks of zeros, of equal weights, and of one large weight",
    arguments: BlockFormat.allCases.filter { $0.grid.superBlock != nil })
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
        if kind == 0 { #expect(values.allSatisfy { $0 == 0 }) }
        if kind == 1 { #expect(zip(values, weights.values).allSatisfy { abs($0 - $1) < 0.02 }) }
      }
    }
  }
}
