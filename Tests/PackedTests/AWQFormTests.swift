import ByteIO
import Checkpoint
import TestSupport
import Testing

@testable import Packed

@Suite("AWQForm") struct AWQFormTests {
  private let settings: QuantizationSettings = {
    var settings = QuantizationSettings(bits: 4)
    settings.method = "awq"
    return settings
  }()

  /// Place i of a word holds its output order[i].
  private static let order = [0, 2, 4, 6, 1, 3, 5, 7]

  private static func words(_ rows: [[Int]]) -> [UInt32] {
    rows.flatMap { row in
      stride(from: 0, to: row.count, by: 8).map { start in
        order.enumerated().reduce(UInt32(0)) { $0 | UInt32(row[start + $1.element]) << UInt32(4 * $1.offset) }
      }
    }
  }

  /// A module of whole numbers: its integers `[in][out]` and zero points `[groups][out]`.
  private func module(_ inputs: Int, _ outputs: Int, groups: Int) -> (MemorySource, q: [[Int]], zeros: [[Int]]) {
    var random = SplitMix64(seed: UInt64(inputs))
    let draw = { (rows: Int) in (0..<rows).map { _ in (0..<outputs).map { _ in Int(random.next() % 16) } } }
    let (q, zeros) = (draw(inputs), draw(groups))
    var source = MemorySource()
    source.add("m.qweight", .i32, [inputs, outputs / 8], Self.words(q))
    source.add("m.qzeros", .i32, [groups, outputs / 8], Self.words(zeros))
    source.add("m.scales", .f32, [groups, outputs], (0..<groups * outputs).map { Float($0 + 1) / 64 })
    source.add("m.bias", .f32, [outputs], [Float](repeating: 1, count: outputs))
    return (source, q, zeros)
  }

  @Test(
    "integers, zero points and scales are found where the words hold them",
    arguments: [(16, 8, 1), (40, 24, 5), (12, 16, 3)])
  func places(inputs: Int, outputs: Int, groups: Int) throws {
    let (source, q, zeros) = module(inputs, outputs, groups: groups)
    for settings in [settings, nil] {
      let packed = try PackedCheckpoint(source, settings)
      #expect(packed.tensors.map(\.name) == ["m.weight", "m.bias"] && !packed.isGPTQ)
      let weights = try #require(try packed.packedLinear(0))
      #expect(weights.bits == 4 && weights.groupSize == inputs / groups && weights.groupCount == groups)
      let integers = weights.integers(ofRows: 0..<outputs)
      let values = try packed.floats(0)
      for output in 0..<outputs {
        for input in 0..<inputs {
          let group = input / (inputs / groups)
          #expect(Int(integers[output * inputs + input]) == q[input][output])
          #expect(Int(weights.zeros[output * groups + group]) == zeros[group][output])
          let scale = Float(group * outputs + output + 1) / 64
          #expect(values[output * inputs + input] == scale * Float(q[input][output] - zeros[group][output]))
        }
      }
    }
  }

  @Test("what does not fit is refused")
  func refusals() throws {
    func error(_ change: (inout MemorySource) -> Void, bits: Int = 4) -> CheckpointError? {
      var (source, _, _) = module(16, 16, groups: 2)
      change(&source)
      var settings = settings
      settings.bits = bits
      do { _ = try PackedCheckpoint(source, settings) } catch { return error as? CheckpointError }
      return nil
    }
    #expect(error { _ in } == nil)
    #expect(error({ _ in }, bits: 3)?.reason.contains("AWQ's integers have 4 bits") == true)
    #expect(error { $0.remove("m.scales") }?.reason.contains("scales is missing") == true)
    func replaced(_ part: String, _ shape: [Int]) -> CheckpointError? {
      error { source in
        source.remove("m." + part)
        let count = shape.reduce(1, *)
        part == "scales"
          ? source.add("m." + part, .f32, shape, [Float](repeating: 1, count: count))
          : source.add("m." + part, .i32, shape, [Int32](repeating: 0, count: count))
      }
    }
    #expect(replaced("qzeros", [2, 3])?.reason.contains("do not fit") == true)
    #expect(replaced("scales", [3, 16])?.reason.contains("do not fit") == true)
    #expect(replaced("qweight", [15, 2])?.reason.contains("are not a multiple of the") == true)
    #expect(replaced("qweight", [16, 4])?.reason.contains("do not fit") == true)
  }

  @Test("versions are read from every key that programs write, in any case")
  func versions() throws {
    func unknown(_ json: String) throws -> [String] {
      let folder = try TemporaryFolder()
      try folder.write("quantize_config.json", json)
      return try QuantizationSettings.read(folder.path).map(PackedForms.unknown)?.map { "\($0.key) \($0.value)" } ?? []
    }
    #expect(try unknown(#"{"quant_method": "awq", "version": "GEMM", "bits": 4}"#) == [])
    #expect(try unknown(#"{"quant_method": "awq", "format": "gemm"}"#) == [])
    #expect(try unknown(#"{"quant_method": "awq", "checkpoint_format": "gemm", "version": "gemv"}"#) == [])
    #expect(try unknown(#"{"quant_method": "awq", "version": "GEMV"}"#) == ["version gemv"])
    #expect(try unknown(#"{"quant_method": "awq", "format": "gptq"}"#) == ["format gptq"])
    #expect(try unknown(#"{"quant_method": "awq", "version": "gemm", "backend": "llm-awq"}"#) == ["backend llm-awq"])
    #expect(try unknown(#"{"quant_method": "gptq", "version": 2}"#) == [])
  }
}
