import ByteIO
import Checkpoint
import TestSupport
import Testing

@testable import Packed

@Suite("PlanarForm") struct PlanarFormTests {
  /// The bits of an integer that each plane holds, from the lowest: what GPTQModel's planar_packing.py says.
  private static let planes = [
    2: [0..<2], 3: [0..<2, 2..<3], 4: [0..<4], 5: [0..<4, 4..<5], 6: [0..<4, 4..<6], 7: [0..<4, 4..<6, 6..<7],
    8: [0..<8],
  ]

  /// 32 integers as a stream of bits, plane after plane, in words.
  private static func words(_ integers: [Int], bits: Int) -> [UInt32] {
    var stream: [Int] = []
    for plane in planes[bits] ?? [] {
      for integer in integers { stream += plane.map { integer >> $0 & 1 } }
    }
    return stride(from: 0, to: stream.count, by: 32).map { start in
      (0..<32).reduce(UInt32(0)) { $0 | UInt32(stream[start + $1]) << UInt32($1) }
    }
  }

  private static func words(along values: [Int], bits: Int) -> [UInt32] {
    stride(from: 0, to: values.count, by: 32).flatMap { words(Array(values[$0..<$0 + 32]), bits: bits) }
  }

  private static func settings(_ bits: Int?) -> QuantizationSettings {
    var settings = QuantizationSettings(bits: bits)
    (settings.method, settings.format) = ("gptq", "gptq_p")
    return settings
  }

  /// A module, its integers `[out][in]` and its zero points `[groups][out]`.
  private func module(_ inputs: Int, _ outputs: Int, groups: Int, bits: Int, isScattered: Bool) -> (
    source: MemorySource, q: [[Int]], zeros: [[Int]], group: (Int) -> Int
  ) {
    var random = SplitMix64(seed: UInt64(bits))
    let draw = { (rows: Int, columns: Int) in
      (0..<rows).map { _ in (0..<columns).map { _ in Int(random.next() % (1 << UInt64(bits))) } }
    }
    let (q, zeros) = (draw(outputs, inputs), draw(groups, outputs))
    let group = { (input: Int) in isScattered ? input % groups : input / (inputs / groups) }
    let columns = q.map { Self.words(along: $0, bits: bits) }
    var source = MemorySource()
    source.add(
      "m.qweight", .i32, [columns[0].count, outputs], (0..<columns[0].count).flatMap { row in columns.map { $0[row] } })
    source.add("m.qzeros", .i32, [groups, outputs * bits / 32], zeros.flatMap { Self.words(along: $0, bits: bits) })
    source.add("m.scales", .f32, [groups, outputs], (0..<groups * outputs).map { Float($0 + 1) / 64 })
    if isScattered { source.add("m.g_idx", .i32, [inputs], (0..<inputs).map { UInt32(group($0)) }) }
    return (source, q, zeros, group)
  }

  @Test("integers and zero points are found in their planes", arguments: 2...8, [false, true])
  func places(bits: Int, isScattered: Bool) throws {
    let (inputs, outputs, groups) = (96, 64, 3)
    let (source, q, zeros, group) = module(inputs, outputs, groups: groups, bits: bits, isScattered: isScattered)
    let packed = try PackedCheckpoint(source, Self.settings(bits))
    let values = try packed.floats(0)
    for output in 0..<outputs {
      for input in 0..<inputs {
        let scale = Float(group(input) * outputs + output + 1) / 64
        #expect(values[output * inputs + input] == scale * Float(q[output][input] - zeros[group(input)][output]))
      }
    }
  }

  @Test("widths that are no multiple of 32 are refused")
  func widths() throws {
    var source = MemorySource()
    source.add("m.qweight", .i32, [5, 16], [UInt32](repeating: 0, count: 80))
    source.add("m.qzeros", .i32, [1, 3], [UInt32](repeating: 0, count: 3))
    source.add("m.scales", .f32, [1, 16], [Float](repeating: 1, count: 16))
    let error = #expect(throws: CheckpointError.self) { try PackedCheckpoint(source, Self.settings(5)) }
    #expect(error?.reason.contains("multiples of 32") == true, "\(error?.reason ?? "")")
  }

  @Test("a g_idx of another length than the integers is refused")
  func otherLength() throws {
    var (source, _, _, _) = module(32, 32, groups: 1, bits: 3, isScattered: true)
    source.remove("m.g_idx")
    source.add("m.g_idx", .i32, [30], [UInt32](repeating: 0, count: 30))
    let error = #expect(throws: CheckpointError.self) { try PackedCheckpoint(source, Self.settings(3)) }
    #expect(error?.reason.contains("30") == true && error?.reason.contains("32") == true)
  }

  @Test("shapes of nothing whose numbers would overflow are refused", arguments: [[1 << 60, 0], [0, 1 << 62]])
  func overflow(shape: [Int]) {
    var source = MemorySource()
    source.add("m.qweight", .i32, shape, [UInt32]())
    source.add("m.qzeros", .i32, [1, 1], [0 as UInt32])
    source.add("m.scales", .f32, [1, 1], [0 as Float])
    var settings = QuantizationSettings(bits: 4)
    settings.method = "gptq"
    #expect(throws: CheckpointError.self) { try PackedCheckpoint(source, settings) }
  }
}
