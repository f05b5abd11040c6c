import ByteIO
import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Quantize

@Suite("PackedLayer") struct PackingTests {
  struct Entry: Decodable, Sendable {
    let bits: Int
    let group_size: Int
    let in_features: Int
    let out_features: Int
  }
  static let entries = decodeJSON([String: Entry].self, project("Tests/Fixtures/pack/manifest.json"))
  static let tensors = Tensors("pack/packed.safetensors")

  static func layer(
    bits: Int, rows: Int, columns: Int, group: Int?, integers: [UInt8], scales: [Float], zeros: [Float],
    form: Grid.Form = .zeroPoint
  ) -> QuantizedLayer {
    QuantizedLayer(
      grid: Grid(bits: bits, groupSize: group, form: form), rows: rows, columns: columns, integers: integers,
      scales: scales, zeros: zeros, minimums: zeros.map { _ in 0 }, groupIndex: nil,
      report: LayerReport(
        layer: "packed", method: .gptq, fallbackReason: nil, relativeOutputError: nil, isOutputEstimated: false,
        loss: 0, damping: 0, isDoublePrecision: false, deadInputs: 0, seconds: 0, flop: 0))
  }

  @Test("the words of the real packer, both ways", arguments: entries.keys.sorted())
  func golden(name: String) throws {
    let entry = try #require(Self.entries[name])
    let q = try Self.tensors.values(name + ".q", as: UInt8.self)
    let zeros = try Self.tensors.values(name + ".zeros", as: Float.self)
    let scales = try Self.tensors.values(name + ".scales_in", as: Float.self)
    let layer = Self.layer(
      bits: entry.bits, rows: entry.out_features, columns: entry.in_features,
      group: entry.group_size < 0 ? nil : entry.group_size, integers: q, scales: scales, zeros: zeros)
    let packed = try PackedLayer(layer, threads: 2)
    #expect(packed.qweight == (try Self.tensors.values(name + ".qweight", as: UInt32.self)))
    #expect(packed.qzeros == (try Self.tensors.values(name + ".qzeros", as: UInt32.self)))
    #expect(packed.scales == (try Self.tensors.values(name + ".scales", as: Float.self)))
    #expect(packed.integers == q)
    #expect(packed.zeros == zeros)
  }

  @Test("integers come back from any shape, bits and form of zero points", arguments: [2, 3, 4, 8])
  func roundTrip(bits: Int) throws {
    var generator = SplitMix64(seed: UInt64(bits))
    for (rows, columns) in [(1, 1), (3, 31), (33, 32), (17, 100), (300, 65)] {
      let group = max(1, columns / 3)
      let groups = (columns + group - 1) / group
      let integers = (0..<rows * columns).map { _ in UInt8(generator.next() >> (64 - UInt64(bits))) }
      let zeros = (0..<rows * groups).map { _ in Float(max(1, generator.next() >> (64 - UInt64(bits)))) }
      let scales = zeros.map { $0 / 8 }
      let layer = Self.layer(
        bits: bits, rows: rows, columns: columns, group: group, integers: integers, scales: scales, zeros: zeros)
      for form in [ZeroPointForm.minusOne, .asTheyAre] {
        let packed = try PackedLayer(layer, zeroPoints: form)
        #expect(packed.integers == integers)
        #expect(packed.zeros == zeros)
        #expect(packed == (try PackedLayer(layer, zeroPoints: form, threads: 1)))
      }
    }
  }

  @Test("what a checkpoint has no room for is refused")
  func refused() throws {
    func code(_ body: () throws(QuantizeError) -> Void) -> QuantizeErrorCode? {
      do throws(QuantizeError) { try body() } catch { return error.code }
      return nil
    }
    let zero = Self.layer(
      bits: 4, rows: 1, columns: 8, group: nil, integers: .init(repeating: 1, count: 8), scales: [1], zeros: [0])
    #expect(code { () throws(QuantizeError) in _ = try PackedLayer(zero) } == .notStorable)
    #expect(code { () throws(QuantizeError) in _ = try PackedLayer(zero, zeroPoints: .asTheyAre) } == nil)
    let five = Self.layer(
      bits: 5, rows: 1, columns: 8, group: nil, integers: .init(repeating: 1, count: 8), scales: [1], zeros: [1])
    #expect(code { () throws(QuantizeError) in _ = try PackedLayer(five) } == .notStorable)
    let minimum = Self.layer(
      bits: 4, rows: 1, columns: 8, group: nil, integers: .init(repeating: 1, count: 8), scales: [1], zeros: [0],
      form: .minimum)
    #expect(code { () throws(QuantizeError) in _ = try PackedLayer(minimum, zeroPoints: .asTheyAre) } == .notStorable)
  }
}

extension PackedLayer {
  /// The integers, `[out, in]`, read bit by bit.
  fileprivate var integers: [UInt8] {
    (0..<rows * columns).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: columns)
      return UInt8(Self.field(column, bits) { qweight[$0 * rows + row] })
    }
  }

  /// The zero points, `[out, groups]`.
  fileprivate var zeros: [Float] {
    let width = (rows * bits + 31) / 32
    return (0..<rows * groups).map { place in
      let (row, group) = place.quotientAndRemainder(dividingBy: groups)
      return Float(Self.field(row, bits) { qzeros[group * width + $0] }) + (zeroPoints == .minusOne ? 1 : 0)
    }
  }

  private static func field(_ number: Int, _ bits: Int, _ word: (Int) -> UInt32) -> UInt32 {
    (0..<bits).reduce(0) { value, bit in
      let at = number * bits + bit
      return value | (word(at / 32) >> UInt32(at % 32) & 1) << UInt32(bit)
    }
  }
}
