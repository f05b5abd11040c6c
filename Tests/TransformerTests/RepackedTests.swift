import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Packed
import TestSupport
import Testing

@testable import Transformer

@Suite("Packed weights in other programs' forms") struct RepackedTests {
  /// One module of LLaMA's, packed as version 2, beside its embedding.
  private func model(
    bits: Int, out: Int = 256, width: Int = 512, group: Int = 128, isSymmetric: Bool = true, exactScales: Bool = true
  ) -> MemorySource {
    var random = SplitMix64(seed: UInt64(bits))
    let values = (0..<out * width).map { _ in Float.random(in: -1...1, using: &random) }
    var linear = RoundedLinear(values, out: out, width: width, bits: bits, group: group, isSymmetric: isSymmetric)
    // Powers of two are numbers of half precision.
    if exactScales { linear.scales = linear.scales.map { $0.binade } }
    var source = MemorySource()
    source.add("model.embed_tokens.weight", .f16, [2, 4], [UInt16](repeating: 0x3C00, count: 8))
    linear.add(to: &source, "model.layers.0.self_attn.q_proj", isVersion2: true, withGroups: true)
    return source
  }

  private func matrix(_ source: any TensorSource, _ name: String = "model.layers.0.self_attn.q_proj.weight") throws
    -> [Float]
  {
    try TensorReader.matrix(source, try #require(source.tensors.firstIndex { $0.name == name })).values
  }

  private func info(_ source: any TensorSource, _ part: String) throws -> TensorInfo {
    try #require(source.tensors.first { $0.name == "model.layers.0.self_attn.q_proj." + part })
  }

  @Test("through BELLE's .pt and back every weight keeps its value", arguments: [2, 3, 4, 8], [true, false])
  func roundTrip(bits: Int, isSymmetric: Bool) throws {
    let source = model(bits: bits, isSymmetric: isSymmetric)
    let packed = try PackedCheckpoint(source, QuantizationSettings(bits: bits, version: .second))
    let wanted = try matrix(packed)
    // A zero point of 0 has no place in version 1.
    let hasZero = try #require(try packed.packedLinear(1)).zeros.contains(0)
    guard !hasZero else {
      let error = #expect(throws: CheckpointError.self) { try RepackedModel(asGPTQ: packed, version: .first) }
      #expect(error?.code == .lossy)
      return
    }
    let belle = try RepackedModel(asBELLE: packed, headSize: 64, rotaryBase: 10000).tensors
    #expect(try info(belle, "scales").dtype == .f32)
    #expect(try info(belle, "bias").shape == [256])
    #expect(!belle.tensors.contains { $0.name.hasSuffix("g_idx") })
    #expect(belle.tensors.contains { $0.name == "model.layers.0.self_attn.rotary_emb.inv_freq" && $0.shape == [32] })
    let folder = try TemporaryFolder()
    _ = try TorchWriter.write(
      belle, Array(belle.tensors.indices), metadata: [:], as: "model.pt", in: folder.path, replacing: true)
    let opened = try PackedCheckpoint(try Checkpoint.open(folder.file("model.pt")), folder: folder.path)
    #expect(try matrix(opened) == wanted)
    let again = try RepackedModel(asGPTQ: opened, version: .second)
    #expect(try info(again.tensors, "scales").dtype == .f16)
    #expect(again.survey.bits == bits && again.survey.groupSize == 128 && again.survey.isSymmetric == isSymmetric)
    #expect(again.settings.format == "gptq_v2")
    #expect(
      try matrix(try PackedCheckpoint(again.tensors, QuantizationSettings(bits: bits, version: .second))) == wanted)
    #expect(!again.tensors.tensors.contains { $0.name.hasSuffix(".bias") || $0.name.hasSuffix("inv_freq") })
    for part in ["qweight", "qzeros"] {
      let name = "model.layers.0.self_attn.q_proj." + part
      #expect(try values(again.tensors, name) == values(source, name))
    }
  }

  private func values(_ source: any TensorSource, _ name: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try source.read(try #require(source.tensors.firstIndex { $0.name == name })) { part in
      part.withUnsafeBytes { bytes += Array($0) }
    }
    return bytes
  }

  @Test("scales that half precision does not have stay in single precision")
  func inexactScales() throws {
    let packed = try PackedCheckpoint(
      model(bits: 4, exactScales: false), QuantizationSettings(bits: 4, version: .second))
    let result = try RepackedModel(asGPTQ: packed, version: .first)
    #expect(!result.survey.hasHalfScales)
    #expect(
      try matrix(try PackedCheckpoint(result.tensors, QuantizationSettings(bits: 4, version: .first))) == matrix(packed)
    )
  }

  @Test("biases of zeros are dropped for LLaMA, others stay")
  func biases() throws {
    var source = model(bits: 4)
    source.add("model.layers.0.self_attn.q_proj.bias", .f32, [256], [Float](repeating: 0, count: 256))
    let packed = try PackedCheckpoint(source, QuantizationSettings(bits: 4, version: .second))
    let dropped = try RepackedModel(asGPTQ: packed, version: .first)
    #expect(!dropped.tensors.tensors.contains { $0.name.hasSuffix(".bias") })
    source.remove("model.layers.0.self_attn.q_proj.bias")
    source.add("model.layers.0.self_attn.q_proj.bias", .f32, [256], [Float](repeating: 0.5, count: 256))
    let kept = try RepackedModel(
      asGPTQ: try PackedCheckpoint(source, QuantizationSettings(bits: 4, version: .second)), version: .first)
    #expect(kept.tensors.tensors.contains { $0.name.hasSuffix(".bias") })
  }

  @Test("what BELLE's form has no place for is refused")
  func refusals() throws {
    func code(_ source: MemorySource) throws -> CheckpointErrorCode? {
      let packed = try PackedCheckpoint(source, QuantizationSettings(version: .second))
      let error = #expect(throws: CheckpointError.self) {
        try RepackedModel(asBELLE: packed, headSize: 64, rotaryBase: 10000)
      }
      return error?.code
    }
    #expect(try code(model(bits: 4, out: 128)) == .lossy)
    var scattered = model(bits: 4)
    scattered.remove("model.layers.0.self_attn.q_proj.g_idx")
    scattered.add("model.layers.0.self_attn.q_proj.g_idx", .i32, [512], (0..<512).map { Int32($0 % 4) })
    #expect(try code(scattered) == .lossy)
    var plain = MemorySource()
    plain.add("model.embed_tokens.weight", .f16, [2, 4], [UInt16](repeating: 0, count: 8))
    #expect(try code(plain) == .unsupportedType)
  }

  @Test("the version is chosen by the grid where nobody says it", arguments: [true, false])
  func version(isSymmetric: Bool) throws {
    let packed = try PackedCheckpoint(
      model(bits: 4, isSymmetric: isSymmetric), QuantizationSettings(bits: 4, version: .second))
    let result = try RepackedModel(asGPTQ: packed, version: nil)
    #expect((result.version == .second) == !isSymmetric)
    #expect(result.settings.format == (isSymmetric ? "gptq" : "gptq_v2"))
    #expect(
      try matrix(
        PackedCheckpoint(result.tensors, QuantizationSettings(bits: 4, version: isSymmetric ? .first : .second)))
        == matrix(packed))
  }

  @Test("scattered groups keep their size in the settings")
  func scattered() throws {
    var source = model(bits: 4)
    source.remove("model.layers.0.self_attn.q_proj.g_idx")
    source.add("model.layers.0.self_attn.q_proj.g_idx", .i32, [512], (0..<512).map { Int32($0 % 4) })
    let packed = try PackedCheckpoint(source, QuantizationSettings(bits: 4, version: .second))
    let settings = try RepackedModel(asGPTQ: packed, version: nil).settings
    #expect(settings.groupSize == 128 && settings.actOrder == true)
  }
}
