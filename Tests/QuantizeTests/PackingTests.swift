import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Packed
import TestSupport
import Testing

@testable import Quantize

@Suite("Integers in files") struct PackingTests {
  struct Entry: Decodable, Sendable {
    let bits: Int
    let group_size: Int
    let in_features: Int
    let out_features: Int
  }
  static let entries = decodeJSON([String: Entry].self, project("Tests/Fixtures/pack/manifest.json"))
  static let tensors = Tensors("pack/packed.safetensors")

  static func weights(
    bits: Int, rows: Int, columns: Int, group: Int?, integers: [UInt8], scales: [Float], zeros: [Float]
  ) -> PackedLinear {
    PackedLinear(
      bits: bits, outFeatures: rows, inFeatures: columns, codes: .bytes(integers), scales: scales, scaleType: .f32,
      offsets: .zeros(zeros.map { UInt16($0) }),
      groups: PackedLinear.contiguousGroups(of: group ?? columns, inputs: columns))
  }

  /// The tensors of a module in a form.
  private func packed(_ weights: PackedLinear, _ form: some WritableForm, threads: Int = 2) throws -> TensorView {
    let module = LinearModule(name: "m", outFeatures: weights.outFeatures, inFeatures: weights.inFeatures)
    return try TensorView(try form.entries(weights, of: module, threads: threads))
  }

  private func words(_ source: TensorView, _ part: String) throws -> [UInt32] {
    words(try bytes(source, part))
  }

  private func index(_ source: TensorView, _ part: String) throws -> Int {
    try #require(source.tensors.firstIndex { $0.name == "m." + part })
  }

  private func bytes(_ source: TensorView, _ part: String) throws -> [UInt8] {
    try source.allBytes(try index(source, part))
  }

  private func words(_ bytes: [UInt8]) -> [UInt32] {
    stride(from: 0, to: bytes.count, by: 4).map { at in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
  }

  @Test("the words of the real packer, both ways", arguments: entries.keys.sorted())
  func golden(name: String) throws {
    let entry = try #require(Self.entries[name])
    let q = try Self.tensors.values(name + ".q", as: UInt8.self)
    let zeros = try Self.tensors.values(name + ".zeros", as: Float.self)
    let scales = try Self.tensors.values(name + ".scales_in", as: Float.self)
    let weights = Self.weights(
      bits: entry.bits, rows: entry.out_features, columns: entry.in_features,
      group: entry.group_size < 0 ? nil : entry.group_size, integers: q, scales: scales, zeros: zeros)
    let form = GPTQForm(version: .first)
    let packed = try packed(weights, form)
    #expect(try words(packed, "qweight") == Self.tensors.values(name + ".qweight", as: UInt32.self))
    #expect(try words(packed, "qzeros") == Self.tensors.values(name + ".qzeros", as: UInt32.self))
    let wanted = try Self.tensors.values(name + ".scales", as: Float.self)
    #expect(try packed.floats(index(packed, "scales")) == wanted)
    let read = try #require(try PackedCheckpoint(packed, QuantizationSettings(version: .first)).packedLinear(0))
    #expect(read.integers(ofRows: 0..<entry.out_features) == q && read.zeros.map { Float($0) } == zeros)
  }

  @Test("integers come back from any shape, bits and form of zero points", arguments: [2, 3, 4, 8])
  func roundTrip(bits: Int) throws {
    var generator = SplitMix64(seed: UInt64(bits))
    for (rows, columns) in [(1, 32), (3, 32), (33, 32), (17, 96), (300, 64)] {
      let group = max(1, columns / 3)
      let groups = (columns + group - 1) / group
      let integers = (0..<rows * columns).map { _ in UInt8(generator.next() >> (64 - UInt64(bits))) }
      let zeros = (0..<rows * groups).map { _ in Float(max(1, generator.next() >> (64 - UInt64(bits)))) }
      let weights = Self.weights(
        bits: bits, rows: rows, columns: columns, group: group, integers: integers, scales: zeros.map { $0 / 8 },
        zeros: zeros)
      for version in [GPTQVersion.first, .second] {
        let packed = try packed(weights, GPTQForm(version: version))
        #expect(try Self.integers(words(packed, "qweight"), bits, rows: rows, columns: columns) == integers)
        let stored = try Self.zeros(words(packed, "qzeros"), bits, rows: rows, groups: groups)
        #expect(stored.map { $0 + (version == .first ? 1 : 0) } == zeros)
        let alone = try self.packed(weights, GPTQForm(version: version), threads: 1)
        for part in ["qweight", "qzeros", "scales", "g_idx"] {
          #expect(try bytes(packed, part) == bytes(alone, part))
        }
        let settings = QuantizationSettings(bits: bits, version: version)
        let read = try #require(try PackedCheckpoint(packed, settings).packedLinear(0))
        #expect(read.integers(ofRows: 0..<rows) == integers && read.zeros == weights.zeros)
        #expect(read.scales == weights.scales && read.groups == weights.groups)
      }
    }
  }

  /// The integers, `[out, in]`, read bit by bit.
  private static func integers(_ qweight: [UInt32], _ bits: Int, rows: Int, columns: Int) -> [UInt8] {
    (0..<rows * columns).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: columns)
      return UInt8(field(column, bits) { qweight[$0 * rows + row] })
    }
  }

  /// The fields of zero points, `[out, groups]`.
  private static func zeros(_ qzeros: [UInt32], _ bits: Int, rows: Int, groups: Int) -> [Float] {
    let width = (rows * bits + 31) / 32
    return (0..<rows * groups).map { place in
      let (row, group) = place.quotientAndRemainder(dividingBy: groups)
      return Float(field(row, bits) { qzeros[group * width + $0] })
    }
  }

  private static func field(_ number: Int, _ bits: Int, _ word: (Int) -> UInt32) -> UInt32 {
    (0..<bits).reduce(0) { value, bit in
      let at = number * bits + bit
      return value | (word(at / 32) >> UInt32(at % 32) & 1) << UInt32(bit)
    }
  }

  @Test("what a checkpoint has no room for is refused")
  func refused() throws {
    func code(_ weights: PackedLinear, _ version: GPTQVersion = .first) -> CheckpointErrorCode? {
      do { _ = try packed(weights, GPTQForm(version: version)) } catch { return (error as? CheckpointError)?.code }
      return nil
    }
    func weights(bits: Int, zero: Float) -> PackedLinear {
      Self.weights(
        bits: bits, rows: 1, columns: 8, group: nil, integers: .init(repeating: 1, count: 8), scales: [1],
        zeros: [zero])
    }
    #expect(code(weights(bits: 4, zero: 0)) == .lossy)
    #expect(code(weights(bits: 4, zero: 0), .second) == nil)
    #expect(code(weights(bits: 4, zero: 16)) == nil)
    #expect(code(weights(bits: 4, zero: 16), .second) == .lossy)
    #expect(code(weights(bits: 5, zero: 1)) == .lossy)
    let minimum = PackedLinear(
      bits: 4, outFeatures: 1, inFeatures: 8, codes: .bytes(.init(repeating: 1, count: 8)), scales: [1],
      scaleType: .f32, offsets: .minimums([0]), groups: PackedLinear.contiguousGroups(of: 8, inputs: 8))
    #expect(code(minimum, .second) == .lossy)
  }
}
