import ByteIO
import Checkpoint
import TestSupport
import Testing

@testable import Packed

/// What programs of others say of their folders, and what their tensors say against it.
@Suite("Settings of others") struct SettingsOfOthersTests {
  /// Packs modules under one text of settings, and reads them.
  private func packed(
    _ modules: [String: GPTQModule], _ json: String, as name: String = "quantize_config.json",
    without part: String? = nil
  ) throws -> PackedCheckpoint {
    let folder = try TemporaryFolder()
    var stored = MemorySource()
    for (name, module) in modules.sorted(by: { $0.key < $1.key }) {
      for tensor in module.entries(name) { stored.add(tensor.name, tensor.dtype, tensor.shape, tensor.values) }
      if let part { stored.remove("\(name).\(part)") }
    }
    try folder.write(name, json)
    return try PackedCheckpoint(stored, folder: folder.path)
  }

  /// A module's weights, from its plain numbers.
  private func weights(_ module: GPTQModule) -> [Float] {
    let (integers, scales) = (module.integers, module.scales)
    return (0..<module.outFeatures).flatMap { output in
      (0..<module.inFeatures).map { input in
        let group = module.group?(input) ?? input / module.groupSize
        return Float(Half(scales[group][output])) * Float(integers[output][input] - module.zero(group, output))
      }
    }
  }

  @Test(
    "bits that differ by module are told by shapes, where the settings say that they differ",
    arguments: [
      #""dynamic": {"+:.*b$": {"bits": 8}}"#, #""dynamic": {"-:^head$": {}, ".*b$": {"bits": 8, "group_size": 32}}"#,
      #""extra_config": {"b": {"bits": 8}}"#,
    ])
  func byModule(said: String) throws {
    let modules = [
      "a": GPTQModule(), "b": GPTQModule(bits: 8, groupSize: 32, zero: { _, _ in 128 }),
      "c": GPTQModule(bits: 2, outFeatures: 64, zero: { _, _ in 2 }),
    ]
    let found = try packed(modules, #"{"bits": 4, "group_size": 64, "quant_method": "gptq", \#(said)}"#)
    for (index, info) in found.tensors.enumerated() {
      let module = try #require(modules[String(info.name.prefix(1))])
      #expect(try found.packedLinear(index)?.bits == module.bits && found.floats(index) == weights(module))
    }
  }

  @Test(
    "bits that the settings deny are refused where they do not differ by module",
    arguments: ["", #", "dynamic": {"-:.*b$": {}}"#, #", "dynamic": null"#, #", "extra_config": {}"#])
  func denied(said: String) {
    let error = #expect(throws: CheckpointError.self) {
      try packed(["b": GPTQModule(bits: 8, zero: { _, _ in 128 })], #"{"bits": 4, "quant_method": "gptq"\#(said)}"#)
    }
    #expect(error?.reason.contains("expected the shapes of 4 bits, as the settings say, and found those of 8") == true)
  }

  @Test(
    "zero points that all are the middle tell their version, whatever the settings say",
    arguments: [2, 3, 4, 8], [false, true])
  func version(bits: Int, isVersion2: Bool) throws {
    let module = GPTQModule(bits: bits, outFeatures: 32, isVersion2: isVersion2, zero: { _, _ in 1 << (bits - 1) })
    for (said, isRight) in [("gptq", !isVersion2), ("gptq_v2", isVersion2)] {
      for symmetry in ["", #", "sym": true"#] {
        let json = #"{"bits": \#(bits), "quant_method": "gptq", "checkpoint_format": "\#(said)"\#(symmetry)}"#
        let found = try packed(["m": module], json)
        #expect(try (found.versionNote == nil) == isRight && found.floats(0) == weights(module))
      }
      // What is said not to be symmetric may have few zero points alike by chance, but not many.
      let json = #"{"bits": \#(bits), "quant_method": "gptq", "checkpoint_format": "\#(said)", "sym": false}"#
      #expect(try packed(["m": module], json).versionNote == nil)
      let many = Dictionary(uniqueKeysWithValues: (0..<4).map { ("m\($0)", module) })
      #expect(try (packed(many, json).versionNote == nil) == isRight)
    }
  }

  @Test("one zero point besides the middle tells nothing, in whichever module it is", arguments: ["a", "b", "c"])
  func noVersion(name: String) throws {
    var modules = Dictionary(uniqueKeysWithValues: ["a", "b", "c"].map { ($0, GPTQModule(isVersion2: true)) })
    modules[name]?.zero = { group, output in group == 1 && output == 5 ? 9 : 8 }
    let found = try packed(modules, #"{"bits": 4, "quant_method": "gptq", "checkpoint_format": "gptq"}"#)
    #expect(found.versionNote == nil)
  }

  @Test(
    "auto-round's folders are GPTQ's or AutoAWQ's by the name of their form",
    arguments: [
      (#""packing_format": "auto_round:auto_gptq""#, false), (#""packing_format": "auto_round:gptqmodel""#, true),
      (#""packing_format": "auto_round""#, true), (#""backend": "auto_round:gptq""#, false), (#""seed": 1"#, false),
    ])
  func autoRound(said: String, isVersion2: Bool) throws {
    let module = GPTQModule(isVersion2: isVersion2, zero: { group, output in 3 + (group + output) % 9 })
    for method in ["auto-round", "intel/auto-round"] {
      let json =
        #"{"quantization_config": {"bits": 4, "group_size": 64, "sym": false, "quant_method": "\#(method)", \#(said)}}"#
      let found = try packed(["m": module], json, as: "config.json", without: "g_idx")
      #expect(try found.floats(0) == weights(module))
    }
  }

  @Test(
    "forms of auto-round that are not read are named",
    arguments: ["auto_round:fp8_static", "auto_round:llm_compressor"])
  func autoRoundRefused(form: String) {
    let json = #"{"bits": 4, "quant_method": "auto-round", "packing_format": "\#(form)"}"#
    let error = #expect(throws: CheckpointError.self) { try packed(["m": GPTQModule()], json) }
    #expect(error?.code == .unknownFormat && error?.reason.contains("auto") == true, "\(error?.reason ?? "")")
  }

  @Test("the settings are found under each name that GPTQModel looks for, its own first")
  func names() throws {
    let folder = try TemporaryFolder()
    try folder.write("config.json", #"{"quantization_config": {"bits": 2}}"#)
    #expect(try QuantizationSettings.read(folder.path)?.bits == 2)
    try folder.write("quant_config.json", #"{"bits": 3}"#)
    #expect(try QuantizationSettings.read(folder.path)?.bits == 3)
    try folder.write("quantize_config.json", #"{"bits": 4}"#)
    #expect(try QuantizationSettings.read(folder.path)?.bits == 4)
  }

  @Test("a last group that is shorter is one by the settings' size, and groups of unknown size are refused")
  func lastGroup() throws {
    // 128 inputs in groups of 48: 48, 48 and 32.
    var module = GPTQModule(group: { $0 / 48 })
    module.groupSize = 42
    #expect(module.groupCount == 3)
    let found = try packed(["m": module], #"{"bits": 4, "group_size": 48, "quant_method": "gptq"}"#, without: "g_idx")
    #expect(try found.floats(0) == weights(module))
    let error = #expect(throws: CheckpointError.self) {
      try packed(["m": module], #"{"bits": 4, "quant_method": "gptq"}"#, without: "g_idx")
    }
    #expect(error?.reason.contains("128 inputs are in 3 groups of unknown size") == true)
  }

  @Test("what the settings in a file of their own do not say is config.json's")
  func completed() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "config.json",
      #"{"quantization_config": {"bits": 3, "group_size": 64, "quant_method": "gptq", "checkpoint_format": "gptq_v2"}}"#
    )
    try folder.write("quant_config.json", #"{"zero_point": true, "group_size": 32}"#)
    let found = try #require(try QuantizationSettings.read(folder.path))
    #expect(found.bits == 3 && found.groupSize == 32 && found.method == "gptq" && found.version == .second)
  }
}
