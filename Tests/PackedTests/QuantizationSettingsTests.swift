import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Packed

@Suite("QuantizationSettings") struct QuantizationSettingsTests {
  private func read(_ json: String, in name: String = "quantize_config.json") throws -> QuantizationSettings? {
    let folder = try TemporaryFolder()
    try folder.write(name, json)
    return try QuantizationSettings.read(folder.path)
  }

  @Test("what GPTQModel wrote is read, and what was written is read back")
  func reading() throws {
    let folder = try TemporaryFolder()
    #expect(try QuantizationSettings.read(folder.path) == nil)
    let found = try #require(try QuantizationSettings.read(project("Tests/Fixtures/gptqmodel")))
    #expect(found.bits == 4 && found.groupSize == 32 && found.actOrder == false && found.isSymmetric == true)
    #expect(found.method == "gptq" && found.format == "gptq" && found.meta?.quantizer == ["gptqmodel:7.7.0"])
    #expect(PackedForms.unknown(found).isEmpty && found.version == .first)
    var settings = QuantizationSettings()
    settings.bits = 3
    settings.groupSize = -1
    settings.format = "gptq_v2"
    try folder.write("quantize_config.json", settings.text())
    #expect(try QuantizationSettings.read(folder.path) == settings && settings.version == .second)
  }

  @Test("another version of auto-round's folder is GPTQ's by every key")
  func otherVersion() throws {
    for packing in ["auto_round:auto_gptq", "auto_round:gptqmodel"] {
      var object: [String: Any] = [
        "bits": 4, "group_size": 32, "sym": false, "quant_method": "auto-round", "packing_format": packing,
      ]
      for version in [GPTQVersion.second, .first] {
        QuantizationSettings.setVersion(version, in: &object)
        let text = String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
        let found = try #require(try read(text))
        #expect(found.version == version && found.method == "gptq" && found.program == nil)
      }
    }
  }

  @Test("two places that say another format are refused, and other differences are the doctor's")
  func contradiction() throws {
    let folder = try TemporaryFolder()
    try folder.write("quantize_config.json", #"{"bits": 4, "checkpoint_format": "gptq_v2"}"#)
    try folder.write("config.json", #"{"quantization_config": {"bits": 4, "checkpoint_format": "gptq"}}"#)
    let error = #expect(throws: CheckpointError.self) { try QuantizationSettings.read(folder.path) }
    #expect(error?.reason.contains("gptq_v2") == true && error?.reason.contains("config.json") == true)
    try folder.write("config.json", #"{"quantization_config": {"bits": 8}}"#)
    #expect(try QuantizationSettings.read(folder.path)?.bits == 4)
  }

  @Test("the file's text has its keys in order, and none for what is not said")
  func writing() throws {
    var settings = QuantizationSettings()
    settings.bits = 4
    settings.groupSize = 128
    settings.actOrder = false
    settings.damping = 0.01
    settings.method = "gptq"
    settings.meta = QuantizationSettings.Meta(quantizer: ["belle-tools:1"], method: "gptq")
    settings.dynamic = ["-:^lm_head$": [:]]
    let wanted = """
      {
        "bits" : 4,
        "damp_percent" : 0.01,
        "desc_act" : false,
        "dynamic" : {
          "-:^lm_head$" : {

          }
        },
        "group_size" : 128,
        "meta" : {
          "method" : "gptq",
          "quantizer" : [
            "belle-tools:1"
          ]
        },
        "quant_method" : "gptq"
      }

      """
    #expect(String(decoding: try settings.text(), as: UTF8.self) == wanted)
  }

  @Test("quantize_config.json comes first, then config.json, where other keys mean nothing")
  func places() throws {
    #expect(try read(#"{"hidden_size": 1}"#, in: "config.json") == nil)
    let json = #"{"bits": 1, "quantization_config": {"bits": 8.0, "group_size": null, "format": "gptq_v2"}}"#
    let inner = try read(json, in: "config.json")
    #expect(inner?.bits == 8 && inner?.groupSize == nil && inner?.version == .second)
    let folder = try TemporaryFolder()
    try folder.write("config.json", json)
    try folder.write("quantize_config.json", #"{"bits": 2, "meta": {"quantizer": "one"}}"#)
    let both = try QuantizationSettings.read(folder.path)
    #expect(both?.bits == 2 && both?.format == nil && both?.meta?.quantizer == ["one"])
  }

  @Test(
    "what is not known is named by its key",
    arguments: [
      (#"{"quant_method": "hqq", "format": "gemm"}"#, ["quant_method hqq", "format gemm"]),
      (#"{"checkpoint_format": "marlin", "format": "gptq"}"#, ["checkpoint_format marlin"]),
      (#"{"pack_dtype": "int16"}"#, ["pack_dtype int16"]), (#"{"pack_dtype": "int32", "bits": 4}"#, []),
    ])
  func unknown(json: String, wanted: [String]) throws {
    #expect(try read(json).map(PackedForms.unknown)?.map { "\($0.key) \($0.value)" } == wanted)
  }

  @Test(
    "a value of another type is named by its key",
    arguments: ["bits", "group_size", "desc_act", "sym", "quant_method", "checkpoint_format", "format", "pack_dtype"])
  func types(key: String) throws {
    let error = #expect(throws: CheckpointError.self) { try read(#"{"\#(key)": [1]}"#) }
    #expect(error?.code == .malformed && error?.reason.contains(": \(key) is of another type") == true)
    let inner = #expect(throws: CheckpointError.self) {
      try read(#"{"quantization_config": {"\#(key)": [1]}}"#, in: "config.json")
    }
    #expect(inner?.reason.contains(": quantization_config.\(key) is of another type") == true)
    #expect(throws: CheckpointError.self) { try read("[]") }
  }

  @Test("changing the format of a foreign object changes nothing else")
  func changing() {
    var object: [String: Any] = ["bits": 4, "anything": "else", "format": "gptq"]
    QuantizationSettings.setVersion(.second, in: &object)
    #expect(object["checkpoint_format"] as? String == "gptq_v2" && object["format"] as? String == "gptq_v2")
    #expect(object["anything"] as? String == "else" && object.count == 4)
    object["format"] = nil
    QuantizationSettings.setVersion(.first, in: &object)
    #expect(object["checkpoint_format"] as? String == "gptq" && object["format"] == nil)
  }
}
