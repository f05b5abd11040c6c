import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Model

@Suite("Stored frequencies of positions") struct RotaryFrequenciesTests {
  /// - Parameter values: of heads of 16.
  private func check(_ values: [Double], base: Double?, scaled: [Float] = []) throws -> String? {
    let bytes = values.flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt64($0))) }
    }
    return try RotaryFrequencies(headSize: 16, base: base, scaled: scaled, configuration: "folder/config.json").check(
      MemorySource([("model.rotary_emb.inv_freq", .f64, [values.count], bytes)]))
  }

  private func frequencies(_ base: Double) -> [Double] { (0..<8).map { pow(base, -Double($0) / 8) } }

  @Test("frequencies of the base, rounded however far, and scaled ones that the configuration scales")
  func frequencies() throws {
    for base in [10000, 500_000, 1e6] as [Double] {
      #expect(try check(frequencies(base), base: base) == nil)
      #expect(try check(frequencies(base).map { Double(Float16($0)) }, base: base) == nil)
      // bfloat16: the upper half of a single.
      let short = frequencies(base).map { Double(Float(bitPattern: (Float($0).bitPattern + 0x8000) & 0xFFFF_0000)) }
      #expect(try check(short, base: base) == nil)
    }
    #expect(try check(frequencies(10000), base: nil) == nil)
    let halved = frequencies(10000).map { $0 / 2 }
    #expect(try check(halved, base: nil, scaled: halved.map(Float.init)) == nil)
    #expect(try check(frequencies(10000), base: nil, scaled: halved.map(Float.init)) == nil)
  }

  @Test("frequencies of another base: an error where none is named, else told", arguments: [500, 12000, 1e6, 26000.5])
  func others(base: Double) throws {
    let told = try check(frequencies(base), base: 10000)
    #expect(told?.contains("not those of base 10000, but those of base ") == true)
    #expect(told?.contains("config.json says 10000") == true)
    let error = #expect(throws: CheckpointError.self) { try check(frequencies(base), base: nil) }
    #expect(
      error?.reason.contains("model.rotary_emb.inv_freq") == true
        && error?.remedy?.description.contains("rope_theta") == true)
    let halved = frequencies(10000).map { $0 / 2 }
    #expect(throws: CheckpointError.self) { try check(halved, base: nil) }
  }

  @Test("numbers that are no frequencies are told, and no error")
  func nonsense() throws {
    let falling = frequencies(10000)
    for values in [
      [], [1], Array(falling.reversed()), falling.map { -$0 }, falling.map { $0 * .nan }, falling.map { _ in 1 },
    ] {
      #expect(try check(values, base: nil)?.contains("is not a list of frequencies") == true)
    }
    for type in [DType.i32, .u8] {
      let info = MemorySource([("rope.freqs", type, [2], [UInt8](repeating: 1, count: 2 * (type.byteCount ?? 1)))])
      #expect(try RotaryFrequencies(headSize: 4, base: nil, configuration: "").check(info) != nil)
    }
  }
}
